//! `dkron recover`: for the day on which a quorum of servers is lost for good. Shows what would be done, and does it
//! when it is told to.

use super::{Failure, Output};
use crate::node::recover::{RecoverError, Stopped};
use crate::raft::Survey;
use dkron_core::apply::Ledger;
use dkron_core::bootstrap::Promise;
use dkron_core::ids::NodeId;
use dkron_core::state::State;
use dkron_core::state::record::{Progress, Turn};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

/// Executions that are named one by one.
const NAMED_MAX: usize = 20;

/// What to recover, and how.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(super) struct Recover {
    /// Make the disk of this stopped server the whole cluster: all others are lost, or will be wiped
    #[arg(long, group = "what")]
    from_this_node: bool,
    /// Take back this stopped server's promise to form a cluster whose other servers are lost
    #[arg(long, group = "what")]
    reset_promise: bool,
    /// The data directory of the stopped server
    #[arg(long, value_name = "PATH", default_value = "dkron.data")]
    data_dir: PathBuf,
    /// Let each job's catch-up policy decide on the ticks since the last entry. Without it they are passed over,
    /// because the lost servers may have started them
    #[arg(long, conflicts_with = "reset_promise")]
    catch_up: bool,
    /// Do it. Without this nothing is changed
    #[arg(long)]
    yes: bool,
    /// How to print what there is
    #[arg(long, default_value = "table", value_enum)]
    output: Output,
}

impl Recover {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let _logging = crate::telemetry::start(crate::config::LogLevel::Warn);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.map_err(anyhow::Error::from)?.block_on(self.carry_out()).map_err(anyhow::Error::from)?;
        Ok(ExitCode::SUCCESS)
    }

    async fn carry_out(self) -> Result<(), RecoverError> {
        let stopped = Stopped::take(&self.data_dir).await?;
        let done = match self.reset_promise {
            true => self.reset(&stopped).await,
            false => self.recover(&stopped).await,
        };
        stopped.close().await.and(done)
    }

    async fn recover(&self, stopped: &Stopped) -> Result<(), RecoverError> {
        let survey = stopped.survey().await?;
        let shown = Shown::of(&survey);
        if self.yes {
            stopped.recover(&survey, self.catch_up).await?;
        }
        match self.output {
            Output::Json => println!("{}", shown.json(&survey, self)),
            Output::Table => println!("{}", shown.table(&survey, self)),
        }
        Ok(())
    }

    async fn reset(&self, stopped: &Stopped) -> Result<(), RecoverError> {
        let promise = stopped.promise()?;
        if self.yes {
            stopped.reset_promise().await?;
        }
        match self.output {
            Output::Json => println!("{}", promise_json(promise.as_ref(), self.yes)),
            Output::Table => println!("{}", promise_table(promise.as_ref(), self.yes)),
        }
        Ok(())
    }
}

/// What people want to know of a disk.
struct Shown {
    own: String,
    voters: Vec<String>,
    others: Vec<String>,
    running: Vec<String>,
    /// Decided or to be tried again, and on no node yet as far as this disk knows.
    waiting: usize,
}

impl Shown {
    fn of(survey: &Survey<Ledger>) -> Shown {
        let state = &survey.view.state;
        let names = |ids: &BTreeSet<NodeId>| {
            let names: BTreeSet<String> = ids.iter().map(|id| name(state, *id)).collect();
            names.into_iter().collect()
        };
        let (running, waiting) = executions(state);
        let (voters, others) = (names(&survey.voters), names(&survey.others));
        Shown { own: name(state, survey.server), voters, others, running, waiting }
    }

    fn json(&self, survey: &Survey<Ledger>, asked: &Recover) -> Value {
        let (before, after) = (survey.stamp, survey.next_stamp());
        json!({
            "done": asked.yes,
            "cluster": before.cluster.to_string(),
            "incarnation": {"before": before.incarnation.0, "after": after.incarnation.0},
            "server": {"id": survey.server.to_string(), "name": self.own},
            "last_entry": {"index": survey.last(), "term": survey.view.mark.term(),
                "time": survey.view.state.time().to_string()},
            "committed": survey.committed,
            "uncertain_entries": survey.uncertain(),
            "jobs": survey.view.state.job_count(),
            "running": self.running,
            "waiting": self.waiting,
            "voters": {"before": self.voters, "after": [self.own]},
            "ticks_until_now": if asked.catch_up { "catch up" } else { "passed over" },
        })
    }

    fn table(&self, survey: &Survey<Ledger>, asked: &Recover) -> String {
        let (before, after) = (survey.stamp, survey.next_stamp());
        let (done, will) = if asked.yes { ("is", "") } else { ("would become", "would ") };
        let mut lines = vec![
            format!("The disk of {} {done} the whole cluster.", self.own),
            String::new(),
            row("data directory", asked.data_dir.display()),
            row("cluster", before.cluster),
            row("incarnation", format!("{} -> {}", before.incarnation.0, after.incarnation.0)),
            row("this server", format!("{} {}", self.own, survey.server)),
            row("last entry", last_entry(survey)),
            row("committed", committed(survey)),
            row("jobs", survey.view.state.job_count()),
            row("open executions", self.running.len()),
        ];
        let named = self.running.iter().take(NAMED_MAX).map(|text| row("", text));
        lines.extend(named);
        if self.running.len() > NAMED_MAX {
            lines.push(row("", format!("and {} more", self.running.len() - NAMED_MAX)));
        }
        lines.push(row("voters", format!("{} -> {}", self.voters.join(", "), self.own)));
        if !self.others.is_empty() {
            lines.push(row("without a vote", format!("{} -> nobody", self.others.join(", "))));
        }
        lines.push(String::new());
        lines.extend(self.losses(survey, asked, will));
        lines.join("\n")
    }

    /// What may be lost or come twice, plainly.
    fn losses(&self, survey: &Survey<Ledger>, asked: &Recover, will: &str) -> Vec<String> {
        let since = survey.view.state.time();
        let mut lines = vec![format!(
            "What the lost servers agreed upon after entry {} is lost: jobs stored or changed, runs asked for, results \
             taken.",
            survey.last().unwrap_or(0)
        )];
        if survey.uncertain() > 0 {
            lines.push(format!(
                "Entries not known to be committed: the last {}. They {will}count, because the lost servers may have \
                 acted on them.",
                survey.uncertain()
            ));
        }
        lines.push(match (asked.catch_up, survey.view.state.held_since()) {
            (true, _) => format!(
                "Each job's catch-up policy decides on ticks since {since}: what the lost servers started after it \
                 may run a second time."
            ),
            (_, Some(since)) => format!("Ticks are held since {since} and stay so until they are released."),
            (false, None) => format!(
                "Ticks from {since} until now are passed over, with a skip record for each job, because the lost \
                 servers may have started them: no tick runs twice. (--catch-up leaves them to each job's policy.)"
            ),
        });
        if self.waiting > 0 {
            lines.push(format!(
                "{} runs wait for a node or for another try: if the lost servers had given them one, they may run a \
                 second time.",
                self.waiting
            ));
        }
        lines.push(match asked.yes {
            false => "Nothing was changed. Add --yes to do it.".to_owned(),
            true => format!(
                "Start the server, then remove the data directories of all other servers before they start again: with \
                 data of incarnation {} they are refused.",
                survey.stamp.incarnation.0
            ),
        });
        lines
    }
}

fn row(name: &str, value: impl std::fmt::Display) -> String {
    format!("  {name:<16} {value}")
}

fn last_entry(survey: &Survey<Ledger>) -> String {
    match survey.last() {
        Some(index) => {
            format!("{index} of term {}, written {}", survey.view.mark.term(), survey.view.state.time())
        }
        None => "none".to_owned(),
    }
}

fn committed(survey: &Survey<Ledger>) -> String {
    let known = survey
        .committed
        .map_or("no entry is known to be".to_owned(), |index| format!("known up to entry {index}"));
    match survey.uncertain() {
        0 => known,
        count => format!("{known}; not known of the last {count}"),
    }
}

/// A node's name as the state has it, else its id.
fn name(state: &State, id: NodeId) -> String {
    let known = state.node_slot(id).and_then(|slot| state.node(slot));
    known.map_or_else(|| id.to_string(), |node| node.registration.name.to_string())
}

/// What may run, as job and node, and how many runs have no node.
fn executions(state: &State) -> (Vec<String>, usize) {
    let (mut running, mut waiting) = (Vec::new(), 0);
    for (reference, occurrence) in state.occurrences() {
        if occurrence.turn != Turn::Open {
            waiting += 1;
        }
        for (_, execution) in occurrence.named_executions(reference) {
            if matches!(execution.progress, Progress::Retrying(_)) {
                waiting += 1;
            }
            if execution.is_live() {
                let job = state.job(occurrence.job).map_or("a deleted job", |job| &job.name);
                let node = state.node(execution.node).map_or("no node", |node| &node.registration.name);
                running.push(format!("{job} of {} on {node}", occurrence.nominal));
            }
        }
    }
    (running, waiting)
}

fn promise_table(promise: Option<&Promise>, done: bool) -> String {
    let Some(promise) = promise else { return "This server has promised nothing.".to_owned() };
    let set: Vec<String> = promise.set.iter().map(ToString::to_string).collect();
    let mut lines = vec![
        "This server has promised to form a cluster.".to_owned(),
        String::new(),
        row("cluster", promise.cluster),
        row("initialiser", promise.initialiser),
        row("servers", set.join(", ")),
        row("withdrawn", if promise.withdrawn { "yes" } else { "no" }),
        String::new(),
    ];
    lines.push(match done {
        true => "The promise is taken back, and this server never serves that cluster.".to_owned(),
        false => format!(
            "Taken back, it is free for another cluster. Do this only if so many disks of these servers are lost that \
             {} are not left, and do it on all that are left. Nothing was changed. Add --yes to do it.",
            promise.set.len() / 2 + 1
        ),
    });
    lines.join("\n")
}

fn promise_json(promise: Option<&Promise>, done: bool) -> Value {
    let promise = promise.map(|promise| {
        let set: Vec<String> = promise.set.iter().map(ToString::to_string).collect();
        json!({"cluster": promise.cluster.to_string(), "initialiser": promise.initialiser.to_string(),
            "servers": set, "withdrawn": promise.withdrawn})
    });
    json!({"done": done && promise.is_some(), "promise": promise})
}
