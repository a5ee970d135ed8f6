//! What the machine does without us: the rates that all figures are compared with, since they differ between
//! machines, and on one machine from hour to hour.

use super::report::{Figure, Section};
use super::sink::Sink;
use crate::{clock, task};
use anyhow::Context;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// For how long each rate is measured.
const TIME: Duration = Duration::from_secs(2);
/// What is written before each sync: about a small entry of the log.
const BLOCK_BYTES: usize = 4_096;
/// Requests that are under way at a time.
const CALLERS: usize = 32;

/// The rates, each in one second.
#[derive(Clone, Debug)]
pub(super) struct Rates {
    cores: usize,
    load: String,
    /// Appends of 4 KiB, each forced to the disk.
    pub(super) syncs: f64,
    /// `sh -c true` started and reaped, on all cores.
    pub(super) spawns: f64,
    /// Requests over loopback to a server in the same process.
    pub(super) calls: f64,
}

impl Rates {
    /// Measures them; the disk in this folder.
    pub(super) async fn measure(folder: &Path, listen: SocketAddr) -> anyhow::Result<Rates> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
        let path = folder.join("raw-rate-of-syncs");
        let syncs = task::blocking("raw syncs", move || syncs(&path)).await.context("measuring syncs")??;
        let spawners = (0..cores).map(|_| task::blocking("raw spawns", spawns)).collect::<Vec<_>>();
        let mut spawned = 0.0;
        for spawner in spawners {
            spawned += spawner.await.context("measuring spawns")??;
        }
        Ok(Rates { cores, load, syncs, spawns: spawned, calls: calls(listen).await? })
    }

    /// The rates as a section of the report.
    pub(super) fn section(&self) -> Section {
        let mut section =
            Section::new(format!("the machine: {} cores, load average {}", self.cores, self.load));
        section.push(Figure::new("appends of 4 KiB with fdatasync, one after the other", self.syncs, "/s"));
        section.push(Figure::new("sh -c true started and reaped, on all cores", self.spawns, "/s"));
        section.push(Figure::new("http requests over loopback, both ends in one process", self.calls, "/s"));
        section
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "cores": self.cores,
            "load_average": self.load,
            "syncs_per_second": self.syncs,
            "spawns_per_second": self.spawns,
            "calls_per_second": self.calls,
        })
    }
}

/// Repeats something until the time is over; how often a second.
fn repeat(mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let start = clock::monotonic();
    let mut count = 0u64;
    while start.elapsed() < TIME {
        work()?;
        count += 1;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

fn syncs(path: &Path) -> anyhow::Result<f64> {
    let mut file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    let rate = repeat(|| {
        file.write_all(&[7; BLOCK_BYTES])?;
        Ok(file.sync_data()?)
    });
    fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
    rate
}

fn spawns() -> anyhow::Result<f64> {
    repeat(|| {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().context("starting /bin/sh")?;
        anyhow::ensure!(status.success(), "sh -c true ended with {status}");
        Ok(())
    })
}

async fn calls(listen: SocketAddr) -> anyhow::Result<f64> {
    let sink = Sink::start(SocketAddr::new(listen.ip(), 0)).await?;
    let (client, url, start) = (super::api::client()?, sink.url(), clock::monotonic());
    let callers = (0..CALLERS).map(|_| {
        let (client, url) = (client.clone(), url.clone());
        task::spawn("bench-caller", async move {
            while start.elapsed() < TIME {
                client.get(&url).send().await?.bytes().await?;
            }
            reqwest::Result::Ok(())
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.context("measuring calls")??;
    }
    Ok(sink.calls() as f64 / start.elapsed().as_secs_f64())
}
