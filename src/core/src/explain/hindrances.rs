//! What keeps a job's ticks from running now: the conditions that plan and apply look at, each as a reason.

use super::{Question, Reason};
use crate::duration;
use crate::job::Concurrency;
use crate::limits;
use crate::open::{self, Standing};
use crate::placement;
use crate::rules::Selector;
use crate::state::State;
use crate::state::record::JobRecord;
use crate::time::{Span, Time};

/// Whether this one alone keeps every tick from running.
pub(super) fn stops(reason: &Reason) -> bool {
    matches!(reason.code, "disabled" | "held" | "cluster_held" | "expired" | "no_schedule" | "parent")
}

/// All of them, those that stop every tick first.
pub(super) fn of(question: Question<'_>, job: &JobRecord) -> Vec<Reason> {
    let mut reasons = stopping(question, job);
    reasons.extend(zones(question.state, job));
    reasons.extend(overlap(question, job));
    reasons.extend(nodes(question.state, &job.rules.selector, job.rules.policy.catchup_window));
    reasons
}

/// What stops a tick of this instant, or of any to come.
pub(super) fn stopping(question: Question<'_>, job: &JobRecord) -> Vec<Reason> {
    let (state, timing) = (question.state, &job.rules.timing);
    let when = question.at.unwrap_or(question.now);
    let mut reasons = Vec::new();
    if timing.disabled {
        reasons.push(Reason::new("disabled", "the job is disabled: its ticks are passed over"));
    }
    if job.held {
        let text = "the job is held: its ticks wait, and become one skip record when it is released";
        reasons.push(Reason::new("held", text));
    }
    if let Some(since) = state.held_since() {
        let text = format!("all ticks of the cluster are held since {since}");
        reasons.push(Reason { since: Some(since), ..Reason::new("cluster_held", text) });
    }
    if let Some(parent) = job.parent.and_then(|parent| state.job(parent)) {
        let text = format!("the job has no ticks of its own: a success of '{}' starts it", parent.name);
        reasons.push(Reason::new("parent", text));
    } else if timing.schedule.as_ref().is_none_or(|schedule| !schedule.fires_ever()) {
        let text = "the job's schedule has no ticks: it runs only when it is asked for";
        reasons.push(Reason::new("no_schedule", text));
    }
    if let Some(starts_at) = timing.starts_at.filter(|starts_at| when < *starts_at) {
        let text = format!("the job has no ticks before {starts_at} (starts_at)");
        reasons.push(Reason { until: Some(starts_at), ..Reason::new("not_yet", text) });
    }
    if let Some(expires_at) = timing.expires_at.filter(|expires_at| when > *expires_at) {
        let text = format!("the job has no ticks after {expires_at} (expires_at)");
        reasons.push(Reason { since: Some(expires_at), ..Reason::new("expired", text) });
    }
    reasons
}

/// Due times that are being computed anew.
fn zones(state: &State, job: &JobRecord) -> Option<Reason> {
    let refiling = state.cluster().is_some_and(|cluster| cluster.filing.pending);
    if job.needs_replan() {
        return Some(Reason::new("being_filed", "the leader computes the job's next tick anew"));
    }
    let text = "due times are being computed anew after a change of the zone data or of the default zone";
    refiling.then(|| Reason::new("zones_being_filed", text))
}

/// What the job's overlap rule would do to a tick now.
fn overlap(question: Question<'_>, job: &JobRecord) -> Option<Reason> {
    let blocker = open::of_job(question.state, question.job)
        .find(|open| !matches!(open.standing, Standing::Queued | Standing::Unplaced { .. }))?;
    let (code, text) = match job.rules.policy.concurrency {
        Concurrency::Allow => return None,
        Concurrency::Forbid => ("forbid", "a tick now would be skipped".to_owned()),
        Concurrency::Queue if job.queued >= u32::from(limits::QUEUE_MAX) => {
            ("queue_full", format!("{} runs wait, as many as may: a tick now would be skipped", job.queued))
        }
        Concurrency::Queue => ("queue", format!("a tick now would wait behind it and {} others", job.queued)),
        Concurrency::Replace => ("replace", "a tick now would end it and take its place".to_owned()),
    };
    let since = match blocker.standing {
        Standing::Running(at) => at,
        _ => blocker.decided_at,
    };
    let concurrency = job.rules.policy.concurrency;
    let text = format!("execution {} is open and concurrency is {concurrency}: {text}", blocker.id);
    Some(Reason { since: Some(since), execution: Some(blocker.id), ..Reason::new(code, text) })
}

/// That no node may be given the job.
fn nodes(state: &State, selector: &Selector, window: Span) -> Option<Reason> {
    if selector.count == Some(0) {
        let text = "the job's tags ask for 0 nodes: a tick would find none";
        return Some(Reason::new("no_node", text));
    }
    if state.nodes().any(|(_, node)| placement::is_eligible(node, selector)) {
        return None;
    }
    let silent: Vec<String> = state
        .nodes()
        .filter(|(_, node)| selector.matches(&node.registration.tags))
        .map(|(_, node)| format!("{} ({}, {})", node.registration.name, node.liveness, node.work))
        .take(10)
        .collect();
    let wanted: Vec<String> = selector.tags.iter().map(|(tag, value)| format!("{tag}={value}")).collect();
    let wanted = if wanted.is_empty() { "no tags".to_owned() } else { wanted.join(", ") };
    let others = match silent.is_empty() {
        true => "no node has them".to_owned(),
        false => format!("those that have them: {}", silent.join(", ")),
    };
    let text = format!(
        "no node that lives and takes work has the job's tags ({wanted}); {others}; a tick would wait {} for one",
        duration::print_duration(window)
    );
    Some(Reason::new("no_node", text))
}

/// Why an instant that is over is not decided yet.
pub(super) fn undecided(job: &JobRecord, at: Time, now: Time) -> Reason {
    let starts_at = at + job.jitter(at);
    if starts_at > now {
        let text = format!("its start is spread by the job's jitter, to {starts_at}");
        return Reason { until: Some(starts_at), ..Reason::new("jitter", text) };
    }
    let policy = &job.rules.policy;
    let text = format!(
        "no leader has decided upon it yet; late ticks follow the job's catch-up policy: {}, within {}",
        policy.catchup,
        duration::print_duration(policy.catchup_window)
    );
    Reason { since: Some(at), ..Reason::new("late", text) }
}
