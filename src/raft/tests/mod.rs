//! The room as a whole, with a state of a few lines in place of the scheduler's.

mod damage;
mod ground;
mod kill;
mod ledger;
mod recovery;
mod restart;
mod several;
mod suite;

use super::machine::{Digest, Effects, Machine, Turn};
use super::type_config::Replies;
use super::{Blank, Error, Founder, Ground, Options, Peer, Priority, Raft, SnapshotRule, open};
use crate::net::Dialer;
use crate::task::spawn;
use bytes::Bytes;
use dkron_core::command::{Action, Batch, Command, Refusal, Reply};
use dkron_core::ids::RequestId;
use dkron_core::time::Time;
use imbl::OrdMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Remembers which request came in which entry.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    requests: OrdMap<u128, u64>,
    digest: u128,
    time: Time,
    founded: bool,
}

impl Tally {
    pub(crate) fn has(&self, request: u128) -> bool {
        self.requests.contains_key(&request)
    }

    pub(crate) fn len(&self) -> usize {
        self.requests.len()
    }

    fn note(&mut self, request: u128, index: u64) {
        self.digest = self.digest.wrapping_add(request.wrapping_mul(31).wrapping_add(u128::from(index)));
        self.requests.insert(request, index);
    }
}

impl Machine for Tally {
    type View = Tally;
    /// The request of each command.
    type Row = u128;

    fn empty() -> Tally {
        Tally::default()
    }

    fn apply(&mut self, index: u64, batch: &Batch) -> Effects<u128> {
        self.time = self.time.max(batch.time);
        let mut effects = Effects { replies: Replies::default(), rows: Vec::new() };
        for command in &batch.commands {
            let reply = match (&command.action, command.request) {
                (Action::Found(_), _) if self.founded => Reply::Refused(Refusal::Founded),
                (Action::Found(_), _) => {
                    self.founded = true;
                    Reply::Done
                }
                (_, Some(request)) => {
                    self.note(request.0, index);
                    effects.rows.push(request.0);
                    Reply::Done
                }
                _ => Reply::Refused(Refusal::NoRequest),
            };
            effects.replies.0.push(reply);
        }
        effects
    }

    fn pass(&mut self, _index: u64) {}

    fn is_founded(view: &Tally) -> bool {
        view.founded
    }

    fn view(&self) -> Arc<Tally> {
        Arc::new(self.clone())
    }

    fn digest(view: &Tally) -> Digest {
        Digest { value: view.digest, format: 1 }
    }

    fn time(view: &Tally) -> Time {
        view.time
    }

    fn save(view: &Tally) -> impl Iterator<Item = Bytes> {
        view.requests.iter().map(|(request, index)| {
            let mut record = request.to_be_bytes().to_vec();
            record.extend_from_slice(&index.to_be_bytes());
            record.into()
        })
    }

    fn load(_applied: u64, time: Time, records: &mut dyn Iterator<Item = Bytes>) -> Result<Tally, String> {
        let mut tally = Tally { time, founded: true, ..Tally::default() };
        for record in records {
            let (request, index) = record.split_at_checked(16).ok_or("a short record")?;
            let request = request.try_into().map(u128::from_be_bytes).map_err(|_| "a short request")?;
            let index = index.try_into().map(u64::from_be_bytes).map_err(|_| "a short index")?;
            tally.note(request, index);
        }
        Ok(tally)
    }
}

/// What stands in for the history: it counts rows, and is as quick or as slow as the test wants.
pub(crate) struct History<R> {
    pub(crate) rows: mpsc::Receiver<Turn<R>>,
    pub(crate) synced: watch::Sender<u64>,
}

impl<R: Send + 'static> History<R> {
    /// Takes everything at once, for ever.
    fn keep_up(mut self) {
        drop(spawn("history", async move {
            while let Some(turn) = self.rows.recv().await {
                self.synced.send_replace(turn.last().map_or(0, |applied| applied.index));
            }
        }));
    }
}

pub(crate) fn options<M: Machine>() -> (Options<M>, History<M::Row>) {
    let (history, rows) = mpsc::channel(16);
    let (synced, history_synced) = watch::channel(0);
    let (_, addresses) = watch::channel(Arc::default());
    let options = Options {
        blank: Blank::Wait,
        founder: Founder { default_zone: "UTC".into(), zone_data: "2026a".into(), format: 1 },
        addresses,
        dialer: Dialer::default(),
        multiplier: 1,
        snapshots: SnapshotRule { bytes: u64::MAX, entries: u64::MAX, every: Duration::from_secs(3_600) },
        clock: Arc::new(|| Time::from_seconds(1_800_000_000)),
        history,
        history_synced,
    };
    (options, History { rows, synced })
}

/// One server on this directory, which forms a cluster of one if it is new.
pub(crate) async fn start_with<M: Machine>(path: &Path, options: Options<M>) -> Result<Raft<M>, Error> {
    let mut ground = open(path, None).await?;
    if ground.identity().stamp.is_none() {
        ground.adopt(ground.new_stamp()?).await?;
    }
    let peer = Peer { name: "one".into(), address: "127.0.0.1:8946".into() };
    let blank = Blank::Found([(ground.identity().server, peer)].into());
    Raft::start(ground, Options { blank, ..options }).await
}

/// The same with a history that keeps up.
pub(crate) async fn start(path: &Path) -> Result<Raft<Tally>, Error> {
    let (options, history) = options();
    history.keep_up();
    start_with(path, options).await
}

/// Opens until whoever had the directory before has let go of it: a refused opening lets go a little later.
pub(crate) async fn until_free<F>(open: impl Fn() -> F) -> Result<Ground, Error>
where
    F: Future<Output = Result<Ground, Error>>,
{
    loop {
        match open().await {
            Err(Error::Database { .. }) => tokio::task::yield_now().await,
            opened => return opened,
        }
    }
}

pub(crate) fn command(request: u128) -> Command {
    let name = format!("job-{request}").as_str().into();
    Command { request: Some(RequestId(request)), action: Action::Delete { name } }
}

/// Proposes these requests, some at a time, and waits for all.
pub(crate) async fn write(raft: &Raft<Tally>, requests: std::ops::Range<u128>) {
    let proposals = requests.map(|request| raft.propose(Priority::Write, command(request)));
    for reply in futures::future::join_all(proposals).await {
        assert_eq!(reply.expect("proposed"), Reply::Done);
    }
}
