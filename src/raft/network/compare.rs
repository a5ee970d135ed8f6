//! What the leader asks about states, and says to a server whose state is wrong: on the line of heartbeats, since it
//! is as small.

use super::{Line, Network};
use crate::raft::type_config::{Peer, ServerId};
use dkron_core::ids::NodeId;
use dkron_wire::digests::{self, Account, Verdict};
use std::time::Duration;

impl Network {
    /// What a server says of its state; none if it does not answer in time.
    pub(crate) async fn digests(
        &self,
        id: NodeId,
        peer: &Peer,
        indexes: &[u64],
        limit: Duration,
    ) -> Option<Account> {
        let link = self.link(ServerId(id), peer, Line::Pulse);
        let mut client = link.client(Line::Pulse).ok()?;
        let call = client.digests(digests::asked_to_wire(&link.head(), indexes));
        let answer = match tokio::time::timeout(limit, call).await {
            Ok(Ok(answer)) => {
                digests::account_from_wire(answer.into_inner()).map_err(|error| error.to_string())
            }
            Ok(Err(status)) => Err(status.message().to_owned()),
            Err(_) => Err("no answer in time".to_owned()),
        };
        answer.inspect_err(|problem| tracing::debug!(server = %id, problem, "a state is not compared")).ok()
    }

    /// Tells a server that its state is wrong.
    pub(crate) async fn condemn(&self, id: NodeId, peer: &Peer, verdict: &Verdict, limit: Duration) {
        let link = self.link(ServerId(id), peer, Line::Pulse);
        let Ok(mut client) = link.client(Line::Pulse) else { return };
        let call = client.quarantine(digests::verdict_to_wire(&link.head(), verdict));
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(reply)) if reply.get_ref().accepted => {
                tracing::warn!(server = %id, "a server whose state is wrong is in quarantine now");
            }
            Ok(Ok(_)) => {
                tracing::warn!(server = %id, "a server does not find its state wrong: it is asked again")
            }
            Ok(Err(status)) => tracing::warn!(server = %id, error = status.message(), "it could not be told"),
            Err(_) => tracing::warn!(server = %id, "it did not answer in time that its state is wrong"),
        }
    }
}
