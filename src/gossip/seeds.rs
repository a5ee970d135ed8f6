//! Where others may be: names become addresses, again and again, because they may move.

use crate::net;
use crate::task::CancellationToken;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Names are asked for this often.
const AGAIN: Duration = Duration::from_secs(5);
/// More addresses than this are no list of seeds.
const ADDRESSES_MAX: usize = 256;

/// The addresses; none until they are known for the first time.
pub(super) type Addresses = Option<Arc<[SocketAddr]>>;

/// Keeps the addresses of the seeds as they are now.
pub(super) async fn resolve(
    mut seeds: watch::Receiver<Arc<[String]>>,
    addresses: watch::Sender<Addresses>,
    cancel: CancellationToken,
) {
    loop {
        let names = seeds.borrow_and_update().clone();
        tokio::select! {
            () = cancel.cancelled() => return,
            found = look_up(&names) => {
                let found: Arc<[SocketAddr]> = found.into_iter().collect();
                addresses.send_if_modified(|known| {
                    let changed = known.as_ref() != Some(&found);
                    *known = Some(found);
                    changed
                });
            }
        }
        let changed = async {
            if seeds.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = cancel.cancelled() => return,
            () = changed => {}
            () = tokio::time::sleep(AGAIN), if !names.is_empty() => {}
        }
    }
}

/// All at once, since one silent name server must not hold up the others.
async fn look_up(names: &[String]) -> BTreeSet<SocketAddr> {
    let answers = futures::future::join_all(names.iter().take(ADDRESSES_MAX).map(|name| net::resolve(name)));
    let mut found = BTreeSet::new();
    for answer in answers.await {
        match answer {
            Ok(addresses) => found.extend(addresses),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::debug!(%error, cause, "a seed is not known at the moment");
            }
        }
    }
    while found.len() > ADDRESSES_MAX {
        found.pop_last();
    }
    found
}
