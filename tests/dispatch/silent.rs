//! Who falls silent is given up, who comes back is not, and who goes says so.

use super::caller::Agent;
use super::servers::Servers;
use super::within;
use dkron::clock;
use dkron::task::{self, CancellationToken};
use dkron_core::delivery::{FromAgent, ToAgent};
use dkron_core::node::Liveness;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_agent_ends_is_given_up_and_one_whose_agent_restarts_is_not() {
    let servers = Servers::start(1).await;
    let (leader, _) = servers.leader().await;
    let (gone, restarted) = (Agent::new(1), Agent::new(2));
    let (first, second) = (gone.register(leader).await, restarted.register(leader).await);
    let before = leader.node(restarted.id()).await.expect("it is registered");
    drop((first, second));
    let again = Agent { process: 2, ..restarted.clone() };
    let again = within("it is taken again", async {
        loop {
            // Its old stream may not be known to have ended yet.
            match again.call_at(&leader.address).await {
                Ok(call) => return call,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    leader.until("it is given up", gone.id(), |node| node.liveness == Liveness::Failed).await;
    assert_eq!(leader.node(restarted.id()).await, Some(before), "nobody noticed");
    drop(again);
    drop(gone.register(leader).await);
    leader.until("it is back", gone.id(), |node| node.liveness == Liveness::Alive).await;
    servers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_machine_falls_silent_is_given_up() {
    let servers = Servers::start(1).await;
    let (leader, _) = servers.leader().await;
    let (address, cut) = wire_to(leader.address.clone()).await;
    let agent = Agent::new(1);
    let mut call = agent.call_at(&address).await.expect("no refusal");
    call.until("it is registered", |said| matches!(said, ToAgent::Leading { .. })).await;
    cut.cancel();
    let cut_at = clock::monotonic();
    leader.until("it is given up", agent.id(), |node| node.liveness == Liveness::Failed).await;
    let took = cut_at.elapsed();
    eprintln!("given up after {took:?}");
    // The rule is checked where no time passes; a busy machine may add to it here.
    assert!(took > Duration::from_secs(2) && took < Duration::from_secs(15), "{took:?}");
    drop(call);
    servers.stop().await;
}

/// A wire that carries bytes both ways until it is cut; then they are lost, and nobody is told.
async fn wire_to(server: Arc<str>) -> (String, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let cut = CancellationToken::new();
    let cutting = cut.clone();
    drop(task::spawn("test wire", async move {
        let (mut near, _) = listener.accept().await.expect("the agent connects");
        let mut far = TcpStream::connect(&*server).await.expect("the server is there");
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            () = cutting.cancelled() => std::future::pending().await,
        }
    }));
    (address, cut)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_leaves_is_left_at_once_and_back_with_its_hello() {
    let servers = Servers::start(1).await;
    let (leader, _) = servers.leader().await;
    let agent = Agent::new(1);
    let mut call = agent.register(leader).await;
    call.say(FromAgent::Leaving).await;
    call.until("the answer", |said| *said == ToAgent::Left).await;
    assert_eq!(leader.node(agent.id()).await.map(|node| node.liveness), Some(Liveness::Left));
    assert!(leader.attendance.attending().is_empty(), "it gets no more orders");
    drop(call);
    drop(agent.register(leader).await);
    leader.until("it is back", agent.id(), |node| node.liveness == Liveness::Alive).await;
    servers.stop().await;
}
