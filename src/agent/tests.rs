//! The agent's loop on a disk that is as slow as a test wants it, killed in between: whatever a server was told must
//! be in the journal that the next start reads.

use super::calls::Calls;
use super::folder::Folder;
use super::journal_file::{JournalFile, SlowDisk};
use super::offer::Offer;
use super::run::Run;
use crate::clock;
use crate::executor::Executors;
use crate::task::{self, CancellationToken};
use dkron_core::command::Event;
use dkron_core::delivery::{FromAgent, Launch, ToAgent};
use dkron_core::ids::{ExecutionId, ExecutionRef, JobUid, JournalId, OccurrenceRef, Origin};
use dkron_core::journal::{Journal, Record};
use dkron_core::time::Time;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;

/// Longer than anything here takes on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(30);

/// An agent's loop with its ends in a test's hands.
struct Bench {
    journal: JournalId,
    disk: SlowDisk,
    inbox: mpsc::Sender<ToAgent>,
    outbox: mpsc::Receiver<FromAgent>,
    run: JoinHandle<()>,
    /// As long as this is open there is a supervisor to come.
    _link: mpsc::Sender<super::link::LinkEvent>,
}

fn lock(folder: &Folder) -> Arc<File> {
    Arc::new(folder.lock_file("lock").expect("a file to lock"))
}

impl Bench {
    fn start(folder: &Folder) -> Bench {
        let (opened, disk) = SlowDisk::open(folder, lock(folder)).expect("a journal");
        let (inbox, inbox_receiver) = mpsc::channel(16);
        let (outbox_sender, outbox) = mpsc::channel(16);
        let (link, link_receiver) = mpsc::channel(1);
        let run = Run {
            header: opened.header,
            journal: Journal::replay(opened.header.journal, 4, opened.records),
            file: opened.file,
            executors: Executors::new(false),
            calls: Calls::new(folder.clone()),
            offer: Offer::new(folder.clone()),
            link: link_receiver,
            inbox: inbox_receiver,
            outbox: outbox_sender,
            stamp: watch::channel(None).0,
            stop: CancellationToken::new(),
            pending: VecDeque::new(),
            supervisor: None,
            runner: None,
            orphans: BTreeMap::new(),
            orphans_at: clock::monotonic(),
            folder: folder.clone(),
        };
        let run = task::spawn("agent", async move { drop(run.run().await) });
        Bench { journal: opened.header.journal, disk, inbox, outbox, run, _link: link }
    }

    async fn say(&self, said: ToAgent) {
        self.inbox.send(said).await.expect("the agent listens");
    }

    async fn launch(&self, number: u64) {
        self.say(ToAgent::Launch(launch(number, self.journal))).await;
    }

    /// Until so many orders wait for the disk: the agent has then done with all that was said before the last.
    async fn waits_for_disk(&mut self, orders: usize) {
        let waiting = async {
            while self.disk.waiting() < orders {
                yield_now().await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("the orders come");
    }

    /// What was told of and not read yet.
    fn told(&mut self) -> BTreeSet<ExecutionId> {
        let mut told = BTreeSet::new();
        while let Ok(message) = self.outbox.try_recv() {
            told.extend(accepted(&message));
        }
        told
    }

    /// `kill -9`: what waits for the disk never reaches it.
    async fn kill(self) {
        self.run.abort();
        assert!(self.run.await.is_err_and(|error| error.is_cancelled()), "it ran until it was killed");
    }
}

fn launch(number: u64, journal: JournalId) -> Launch {
    let occurrence = OccurrenceRef { index: number, position: 0 };
    Launch {
        execution: ExecutionRef { occurrence, ordinal: 0, attempt: 1 },
        id: ExecutionId(number.into()),
        job: JobUid(1),
        job_name: "job".into(),
        origin: Origin::Schedule,
        nominal: Time::EPOCH,
        decided_at: Time::EPOCH,
        journal,
        start_before: Time::NEVER,
        definition: Arc::default(),
    }
}

fn accepted(message: &FromAgent) -> Vec<ExecutionId> {
    let FromAgent::Reports(told) = message else { return Vec::new() };
    told.iter().filter(|told| told.report.event == Event::Accepted).map(|told| told.id).collect()
}

/// What the next start of the agent knows.
fn known(folder: &Folder) -> BTreeSet<ExecutionId> {
    let opened = JournalFile::open(folder, lock(folder)).expect("the journal is read");
    let accepted = opened.records.iter().filter_map(|record| match record {
        Record::Accepted(launch, _) => Some(launch.id),
        _ => None,
    });
    accepted.collect()
}

#[tokio::test]
async fn a_new_leader_is_told_of_a_launch_only_when_it_is_on_the_disk() {
    for written in 0..=2 {
        let data = tempfile::tempdir().expect("temporary folder");
        let folder = Folder::open(data.path()).expect("the agent's folder");
        let mut bench = Bench::start(&folder);
        bench.say(ToAgent::Leading { term: 1 }).await;
        bench.launch(1).await;
        bench.waits_for_disk(1).await;
        // The scan for the new leader comes before the next launch, whose order shows that it is over.
        bench.say(ToAgent::Leading { term: 2 }).await;
        bench.launch(2).await;
        bench.waits_for_disk(2).await;
        assert_eq!(bench.told(), BTreeSet::new(), "nothing is on the disk");
        let mut expected = BTreeSet::new();
        for number in 1..=written {
            bench.disk.write_one().expect("written");
            expected.insert(ExecutionId(number));
            let mut told = BTreeSet::new();
            while !told.contains(&ExecutionId(number)) {
                let message = timeout(PATIENCE, bench.outbox.recv()).await.expect("told in time");
                told.extend(accepted(&message.expect("the agent lives")));
            }
            assert!(told.is_subset(&expected), "{told:?} is told, {expected:?} is on the disk");
        }
        bench.kill().await;
        assert_eq!(known(&folder), expected, "killed with {written} of 2 on the disk");
    }
}
