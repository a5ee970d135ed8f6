//! The leader's decisions as rows of numbers: starts, skips, assignments, what is given up.
//!
//! These are what a busy cluster logs for every tick; `log.proto` says what the rows hold and why they are
//! rows.

use crate::error::WireError;
use crate::generated::log::v1 as proto;
use crate::numbers::{Numbers, Rows};
use crate::wide;
use dkron_core::command::{Assignment, Backfill, Decision, DecisionKind, GiveUp, Stretch};
use dkron_core::execution::SkipReason;
use dkron_core::ids::{ExecutionRef, JobSlot, JobUid, NodeSlot, OccurrenceRef, Origin};
use dkron_core::time::Time;

const ONE_START: u64 = 0;
const ANY_START: u64 = 1;
const SKIP: u64 = 2;
const REFILE: u64 = 3;
const KIND: u64 = 0b11;
const OTHER_GENERATION: u64 = 1 << 2;
const OTHER_REVISION: u64 = 1 << 3;
const OTHER_NOMINAL: u64 = 1 << 4;
const NEXT: u64 = 0b11 << 5;
const NEXT_SAME_GAP: u64 = 0;
const NEXT_NONE: u64 = 1 << 5;
const NEXT_GAP: u64 = 2 << 5;
const PASSED: u64 = 1 << 7;
const HEAD: u64 = KIND | OTHER_GENERATION | OTHER_REVISION | OTHER_NOMINAL | NEXT | PASSED;

/// What a row is told apart from.
struct Previous {
    slot: u32,
    generation: u32,
    revision: u32,
    nominal: Time,
    next_after: i128,
}

impl Previous {
    fn new(time: Time) -> Previous {
        Previous { slot: 0, generation: 0, revision: 0, nominal: time.floor_second(), next_after: 0 }
    }
}

fn distance(from: Time, to: Time) -> i128 {
    i128::from(to.nanos()) - i128::from(from.nanos())
}

/// The rows of decisions in an entry of this time.
pub(crate) fn encode_decisions(decisions: &[Decision], time: Time) -> proto::Decide {
    let mut previous = Previous::new(time);
    let mut numbers = Numbers::default();
    let mut causes = Vec::new();
    for decision in decisions {
        push_decision(&mut numbers, &mut causes, &mut previous, decision);
    }
    proto::Decide { numbers: numbers.finish(), causes }
}

fn push_decision(numbers: &mut Numbers, causes: &mut Vec<u64>, previous: &mut Previous, decision: &Decision) {
    let (kind, nominal) = match &decision.kind {
        DecisionKind::Start { origin: Origin::Schedule, nominal, nodes } if nodes.len() == 1 => {
            (ONE_START, *nominal)
        }
        DecisionKind::Start { nominal, .. } => (ANY_START, *nominal),
        DecisionKind::Skip { from, .. } => (SKIP, *from),
        DecisionKind::Refile { .. } => (REFILE, previous.nominal),
    };
    let next = match decision.next_due {
        None => NEXT_NONE,
        Some(next) if distance(nominal, next) == previous.next_after => NEXT_SAME_GAP,
        Some(_) => NEXT_GAP,
    };
    let flag = |differs: bool, flag: u64| if differs { flag } else { 0 };
    let head = kind
        | flag(decision.generation != previous.generation, OTHER_GENERATION)
        | flag(decision.revision != previous.revision, OTHER_REVISION)
        | flag(nominal != previous.nominal, OTHER_NOMINAL)
        | flag(matches!(decision.kind, DecisionKind::Refile { passed: Some(_) }), PASSED)
        | next;

    numbers.push_change(previous.slot, decision.job.0);
    numbers.push(head);
    if head & OTHER_GENERATION != 0 {
        numbers.push_change(previous.generation, decision.generation);
    }
    if head & OTHER_REVISION != 0 {
        numbers.push_change(previous.revision, decision.revision);
    }
    if head & OTHER_NOMINAL != 0 {
        numbers.push_gap(previous.nominal, nominal);
    }
    if let Some(next) = decision.next_due {
        if head & NEXT == NEXT_GAP {
            numbers.push_gap(nominal, next);
        }
        previous.next_after = distance(nominal, next);
    }
    push_kind(numbers, causes, (kind, nominal), &decision.kind);
    previous.slot = decision.job.0;
    previous.generation = decision.generation;
    previous.revision = decision.revision;
    previous.nominal = nominal;
}

fn push_kind(
    numbers: &mut Numbers,
    causes: &mut Vec<u64>,
    (kind, nominal): (u64, Time),
    decided: &DecisionKind,
) {
    match decided {
        DecisionKind::Start { origin, nodes, .. } => {
            if kind == ANY_START {
                let (number, cause) = origin.parts();
                numbers.push(number);
                if number != 0 {
                    causes.extend([(cause >> 64) as u64, cause as u64]);
                }
                numbers.push(nodes.len() as u64);
            }
            nodes.iter().for_each(|node| numbers.push(node.0));
        }
        DecisionKind::Skip { from, to, count, reason } => {
            numbers.push_gap(*from, *to);
            numbers.push(*count);
            numbers.push(reason.number());
        }
        DecisionKind::Refile { passed: None } => {}
        DecisionKind::Refile { passed: Some(passed) } => {
            numbers.push_gap(nominal, passed.from);
            numbers.push_gap(passed.from, passed.to);
            numbers.push(passed.count);
        }
    }
}

/// The decisions in these rows, of an entry of this time.
pub(crate) fn decode_decisions(decide: &proto::Decide, time: Time) -> Result<Vec<Decision>, WireError> {
    let mut previous = Previous::new(time);
    let mut rows = Rows::new("decide", &decide.numbers);
    let mut causes = Rows::new("decide.causes", &decide.causes);
    let mut decisions = Vec::new();
    while !rows.is_empty() {
        decisions.push(read_decision(&mut rows, &mut causes, &mut previous)?);
    }
    if !causes.is_empty() {
        return Err(WireError::Length { field: "decide.causes", found: decide.causes.len() as u64 });
    }
    Ok(decisions)
}

fn read_decision(
    rows: &mut Rows<'_>,
    causes: &mut Rows<'_>,
    previous: &mut Previous,
) -> Result<Decision, WireError> {
    previous.slot = rows.change(previous.slot)?;
    let head = rows.number()?;
    let refile = head & KIND == REFILE;
    let other = if refile { head & OTHER_NOMINAL != 0 } else { head & PASSED != 0 };
    if head & !HEAD != 0 || head & NEXT == NEXT || other {
        return Err(WireError::UnknownNumber { field: "decide.head", number: head });
    }
    if head & OTHER_GENERATION != 0 {
        previous.generation = rows.change(previous.generation)?;
    }
    if head & OTHER_REVISION != 0 {
        previous.revision = rows.change(previous.revision)?;
    }
    if head & OTHER_NOMINAL != 0 {
        previous.nominal = rows.gap(previous.nominal)?;
    }
    let nominal = previous.nominal;
    let next_due = match head & NEXT {
        NEXT_NONE => None,
        NEXT_GAP => Some(rows.gap(nominal)?),
        _ => Some(later(nominal, previous.next_after)?),
    };
    if let Some(next) = next_due {
        previous.next_after = distance(nominal, next);
    }
    Ok(Decision {
        job: JobSlot(previous.slot),
        generation: previous.generation,
        revision: previous.revision,
        kind: read_kind(rows, causes, head, nominal)?,
        next_due,
    })
}

fn later(from: Time, nanos: i128) -> Result<Time, WireError> {
    let to = i64::try_from(i128::from(from.nanos()) + nanos);
    to.map(Time::from_nanos).map_err(|_| WireError::Range { field: "decide.next_due" })
}

fn read_kind(
    rows: &mut Rows<'_>,
    causes: &mut Rows<'_>,
    head: u64,
    nominal: Time,
) -> Result<DecisionKind, WireError> {
    match head & KIND {
        ONE_START => {
            let nodes = vec![NodeSlot(rows.small()?)];
            Ok(DecisionKind::Start { origin: Origin::Schedule, nominal, nodes })
        }
        ANY_START => {
            let origin = read_origin(rows, causes)?;
            Ok(DecisionKind::Start { origin, nominal, nodes: read_nodes(rows)? })
        }
        SKIP => {
            let to = rows.gap(nominal)?;
            let count = rows.number()?;
            let number = rows.number()?;
            let reason = u8::try_from(number).ok().and_then(SkipReason::from_number);
            let reason = reason.ok_or(WireError::UnknownNumber { field: "decide.reason", number })?;
            Ok(DecisionKind::Skip { from: nominal, to, count, reason })
        }
        _ if head & PASSED != 0 => {
            let from = rows.gap(nominal)?;
            let to = rows.gap(from)?;
            let passed = Some(Stretch { from, to, count: rows.number()? });
            Ok(DecisionKind::Refile { passed })
        }
        _ => Ok(DecisionKind::Refile { passed: None }),
    }
}

fn read_origin(rows: &mut Rows<'_>, causes: &mut Rows<'_>) -> Result<Origin, WireError> {
    let number = rows.number()?;
    let cause = match number {
        0 => 0,
        _ => (u128::from(causes.number()?) << 64) | u128::from(causes.number()?),
    };
    let origin = u8::try_from(number).ok().and_then(|kind| Origin::from_parts(kind, cause));
    origin.ok_or(WireError::UnknownNumber { field: "decide.origin", number })
}

fn read_nodes(rows: &mut Rows<'_>) -> Result<Vec<NodeSlot>, WireError> {
    let count = rows.number()?;
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(NodeSlot(rows.small()?));
    }
    Ok(nodes)
}

/// The message for a backfill in an entry of this time.
pub(crate) fn encode_backfill(backfill: &Backfill, time: Time) -> proto::Backfill {
    let mut previous = time.floor_second();
    let mut numbers = Numbers::default();
    for nominal in &backfill.nominals {
        numbers.push_gap(previous, *nominal);
        previous = *nominal;
    }
    proto::Backfill {
        name: backfill.name.to_string(),
        job: wide::bytes(backfill.job.0),
        nominals: numbers.finish(),
    }
}

/// The backfill in a message of an entry of this time.
pub(crate) fn decode_backfill(backfill: proto::Backfill, time: Time) -> Result<Backfill, WireError> {
    let mut previous = time.floor_second();
    let mut rows = Rows::new("backfill", &backfill.nominals);
    let mut nominals = Vec::new();
    while !rows.is_empty() {
        previous = rows.gap(previous)?;
        nominals.push(previous);
    }
    let job = JobUid(wide::read(&backfill.job, "backfill.job")?);
    Ok(Backfill { name: backfill.name.into(), job, nominals })
}

/// The rows of assignments.
pub(crate) fn encode_assignments(assignments: &[Assignment]) -> proto::Assign {
    let mut previous = OccurrenceRef::default();
    let mut numbers = Numbers::default();
    for assignment in assignments {
        match assignment {
            Assignment::Place { occurrence, nodes } => {
                numbers.push(0u64);
                numbers.push_place(&mut previous, *occurrence);
                numbers.push(nodes.len() as u64);
                nodes.iter().for_each(|node| numbers.push(node.0));
            }
            Assignment::Retry { execution, node } => {
                push_execution(&mut numbers, &mut previous, *execution);
                numbers.push(node.0);
            }
        }
    }
    proto::Assign { numbers: numbers.finish() }
}

/// The assignments in these rows.
pub(crate) fn decode_assignments(assign: &proto::Assign) -> Result<Vec<Assignment>, WireError> {
    let mut previous = OccurrenceRef::default();
    let mut rows = Rows::new("assign", &assign.numbers);
    let mut assignments = Vec::new();
    while !rows.is_empty() {
        let number = rows.number()?;
        let occurrence = rows.place(&mut previous)?;
        assignments.push(match number {
            0 => Assignment::Place { occurrence, nodes: read_nodes(&mut rows)? },
            1 => Assignment::Retry {
                execution: read_execution(&mut rows, occurrence)?,
                node: NodeSlot(rows.small()?),
            },
            _ => return Err(WireError::UnknownNumber { field: "assign.kind", number }),
        });
    }
    Ok(assignments)
}

/// The rows of what is given up.
pub(crate) fn encode_give_ups(give_ups: &[GiveUp]) -> proto::GiveUp {
    let mut previous = OccurrenceRef::default();
    let mut numbers = Numbers::default();
    for give_up in give_ups {
        match give_up {
            GiveUp::Unplaced(occurrence) => {
                numbers.push(0u64);
                numbers.push_place(&mut previous, *occurrence);
            }
            GiveUp::Lost(execution) => push_execution(&mut numbers, &mut previous, *execution),
        }
    }
    proto::GiveUp { numbers: numbers.finish() }
}

/// What is given up in these rows.
pub(crate) fn decode_give_ups(give_up: &proto::GiveUp) -> Result<Vec<GiveUp>, WireError> {
    let mut previous = OccurrenceRef::default();
    let mut rows = Rows::new("give_up", &give_up.numbers);
    let mut give_ups = Vec::new();
    while !rows.is_empty() {
        let number = rows.number()?;
        let occurrence = rows.place(&mut previous)?;
        give_ups.push(match number {
            0 => GiveUp::Unplaced(occurrence),
            1 => GiveUp::Lost(read_execution(&mut rows, occurrence)?),
            _ => return Err(WireError::UnknownNumber { field: "give_up.kind", number }),
        });
    }
    Ok(give_ups)
}

fn push_execution(numbers: &mut Numbers, previous: &mut OccurrenceRef, execution: ExecutionRef) {
    numbers.push(1u64);
    numbers.push_place(previous, execution.occurrence);
    numbers.push(execution.ordinal);
    numbers.push(execution.attempt);
}

fn read_execution(rows: &mut Rows<'_>, occurrence: OccurrenceRef) -> Result<ExecutionRef, WireError> {
    Ok(ExecutionRef { occurrence, ordinal: rows.small()?, attempt: rows.small()? })
}
