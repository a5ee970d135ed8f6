//! One agent's stream from its hello to its end.

use super::live::Live;
use super::processor::{self, Processors, Subject};
use super::streams::{QUEUE, Streams};
use crate::history::History;
use crate::raft::{Priority, Raft};
use crate::task;
use dkron_core::apply::Ledger;
use dkron_core::command::{Action, Command, Event, Reply, Report};
use dkron_core::delivery::{FromAgent, ToAgent, Told};
use dkron_core::execution::Outcome;
use dkron_core::ids::{ClusterId, ExecutionId, NodeSlot};
use dkron_core::limits::OUTPUT_TAIL_BYTES;
use dkron_core::node::Registration;
use dkron_wire::delivery::{self, service};
use futures::stream::{BoxStream, StreamExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Reports of one agent that are proposed as one command; an entry holds several.
const REPORTS_MAX: usize = 500;

/// Serves agents.
#[derive(Clone)]
pub struct Attendance {
    raft: Raft<Ledger>,
    history: History,
    live: Live,
    streams: Streams,
    processors: Processors,
    contacts: mpsc::Sender<NodeSlot>,
    serial: Arc<AtomicU64>,
}

impl Attendance {
    /// The service over these rooms; `contacts` hears of every new stream.
    pub fn new(
        raft: Raft<Ledger>,
        history: History,
        live: Live,
        dispatch: &super::Dispatch,
        contacts: mpsc::Sender<NodeSlot>,
    ) -> Attendance {
        let (streams, processors) = (dispatch.streams(), Processors::new());
        Attendance { raft, history, live, streams, processors, contacts, serial: Arc::default() }
    }

    /// The nodes whose agents have a stream to this server.
    pub fn attending(&self) -> Vec<NodeSlot> {
        self.streams.nodes()
    }

    /// Puts the agent's registration into the log and welcomes it.
    async fn register(
        &self,
        cluster: Option<ClusterId>,
        registration: Registration,
    ) -> Result<NodeSlot, Status> {
        let own = self.raft.identity().stamp.map(|stamp| stamp.cluster);
        if cluster.is_some() && cluster != own {
            return Err(Status::failed_precondition("the agent belongs to another cluster"));
        }
        let name = registration.name.clone();
        let command = Command { request: None, action: Action::Register(registration) };
        match self.raft.propose(Priority::Report, command).await {
            Ok(Reply::Registered(node)) => {
                tracing::info!(node = %name, slot = node.0, "agent attends");
                Ok(node)
            }
            Ok(Reply::Refused(refusal)) => Err(Status::already_exists(refusal.to_string())),
            Ok(_) => Err(Status::internal("a registration was answered by something else")),
            Err(error) => Err(Status::unavailable(error.to_string())),
        }
    }

    /// Reads the agent's words until the stream or consensus ends. Reports are proposed one command at a time:
    /// while one is on its way, what the agent says next is gathered into the following one.
    async fn listen(
        self,
        node: NodeSlot,
        mut said: mpsc::Receiver<FromAgent>,
        answers: mpsc::Sender<ToAgent>,
    ) -> Result<(), Status> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let _open = self.streams.open(node, serial, answers.clone());
        let stopped = |_| Status::unavailable("the server stops");
        self.contacts.send(node).await.map_err(stopped)?;
        let mut words = Vec::new();
        while said.recv_many(&mut words, 256).await > 0 {
            let mut reports = Vec::new();
            for word in words.drain(..) {
                match word {
                    FromAgent::Output { id, offset, bytes } => self.live.add(id, offset, &bytes),
                    FromAgent::Reports(more) => reports.extend(more),
                    FromAgent::Hello { .. } => return Err(Status::invalid_argument("hello came twice")),
                }
            }
            for part in reports.chunks(REPORTS_MAX) {
                let settled = self.commit(part).await?;
                if !settled.is_empty() {
                    answers.send(ToAgent::Settled(settled)).await.map_err(|_| Status::cancelled("gone"))?;
                }
            }
        }
        Ok(())
    }

    /// Commits reports; the ids of the executions whose outcomes are settled by that. An outcome that the
    /// state does not take (a repeated or late one) is settled as well: the log has seen it.
    async fn commit(&self, told: &[Told]) -> Result<Vec<ExecutionId>, Status> {
        let mut reports: Vec<Report> = told.iter().map(|told| told.report.clone()).collect();
        let subjects = self.subjects(&reports).await?;
        for ((told, report), subject) in told.iter().zip(&mut reports).zip(subjects) {
            if let Event::Finished(outcome) = &mut report.event {
                self.keep_output(told.id, outcome, subject).await?;
            }
        }
        let command = Command { request: None, action: Action::Report(reports) };
        let answer = self.raft.propose(Priority::Report, command).await;
        let answer = answer.map_err(|error| Status::unavailable(error.to_string()))?;
        tracing::debug!(reports = told.len(), ?answer, "reports committed");
        let finished = told.iter().filter(|told| matches!(told.report.event, Event::Finished(_)));
        Ok(finished.map(|told| told.id).collect())
    }

    /// For each report the execution whose processors are to run, if it has any: one look for them all.
    async fn subjects(&self, reports: &[Report]) -> Result<Vec<Option<Subject>>, Status> {
        let finished = |report: &&Report| matches!(report.event, Event::Finished(_));
        if reports.iter().filter(finished).count() == 0 {
            return Ok(vec![None; reports.len()]);
        }
        // The names are enough; the outcomes stay here.
        let named: Vec<_> =
            reports.iter().map(|report| finished(&report).then_some(report.execution)).collect();
        let look = move |ledger: &mut Ledger, _: &_| {
            named.into_iter().map(|name| name.and_then(|name| Subject::of(ledger, name))).collect()
        };
        self.raft.look(look).await.map_err(|error| Status::unavailable(error.to_string()))
    }

    /// Output beyond the tail is durable here before the outcome that speaks of it is in the log; where
    /// processors put another in its place, the outcome speaks of that one, which it holds itself.
    async fn keep_output(
        &self,
        id: ExecutionId,
        outcome: &mut Outcome,
        subject: Option<Subject>,
    ) -> Result<(), Status> {
        let output = self.live.take(id);
        if let Some(subject) = subject {
            let long = outcome.output_bytes > OUTPUT_TAIL_BYTES as u64;
            let whole = output.as_ref().filter(|_| long).map(|output| output.bytes.clone());
            let whole = whole.unwrap_or_else(|| match outcome.tail.is_empty() {
                true => outcome.error.as_bytes().to_vec(),
                false => outcome.tail.to_vec(),
            });
            if let Some(text) = self.processors.run(subject, outcome.clone(), whole).await {
                processor::replace(outcome, &text);
                return Ok(());
            }
        }
        let Some(output) = output else { return Ok(()) };
        if outcome.output_bytes <= OUTPUT_TAIL_BYTES as u64 {
            return Ok(());
        }
        let cut = output.offset > 0 || output.end() < outcome.output_bytes;
        let kept = self.history.put_output(id, output.bytes, cut).await;
        kept.map_err(|error| Status::unavailable(error.to_string()))
    }
}

#[tonic::async_trait]
impl service::Agents for Attendance {
    type AttendStream = BoxStream<'static, Result<service::ToAgent, Status>>;

    async fn attend(
        &self,
        request: Request<Streaming<service::FromAgent>>,
    ) -> Result<Response<Self::AttendStream>, Status> {
        let mut incoming = request.into_inner();
        let first = incoming.message().await?.ok_or_else(|| Status::invalid_argument("no hello came"))?;
        let FromAgent::Hello { cluster, registration } = read(first)? else {
            return Err(Status::invalid_argument("the first message must be hello"));
        };
        let node = self.register(cluster, registration).await?;
        let (answers, outgoing) = mpsc::channel(QUEUE);
        let stamp = self.raft.identity().stamp.ok_or_else(|| Status::unavailable("no cluster yet"))?;
        let welcome = ToAgent::Welcome {
            server: self.raft.identity().server,
            cluster: stamp.cluster,
            incarnation: stamp.incarnation,
        };
        answers.send(welcome).await.map_err(|_| Status::cancelled("gone"))?;
        let (heard, said) = mpsc::channel(256);
        let reader = task::spawn("agent-reader", pump(incoming, heard));
        let attendance = self.clone();
        let listener = task::spawn("agent-listener", async move {
            if let Err(status) = attendance.listen(node, said, answers).await {
                tracing::info!(slot = node.0, reason = status.message(), "agent's stream ends");
            }
            reader.abort();
        });
        // The listener ends with the agent's words; the stream ends when the listener drops its sender.
        drop(listener);
        Ok(Response::new(
            ReceiverStream::new(outgoing).map(|said| Ok(delivery::to_agent_to_wire(&said))).boxed(),
        ))
    }
}

/// Reads and checks what the agent says, ahead of the listener by a bounded queue.
async fn pump(mut incoming: Streaming<service::FromAgent>, heard: mpsc::Sender<FromAgent>) {
    loop {
        let said = match incoming.message().await {
            Ok(Some(message)) => read(message),
            Ok(None) => return,
            Err(status) => Err(status),
        };
        match said {
            Ok(said) => {
                if heard.send(said).await.is_err() {
                    return;
                }
            }
            Err(status) => {
                tracing::debug!(%status, "an agent's stream broke");
                return;
            }
        }
    }
}

fn read(message: service::FromAgent) -> Result<FromAgent, Status> {
    delivery::from_agent(message).map_err(|error| Status::invalid_argument(error.to_string()))
}
