//! Strategies for every value that has bytes, leaning to the edges: ends of ranges, empty and repeated things.
//!
//! The larger ones are boxed: a strategy's value is as large as all that it may make, and test threads have
//! small stacks.

use crate::any_access;
use crate::any_between::errand;
use dkron_core::command::{
    Action, Assignment, Backfill, Batch, Command, Counters, Decision, DecisionKind, Event, Founding, GiveUp,
    PutJob, Refusal, Reply, Report, Scope, Status, Stretch, Version,
};
use dkron_core::delivery::{FromAgent, Launch, ServerAddress, ToAgent, Told};
use dkron_core::execution::{Finished, HistoryRow, Outcome, SkipReason, Skipped, Verdict};
use dkron_core::ids::*;
use dkron_core::job::{Backoff, Catchup, Concurrency, Job, Words};
use dkron_core::node::{Liveness, Registration, Work};
use dkron_core::schedule::Dst;
use dkron_core::time::{Span, Time};
use dkron_wire::definition;
use dkron_wire::raft::{LeaderId, LogEntry, LogId, Membership, Node, Payload};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;

pub(crate) fn wide() -> impl Strategy<Value = u128> {
    prop_oneof![Just(0), Just(u128::MAX), any::<u128>()]
}

pub(crate) fn number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..4u64, 1 => Just(u64::MAX), 1 => any::<u64>()]
}

pub(crate) fn small() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..4u32, 1 => Just(u32::MAX), 1 => any::<u32>()]
}

pub(crate) fn tiny() -> impl Strategy<Value = u16> {
    prop_oneof![4 => 0..3u16, 1 => Just(u16::MAX), 1 => any::<u16>()]
}

pub(crate) fn time() -> impl Strategy<Value = Time> {
    prop_oneof![
        4 => (1_700_000_000..1_700_000_100i64).prop_map(Time::from_seconds),
        2 => (0..100_000_000_000i64).prop_map(|nanos| Time::from_nanos(1_700_000_000_000_000_000 + nanos)),
        1 => select(vec![i64::MIN, -1, 0, 1, i64::MAX]).prop_map(Time::from_nanos),
        1 => any::<i64>().prop_map(Time::from_nanos),
    ]
}

pub(crate) fn span() -> impl Strategy<Value = Span> {
    prop_oneof![Just(Span::ZERO), any::<i64>().prop_map(Span::from_nanos)]
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), ".{0,12}"]
}

pub(crate) fn name() -> impl Strategy<Value = Arc<str>> {
    text().prop_map(Arc::from)
}

pub(crate) fn bytes() -> impl Strategy<Value = Arc<[u8]>> {
    vec(any::<u8>(), 0..40).prop_map(Arc::from)
}

pub(crate) fn words() -> impl Strategy<Value = Words> {
    btree_map(text(), text(), 0..4)
}

pub(crate) fn job() -> BoxedStrategy<Job> {
    let texts = (text(), text(), text(), text(), text(), text(), text(), text());
    let maps = (words(), words(), words(), btree_map(text(), words(), 0..3));
    let choices = (
        select(vec![Concurrency::Allow, Concurrency::Forbid, Concurrency::Queue, Concurrency::Replace]),
        select(vec![Catchup::Latest, Catchup::None, Catchup::All]),
        select(vec![Dst::Once, Dst::Skip, Dst::Both, Dst::Dkron]),
        prop_oneof![Just(Backoff::default()), (span(), span()).prop_map(|(base, max)| Backoff { base, max })],
    );
    let rest = (any::<bool>(), any::<bool>(), small(), option::of(time()), option::of(time()), span());
    let spans = (option::of(span()), option::of(span()), option::of(span()));
    (texts, maps, choices, rest, spans)
        .prop_map(|(texts, maps, choices, rest, spans)| Job {
            name: texts.0,
            display_name: texts.1,
            timezone: texts.2,
            schedule: texts.3,
            owner: texts.4,
            owner_email: texts.5,
            parent_job: texts.6,
            executor: texts.7,
            tags: maps.0,
            metadata: maps.1,
            executor_config: maps.2,
            processors: maps.3,
            concurrency: choices.0,
            catchup: choices.1,
            dst: choices.2,
            backoff: choices.3,
            disabled: rest.0,
            ephemeral: rest.1,
            retries: rest.2,
            starts_at: rest.3,
            expires_at: rest.4,
            jitter: rest.5,
            catchup_window: spans.0,
            start_deadline: spans.1,
            lost_after: spans.2,
        })
        .boxed()
}

pub(crate) fn occurrence() -> impl Strategy<Value = OccurrenceRef> {
    (number(), small()).prop_map(|(index, position)| OccurrenceRef { index, position })
}

pub(crate) fn execution() -> impl Strategy<Value = ExecutionRef> {
    let numbers = prop_oneof![Just((0, 1)), (tiny(), tiny())];
    (occurrence(), numbers).prop_map(|(occurrence, (ordinal, attempt))| ExecutionRef {
        occurrence,
        ordinal,
        attempt,
    })
}

pub(crate) fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        Just(Origin::Schedule),
        wide().prop_map(|id| Origin::Manual(RequestId(id))),
        wide().prop_map(|id| Origin::Backfill(RequestId(id))),
        wide().prop_map(|id| Origin::Dependent(OccurrenceId(id))),
    ]
}

pub(crate) fn nodes() -> impl Strategy<Value = Vec<NodeSlot>> {
    vec(small().prop_map(NodeSlot), 0..4)
}

pub(crate) fn decision() -> BoxedStrategy<Decision> {
    let kind = prop_oneof![
        (time(), small()).prop_map(|(nominal, node)| DecisionKind::Start {
            origin: Origin::Schedule,
            nominal,
            nodes: vec![NodeSlot(node)],
        }),
        (origin(), time(), nodes()).prop_map(|(origin, nominal, nodes)| DecisionKind::Start {
            origin,
            nominal,
            nodes
        }),
        (time(), time(), number(), select(&SkipReason::ALL[..]))
            .prop_map(|(from, to, count, reason)| DecisionKind::Skip { from, to, count, reason }),
        option::of(stretch()).prop_map(|passed| DecisionKind::Refile { passed }),
    ];
    (small(), small(), small(), kind, option::of(time()))
        .prop_map(|(job, generation, revision, kind, next_due)| Decision {
            job: JobSlot(job),
            generation,
            revision,
            kind,
            next_due,
        })
        .boxed()
}

pub(crate) fn assignment() -> impl Strategy<Value = Assignment> {
    prop_oneof![
        (occurrence(), nodes()).prop_map(|(occurrence, nodes)| Assignment::Place { occurrence, nodes }),
        (execution(), small())
            .prop_map(|(execution, node)| Assignment::Retry { execution, node: NodeSlot(node) }),
    ]
}

pub(crate) fn outcome() -> BoxedStrategy<Outcome> {
    let code = prop_oneof![Just(Some(0)), Just(None), Just(Some(i32::MIN)), any::<Option<i32>>()];
    let output = (bytes(), option::of(number()));
    (select(&Verdict::ALL[..]), time(), time(), code, name(), output)
        .prop_map(|(verdict, started_at, finished_at, code, error, (tail, output))| Outcome {
            verdict,
            started_at,
            finished_at,
            code,
            error,
            output_bytes: output.unwrap_or(tail.len() as u64),
            tail,
        })
        .boxed()
}

pub(crate) fn report() -> impl Strategy<Value = Report> {
    let event = prop_oneof![
        Just(Event::Accepted),
        time().prop_map(|at| Event::Started { at }),
        outcome().prop_map(Event::Finished),
    ];
    (execution(), any::<u32>(), event).prop_map(|(execution, check, event)| Report {
        execution,
        check,
        event,
    })
}

pub(crate) fn give_up() -> impl Strategy<Value = GiveUp> {
    prop_oneof![occurrence().prop_map(GiveUp::Unplaced), execution().prop_map(GiveUp::Lost)]
}

pub(crate) fn counters() -> impl Strategy<Value = Counters> {
    (number(), number(), time(), time(), select(&Status::ALL[..])).prop_map(
        |(success_count, error_count, last_success, last_error, status)| Counters {
            success_count,
            error_count,
            last_success,
            last_error,
            status,
        },
    )
}

pub(crate) fn stretch() -> impl Strategy<Value = Stretch> {
    (time(), time(), number()).prop_map(|(from, to, count)| Stretch { from, to, count })
}

pub(crate) fn put() -> BoxedStrategy<PutJob> {
    let seen = (small(), any::<bool>(), option::of(stretch()), wide(), time(), option::of(small()));
    (job(), wide(), seen, option::of(time()), vec(decision(), 0..4), option::of(counters()))
        .prop_map(|(job, uid, (revision, strict, passed, seen, at, epoch), next_due, due, counters)| PutJob {
            definition: definition::encode(&job).into(),
            job: Arc::new(job),
            uid: JobUid(uid),
            at,
            epoch,
            seen: Version { job: JobUid(seen), revision },
            strict,
            next_due,
            due,
            passed,
            counters,
        })
        .boxed()
}

pub(crate) fn registration() -> BoxedStrategy<Registration> {
    (wide(), wide(), wide(), name(), name(), words(), (small(), number()), any::<bool>())
        .prop_map(|(node, journal, boot, name, address, tags, (slots, life), server)| Registration {
            life,
            node: NodeId(node),
            name,
            journal: JournalId(journal),
            boot: BootId(boot),
            tags,
            slots,
            server,
            address,
        })
        .boxed()
}

pub(crate) fn founding() -> impl Strategy<Value = Founding> {
    (wide(), small(), name(), name()).prop_map(|(cluster, incarnation, default_zone, zone_data)| Founding {
        cluster: ClusterId(cluster),
        incarnation: Incarnation(incarnation),
        default_zone,
        zone_data,
    })
}

pub(crate) fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![Just(Scope::Cluster), vec(name(), 0..4).prop_map(Scope::Jobs)]
}

pub(crate) fn action() -> BoxedStrategy<Action> {
    let import = || wide().prop_map(RequestId);
    prop_oneof![
        6 => vec(decision(), 0..20).prop_map(Action::Decide),
        6 => vec(report(), 0..20).prop_map(Action::Report),
        3 => vec(assignment(), 0..10).prop_map(Action::Assign),
        2 => vec(give_up(), 0..10).prop_map(Action::GiveUp),
        2 => put().prop_map(Action::Put),
        1 => (import(), vec(put(), 0..3)).prop_map(|(import, jobs)| Action::Stage { import, jobs }),
        1 => import().prop_map(|import| Action::Commit { import }),
        1 => import().prop_map(|import| Action::Abandon { import }),
        1 => name().prop_map(|name| Action::Delete { name }),
        1 => name().prop_map(|name| Action::DeleteExecutions { name }),
        1 => (name(), time()).prop_map(|(name, nominal)| Action::Run { name, nominal }),
        1 => (occurrence(), proptest::option::of(any::<u16>()))
            .prop_map(|(occurrence, ordinal)| Action::Cancel { occurrence, ordinal }),
        1 => (name(), version()).prop_map(|(name, version)| Action::DeleteAt { name, version }),
        1 => any::<bool>().prop_map(Action::Pause),
        1 => scope().prop_map(Action::Hold),
        1 => scope().prop_map(Action::Release),
        1 => registration().prop_map(Action::Register),
        1 => (small(), select(&Liveness::ALL[..]))
            .prop_map(|(node, liveness)| Action::Mark { node: NodeSlot(node), liveness }),
        1 => (small(), select(&Work::ALL[..]))
            .prop_map(|(node, work)| Action::Cordon { node: NodeSlot(node), work }),
        1 => errand().prop_map(Action::Wish),
        1 => errand().prop_map(Action::Forget),
        1 => name().prop_map(|version| Action::AdoptZoneData { version }),
        1 => name().prop_map(|zone| Action::SetDefaultZone { zone }),
        1 => small().prop_map(|epoch| Action::ZonesFiled { epoch }),
        1 => (name(), wide(), vec(time(), 0..5)).prop_map(|(name, job, nominals)| {
            Action::Backfill(Backfill { name, job: JobUid(job), nominals })
        }),
        1 => name().prop_map(|name| Action::CallOff { name }),
        1 => founding().prop_map(Action::Found),
        1 => any_access::action(),
    ]
    .boxed()
}

pub(crate) fn command() -> impl Strategy<Value = Command> {
    (option::of(wide().prop_map(RequestId)), action())
        .prop_map(|(request, action)| Command { request, action })
}

pub(crate) fn batch() -> impl Strategy<Value = Batch> {
    (time(), vec(command(), 0..4)).prop_map(|(time, commands)| Batch { time, commands })
}

pub(crate) fn stamp() -> impl Strategy<Value = Stamp> {
    (wide(), small()).prop_map(|(cluster, incarnation)| Stamp {
        cluster: ClusterId(cluster),
        incarnation: Incarnation(incarnation),
    })
}

pub(crate) fn launch() -> impl Strategy<Value = Launch> {
    let ids = (wide(), wide(), wide());
    let times = (time(), time(), time());
    (execution(), ids, name(), origin(), times, bytes()).prop_map(
        |(execution, ids, job_name, origin, times, definition)| Launch {
            execution,
            id: ExecutionId(ids.0),
            job: JobUid(ids.1),
            job_name,
            origin,
            nominal: times.0,
            decided_at: times.1,
            journal: JournalId(ids.2),
            start_before: times.2,
            definition,
        },
    )
}

pub(crate) fn to_agent() -> impl Strategy<Value = ToAgent> {
    prop_oneof![
        (wide(), stamp()).prop_map(|(server, stamp)| ToAgent::Welcome { server: NodeId(server), stamp }),
        number().prop_map(|term| ToAgent::Leading { term }),
        select(vec![ToAgent::Following, ToAgent::Left]),
        vec((wide(), text()), 0..5).prop_map(|servers| {
            let server =
                |(id, address): (u128, String)| ServerAddress { id: NodeId(id), address: address.into() };
            ToAgent::Servers(servers.into_iter().map(server).collect())
        }),
        launch().prop_map(ToAgent::Launch),
        (execution(), wide()).prop_map(|(execution, id)| ToAgent::Cancel { execution, id: ExecutionId(id) }),
        vec(wide().prop_map(ExecutionId), 0..4).prop_map(ToAgent::Settled),
    ]
}

pub(crate) fn from_agent() -> impl Strategy<Value = FromAgent> {
    prop_oneof![
        (option::of(stamp()), number(), registration())
            .prop_map(|(stamp, process, registration)| FromAgent::Hello { stamp, process, registration }),
        Just(FromAgent::Leaving),
        vec(told(), 0..10).prop_map(FromAgent::Reports),
        (wide(), number(), bytes()).prop_map(|(id, offset, bytes)| FromAgent::Output {
            id: ExecutionId(id),
            offset,
            bytes
        }),
    ]
}

pub(crate) fn history_row() -> impl Strategy<Value = HistoryRow> {
    let finished = (wide(), wide(), name(), execution(), origin(), time(), time(), name(), outcome());
    let skipped = (wide(), name(), origin(), time(), time(), number(), option::of(wide()), time());
    prop_oneof![
        finished.prop_map(|(job, id, job_name, execution, origin, nominal, decided_at, node, outcome)| {
            HistoryRow::Finished(Finished {
                job: JobUid(job),
                job_name,
                id: ExecutionId(id),
                execution,
                origin,
                nominal,
                decided_at,
                node,
                outcome,
            })
        }),
        (skipped, select(&SkipReason::ALL[..])).prop_map(
            |((job, job_name, origin, from, to, count, blocked_by, decided_at), reason)| {
                HistoryRow::Skipped(Skipped {
                    job: JobUid(job),
                    job_name,
                    origin,
                    from,
                    to,
                    count,
                    reason,
                    blocked_by: blocked_by.map(ExecutionId),
                    decided_at,
                })
            }
        ),
        wide().prop_map(|job| HistoryRow::Erased { job: JobUid(job) }),
    ]
}

pub(crate) fn leader() -> impl Strategy<Value = LeaderId> {
    (number(), wide()).prop_map(|(term, node)| LeaderId { term, node: NodeId(node) })
}

pub(crate) fn log_id() -> impl Strategy<Value = LogId> {
    (leader(), number()).prop_map(|(leader, index)| LogId { leader, index })
}

pub(crate) fn membership() -> impl Strategy<Value = Membership> {
    let node = (text(), text()).prop_map(|(name, address)| Node { name, address });
    let configs = vec(btree_set(wide().prop_map(NodeId), 0..4), 0..3);
    (configs, btree_map(wide().prop_map(NodeId), node, 0..4))
        .prop_map(|(configs, nodes)| Membership { configs, nodes })
}

pub(crate) fn log_entry() -> impl Strategy<Value = LogEntry> {
    let payload = prop_oneof![
        Just(Payload::Blank),
        vec(any::<u8>(), 0..40).prop_map(|bytes| Payload::Normal(bytes.into())),
        membership().prop_map(Payload::Membership),
    ];
    (log_id(), payload).prop_map(|(id, payload)| LogEntry { id, payload })
}

pub(crate) fn header() -> impl Strategy<Value = dkron_wire::snapshot::Header> {
    let ids = (option::of(log_id()), option::of(log_id()));
    (1u8..=2, stamp(), ids, membership(), time(), wide(), small()).prop_map(
        |(format, stamp, (applied, membership_at), membership, time, digest, digest_format)| {
            dkron_wire::snapshot::Header {
                format,
                stamp,
                applied,
                membership,
                membership_at,
                time,
                digest,
                digest_format,
            }
        },
    )
}

/// Any report with the long id that its check is of.
pub(crate) fn told() -> impl Strategy<Value = Told> {
    (any::<u128>(), report()).prop_map(|(id, report)| {
        let id = ExecutionId(id);
        Told { id, report: Report { check: id.check(), ..report } }
    })
}

pub(crate) fn version() -> impl Strategy<Value = Version> {
    (wide(), small()).prop_map(|(job, revision)| Version { job: JobUid(job), revision })
}

pub(crate) fn reply() -> BoxedStrategy<Reply> {
    let named = select(vec![
        Refusal::UnknownJob as fn(Arc<str>) -> Refusal,
        Refusal::UnknownParent,
        Refusal::ParentCycle,
        Refusal::HasDependents,
        Refusal::QueueFull,
        Refusal::Disabled,
        Refusal::NameTaken,
        Refusal::Invalid,
    ]);
    let plain =
        [Refusal::Founded, Refusal::Paused, Refusal::NotOpen, Refusal::UnknownNode, Refusal::NoRequest];
    let refusal = prop_oneof![
        (named, name()).prop_map(|(refusal, name)| refusal(name)),
        select(plain.to_vec()),
        small().prop_map(Refusal::Changed),
        wide().prop_map(|id| Refusal::UnknownImport(RequestId(id))),
        any_access::refusal(),
        (name(), wide()).prop_map(|(job, id)| Refusal::Overlap { job, execution: ExecutionId(id) }),
        (name(), number(), number()).prop_map(|(name, life, known)| Refusal::OlderLife { name, life, known }),
        (name(), small(), small()).prop_map(|(job, waiting, wanted)| Refusal::BackfillTooLarge {
            job,
            waiting,
            wanted
        }),
    ];
    prop_oneof![
        Just(Reply::Done),
        (small(), version(), any::<bool>()).prop_map(|(job, version, created)| Reply::Stored {
            job: JobSlot(job),
            version,
            created,
        }),
        vec(small(), 0..4).prop_map(Reply::Rejected),
        small().prop_map(|node| Reply::Registered(NodeSlot(node))),
        refusal.prop_map(Reply::Refused),
    ]
    .boxed()
}
