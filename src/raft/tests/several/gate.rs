//! The network between two servers, which a test can cut.

use crate::task::{CancellationToken, spawn};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Listens in place of one server for another one.
pub(super) struct Gate {
    pub(super) address: SocketAddr,
    /// Where it leads; none while it is shut.
    target: watch::Sender<Option<SocketAddr>>,
    /// Bytes that may still pass towards the target; then everything that is open breaks.
    budget: Arc<AtomicI64>,
    /// Bytes that have passed towards the target.
    passed: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Gate {
    pub(super) async fn new() -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (target, watched) = watch::channel(None);
        let (budget, stop) = (Arc::new(AtomicI64::new(i64::MAX)), CancellationToken::new());
        let passed = Arc::new(AtomicU64::new(0));
        let counts = (budget.clone(), passed.clone());
        drop(spawn("gate", stop.clone().run_until_cancelled_owned(accept(listener, watched, counts))));
        Gate { address, target, budget, passed, stop }
    }

    /// Leads to this address, or, if to none, breaks what is open and lets nothing in.
    pub(super) fn lead_to(&self, target: Option<SocketAddr>) {
        self.target.send_replace(target);
    }

    /// Breaks everything once so many more bytes have passed; once.
    pub(super) fn break_after(&self, bytes: i64) {
        self.budget.store(bytes, Ordering::SeqCst);
    }

    /// How many bytes have passed towards the target.
    pub(super) fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// Whether it broke since it was told to.
    pub(super) fn broke(&self) -> bool {
        self.budget.load(Ordering::SeqCst) > i64::MAX / 2
    }
}

async fn accept(
    listener: TcpListener,
    target: watch::Receiver<Option<SocketAddr>>,
    counts: (Arc<AtomicI64>, Arc<AtomicU64>),
) {
    let mut connections = Vec::new();
    while let Ok((near, _)) = listener.accept().await {
        let Some(to) = *target.borrow() else { continue };
        let Ok(far) = TcpStream::connect(to).await else { continue };
        near.set_nodelay(true).expect("no delay");
        far.set_nodelay(true).expect("no delay");
        let mut watched = target.clone();
        let (budget, passed) = counts.clone();
        connections.push(Aborting(spawn("connection", async move {
            let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
            tokio::select! {
                () = carry(near_read, far_write, Some((&budget, &passed))) => {}
                () = carry(far_read, near_write, None) => {}
                _ = watched.wait_for(|now| *now != Some(to)) => {}
            }
        })));
    }
}

struct Aborting(tokio::task::JoinHandle<()>);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, counts: Option<(&AtomicI64, &AtomicU64)>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if let Some((_, passed)) = counts {
            passed.fetch_add(read as u64, Ordering::SeqCst);
        }
        if let Some((budget, _)) = counts
            && budget.load(Ordering::SeqCst) < i64::MAX / 2
            && budget.fetch_sub(read as i64, Ordering::SeqCst) < read as i64
        {
            budget.store(i64::MAX, Ordering::SeqCst);
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
