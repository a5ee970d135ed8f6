//! Fixed values that name every kind of thing once, for the golden files and the sizes.

use dkron_core::access::{Capability, Policy, Token};
use dkron_core::command::*;
use dkron_core::delivery::{Launch, Told};
use dkron_core::execution::*;
use dkron_core::ids::Stamp;
use dkron_core::ids::*;
use dkron_core::job::*;
use dkron_core::journal::{Place, Process, Record};
use dkron_core::node::{Liveness, Registration, Work};
use dkron_core::rules::Rules;
use dkron_core::schedule::Dst;
use dkron_core::state::record as state;
use dkron_core::time::{Span, Time};
use dkron_core::voters::{Complaint, Health, Peer, ServerHealth, Wish, Wished};
use dkron_wire::definition;
use dkron_wire::operator::{Done, Task};
use dkron_wire::raft::{LeaderId, LogId, Membership, Node};
use dkron_wire::submit::Head;
use std::sync::Arc;

pub(crate) const NOW: Time = Time::from_seconds(1_734_690_000);

pub(crate) fn stamp() -> Stamp {
    Stamp { cluster: ClusterId(0xc1), incarnation: Incarnation(1) }
}

fn words(pairs: &[(&str, &str)]) -> Words {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

pub(crate) fn job() -> Job {
    Job {
        name: "nightly-report".into(),
        display_name: "Nightly report".into(),
        timezone: "Europe/Vienna".into(),
        schedule: "0 30 2 * * *".into(),
        owner: "finance".into(),
        owner_email: "finance@example.com".into(),
        disabled: true,
        tags: words(&[("role", "web:2"), ("dc", "a")]),
        metadata: words(&[("team", "blue")]),
        retries: 3,
        parent_job: "import".into(),
        processors: [("files".to_owned(), words(&[("forward", "true")]))].into(),
        concurrency: Concurrency::Queue,
        executor: "shell".into(),
        executor_config: words(&[("command", "echo hello"), ("shell", "true")]),
        ephemeral: true,
        starts_at: Some(NOW),
        expires_at: Some(NOW + Span::from_seconds(86_400)),
        catchup: Catchup::All,
        catchup_window: Some(Span::from_seconds(7_200)),
        start_deadline: Some(Span::from_seconds(30)),
        jitter: Span::from_millis(1_500),
        dst: Dst::Skip,
        backoff: Backoff { base: Span::from_seconds(2), max: Span::from_seconds(60) },
        lost_after: Some(Span::from_seconds(3_600)),
    }
}

pub(crate) fn occurrence() -> OccurrenceRef {
    OccurrenceRef { index: 1_000_000, position: 7 }
}

pub(crate) fn execution() -> ExecutionRef {
    ExecutionRef { occurrence: occurrence(), ordinal: 1, attempt: 2 }
}

pub(crate) fn outcome() -> Outcome {
    Outcome {
        verdict: Verdict::Failed,
        started_at: NOW + Span::from_nanos(2_345_678),
        finished_at: NOW + Span::from_nanos(1_002_345_679),
        code: Some(-9),
        error: "exit status -9".into(),
        tail: b"last words\n"[..].into(),
        output_bytes: 5_000,
    }
}

pub(crate) fn registration() -> Registration {
    Registration {
        node: NodeId(0xa1),
        name: "agent-1".into(),
        life: 9,
        journal: JournalId(0xb2),
        boot: BootId(0xc3),
        tags: words(&[("dc", "a"), ("role", "web")]),
        slots: 64,
        server: true,
        address: "10.0.0.1:6868".into(),
    }
}

pub(crate) fn decisions() -> Vec<Decision> {
    let start = |origin, nodes: &[u32]| DecisionKind::Start {
        origin,
        nominal: NOW,
        nodes: nodes.iter().copied().map(NodeSlot).collect(),
    };
    let kinds = [
        start(Origin::Schedule, &[3]),
        start(Origin::Schedule, &[]),
        start(Origin::Manual(RequestId(0x11)), &[1, 2]),
        start(Origin::Backfill(RequestId(0x22)), &[1]),
        start(Origin::Dependent(OccurrenceId(0x33)), &[2]),
        DecisionKind::Skip {
            from: NOW - Span::from_seconds(600),
            to: NOW,
            count: 11,
            reason: SkipReason::Missed,
        },
        DecisionKind::Refile { passed: None },
        DecisionKind::Refile {
            passed: Some(Stretch { from: NOW - Span::from_seconds(120), to: NOW, count: 3 }),
        },
    ];
    let decision = |(slot, kind)| Decision {
        job: JobSlot(slot),
        generation: 1,
        revision: 1 + slot / 3,
        kind,
        next_due: Some(NOW + Span::from_seconds(60)),
    };
    (10..).zip(kinds).map(decision).collect()
}

pub(crate) fn reports() -> Vec<Report> {
    let events = [Event::Accepted, Event::Started { at: NOW }, Event::Finished(outcome())];
    let report = |event| Report { execution: execution(), check: 0xdead_beef, event };
    events.map(report).into()
}

pub(crate) fn put() -> PutJob {
    PutJob {
        job: Arc::new(job()),
        definition: definition::encode(&job()).into(),
        uid: JobUid(0xd4),
        at: NOW + Span::from_nanos(5),
        epoch: Some(2),
        seen: Version { job: JobUid(0xd4), revision: 4 },
        strict: true,
        next_due: Some(NOW),
        due: decisions()[..1].into(),
        passed: Some(Stretch { from: NOW - Span::from_seconds(60), to: NOW, count: 2 }),
        counters: Some(Counters {
            success_count: 6,
            error_count: 7,
            last_success: NOW,
            last_error: Time::EPOCH,
            status: Status::PartiallyFailed,
        }),
    }
}

fn errand(wish: Wish) -> Errand {
    Errand { server: NodeId(0xa1), wish, process: 0x0123_4567_89ab_cdef }
}

/// A batch with every action.
pub(crate) fn batch() -> Batch {
    let import = RequestId(0xe5);
    let name: Arc<str> = "nightly-report".into();
    let actions = vec![
        Action::Found(Founding {
            cluster: ClusterId(0xc1),
            incarnation: Incarnation(1),
            default_zone: "Europe/Vienna".into(),
            zone_data: "2026a".into(),
        }),
        Action::Decide(decisions()),
        Action::Assign(vec![
            Assignment::Place { occurrence: occurrence(), nodes: vec![NodeSlot(1), NodeSlot(2)] },
            Assignment::Retry { execution: execution(), node: NodeSlot(3) },
        ]),
        Action::Report(reports()),
        Action::GiveUp(vec![GiveUp::Unplaced(occurrence()), GiveUp::Lost(execution())]),
        Action::Put(put()),
        Action::Stage { import, jobs: vec![put()] },
        Action::Commit { import },
        Action::Abandon { import },
        Action::Delete { name: Arc::clone(&name) },
        Action::DeleteExecutions { name: Arc::clone(&name) },
        Action::Run { name: Arc::clone(&name), nominal: NOW },
        Action::Cancel { occurrence: occurrence(), ordinal: None },
        Action::Pause(true),
        Action::Hold(Scope::Cluster),
        Action::Release(Scope::Jobs(vec![name])),
        Action::Register(registration()),
        Action::Mark { node: NodeSlot(9), liveness: Liveness::Left },
        Action::Cordon { node: NodeSlot(9), work: Work::Draining },
        Action::Wish(errand(Wish::Remove)),
        Action::Forget(errand(Wish::Promote)),
        Action::AdoptZoneData { version: "2026b".into() },
        Action::SetDefaultZone { zone: "Asia/Kolkata".into() },
        first_token(),
        Action::RevokeToken { id: TokenId(0x71) },
        Action::RaiseFormat { format: 2 },
        Action::ZonesFiled { epoch: 3 },
        Action::Backfill(Backfill {
            name: "nightly-report".into(),
            job: JobUid(0xd4),
            nominals: vec![NOW - Span::from_seconds(86_400), NOW],
        }),
    ];
    let command = |action| Command { request: None, action };
    let mut commands: Vec<Command> = actions.into_iter().map(command).collect();
    commands[11].request = Some(RequestId(0xf6));
    Batch { time: NOW + Span::from_nanos(123_456_789), commands }
}

pub(crate) fn log_id() -> LogId {
    LogId { leader: LeaderId { term: 4, node: NodeId(0xa1) }, index: 1_000_000 }
}

pub(crate) fn membership() -> Membership {
    let node = |number: u32| {
        let node = Node { name: format!("node-{number}"), address: format!("10.0.0.{number}:6868") };
        (NodeId(number.into()), node)
    };
    Membership {
        configs: vec![[NodeId(1), NodeId(2)].into(), [NodeId(2), NodeId(3)].into()],
        nodes: (1..=3).map(node).collect(),
    }
}

pub(crate) fn history_rows() -> Vec<HistoryRow> {
    vec![
        HistoryRow::Finished(Finished {
            job: JobUid(0xd4),
            job_name: "nightly-report".into(),
            id: ExecutionId(0xabcd),
            execution: execution(),
            origin: Origin::Manual(RequestId(0xf6)),
            nominal: NOW,
            decided_at: NOW + Span::from_nanos(1_000_001),
            node: "agent-1".into(),
            outcome: outcome(),
        }),
        HistoryRow::Skipped(Skipped {
            job: JobUid(0xd4),
            job_name: "nightly-report".into(),
            origin: Origin::Schedule,
            from: NOW - Span::from_seconds(600),
            to: NOW,
            count: 11,
            reason: SkipReason::Overlap,
            blocked_by: Some(ExecutionId(0xabcd)),
            decided_at: NOW,
        }),
        HistoryRow::Erased { job: JobUid(0xd4) },
    ]
}

pub(crate) fn snapshot_header() -> dkron_wire::snapshot::Header {
    dkron_wire::snapshot::Header {
        format: 2,
        stamp: stamp(),
        applied: Some(log_id()),
        membership: membership(),
        membership_at: Some(log_id()),
        time: NOW,
        digest: 0x1234_5678,
        digest_format: 1,
    }
}

/// The same reports as an agent tells them.
pub(crate) fn told() -> Vec<Told> {
    let id = ExecutionId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
    reports().into_iter().map(|report| Told { id, report: Report { check: id.check(), ..report } }).collect()
}

pub(crate) fn launch() -> Launch {
    Launch {
        execution: execution(),
        id: ExecutionId(0xabcd),
        job: JobUid(0xd4),
        job_name: "nightly-report".into(),
        origin: Origin::Schedule,
        nominal: NOW,
        decided_at: NOW,
        journal: JournalId(0xb2),
        start_before: NOW,
        definition: b"definition"[..].into(),
    }
}

pub(crate) fn journal_records() -> Vec<(&'static str, Record)> {
    let (id, execution, at) = (ExecutionId(0xabcd), execution(), NOW);
    let process = Some(Process { pid: 300, start_ticks: 70_000 });
    let Some(HistoryRow::Finished(row)) = history_rows().into_iter().next() else { return Vec::new() };
    let outcome = Arc::new(row.outcome);
    vec![
        ("accepted", Record::Accepted(Arc::new(launch()), Place::Runner)),
        ("accepted_inside", Record::Accepted(Arc::new(launch()), Place::Agent)),
        ("starting", Record::Starting { id, runner: RunnerId(0xe5) }),
        ("unstarted", Record::Unstarted { id }),
        ("started", Record::Started { id, at, process }),
        ("finished", Record::Finished { id, execution, start_before: at, outcome }),
        ("settled", Record::Settled { id, at }),
        ("forbidden", Record::Forbidden { id, execution, at }),
    ]
}

pub(crate) fn job_record() -> state::JobRecord {
    state::JobRecord {
        uid: JobUid(0xd4),
        name: "nightly-report".into(),
        generation: 2,
        revision: 3,
        definition: definition::encode(&job()).into(),
        rules: Arc::new(Rules::of(&job()).expect("rules")),
        cursor: NOW,
        next_due: NOW + Span::from_seconds(60),
        anchor: NOW - Span::from_seconds(600),
        floor: NOW - Span::from_seconds(60),
        held: true,
        parent: Some(JobSlot(5)),
        counters: put().counters.expect("counters"),
        open: 1,
        queued: 2,
    }
}

fn occurrence_record() -> state::Occurrence {
    let progress = [
        state::Progress::Assigned,
        state::Progress::Accepted,
        state::Progress::Started(NOW),
        state::Progress::Retrying(NOW),
        state::Progress::Ended(Verdict::Lost),
    ];
    let execution = |progress| state::Execution {
        attempt: 2,
        node: NodeSlot(3),
        progress,
        startable_at: NOW,
        cancel: true,
        lost_at: Some(NOW),
        agenda: 0,
    };
    state::Occurrence {
        job: JobSlot(7),
        id: OccurrenceId(0xbeef),
        origin: Origin::Dependent(OccurrenceId(0xfeed)),
        nominal: NOW,
        decided_at: NOW + Span::from_nanos(1),
        turn: state::Turn::Open,
        startable_at: NOW + Span::from_nanos(2),
        gives_up_at: NOW + Span::from_nanos(3),
        executions: progress.map(execution).into(),
    }
}

pub(crate) fn first_token() -> Action {
    Action::CreateToken { id: TokenId(0x70), token: token(), first: true }
}

fn token() -> Token {
    let capabilities = [Capability::ReadJobs, Capability::ManageTokens].into();
    Token {
        name: "reports".into(),
        hash: [0xab; 32],
        policy: Policy { capabilities, jobs: vec!["team-a/".into(), "shared".into()] },
        created_at: NOW,
        expires_at: Some(NOW + Span::from_seconds(86_400)),
    }
}

/// Every kind of record.
pub(crate) fn records() -> Vec<(&'static str, state::Record)> {
    use state::Record;
    let Action::Found(founding) = batch().commands.swap_remove(0).action else { panic!("founds first") };
    let cluster = state::Cluster {
        founding,
        paused: true,
        held_since: Some(NOW),
        floor: NOW,
        filing: state::Filing { by: "2026a".into(), epoch: 2, pending: true },
        closed: true,
        format: 2,
    };
    let origin = Origin::Backfill(RequestId(0x22));
    let requested = state::Requested { job: JobSlot(7), origin, nominal: NOW };
    let node = state::NodeRecord {
        registration: registration(),
        liveness: Liveness::Failed,
        marked_at: NOW,
        work: Work::Cordoned,
    };
    let execution = ExecutionId(0xabcd);
    let reply = Reply::Refused(Refusal::Overlap { job: "nightly-report".into(), execution });
    vec![
        ("cluster", Record::Cluster(cluster)),
        ("job", Record::Job(JobSlot(7), job_record())),
        ("free", Record::Free(JobSlot(8), 4)),
        ("occurrence", Record::Occurrence(occurrence(), occurrence_record())),
        ("requested", Record::Requested(0, requested)),
        ("node", Record::Node(NodeSlot(1), node)),
        ("wish", Record::Wish(NodeId(0xa1), Wished { wish: Wish::Demote, process: 7, at: NOW })),
        ("remembered", Record::Remembered(RequestId(0xf6), state::Remembered { at: NOW, reply })),
        ("staged", Record::Staged(RequestId(0xe5), NOW, put())),
        ("token", Record::Token(TokenId(0x70), token())),
    ]
}

pub(crate) fn head() -> Head {
    Head { stamp: stamp(), target: NodeId(0xa1) }
}

/// What is asked of a leader, and an answer.
pub(crate) fn operator() -> (Task, Done) {
    let peer = Peer {
        id: NodeId(0xa1),
        name: "node1".into(),
        address: "10.0.0.1:6868".into(),
        voter: true,
        leader: true,
        wish: Some(Wish::Demote),
    };
    let server = ServerHealth {
        peer,
        lag: Some(3),
        heard: Some(NOW - Span::from_millis(40)),
        well_since: Some(NOW - Span::from_seconds(900)),
        clock_ahead: Some(Span::from_millis(-3)),
        version: "0.1.0".into(),
        formats: Some(dkron_core::format::Formats { first: 1, last: 2 }),
        complaints: Complaint::ALL.into(),
    };
    let health =
        Health { healthy: false, quorum_size: 2, failure_tolerance: 1, format: 2, servers: vec![server] };
    (Task::ChangePeer("node1".into(), Wish::Remove), Done::Health(health))
}
