//! Strategies for the records of the state.

use crate::any_access::token;
use crate::any_between::wished;
use crate::any_of::{
    counters, founding, job, name, occurrence, origin, put, registration, reply, small, time, tiny, wide,
};
use dkron_core::execution::Verdict;
use dkron_core::ids::{JobSlot, JobUid, NodeSlot, OccurrenceId, RequestId, TokenId};
use dkron_core::job::Job;
use dkron_core::node::{Liveness, Work};
use dkron_core::rules::Rules;
use dkron_core::state::record::{
    Cluster, Execution, Filing, JobRecord, NodeRecord, Occurrence, Progress, Record, Remembered, Requested,
    Turn,
};
use dkron_wire::definition;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;

/// With rules: the schedule and zone are ones that can be followed.
pub(crate) fn job_record() -> BoxedStrategy<JobRecord> {
    let schedule = select(vec!["", "@every 1m", "0 30 2 * * *", "@manually"]);
    let definition = (job(), schedule).prop_map(|(job, schedule)| Job {
        schedule: schedule.to_owned(),
        timezone: "Europe/Vienna".to_owned(),
        ..job
    });
    let numbers = (small(), small(), small(), small(), any::<bool>(), option::of(small()));
    let times = (time(), time(), time(), time());
    (definition, wide(), numbers, times, counters())
        .prop_map(|(job, uid, numbers, times, counters)| JobRecord {
            uid: JobUid(uid),
            name: job.name.as_str().into(),
            definition: definition::encode(&job).into(),
            rules: Arc::new(Rules::of(&job).expect("rules")),
            generation: numbers.0,
            revision: numbers.1,
            open: numbers.2,
            queued: numbers.3,
            held: numbers.4,
            parent: numbers.5.map(JobSlot),
            cursor: times.0,
            next_due: times.1,
            anchor: times.2,
            floor: times.3,
            counters,
        })
        .boxed()
}

fn execution_record() -> impl Strategy<Value = Execution> {
    let progress = prop_oneof![
        Just(Progress::Assigned),
        Just(Progress::Accepted),
        time().prop_map(Progress::Started),
        time().prop_map(Progress::Retrying),
        select(&Verdict::ALL[..]).prop_map(Progress::Ended),
    ];
    (tiny(), small(), progress, time(), any::<bool>(), option::of(time())).prop_map(
        |(attempt, node, progress, startable_at, cancel, lost_at)| Execution {
            attempt,
            node: NodeSlot(node),
            progress,
            startable_at,
            cancel,
            lost_at,
            agenda: 0,
        },
    )
}

fn occurrence_record() -> BoxedStrategy<Occurrence> {
    let turn = select(vec![Turn::Queued, Turn::Unplaced(0), Turn::Open]);
    let times = (time(), time(), time(), time());
    (small(), wide(), origin(), times, turn, vec(execution_record(), 0..4))
        .prop_map(|(job, id, origin, times, turn, executions)| Occurrence {
            job: JobSlot(job),
            id: OccurrenceId(id),
            origin,
            nominal: times.0,
            decided_at: times.1,
            startable_at: times.2,
            gives_up_at: times.3,
            turn,
            executions,
        })
        .boxed()
}

/// A record whose places on the agenda are 0.
pub(crate) fn record() -> impl Strategy<Value = Record> {
    let filing =
        (name(), small(), any::<bool>()).prop_map(|(by, epoch, pending)| Filing { by, epoch, pending });
    let cluster = (founding(), any::<bool>(), option::of(time()), time(), (filing, any::<bool>(), 1u8..=3));
    let node = (registration(), select(&Liveness::ALL[..]), time(), select(&Work::ALL[..]));
    prop_oneof![
        cluster.prop_map(|(founding, paused, held_since, floor, (filing, closed, format))| {
            Record::Cluster(Cluster { founding, paused, held_since, floor, filing, closed, format })
        }),
        (small(), job_record()).prop_map(|(slot, job)| Record::Job(JobSlot(slot), job)),
        (small(), small()).prop_map(|(slot, generation)| Record::Free(JobSlot(slot), generation)),
        (occurrence(), occurrence_record()).prop_map(|(found, record)| Record::Occurrence(found, record)),
        (small(), origin(), time()).prop_map(|(job, origin, nominal)| {
            Record::Requested(0, Requested { job: JobSlot(job), origin, nominal })
        }),
        (small(), node).prop_map(|(slot, (registration, liveness, marked_at, work))| {
            Record::Node(NodeSlot(slot), NodeRecord { registration, liveness, marked_at, work })
        }),
        (wide(), time(), reply())
            .prop_map(|(id, at, reply)| Record::Remembered(RequestId(id), Remembered { at, reply })),
        wished(),
        (wide(), time(), put()).prop_map(|(id, at, put)| Record::Staged(RequestId(id), at, put)),
        (wide(), token()).prop_map(|(id, token)| Record::Token(TokenId(id), token)),
    ]
}
