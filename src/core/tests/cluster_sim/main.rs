//! The simulation of bootstrap and membership: servers with disks, in one thread, from one number, with everything
//! going wrong; then with nothing going wrong any more, until they must be one cluster.
//!
//! `CLUSTER_SEEDS=10000 cargo test -p dkron-core --test cluster_sim` runs more seeds; `CLUSTER_SEED=17` runs one
//! and prints what happens in it (with `-- --nocapture servers_become`), under the fault that `CLUSTER_MUTANT`
//! names, if it does.

#[path = "../sim/chance.rs"]
mod chance;
mod checks;
mod disk;
mod faults;
mod group;
mod message;
mod mutants;
mod plot;
mod process;
mod world;

use mutants::Mutant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::World;

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Counted {
    events: u64,
    attempts: u64,
    withdrawn: u64,
    set_aside: u64,
    changes: u64,
    /// Changes whose leader died in between.
    unfinished: u64,
    /// Runs whose first cluster has lost its quorum before it was founded.
    left_to_a_person: u64,
}

fn run(seed: u64, mutant: Option<Mutant>, print: bool) -> (Result<(), String>, Counted) {
    let mut world = World::new(seed, mutant, print);
    let result = catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(format!("panic: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?")))
    });
    (result, world.counted)
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

fn chosen_mutant() -> Option<Mutant> {
    let name = std::env::var("CLUSTER_MUTANT").ok()?;
    Mutant::ALL.into_iter().find(|mutant| format!("{mutant:?}") == name)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it measures the simulation, which has a clock of its own")]
fn servers_become_one_cluster_and_never_two_whatever_goes_wrong() {
    if let Some(seed) = number_of("CLUSTER_SEED") {
        let (result, counted) = run(seed, chosen_mutant(), true);
        println!("{counted:?}");
        return assert_eq!(result, Ok(()), "seed {seed}");
    }
    let seeds = number_of("CLUSTER_SEEDS").unwrap_or(1_000);
    let began = std::time::Instant::now();
    let mut total = Counted::default();
    let mut wrong: Vec<String> = Vec::new();
    for seed in 0..seeds {
        let (result, counted) = run(seed, None, false);
        total.events += counted.events;
        total.attempts += counted.attempts;
        total.withdrawn += counted.withdrawn;
        total.set_aside += counted.set_aside;
        total.changes += counted.changes;
        total.unfinished += counted.unfinished;
        total.left_to_a_person += counted.left_to_a_person;
        wrong.extend(result.err().map(|problem| format!("seed {seed}: {problem}")));
    }
    let rate = seeds as f64 / began.elapsed().as_secs_f64();
    println!("seeds 0..{seeds}, {rate:.1} a second: {total:?}");
    let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {seeds} seeds fail:\n{shown}", wrong.len());
    assert!(
        total.withdrawn > 0 && total.set_aside > 0 && total.unfinished > 0 && total.changes > seeds,
        "not all was tried: {total:?}"
    );
}

#[test]
fn a_seed_is_a_whole_run() {
    for seed in 0..5 {
        let (one, other) = (run(seed, None, false), run(seed, None, false));
        assert_eq!(one, other, "seed {seed}");
        assert!(one.1.events > 1_000, "seed {seed} is an empty run");
    }
}

#[test]
fn every_fault_that_is_put_in_is_found_within_five_hundred_seeds() {
    let mut wrong = Vec::new();
    for mutant in Mutant::ALL.into_iter().filter(|mutant| chosen_mutant().is_none_or(|only| only == *mutant))
    {
        let found = (0..500).find_map(|seed| run(seed, Some(mutant), false).0.err().map(|why| (seed, why)));
        println!("{mutant:?}: {found:?}");
        let expected = |why: &str| mutant.found_by().iter().any(|start| why.starts_with(start));
        if !found.is_some_and(|(_, why)| expected(&why)) {
            wrong.push(mutant);
        }
    }
    assert!(wrong.is_empty(), "not found, or not for what they are: {wrong:?}");
}
