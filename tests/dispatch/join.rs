//! How long a thousand agents take to join, all at once, and to find the next leader.
//!
//! `cargo test --release --test integration dispatch::join -- --ignored --nocapture`

use super::caller::{Agent, Call};
use super::servers::{Server, Servers};
use dkron::clock;
use futures::future::{join_all, select_ok};

const AGENTS: u128 = 1_000;

/// Streams to all of the servers, as an agent has them: it calls again when a call does not come up, and is
/// registered when one of the servers says that it leads.
async fn join(agent: &Agent, servers: &[Server]) -> Vec<Call> {
    loop {
        let mut calls = join_all(servers.iter().map(|server| persist(agent, server))).await;
        match hears_of_leader(&mut calls, 0).await {
            Ok(()) => return calls,
            Err(reason) => println!("all streams broke: {reason}"),
        }
    }
}

async fn persist(agent: &Agent, server: &Server) -> Call {
    loop {
        match agent.call_at(&server.address).await {
            Ok(call) => return call,
            Err(reason) => println!("once more: {reason}"),
        }
    }
}

async fn hears_of_leader(calls: &mut [Call], least: u64) -> Result<(), String> {
    select_ok(calls.iter_mut().map(|call| Box::pin(call.leads(least)))).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn a_thousand_agents_join_three_servers() {
    let mut servers = Servers::start(3).await;
    servers.leader().await;
    let agents: Vec<Agent> = (0..AGENTS).map(Agent::new).collect();
    let start = clock::monotonic();
    let mut streams = join_all(agents.iter().map(|agent| join(agent, &servers.servers))).await;
    let took = start.elapsed();
    println!("{AGENTS} agents registered, with a stream to each of three servers, after {took:?}");
    assert!(took.as_secs() < 15);
    let leader = servers.leader().await.0.id;
    servers.remove(leader).await;
    let start = clock::monotonic();
    let (next, term) = servers.leader().await;
    println!("another server leads after {:?}", start.elapsed());
    let hearing = streams.iter_mut().map(|calls| hears_of_leader(calls, term));
    assert!(join_all(hearing).await.iter().all(Result::is_ok));
    println!("all know of it after {:?}", start.elapsed());
    assert_eq!(next.attendance.attending().len(), AGENTS as usize);
    drop(streams);
    servers.stop().await;
}
