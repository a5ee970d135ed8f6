//! A fleet of jobs as a company has them: many, made from a few templates, each with its own name and command.

use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Batch, Command, Founding, PutJob};
use dkron_core::ids::{BootId, ClusterId, Incarnation, JobUid, JournalId, NodeId};
use dkron_core::job::Job;
use dkron_core::node::Registration;
use dkron_core::plan::edit::{self, Submission};
use dkron_core::schedule::ZoneData;
use dkron_core::state::State;
use dkron_core::time::Time;
use dkron_wire::definition;
use std::sync::Arc;

/// When the fleet is made: a summer's morning, not on the whole hour.
pub const NOW: Time = Time::from_seconds(1_783_922_717);

/// How many jobs one entry stores, as the proposer fills its entries.
const JOBS_PER_ENTRY: usize = 250;

/// A job of the fleet; `schedule` where all shall have the same.
pub fn job(number: usize, schedule: Option<&str>) -> Job {
    let hour = number % 24;
    let own = match number % 10 {
        0 => "@every 10m".to_owned(),
        1 => "@hourly".to_owned(),
        2 => "0 */5 * * * *".to_owned(),
        3 => format!("0 30 {hour} * * MON-FRI"),
        4 => format!("0 15 {hour} 1 * *"),
        _ => format!("0 {} {hour} * * *", number / 24 % 60),
    };
    Job {
        name: format!("tenant-{:04}-report-{number:07}", number % 5_000),
        schedule: schedule.map_or(own, str::to_owned),
        timezone: ["", "UTC", "Europe/Berlin", "America/New_York"][number % 4].to_owned(),
        owner: format!("team-{}", number % 40),
        executor: "shell".to_owned(),
        executor_config: [
            ("command".to_owned(), format!("/opt/reports/run --tenant {} --id {number}", number % 5_000)),
            ("timeout".to_owned(), "10m".to_owned()),
        ]
        .into(),
        retries: (number % 3) as u32,
        ..Job::default()
    }
}

/// The write that stores a job into this state.
pub fn put(state: &State, job: Job, now: Time) -> PutJob {
    let definition: Arc<[u8]> = definition::encode(&job).into();
    let uid = JobUid(u128::from(scattered(job.name.as_bytes())));
    let submission = Submission { job: Arc::new(job), definition, uid, expected: None, counters: None };
    edit::put(state, ZoneData::bundled(), submission, now).expect("a good job")
}

fn scattered(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A node that takes everything.
pub fn node() -> Registration {
    Registration {
        node: NodeId(1),
        name: "node1".into(),
        journal: JournalId(1),
        life: 1,
        boot: BootId(1),
        tags: [("dc".to_owned(), "dc1".to_owned())].into(),
        slots: u32::MAX,
        server: true,
        address: "127.0.0.1:8946".into(),
    }
}

/// A ledger without jobs, with its cluster and one node.
pub fn empty() -> Ledger {
    let founding = Founding {
        cluster: ClusterId(1),
        incarnation: Incarnation(1),
        default_zone: "UTC".into(),
        zone_data: "2026a".into(),
    };
    let mut ledger = Ledger::default();
    let commands = [Action::Found(founding), Action::Register(node())];
    let commands = commands.map(|action| Command { request: None, action }).into();
    ledger.apply(1, &Batch { time: NOW, commands });
    ledger
}

/// A ledger with so many jobs, stored by entries like any others.
pub fn ledger(count: usize, schedule: Option<&str>) -> Ledger {
    let mut ledger = empty();
    let mut numbers = 0..count;
    while !numbers.is_empty() {
        let commands = numbers.by_ref().take(JOBS_PER_ENTRY).map(|number| {
            let put = put(&ledger.state, job(number, schedule), NOW);
            Command { request: None, action: Action::Put(put) }
        });
        let commands = commands.collect();
        let index = ledger.state.applied() + 1;
        ledger.apply(index, &Batch { time: NOW, commands });
    }
    assert_eq!(ledger.state.job_count(), count, "every job is stored");
    ledger
}
