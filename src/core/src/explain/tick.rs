//! Why a job did or did not run at an instant.

use super::{Answer, Evidence, Explanation, Question, Reason, Ticks, hindrances, standing, standing_of};
use crate::execution::{Finished, SkipReason, Skipped};
use crate::ids::Origin;
use crate::state::record::JobRecord;
use crate::time::{Span, Time};

/// How far back the tick before an instant is looked for.
const LOOK_BACK: Span = Span::from_seconds(366 * 86_400);
const INSTANT: Span = Span::from_nanos(1);

pub(super) fn explain(
    question: Question<'_>,
    job: &JobRecord,
    at: Time,
    evidence: &Evidence,
    explanation: &mut Explanation,
) {
    let ticks = ticks(question, job, at);
    explanation.ticks = Some(ticks);
    explanation.open.retain(|open| open.nominal.floor_second() == at.floor_second());
    let mut reasons: Vec<Reason> =
        explanation.open.iter().map(|open| standing(question.state, open)).collect();
    reasons.extend(evidence.ran.iter().map(ran));
    reasons.extend(evidence.skipped.iter().map(skipped));
    explanation.answer = match standing_of(&explanation.open) {
        Some(answer) => answer,
        None if !evidence.ran.is_empty() => Answer::Ran,
        None if !evidence.skipped.is_empty() => Answer::Skipped,
        None if !ticks.is_tick => {
            reasons.push(no_tick(at, ticks));
            reasons.extend(hindrances::stopping(question, job));
            Answer::NoTick
        }
        None if at > question.now => to_come(question, job, &mut reasons),
        None if at > job.cursor => {
            if !is_stopped(question, job, &mut reasons) {
                reasons.push(hindrances::undecided(job, at, question.now));
            }
            Answer::Undecided
        }
        None => {
            reasons.push(no_record(job, evidence));
            Answer::NoRecord
        }
    };
    explanation.reasons = reasons;
}

/// The ticks that the present schedule has around an instant.
fn ticks(question: Question<'_>, job: &JobRecord, at: Time) -> Ticks {
    let (timing, zones) = (&job.rules.timing, question.state.zones(question.data));
    let next = |after: Time| timing.next_ignoring_disabled(after, job.anchor, zones);
    let (_, before) = timing.stretch(at - LOOK_BACK, at - INSTANT, job.anchor, zones);
    Ticks { is_tick: next(at - INSTANT) == Some(at), before, after: next(at) }
}

fn ran(run: &Finished) -> Reason {
    let outcome = &run.outcome;
    let error = match &*outcome.error {
        "" => String::new(),
        error => format!(": {error}"),
    };
    let how = format!(
        "attempt {} {} on {} at {}{error}",
        run.execution.attempt, outcome.verdict, run.node, outcome.finished_at
    );
    let text = format!("it was decided at {} ({}); {how}", run.decided_at, run.origin.word());
    let begun = Some(outcome.started_at).filter(|at| *at != Time::EPOCH);
    Reason {
        since: begun,
        until: Some(outcome.finished_at),
        execution: Some(run.id),
        ..Reason::new("ran", text)
    }
}

fn skipped(skip: &Skipped) -> Reason {
    let why = match skip.reason {
        SkipReason::Missed => "no leader decided it within the job's catch-up policy",
        SkipReason::Overlap => "another run of the job was open",
        SkipReason::QueueFull => "as many runs of the job waited as may",
        SkipReason::Disabled => "the job was disabled",
        SkipReason::Held => "the job or the cluster was held",
        SkipReason::Edited => "an edit replaced the schedule under which it was due",
        SkipReason::Unplaced => "no node took it in time",
        SkipReason::Rezoned => "the zone's rules changed",
        SkipReason::Cancelled => "it was cancelled while it waited",
    };
    let stretch = match skip.from == skip.to {
        true => format!("the tick {}", skip.from),
        false => format!("the {} ticks from {} to {}", skip.count, skip.from, skip.to),
    };
    let what = match skip.origin {
        Origin::Schedule => stretch,
        other => format!("{stretch} ({})", other.word()),
    };
    Reason {
        code: skip.reason.word(),
        text: format!("{what} passed over, as decided at {}: {why}", skip.decided_at),
        since: Some(skip.from),
        until: Some(skip.to),
        execution: skip.blocked_by,
    }
}

fn no_tick(at: Time, ticks: Ticks) -> Reason {
    let told = |time: Option<Time>| time.map_or("none".to_owned(), |time| time.to_string());
    let text = format!(
        "{at} is no tick of the job's present schedule: the tick before it is {}, the one after it {}",
        told(ticks.before),
        told(ticks.after)
    );
    Reason { since: ticks.before, until: ticks.after, ..Reason::new("no_tick", text) }
}

/// Whether something keeps all ticks from running; tells what stands in the way.
fn is_stopped(question: Question<'_>, job: &JobRecord, reasons: &mut Vec<Reason>) -> bool {
    let hindrances = hindrances::stopping(question, job);
    let stopped = hindrances.iter().any(hindrances::stops);
    reasons.extend(hindrances);
    stopped
}

/// A tick that lies ahead.
fn to_come(question: Question<'_>, job: &JobRecord, reasons: &mut Vec<Reason>) -> Answer {
    let at = question.at.unwrap_or(question.now);
    if is_stopped(question, job, reasons) {
        return Answer::NotPlanned;
    }
    let starts_at = at + job.jitter(at);
    let spread = if starts_at == at { String::new() } else { format!(", starting at {starts_at}") };
    let text = format!("it is a tick to come{spread}");
    reasons.push(Reason { until: Some(starts_at), ..Reason::new("to_come", text) });
    Answer::Planned
}

fn no_record(job: &JobRecord, evidence: &Evidence) -> Reason {
    let lost = match evidence.gaps {
        true => "rows of that time may be lost on this server",
        false => "the job, or its present schedule, is younger than that, or the row is no longer kept",
    };
    let text =
        format!("everything up to {} is decided, but nothing is kept of this tick: {lost}", job.cursor);
    Reason { until: Some(job.cursor), ..Reason::new("no_record", text) }
}
