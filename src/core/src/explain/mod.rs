//! Why a job did or did not run at an instant, how it stands now, and what comes next.
//!
//! The reasons are those that decide: the same records, rules and schedules that plan and apply look at, read at one
//! moment. What lies in the past is in the history, which the caller brings along. A reader's question, never asked by
//! apply.

mod hindrances;
mod tick;

use crate::execution::{Finished, Skipped};
use crate::ids::{ExecutionId, JobSlot};
use crate::open::{self, Open, Standing};
use crate::schedule::ZoneData;
use crate::state::State;
use crate::state::record::JobRecord;
use crate::time::{Span, Time};

/// A question about a job.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// What the log has decided.
    pub state: &'a State,
    /// The job.
    pub job: JobSlot,
    /// By which zone data.
    pub data: ZoneData,
    /// The time.
    pub now: Time,
    /// The instant that is asked about; none for the present.
    pub at: Option<Time>,
}

/// What the history has on the instant.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Attempts whose nominal time is in its second.
    pub ran: Vec<Finished>,
    /// Stretches of ticks passed over in which it lies.
    pub skipped: Vec<Skipped>,
    /// Whether rows may be lost that would say more.
    pub gaps: bool,
}

/// The answer in a word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It ran, and is over.
    Ran,
    /// It runs.
    Running,
    /// It is decided upon, and waits: for its turn, a node, its agent, or its next attempt.
    Waiting,
    /// It was passed over.
    Skipped,
    /// It is due, and no leader has decided upon it yet.
    Undecided,
    /// It is a tick to come. Without an instant: there is a next tick.
    Planned,
    /// It is a tick to come that will be passed over as things stand. Without an instant: nothing comes by itself.
    NotPlanned,
    /// The schedule has no tick there.
    NoTick,
    /// It was decided upon, but nothing of it is kept.
    NoRecord,
}

impl Answer {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Answer::Ran => "ran",
            Answer::Running => "running",
            Answer::Waiting => "waiting",
            Answer::Skipped => "skipped",
            Answer::Undecided => "undecided",
            Answer::Planned => "planned",
            Answer::NotPlanned => "not_planned",
            Answer::NoTick => "no_tick",
            Answer::NoRecord => "no_record",
        }
    }
}

/// One reason.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reason {
    /// Which, in a word that stays.
    pub code: &'static str,
    /// The same as a sentence.
    pub text: String,
    /// Since when.
    pub since: Option<Time>,
    /// Until when.
    pub until: Option<Time>,
    /// The execution that has to do with it.
    pub execution: Option<ExecutionId>,
}

impl Reason {
    fn new(code: &'static str, text: impl Into<String>) -> Reason {
        Reason { code, text: text.into(), ..Reason::default() }
    }
}

/// The job's ticks around the instant, by its present schedule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ticks {
    /// Whether the instant is one.
    pub is_tick: bool,
    /// The one before it, within a year.
    pub before: Option<Time>,
    /// The one after it.
    pub after: Option<Time>,
}

/// The next tick.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Next {
    /// Its nominal time.
    pub nominal: Time,
    /// When it starts, jitter included.
    pub starts_at: Time,
}

/// What is to be said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Explanation {
    /// The answer.
    pub answer: Answer,
    /// Why, the weightiest first.
    pub reasons: Vec<Reason>,
    /// With an instant: the ticks around it.
    pub ticks: Option<Ticks>,
    /// What is open of the job; with an instant only what is for it.
    pub open: Vec<Open>,
    /// The next tick, if there is one.
    pub next: Option<Next>,
    /// Every tick up to here is decided.
    pub decided_up_to: Time,
}

/// Explains; none if there is no such job.
pub fn explain(question: Question<'_>, evidence: &Evidence) -> Option<Explanation> {
    let job = question.state.job(question.job)?;
    let open: Vec<Open> = open::of_job(question.state, question.job).collect();
    let next = next_of(job);
    let mut explanation = Explanation {
        answer: Answer::NotPlanned,
        reasons: Vec::new(),
        ticks: None,
        open,
        next,
        decided_up_to: job.cursor,
    };
    match question.at {
        Some(at) => tick::explain(question, job, at, evidence, &mut explanation),
        None => present(question, job, &mut explanation),
    }
    Some(explanation)
}

fn next_of(job: &JobRecord) -> Option<Next> {
    let nominal = Some(job.next_due).filter(|due| *due != Time::NEVER && !job.needs_replan())?;
    Some(Next { nominal, starts_at: nominal + job.jitter(nominal) })
}

/// How the job stands now.
fn present(question: Question<'_>, job: &JobRecord, explanation: &mut Explanation) {
    let mut reasons: Vec<Reason> =
        explanation.open.iter().map(|open| standing(question.state, open)).collect();
    let hindrances = hindrances::of(question, job);
    explanation.answer = match standing_of(&explanation.open) {
        Some(answer) => answer,
        None if explanation.next.is_none() || hindrances.iter().any(hindrances::stops) => Answer::NotPlanned,
        None => Answer::Planned,
    };
    reasons.extend(hindrances);
    if let Some(Next { nominal, starts_at }) = explanation.next {
        let spread = match starts_at - nominal {
            Span::ZERO => String::new(),
            _ => format!(", and starts at {starts_at}, spread by its jitter"),
        };
        let next = Reason::new("next", format!("its next tick is {nominal}{spread}"));
        reasons.push(Reason { until: Some(starts_at), ..next });
    }
    explanation.reasons = reasons;
}

/// Running if one runs, else waiting if one is open.
fn standing_of(open: &[Open]) -> Option<Answer> {
    let runs = open.iter().any(|open| matches!(open.standing, Standing::Running(_)));
    match runs {
        true => Some(Answer::Running),
        false => (!open.is_empty()).then_some(Answer::Waiting),
    }
}

/// How one open execution stands, as a reason.
fn standing(state: &State, open: &Open) -> Reason {
    let node = open.node.and_then(|node| state.node(node)).map(|node| node.registration.name.clone());
    let node = node.unwrap_or_default();
    let what = format!("the run for {} ({})", open.nominal, open.origin.word());
    let reason = match open.standing {
        Standing::Running(at) => Reason {
            since: Some(at),
            ..Reason::new(
                "running",
                format!("{what} runs on {node} since {at}, attempt {}", open.name.attempt),
            )
        },
        Standing::Starting => Reason {
            since: Some(open.decided_at),
            ..Reason::new(
                "starting",
                format!("{what} is decided for {node}, whose agent has not started it yet"),
            )
        },
        Standing::Queued => Reason {
            since: Some(open.decided_at),
            ..Reason::new("waits_for_turn", format!("{what} waits until another run of the job has ended"))
        },
        Standing::Unplaced { until } => Reason {
            since: Some(open.decided_at),
            until: Some(until),
            ..Reason::new(
                "waits_for_node",
                format!("{what} waits for a node with the job's tags until {until}"),
            )
        },
        Standing::Retrying(due) => Reason {
            until: Some(due),
            ..Reason::new(
                "retrying",
                format!("{what} failed and is tried again at {due}, attempt {}", open.name.attempt),
            )
        },
    };
    let silent = open.lost_at.map(|at| format!("; its agent is silent, it is given up at {at}"));
    let ending = if open.ending { "; its end was asked for" } else { "" };
    let text = format!("{}{}{ending}", reason.text, silent.unwrap_or_default());
    Reason { text, execution: Some(open.id), ..reason }
}
