//! What of a node stands open to whoever reaches it: told once, because on a private network it is meant.

use crate::app::access::Keep;
use crate::config::Config;
use crate::raft::{Machine, Raft};
use dkron_core::apply::Ledger;
use std::time::Duration;

/// How often it is looked whether tokens are asked for by now.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a server leaves open by its settings.
pub(super) struct Exposure {
    open: Vec<String>,
    api: String,
    /// Whether only this machine reaches it.
    private: bool,
}

impl Exposure {
    /// By these settings; `sealed` is whether gossip is encrypted.
    pub(super) fn new(config: &Config, sealed: bool) -> Exposure {
        let mut open = Vec::new();
        if config.tls.is_none() {
            open.push(format!("calls between nodes at {}:{} have no TLS", config.bind.ip(), config.rpc_port));
        }
        if !sealed {
            open.push(format!("gossip at {} has no key", config.bind));
        }
        if config.http_tls.is_none() {
            open.push(format!("the API at {} has no TLS", config.http));
        }
        let private = config.bind.ip().is_loopback() && config.http.ip().is_loopback();
        Exposure { open, api: config.http.to_string(), private }
    }

    /// Tells what is open once the state is known, and remembers on the disk when tokens are asked for.
    pub(super) async fn watch(mut self, raft: Raft<Ledger>, keep: Keep) {
        let mut told = false;
        let mut marks = raft.advanced();
        loop {
            let look =
                raft.look(|ledger, _| (Ledger::is_founded(&ledger.state), ledger.state.is_closed())).await;
            let Ok((founded, closed)) = look else { return };
            if founded && !told {
                told = true;
                self.tell(closed || keep.is_closed());
            }
            if closed {
                if let Err(error) = keep.close().await {
                    tracing::error!(%error, "it cannot be noted on the disk that tokens are asked for");
                }
                return;
            }
            if marks.changed().await.is_err() {
                return;
            }
            if told {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    fn tell(&mut self, closed: bool) {
        if !closed {
            self.open.push(format!("the API at {} asks nobody for a token", self.api));
        }
        if self.open.is_empty() || self.private {
            return;
        }
        tracing::warn!(
            "whoever reaches this node may have commands run on all of them: {}. Keep them in a private network; \
             `dkron doctor` says how to close what is open",
            self.open.join("; ")
        );
    }
}

/// The same for a node that is no server, which listens nowhere and trusts whom it dials.
pub(super) fn warn_agent(config: &Config) {
    if config.tls.is_none() && !config.bind.ip().is_loopback() {
        tracing::warn!(
            "this node runs what is told it at the addresses to join, without TLS: keep them in a private network; \
             `dkron doctor` says how to close what is open"
        );
    }
}
