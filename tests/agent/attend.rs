//! The streams to the servers: hello, launch, report; who is told; everything again when another server leads.

use super::{DataDir, PATIENCE, options, serve, welcome_of};
use dkron::agent::attend::{AttendError, Dial, Discover, Servers, attend};
use dkron::agent::{Agent, AgentHandle};
use dkron::task::{self, CancellationToken};
use dkron_core::command::Event;
use dkron_core::delivery::{FromAgent, ServerAddress, ToAgent};
use dkron_core::execution::Verdict;
use dkron_core::ids::{ClusterId, Incarnation, JournalId, NodeId, Stamp};
use dkron_wire::delivery::service::{self, Agents};
use dkron_wire::delivery::{from_agent, to_agent_to_wire};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

type Answers = mpsc::Sender<Result<service::ToAgent, Status>>;

/// Hands each stream to the test.
struct Door(mpsc::Sender<(Streaming<service::FromAgent>, Answers)>);

#[tonic::async_trait]
impl Agents for Door {
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

/// A server whose every word is the test's.
struct Server {
    address: ServerAddress,
    streams: mpsc::Receiver<(Streaming<service::FromAgent>, Answers)>,
}

/// One stream, seen from the server.
struct Stream {
    heard: Streaming<service::FromAgent>,
    answers: Answers,
    hello: FromAgent,
}

impl Server {
    async fn start(number: u128) -> Server {
        let (sender, streams) = mpsc::channel(4);
        let address = serve(Door(sender)).await;
        Server { address: ServerAddress { id: NodeId(number), address: address.into() }, streams }
    }

    /// The next stream, welcomed.
    async fn stream(&mut self) -> Stream {
        let stream = tokio::time::timeout(PATIENCE, self.streams.recv()).await.expect("it calls in time");
        let (mut heard, answers) = stream.expect("a stream");
        let hello = hear(&mut heard).await;
        let stream = Stream { heard, answers, hello };
        stream.say(welcome_of(self.address.id.0)).await;
        stream
    }
}

impl Stream {
    async fn say(&self, said: ToAgent) {
        self.answers.send(Ok(to_agent_to_wire(&said))).await.expect("the agent listens");
    }

    /// How execution 1 ended, as told here.
    async fn outcome(&mut self, data: &DataDir) -> Verdict {
        loop {
            let FromAgent::Reports(told) = hear(&mut self.heard).await else { continue };
            let mut events =
                told.into_iter().filter(|told| told.id == data.id(1)).map(|told| told.report.event);
            if let Some(Event::Finished(outcome)) = events.find(|event| matches!(event, Event::Finished(_))) {
                return outcome.verdict;
            }
        }
    }

    /// Waits for the end of the stream, and hears nothing before it.
    async fn ends_in_silence(mut self) {
        let said = tokio::time::timeout(PATIENCE, self.heard.message()).await.expect("it ends in time");
        assert!(!matches!(said, Ok(Some(_))), "{said:?}");
    }
}

async fn hear(stream: &mut Streaming<service::FromAgent>) -> FromAgent {
    let message = tokio::time::timeout(PATIENCE, stream.message()).await.expect("it speaks in time");
    from_agent(message.expect("no error").expect("no end")).expect("a good message")
}

/// As a node dials.
pub(super) fn dial() -> Dial {
    Arc::new(|address| {
        Box::pin(async move {
            dkron::net::Dialer::default()
                .dial(&address)
                .await
                .map_err(|error| AttendError::Dial(error.into()))
        })
    })
}

type List = watch::Sender<Arc<[ServerAddress]>>;

/// An agent that attends some servers.
struct Attending {
    journal: JournalId,
    list: List,
    leave: CancellationToken,
    ended: JoinHandle<(AgentHandle, Result<(), AttendError>)>,
}

async fn attending(data: &DataDir, servers: &[&Server]) -> Attending {
    let (list, known) = watch::channel(addresses(servers));
    begin(data, list, Servers::Known(known)).await
}

async fn begin(data: &DataDir, list: List, servers: Servers) -> Attending {
    let mut agent = Agent::start(options(data.path(), 4)).await.expect("the agent starts");
    let (journal, leave) = (agent.registration.journal, CancellationToken::new());
    let leaves = leave.clone();
    let ended = task::spawn("attend", async move {
        let ended = attend(&mut agent, dial(), servers, leaves).await;
        (agent, ended)
    });
    Attending { journal, list, leave, ended }
}

fn addresses(servers: &[&Server]) -> Arc<[ServerAddress]> {
    servers.iter().map(|server| server.address.clone()).collect()
}

#[tokio::test]
async fn an_agent_says_hello_works_and_offers_what_is_unsettled_on_each_new_stream() {
    let data = DataDir::new();
    let mut server = Server::start(1).await;
    let agent = attending(&data, &[&server]).await;

    let mut stream = server.stream().await;
    let FromAgent::Hello { stamp: None, registration, process } = stream.hello.clone() else {
        panic!("no hello")
    };
    assert_eq!((&*registration.name, registration.slots), ("here", 4));
    stream.say(ToAgent::Leading { term: 1 }).await;
    stream.say(ToAgent::Launch(data.ids.launch(agent.journal, 1, "shell", &[("command", "true")]))).await;
    assert_eq!(stream.outcome(&data).await, Verdict::Succeeded);
    drop(stream);

    let mut stream = server.stream().await;
    let stamp = Stamp { cluster: ClusterId(2), incarnation: Incarnation(1) };
    let again = FromAgent::Hello { stamp: Some(stamp), registration, process };
    assert_eq!(stream.hello, again, "the same process, now of a cluster");
    stream.say(ToAgent::Leading { term: 1 }).await;
    assert_eq!(stream.outcome(&data).await, Verdict::Succeeded);
    agent.ended.abort();
}

#[tokio::test]
async fn the_highest_term_hears_all_and_the_next_leader_hears_it_again_until_one_settles_it() {
    let data = DataDir::new();
    let (mut one, mut two) = (Server::start(1).await, Server::start(2).await);
    let agent = attending(&data, &[&one, &two]).await;
    let (mut first, mut second) = (one.stream().await, two.stream().await);
    first.say(ToAgent::Leading { term: 5 }).await;
    // A follower passes on what was committed; the leader hears of it.
    second.say(ToAgent::Launch(data.ids.launch(agent.journal, 1, "shell", &[("command", "true")]))).await;
    assert_eq!(first.outcome(&data).await, Verdict::Succeeded);
    // The leader is deposed and does not know it; another one has a higher term.
    second.say(ToAgent::Leading { term: 6 }).await;
    assert_eq!(second.outcome(&data).await, Verdict::Succeeded);
    // An older term, said late, changes nothing; nor does a follower's word.
    first.say(ToAgent::Leading { term: 5 }).await;
    first.say(ToAgent::Following).await;
    second.say(ToAgent::Following).await;
    second.say(ToAgent::Leading { term: 8 }).await;
    assert_eq!(second.outcome(&data).await, Verdict::Succeeded);
    second.say(ToAgent::Settled(vec![data.id(1)])).await;
    // Settled once, it is told to nobody: the next leader hears of the next execution only.
    first.say(ToAgent::Leading { term: 9 }).await;
    first.say(ToAgent::Launch(data.ids.launch(agent.journal, 2, "shell", &[("command", "true")]))).await;
    loop {
        let FromAgent::Reports(told) = hear(&mut first.heard).await else { continue };
        if told.iter().any(|told| matches!(told.report.event, Event::Finished(_)) && told.id == data.id(2)) {
            break;
        }
    }
    drop(first);
    let mut first = one.stream().await;
    first.say(ToAgent::Leading { term: 10 }).await;
    let FromAgent::Reports(told) = hear(&mut first.heard).await else { panic!("no reports") };
    assert!(told.iter().all(|told| told.id == data.id(2)), "{told:?}");
    agent.ended.abort();
}

#[tokio::test]
async fn streams_open_and_close_with_the_list_and_follow_a_changed_address() {
    let data = DataDir::new();
    let (mut one, mut two) = (Server::start(1).await, Server::start(2).await);
    let agent = attending(&data, &[&one]).await;
    let first = one.stream().await;
    agent.list.send_replace(addresses(&[&one, &two]));
    let second = two.stream().await;
    agent.list.send_replace(addresses(&[&two]));
    first.ends_in_silence().await;
    let mut moved = Server::start(2).await;
    agent.list.send_replace(addresses(&[&moved]));
    second.ends_in_silence().await;
    moved.stream().await.say(ToAgent::Leading { term: 1 }).await;
    agent.ended.abort();
}

#[tokio::test]
async fn a_stranger_at_a_servers_address_is_not_listened_to() {
    let data = DataDir::new();
    let (mut one, mut two) = (Server::start(1).await, Server::start(2).await);
    let address = two.address.address.clone();
    two.address = ServerAddress { id: NodeId(3), address };
    let agent = attending(&data, &[&one, &two]).await;
    let first = one.stream().await;
    first.say(ToAgent::Leading { term: 1 }).await;
    two.address.id = NodeId(2); // as it says itself
    two.stream().await.ends_in_silence().await;
    // A server of another cluster, though its id is right.
    let (heard, answers) = one_stream(&mut two).await;
    let stranger = Stream { heard, answers, hello: FromAgent::Leaving };
    let stamp = Stamp { cluster: ClusterId(9), incarnation: Incarnation(1) };
    stranger.say(ToAgent::Welcome { server: NodeId(3), stamp }).await;
    stranger.ends_in_silence().await;
    agent.ended.abort();
}

async fn one_stream(server: &mut Server) -> (Streaming<service::FromAgent>, Answers) {
    let (mut heard, answers) =
        tokio::time::timeout(PATIENCE, server.streams.recv()).await.expect("in time").expect("a stream");
    hear(&mut heard).await;
    (heard, answers)
}

#[tokio::test]
async fn an_agent_without_a_server_seeks_them_and_learns_the_others_from_the_first() {
    let data = DataDir::new();
    let (mut one, mut two) = (Server::start(1).await, Server::start(2).await);
    let (known, asked) = watch::channel(addresses(&[]));
    let discover: Discover = Arc::new(move || {
        let found = asked.borrow().to_vec();
        Box::pin(async move { Ok(found) })
    });
    let (list, _) = watch::channel(addresses(&[]));
    let agent = begin(&data, list, Servers::Sought(discover)).await;
    known.send_replace(addresses(&[&one]));
    let first = one.stream().await;
    first.say(ToAgent::Servers(addresses(&[&one, &two]))).await;
    let second = two.stream().await;
    // All addresses change at once: the addresses to join know the new ones.
    let mut moved = Server::start(1).await;
    known.send_replace(addresses(&[&moved]));
    drop((one, two));
    drop((first, second));
    moved.stream().await.say(ToAgent::Leading { term: 2 }).await;
    agent.ended.abort();
}

#[tokio::test]
async fn a_node_that_goes_tells_the_leader_and_waits_for_the_answer() {
    let data = DataDir::new();
    let (mut one, mut two) = (Server::start(1).await, Server::start(2).await);
    let agent = attending(&data, &[&one, &two]).await;
    let (mut first, mut second) = (one.stream().await, two.stream().await);
    first.say(ToAgent::Leading { term: 1 }).await;
    // That it leads has reached the agent when it reports to it.
    first.say(ToAgent::Launch(data.ids.launch(agent.journal, 1, "shell", &[("command", "true")]))).await;
    assert_eq!(first.outcome(&data).await, Verdict::Succeeded);
    first.say(ToAgent::Settled(vec![data.id(1)])).await;
    agent.leave.cancel();
    while hear(&mut first.heard).await != FromAgent::Leaving {}
    // It leads no more; the next leader is told, too.
    second.say(ToAgent::Leading { term: 2 }).await;
    while hear(&mut second.heard).await != FromAgent::Leaving {}
    second.say(ToAgent::Left).await;
    let (node, ended) = agent.ended.await.expect("it ends");
    assert!(ended.is_ok(), "{ended:?}");
    node.stop().await.expect("the agent stops");
}

#[tokio::test]
async fn a_node_that_goes_waits_for_a_leader_but_not_for_ever() {
    let data = DataDir::new();
    let mut one = Server::start(1).await;
    let agent = attending(&data, &[&one]).await;
    let first = one.stream().await;
    agent.leave.cancel();
    let (node, ended) = tokio::time::timeout(PATIENCE, agent.ended).await.expect("in time").expect("it ends");
    assert!(ended.is_ok(), "{ended:?}");
    first.ends_in_silence().await;
    node.stop().await.expect("the agent stops");
}
