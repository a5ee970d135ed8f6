//! A leader whose clock is out of step with the other servers' decides nothing (`Raft::time` sees to that); here it
//! says so, loudly, and hands over to the one whose clock is nearest to what all agree on.

use crate::clock;
use crate::raft::Raft;
use crate::task::CancellationToken;
use dkron_core::apply::Ledger;
use dkron_core::ids::NodeId;
use dkron_core::jump::Verdict;
use dkron_core::time::Span;
use std::time::Duration;

/// How often a leader looks at the clocks; deciding looks each time.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The pause after a transfer that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// A server that was not heard within this is not trusted with the leadership.
const SILENCE: Span = Span::from_seconds(1);

/// Watches the clocks while this server leads, until it is told to stop.
pub async fn watch_clocks(raft: Raft<Ledger>, stop: CancellationToken) {
    let mut leadership = raft.leader();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            led = leadership.wait_for(|shown| shown.leading.is_some()) => if led.is_err() { return },
        }
        if let Verdict::Apart(ahead) = raft.time().verdict {
            tracing::error!(
                ahead_ms = ahead.millis(),
                "this server's clock is out of step with the other servers': it decides nothing and hands over; \
                 set its clock"
            );
            hand_over(&raft, ahead).await;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn hand_over(raft: &Raft<Ledger>, ahead: Span) {
    let Some(heir) = heir(raft, ahead) else {
        tracing::error!("no other server is there to hand over to");
        return tokio::time::sleep(PAUSE).await;
    };
    match raft.transfer_leader(heir).await {
        Ok(()) => tracing::warn!(to = %heir, "the leadership is handed over"),
        Err(error) => {
            tracing::warn!(%error, to = %heir, "the leadership could not be handed over");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The voter that is heard and whose clock is nearest to the median.
fn heir(raft: &Raft<Ledger>, ahead: Span) -> Option<NodeId> {
    let (membership, own) = (raft.members().borrow().clone(), raft.identity().server);
    let (offsets, now) = (raft.clock_offsets(), clock::steady());
    let heard = membership.members.iter().filter(|(id, member)| {
        **id != own && member.voter && member.heard.is_some_and(|heard| now - heard <= SILENCE)
    });
    let distance = |id: NodeId| {
        let offset = offsets.get(&id)?;
        Some(offset.nanos().saturating_add(ahead.nanos()).saturating_abs())
    };
    heard.filter_map(|(id, _)| Some((distance(*id)?, *id))).min().map(|(_, id)| id)
}
