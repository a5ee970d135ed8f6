//! Three servers: who registers agents, who settles reports, and what the next leader asks anew.

use super::caller::{Agent, Call};
use super::servers::Servers;
use dkron_core::command::{Event, Report};
use dkron_core::delivery::{FromAgent, ToAgent, Told};
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::{ExecutionId, ExecutionRef, OccurrenceRef};
use dkron_core::time::Time;
use futures::future::join_all;

/// The end of an execution that is in no state: it is settled as an orphan, by whoever leads.
fn finished(number: u128, output_bytes: u64) -> Told {
    let id = ExecutionId(number);
    let outcome = Outcome {
        verdict: Verdict::Succeeded,
        started_at: Time::EPOCH,
        finished_at: Time::EPOCH,
        code: Some(0),
        error: "".into(),
        tail: vec![b'x'; output_bytes.min(4_096) as usize].into(),
        output_bytes,
    };
    let occurrence = OccurrenceRef { index: 1_000_000, position: 0 };
    let execution = ExecutionRef { occurrence, ordinal: 0, attempt: 1 };
    Told { id, report: Report { execution, check: id.check(), event: Event::Finished(outcome) } }
}

async fn settles(call: &mut Call, number: u128) {
    let settled = ToAgent::Settled(vec![ExecutionId(number)]);
    call.until("it is settled", |said| *said == settled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_settles_nothing_and_the_next_leader_hears_it_again() {
    let mut servers = Servers::start(3).await;
    let (leader, elected) = servers.leader().await;
    let agent = Agent::new(1);
    let mut led = agent.call(leader).await;
    let said = led.until("it leads", |said| matches!(said, ToAgent::Leading { .. })).await;
    let ToAgent::Leading { term } = said else { unreachable!("it was waited for") };
    // A young cluster may elect the same server once more.
    assert!(term >= elected);
    let leader = leader.id;
    let mut followed = join_all(servers.others(leader).map(|server| agent.call(server))).await;
    for follower in &mut followed {
        follower.say(FromAgent::Reports(vec![finished(1, 0)])).await;
        let answer = |said: &ToAgent| matches!(said, ToAgent::Following | ToAgent::Settled(_));
        assert_eq!(follower.until("an answer", answer).await, ToAgent::Following);
    }
    led.say(FromAgent::Reports(vec![finished(1, 0)])).await;
    settles(&mut led, 1).await;
    servers.remove(leader).await;
    let (next, next_term) = servers.leader().await;
    assert!(next_term > term);
    // Its stream was there all the time: the agent need not come back.
    let place = usize::from(servers.servers[0].id != next.id);
    let call = &mut followed[place];
    assert_eq!(
        call.until("it leads", |said| matches!(said, ToAgent::Leading { .. })).await,
        ToAgent::Leading { term: next_term }
    );
    call.say(FromAgent::Reports(vec![finished(2, 0)])).await;
    settles(call, 2).await;
    servers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_costs_no_registrations_if_nothing_changed() {
    const AGENTS: u128 = 100;
    let mut servers = Servers::start(3).await;
    let (leader, _) = servers.leader().await;
    let agents: Vec<Agent> = (0..AGENTS).map(Agent::new).collect();
    let registered = join_all(agents.iter().map(|agent| agent.register(leader))).await;
    let leader = leader.id;
    let warm: Vec<_> = servers.others(leader).collect();
    let streams = warm.iter().flat_map(|server| agents.iter().map(|agent| agent.call(server)));
    let mut streams = join_all(streams).await;
    let before = log_bytes(warm[0]).await.max(log_bytes(warm[1]).await);
    servers.remove(leader).await;
    let (next, _) = servers.leader().await;
    let place = usize::from(servers.servers[0].id != next.id) * AGENTS as usize;
    for call in &mut streams[place..place + AGENTS as usize] {
        call.until("it leads", |said| matches!(said, ToAgent::Leading { .. })).await;
    }
    assert_eq!(next.attendance.attending().len(), AGENTS as usize);
    let spent = log_bytes(next).await - before;
    assert!(spent < 2_000, "{spent} bytes for a hundred agents that did not change");
    drop((registered, streams));
    servers.stop().await;
}

/// How many bytes of entries a server has applied.
async fn log_bytes(server: &super::servers::Server) -> u64 {
    server.raft.look(|_, mark| mark.bytes()).await.expect("the state answers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_output_is_kept_before_its_outcome_is_settled() {
    let servers = Servers::start(1).await;
    let (leader, _) = servers.leader().await;
    let agent = Agent::new(1);
    let mut call = agent.register(leader).await;
    let piece =
        |offset: u64| FromAgent::Output { id: ExecutionId(1), offset, bytes: vec![b'x'; 5_000].into() };
    call.say(piece(0)).await;
    call.say(piece(5_000)).await;
    call.say(FromAgent::Reports(vec![finished(1, 10_000)])).await;
    settles(&mut call, 1).await;
    let kept = leader.kept.lock().expect("no failure").remove(&ExecutionId(1));
    assert_eq!(kept, Some((vec![b'x'; 10_000], false)));
    servers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_hear_of_the_servers_and_of_every_change() {
    let servers = Servers::start(1).await;
    let (leader, _) = servers.leader().await;
    let mut call = Agent::new(1).call(leader).await;
    let list = servers.list.borrow().clone();
    call.until("the list", |said| *said == ToAgent::Servers(list.clone())).await;
    let more: std::sync::Arc<[_]> = list.iter().chain(list.iter()).cloned().collect();
    servers.list.send_replace(more.clone());
    call.until("the new list", |said| *said == ToAgent::Servers(more.clone())).await;
    servers.stop().await;
}
