//! How an execution stands or ended, in the words of the API.

use dkron_core::execution::Verdict;
use dkron_core::open::Standing;

/// How an execution stands or ended.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Status {
    /// It waits for its turn or for a node.
    Waiting,
    /// Its agent has it or will get it.
    Starting,
    /// It runs.
    Running,
    /// Its next attempt is due some time.
    Retrying,
    /// It is over.
    Ended(Verdict),
}

/// Every word that a filter takes.
pub const WORDS: &str = "waiting, starting, running, retrying, success, failed, timed_out, out_of_memory, cancelled, not_started, lost";

impl Status {
    /// How an open execution stands.
    pub fn of(standing: Standing) -> Status {
        match standing {
            Standing::Queued | Standing::Unplaced { .. } => Status::Waiting,
            Standing::Starting => Status::Starting,
            Standing::Running(_) => Status::Running,
            Standing::Retrying(_) => Status::Retrying,
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Status::Waiting => "waiting",
            Status::Starting => "starting",
            Status::Running => "running",
            Status::Retrying => "retrying",
            Status::Ended(Verdict::Succeeded) => "success",
            Status::Ended(Verdict::Failed) => "failed",
            Status::Ended(Verdict::TimedOut) => "timed_out",
            Status::Ended(Verdict::OutOfMemory) => "out_of_memory",
            Status::Ended(Verdict::Cancelled) => "cancelled",
            Status::Ended(Verdict::NotStarted) => "not_started",
            Status::Ended(Verdict::Lost) => "lost",
        }
    }

    /// Those that a filter's word stands for: `failed` for all that ran and did not do what was asked.
    pub fn named(word: &str) -> Option<Vec<Status>> {
        let of = |verdicts: &[Verdict]| verdicts.iter().map(|verdict| Status::Ended(*verdict)).collect();
        Some(match word {
            "failed" => of(&[Verdict::Failed, Verdict::TimedOut, Verdict::OutOfMemory]),
            "succeeded" => of(&[Verdict::Succeeded]),
            word => vec![Status::all().find(|status| status.word() == word)?],
        })
    }

    /// Every one.
    pub fn all() -> impl Iterator<Item = Status> {
        let open = [Status::Waiting, Status::Starting, Status::Running, Status::Retrying];
        open.into_iter().chain(Verdict::ALL.into_iter().map(Status::Ended))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_that_is_shown_is_one_to_filter_by() {
        for status in Status::all() {
            assert!(Status::named(status.word()).expect("a word").contains(&status));
        }
        let words: Vec<&str> = Status::all().map(Status::word).collect();
        assert_eq!(words.join(", "), WORDS);
        assert_eq!(Status::named("Running"), None);
    }
}
