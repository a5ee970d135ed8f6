//! The stream to a server: hello, launch, report, and everything again after it broke.

use super::{DataDir, PATIENCE, id, launch, options, welcome};
use dkron::agent::Agent;
use dkron::agent::attend::{AttendError, Dial, attend};
use dkron::task;
use dkron_core::command::Event;
use dkron_core::delivery::{FromAgent, ToAgent};
use dkron_core::execution::Verdict;
use dkron_wire::delivery::service::{self, Agents, AgentsServer};
use dkron_wire::delivery::{from_agent, to_agent_to_wire};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

type Answers = mpsc::Sender<Result<service::ToAgent, Status>>;

/// A server that hands each stream to the test.
struct Server(mpsc::Sender<(Streaming<service::FromAgent>, Answers)>);

#[tonic::async_trait]
impl Agents for Server {
    type AttendStream = ReceiverStream<Result<service::ToAgent, Status>>;

    async fn attend(
        &self,
        request: Request<Streaming<service::FromAgent>>,
    ) -> Result<Response<Self::AttendStream>, Status> {
        let (sender, receiver) = mpsc::channel(16);
        self.0
            .send((request.into_inner(), sender))
            .await
            .map_err(|_| Status::unavailable("the test ended"))?;
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

async fn server() -> (Dial, mpsc::Receiver<(Streaming<service::FromAgent>, Answers)>) {
    let (sender, streams) = mpsc::channel(4);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let serving = tonic::transport::Server::builder().add_service(AgentsServer::new(Server(sender)));
    drop(task::spawn("test server", serving.serve_with_incoming(incoming)));
    let dial: Dial = Arc::new(move || {
        let address = address.clone();
        Box::pin(async move {
            let endpoint = tonic::transport::Endpoint::from_shared(address);
            let endpoint = endpoint.map_err(|error| AttendError::Dial(error.into()))?;
            endpoint.connect().await.map_err(|error| AttendError::Dial(error.into()))
        })
    });
    (dial, streams)
}

async fn hear(stream: &mut Streaming<service::FromAgent>) -> FromAgent {
    let message = tokio::time::timeout(PATIENCE, stream.message()).await.expect("it speaks in time");
    from_agent(message.expect("no error").expect("no end")).expect("a good message")
}

async fn say(answers: &Answers, said: ToAgent) {
    answers.send(Ok(to_agent_to_wire(&said))).await.expect("the agent listens");
}

async fn outcome(stream: &mut Streaming<service::FromAgent>) -> Verdict {
    loop {
        let FromAgent::Reports(told) = hear(stream).await else { continue };
        let mut events = told.into_iter().filter(|told| told.id == id(1)).map(|told| told.report.event);
        if let Some(Event::Finished(outcome)) = events.find(|event| matches!(event, Event::Finished(_))) {
            return outcome.verdict;
        }
    }
}

#[tokio::test]
async fn an_agent_says_hello_works_and_offers_what_is_unsettled_on_each_new_stream() {
    let data = DataDir::new();
    let (dial, mut streams) = server().await;
    let mut agent = Agent::start(options(data.path(), 4)).await.expect("the agent starts");
    let journal = agent.registration.journal;
    let attending = task::spawn("attend", async move { attend(&mut agent, dial).await });

    let (mut stream, answers) = streams.recv().await.expect("a stream");
    let FromAgent::Hello { cluster: None, registration } = hear(&mut stream).await else {
        panic!("no hello")
    };
    assert_eq!((&*registration.name, registration.slots), ("here", 4));
    say(&answers, welcome()).await;
    say(&answers, ToAgent::Launch(launch(journal, 1, "shell", &[("command", "true")]))).await;
    assert_eq!(outcome(&mut stream).await, Verdict::Succeeded);
    drop((stream, answers));

    let (mut stream, answers) = streams.recv().await.expect("another stream");
    let FromAgent::Hello { cluster: Some(_), .. } = hear(&mut stream).await else { panic!("no hello") };
    say(&answers, welcome()).await;
    assert_eq!(outcome(&mut stream).await, Verdict::Succeeded);
    attending.abort();
}
