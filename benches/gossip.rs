//! What gossip costs while nothing happens, and how fast it sees a death: pools of real servers on the loopback.
//!
//! `cargo bench --bench gossip`. The CPU is that of the whole process, over the number of servers.

use dkron::gossip::{Gossip, Key, Options, Profile, REAP, start};
use dkron::task::CancellationToken;
use dkron_core::ids::NodeId;
use dkron_core::roster::{Announcement, Liveness};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const IDLE: Duration = Duration::from_secs(20);
const DEATHS: u32 = 5;

async fn server(id: u128, process: u64, seeds: &watch::Receiver<Arc<[String]>>, keys: Vec<Key>) -> Gossip {
    let tags = (0..6).map(|tag| (format!("tag-{tag}"), "twenty bytes of text".to_owned())).collect();
    let name = format!("server-{id}").into();
    let own = Announcement { id: NodeId(id), name, process, tags, ..Announcement::default() };
    let options = Options {
        own,
        bind: ([127, 0, 0, 1], 0).into(),
        advertise: String::new(),
        keys,
        keyring: None,
        profile: Profile::Lan,
        reap: REAP,
        seeds: seeds.clone(),
        cancel: CancellationToken::new(),
    };
    start(options).await.expect("gossip starts")
}

async fn sees(server: &Gossip, id: u128, liveness: Liveness) {
    let mut roster = server.roster();
    let seen =
        roster.wait_for(|roster| roster.servers.get(&NodeId(id)).is_some_and(|at| at.liveness == liveness));
    seen.await.expect("gossip runs");
}

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
async fn measure(size: u128, keys: &[Key]) {
    let now = std::time::Instant::now;
    let (seeds_sender, seeds) = watch::channel(Arc::<[String]>::default());
    let began = now();
    let mut servers = Vec::new();
    for id in 1..=size {
        servers.push(server(id, id as u64, &seeds, keys.to_vec()).await);
        seeds_sender.send_replace([servers[0].address().to_string()].into());
    }
    for server in &servers {
        for id in 1..=size {
            sees(server, id, Liveness::Alive).await;
        }
    }
    let converged = began.elapsed();
    let before = cpu();
    tokio::time::sleep(IDLE).await;
    let share = (cpu() - before).as_secs_f64() / IDLE.as_secs_f64() / size as f64 * 100.0;
    let mut deaths = Vec::new();
    for death in 0..DEATHS {
        let victim = servers.pop().expect("a server");
        victim.stop().await;
        let died = now();
        for server in &servers {
            sees(server, size, Liveness::Failed).await;
        }
        deaths.push(died.elapsed().as_secs_f64());
        let again = server(size, 1_000 + u64::from(death), &seeds, keys.to_vec()).await;
        for server in &servers {
            sees(server, size, Liveness::Alive).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        servers.push(again);
    }
    deaths.sort_by(f64::total_cmp);
    println!(
        "{size:>3} servers, {} keys: converged {converged:.2?}, {share:.3} % of a core each, death seen by all after \
         {:.2} to {:.2} s",
        keys.len(),
        deaths[0],
        deaths[deaths.len() - 1],
    );
    for server in servers {
        server.stop().await;
    }
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let key = Key::new(&[7; 32]).expect("a key");
    for (size, keys) in
        [(3, vec![]), (5, vec![]), (5, vec![key.clone()]), (7, vec![key.clone()]), (20, vec![key])]
    {
        runtime.block_on(measure(size, &keys));
    }
}
