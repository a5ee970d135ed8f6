//! The simulation: whole clusters of the real rules in one thread, from one number, with everything going wrong.
//!
//! `SIM_SEEDS=10000 cargo test -p dkron-core --test sim` runs more seeds; `SIM_SEED=17` runs one and prints what
//! happens in it (with `-- --nocapture a_cluster`), under the fault that `SIM_MUTANT` names, if it does.

mod agent;
mod chance;
mod checks;
mod client;
mod clock;
mod event;
mod faults;
mod indexes;
mod jobs;
mod log;
mod mutants;
mod server;
mod trace;
mod upgrade;
mod world;

use checks::Counted;
use event::Settings;
use mutants::Mutant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::World;

/// How a run ended.
struct Run {
    result: Result<(), String>,
    trace: (u64, u64),
    counted: Counted,
}

fn run(seed: u64, mutant: Option<Mutant>, print: bool) -> Run {
    let mut world = World::new(Settings { seed, mutant, print });
    let result = catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(format!("panic: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?")))
    });
    Run { result, trace: world.trace.digest(), counted: world.checks.counted }
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// The mutant that `SIM_MUTANT` names.
fn chosen_mutant() -> Option<Mutant> {
    let name = std::env::var("SIM_MUTANT").ok()?;
    Mutant::ALL.into_iter().find(|mutant| format!("{mutant:?}") == name)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it measures the simulation, which has clocks of its own")]
fn a_cluster_keeps_its_promises_whatever_goes_wrong() {
    if let Some(seed) = number_of("SIM_SEED") {
        let run = run(seed, chosen_mutant(), true);
        return assert_eq!(run.result, Ok(()), "seed {seed}");
    }
    let seeds = number_of("SIM_SEEDS").unwrap_or(200);
    let began = std::time::Instant::now();
    let mut total = Counted::default();
    let mut wrong: Vec<String> = Vec::new();
    for seed in 0..seeds {
        let run = run(seed, None, false);
        total.entries += run.counted.entries;
        total.ticks += run.counted.ticks;
        total.skipped += run.counted.skipped;
        total.started += run.counted.started;
        total.ended += run.counted.ended;
        if let Err(problem) = run.result {
            wrong.push(format!("seed {seed}: {problem}"));
        }
    }
    let rate = seeds as f64 / began.elapsed().as_secs_f64();
    println!("seeds 0..{seeds}, {rate:.1} a second: {total:?}");
    assert!(wrong.is_empty(), "{} of {seeds} seeds fail:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_seed_is_a_whole_run() {
    for seed in [1, 2, 3, 4, 5] {
        let (one, other) = (run(seed, None, false), run(seed, None, false));
        assert_eq!(one.trace, other.trace, "seed {seed}");
        assert!(one.trace.1 > 500, "seed {seed} is an empty run");
    }
}

#[test]
fn every_fault_that_is_put_in_is_found_within_five_hundred_seeds() {
    let mut wrong = Vec::new();
    for mutant in Mutant::ALL.into_iter().filter(|mutant| chosen_mutant().is_none_or(|only| only == *mutant))
    {
        let found =
            (0..500).find_map(|seed| run(seed, Some(mutant), false).result.err().map(|why| (seed, why)));
        println!("{mutant:?}: {found:?}");
        let expected = |why: &str| mutant.found_by().iter().any(|start| why.starts_with(start));
        if !found.is_some_and(|(_, why)| expected(&why)) {
            wrong.push(mutant);
        }
    }
    assert!(wrong.is_empty(), "not found, or not for what they are: {wrong:?}");
}
