//! How long a thousand agents take to join, all at once.
//!
//! `cargo test --release --test integration dispatch::join -- --ignored --nocapture`

use super::caller::{Agent, Call};
use super::servers::{Server, Servers};
use dkron::clock;
use dkron_core::delivery::ToAgent;
use futures::future::join_all;

const AGENTS: u128 = 1_000;

/// Calls as an agent does: again, when the connection does not come up or breaks before the server has spoken.
async fn persist(agent: &Agent, server: &Server, registers: bool) -> Call {
    loop {
        match agent.try_call(server, registers).await {
            Ok(call) => return call,
            Err(reason) => println!("once more: {reason}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn a_thousand_agents_join_three_servers() {
    let mut servers = Servers::start(3).await;
    let (leader, _) = servers.leader().await;
    let agents: Vec<Agent> = (0..AGENTS).map(Agent::new).collect();
    let start = clock::monotonic();
    let mut registered = join_all(agents.iter().map(|agent| persist(agent, leader, true))).await;
    println!("{AGENTS} agents registered after {:?}", start.elapsed());
    let leader = leader.id;
    let others = servers.others(leader);
    let streams = others.flat_map(|server| agents.iter().map(move |agent| persist(agent, server, false)));
    let mut streams = join_all(streams).await;
    let took = start.elapsed();
    println!("{AGENTS} agents with a stream to each of three servers after {took:?}");
    assert!(took.as_secs() < 15);
    servers.remove(leader).await;
    let start = clock::monotonic();
    let (next, _) = servers.leader().await;
    println!("another server leads after {:?}", start.elapsed());
    let place = usize::from(servers.servers[0].id != next.id) * AGENTS as usize;
    for call in &mut streams[place..place + AGENTS as usize] {
        call.until("it leads", |said| matches!(said, ToAgent::Leading { .. })).await;
    }
    println!("all know of it after {:?}", start.elapsed());
    assert_eq!(next.attendance.attending().len(), AGENTS as usize);
    drop((registered.drain(..), streams));
    servers.stop().await;
}
