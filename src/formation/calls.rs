//! What this server asks others on its way into a cluster.

use super::Formation;
use dkron_core::bootstrap::{Answer, Hello, Promise, Refusal};
use dkron_core::ids::{ClusterId, NodeId};
use dkron_wire::formation;
use dkron_wire::formation::service::FormationClient;
use std::time::Duration;
use tonic::Status;
use tonic::transport::Channel;

/// How long an answer may take: a promise is on a disk before it is answered.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What came back.
pub(super) enum Heard {
    /// The answer to a question.
    Answer(NodeId, Hello, Answer),
    /// A promise given or refused.
    Verdict(NodeId, ClusterId, Result<(), Refusal>),
}

impl Formation {
    pub(super) fn ask(
        &self,
        peer: NodeId,
        hello: Hello,
    ) -> impl Future<Output = Option<Heard>> + Send + 'static {
        let (client, formats) = (self.client(peer), self.inner.formats);
        within(peer, "hello", async move {
            let mut question = formation::hello_to_wire(peer, &hello);
            formation::say_formats(&mut question, formats);
            let reply = client?.hello(question).await?.into_inner();
            let answer = formation::answer_from_wire(reply).map_err(unreadable)?;
            Ok(Some(Heard::Answer(peer, hello, answer)))
        })
    }

    pub(super) fn ask_promise(
        &self,
        peer: NodeId,
        promise: Promise,
    ) -> impl Future<Output = Option<Heard>> + Send + 'static {
        let client = self.client(peer);
        within(peer, "promise", async move {
            let reply = client?.promise(formation::request_to_wire(peer, &promise)).await?.into_inner();
            let verdict = formation::verdict_from_wire(reply).map_err(unreadable)?;
            Ok(Some(Heard::Verdict(peer, promise.cluster, verdict)))
        })
    }

    pub(super) fn give_up(
        &self,
        peer: NodeId,
        cluster: ClusterId,
    ) -> impl Future<Output = Option<Heard>> + Send + 'static {
        let (client, own) = (self.client(peer), self.inner.own);
        within(peer, "abort", async move {
            client?.abort(formation::abort_to_wire(peer, own, cluster)).await?;
            Ok(None)
        })
    }

    fn client(&self, peer: NodeId) -> Result<FormationClient<Channel>, Status> {
        let roster = self.inner.roster.borrow().clone();
        let server = roster.server(peer).ok_or_else(|| Status::unavailable("its address is not known"))?;
        let channel = self.inner.channels.get(&server.calls);
        channel.map(FormationClient::new).map_err(|error| Status::unavailable(error.to_string()))
    }
}

/// A call that came to nothing is made again when the plan says so: it is worth a line only to who looks for it.
async fn within(
    peer: NodeId,
    what: &'static str,
    call: impl Future<Output = Result<Option<Heard>, Status>> + Send,
) -> Option<Heard> {
    let failure = match tokio::time::timeout(ANSWER_WITHIN, call).await {
        Ok(Ok(heard)) => return heard,
        Ok(Err(status)) => status.message().to_owned(),
        Err(_) => "no answer in time".to_owned(),
    };
    tracing::debug!(%peer, what, failure, "a server did not answer");
    None
}

fn unreadable(error: dkron_wire::WireError) -> Status {
    Status::internal(error.to_string())
}
