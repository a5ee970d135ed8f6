//! Who is turned away, and that it is told why.

use super::caller::{Agent, call};
use super::servers::{STAMP, Servers};
use dkron_core::delivery::FromAgent;
use dkron_core::ids::{ClusterId, Incarnation, NodeId, Stamp};
use dkron_core::node::Liveness;
use dkron_wire::delivery::from_agent_to_wire;
use dkron_wire::delivery::service::FromAgent as Wire;
use tonic::{Code, Status};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hello_that_cannot_be_taken_is_refused_with_the_value() {
    let servers = Servers::start(1).await;
    let (leader, _) = servers.leader().await;
    let refused =
        async |agent: &Agent| -> Status { agent.call_at(&leader.address).await.err().expect("a refusal") };
    let agent = Agent::new(1);

    let other = Stamp { cluster: ClusterId(0xee), ..STAMP };
    let status = refused(&Agent { stamp: Some(other), ..agent.clone() }).await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains(&other.cluster.to_string()), "{}", status.message());

    let newer = Stamp { incarnation: Incarnation(3), ..STAMP };
    let status = refused(&Agent { stamp: Some(newer), ..agent.clone() }).await;
    assert!(status.message().contains("seen incarnation 3"), "{}", status.message());
    // One that has seen less is told of the newer one.
    let older = Stamp { incarnation: Incarnation(1), ..STAMP };
    drop(Agent { stamp: Some(older), ..agent.clone() }.call(leader).await);

    let status = call(&leader.address, Wire::default()).await.err().expect("a refusal");
    assert!(status.message().contains("from_agent.message"), "{}", status.message());

    let status = call(&leader.address, from_agent_to_wire(&FromAgent::Leaving)).await.err();
    assert_eq!(status.expect("a refusal").message(), "the first message must be hello");
    servers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_has_one_living_node_and_an_id_one_living_process() {
    let servers = Servers::start(1).await;
    let (leader, _) = servers.leader().await;
    let agent = Agent::new(1);
    let call = agent.register(leader).await;

    let mut namesake = Agent::new(2);
    namesake.registration.name = agent.registration.name.clone();
    let status = namesake.call(leader).await.refusal().await;
    assert_eq!(status.code(), Code::AlreadyExists);
    assert!(status.message().contains("agent-1"), "{}", status.message());

    let copy = Agent { process: 2, ..agent.clone() };
    let status = copy.call_at(&leader.address).await.err().expect("a refusal");
    assert_eq!(status.code(), Code::AlreadyExists);
    assert!(status.message().contains(&agent.id().to_string()), "{}", status.message());

    // The same process may call again; its older stream ends.
    let again = agent.register(leader).await;
    assert_eq!(call.refusal().await.code(), Code::Aborted);
    // When the node is given up its name is free.
    drop(again);
    leader.until("it is given up", agent.id(), |node| node.liveness == Liveness::Failed).await;
    drop(namesake.register(leader).await);
    assert_ne!(namesake.id(), NodeId(1));
    servers.stop().await;
}
