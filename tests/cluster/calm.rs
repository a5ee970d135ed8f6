//! What must not happen: an election without a fault, however busy the machine is.

use super::harness::Cluster;
use dkron::clock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often a server began or ceased to lead.
fn elections(cluster: &Cluster) -> usize {
    (1..=3).map(|number| cluster.log(number).matches(" leading ").count()).sum()
}

#[test]
fn nobody_is_elected_without_a_fault_while_all_cores_are_busy() {
    let Ok(seconds) = std::env::var("DKRON_CALM_SECONDS") else {
        return println!("LEFT OUT: it takes a machine of its own, and DKRON_CALM_SECONDS=600");
    };
    let watched = Duration::from_secs(seconds.parse().expect("DKRON_CALM_SECONDS is a number"));
    let cluster = Cluster::of_three();
    let (leader, before) = (cluster.leader(), elections(&cluster));
    assert!(before > 0, "the log says nothing of elections");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let until = clock::monotonic() + watched;
        let mut number = 0;
        while clock::monotonic() < until {
            // Some work for them, too: a write a while is what a cluster at rest has.
            cluster.expect_writes(leader, &format!("calm-{}", number % 10));
            number += 1;
            std::thread::sleep(Duration::from_millis(100));
        }
        over.store(true, Ordering::Relaxed);
    });
    println!("{} elections before, {} after {watched:?}", before, elections(&cluster));
    assert_eq!((elections(&cluster), cluster.leader()), (before, leader));
}
