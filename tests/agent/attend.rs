//! The stream to a server: hello, launch, report, and everything again after it broke.

use super::{DataDir, Ids, PATIENCE, dial, options, serve, welcome};
use dkron::agent::Agent;
use dkron::agent::attend::attend;
use dkron::task;
use dkron_core::command::Event;
use dkron_core::delivery::{FromAgent, ToAgent};
use dkron_core::execution::Verdict;
use dkron_wire::delivery::service::{self, Agents};
use dkron_wire::delivery::{from_agent, to_agent_to_wire};
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

async fn hear(stream: &mut Streaming<service::FromAgent>) -> FromAgent {
    let message = tokio::time::timeout(PATIENCE, stream.message()).await.expect("it speaks in time");
    from_agent(message.expect("no error").expect("no end")).expect("a good message")
}

async fn say(answers: &Answers, said: ToAgent) {
    answers.send(Ok(to_agent_to_wire(&said))).await.expect("the agent listens");
}

async fn outcome(stream: &mut Streaming<service::FromAgent>, ids: Ids) -> Verdict {
    loop {
        let FromAgent::Reports(told) = hear(stream).await else { continue };
        let mut events = told.into_iter().filter(|told| told.id == ids.of(1)).map(|told| told.report.event);
        if let Some(Event::Finished(outcome)) = events.find(|event| matches!(event, Event::Finished(_))) {
            return outcome.verdict;
        }
    }
}

#[tokio::test]
async fn an_agent_says_hello_works_and_offers_what_is_unsettled_on_each_new_stream() {
    let data = DataDir::new();
    let (sender, mut streams) = mpsc::channel(4);
    let dial = dial(serve(Server(sender)).await);
    let mut agent = Agent::start(options(data.path(), 4)).await.expect("the agent starts");
    let journal = agent.registration.journal;
    let attending = task::spawn("attend", async move { attend(&mut agent, dial).await });

    let (mut stream, answers) = streams.recv().await.expect("a stream");
    let FromAgent::Hello { cluster: None, registration } = hear(&mut stream).await else {
        panic!("no hello")
    };
    assert_eq!((&*registration.name, registration.slots), ("here", 4));
    say(&answers, welcome()).await;
    say(&answers, ToAgent::Launch(data.ids.launch(journal, 1, "shell", &[("command", "true")]))).await;
    assert_eq!(outcome(&mut stream, data.ids).await, Verdict::Succeeded);
    drop((stream, answers));

    let (mut stream, answers) = streams.recv().await.expect("another stream");
    let FromAgent::Hello { cluster: Some(_), .. } = hear(&mut stream).await else { panic!("no hello") };
    say(&answers, welcome()).await;
    assert_eq!(outcome(&mut stream, data.ids).await, Verdict::Succeeded);
    attending.abort();
}
