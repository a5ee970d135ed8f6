//! A server whose state is not that of the others: what its peers do about it.
//!
//! A state that differs is had as a defect or a bad memory makes it: a stopped server's snapshot is written anew with
//! another content, whole and with right sums, so that nothing but the comparison of digests can find it.

use super::harness::Cluster;
use crate::rig::patience::eventually;
use dkron_core::state::State;
use dkron_core::state::record::Record;
use dkron_wire::snapshot::{Header, Reader, Writer};
use dkron_wire::state::{decode_record, encode_record};
use serde_json::json;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Snapshots often, so that a test has some and the log behind them goes.
const OFTEN: &str = "--raft-snapshot-entries=20";

fn cluster_of_three() -> Cluster {
    let mut cluster = Cluster::new();
    (1..=3).for_each(|number| add_server(&mut cluster, number));
    (1..=3).for_each(|number| cluster.start(number));
    (1..=3).for_each(|number| cluster.wait_until_ready(number));
    let job = json!({"name": "noted", "schedule": "@manually", "executor": "shell",
        "executor_config": {"command": "echo said"}, "tags": {"server": "true:1"}});
    cluster.store(1, &job);
    cluster
}

fn add_server(cluster: &mut Cluster, number: u8) {
    let join = format!("--join={}", cluster.address(if number == 1 { 2 } else { 1 }));
    cluster.add_server(number, &["--bootstrap-expect=3", &join, OFTEN]);
}

/// Runs the job by way of a server and waits until it has ended there.
fn run(cluster: &Cluster, number: u8) {
    // The list of executions ends at a hundred.
    let ended = || cluster.json(number, "/v1/jobs/noted")?["success_count"].as_u64();
    let before = eventually("the job", ended);
    cluster.send(number, "POST /v1/jobs/noted/run", "").expect(200);
    eventually("the run to end", || (ended()? > before).then_some(()));
}

/// Runs the job until a server has taken so many snapshots.
fn run_until_snapshots(cluster: &Cluster, number: u8, count: usize) {
    eventually("snapshots", || {
        run(cluster, number);
        (cluster.log(number).matches("snapshot taken").count() >= count).then_some(())
    });
}

fn snapshots(data_dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(data_dir.join("snapshots")).expect("a folder").flatten();
    let paths = files.map(|file| file.path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "snapshot")).collect()
}

/// The same snapshot of another state: its cluster takes no submissions. Whole, with its own right digest.
fn falsify(path: &Path) {
    let mut reader = Reader::new(File::open(path).expect("a file")).expect("a snapshot");
    let header = reader.header().clone();
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().expect("a whole file") {
        records.push(decode_record(record).expect("a record"));
    }
    for record in &mut records {
        if let Record::Cluster(cluster) = record {
            cluster.paused = true;
        }
    }
    let applied = header.applied.map_or(0, |id| id.index);
    let state = State::rebuild(applied, header.time, records.clone()).expect("a state");
    assert_ne!(state.digest(), header.digest, "another state");
    let header = Header { digest: state.digest(), ..header };
    let mut writer = Writer::new(Vec::new(), &header).expect("written");
    records.iter().for_each(|record| writer.push(encode_record(record)).expect("written"));
    fs::write(path, writer.finish().expect("written")).expect("a file");
}

#[test]
fn a_server_whose_state_differs_is_taken_out_of_service_told_so_and_comes_back_wiped() {
    let mut cluster = cluster_of_three();
    run_until_snapshots(&cluster, 3, 2);
    cluster.terminate(3);
    snapshots(&cluster.data_dir(3)).iter().for_each(|path| falsify(path));
    cluster.start(3);
    cluster.wait_for_log(3, "wipe and rejoin");
    let reply = eventually("a refusal", || {
        let reply = cluster.try_send(3, "GET /readyz", "").ok()?;
        (reply.status == 503 && reply.text().contains("its state has the digest")).then_some(reply)
    });
    assert!(reply.text().contains("of 3 voters is"), "{}", reply.text());
    let jobs = cluster.send(3, "GET /v1/jobs", "");
    assert!(jobs.status == 503 && jobs.text().contains("digest"), "{} {}", jobs.status, jobs.text());
    let leader = cluster.leader();
    assert_ne!(leader, 3);
    cluster.wait_for_log(leader, "the state of a server differs from that of most");
    let remarks = cluster.send(leader, "GET /readyz", "").expect(200).text();
    assert!(remarks.contains("server node3 is in quarantine"), "{remarks}");
    // A restart changes nothing: the mark is on its disk.
    cluster.kill(3);
    cluster.start(3);
    eventually("the mark again", || {
        let reply = cluster.try_send(3, "GET /readyz", "").ok()?;
        (reply.status == 503 && reply.text().contains("its state has the digest")).then_some(())
    });
    cluster.terminate(3);
    cluster.lose_disk(3);
    cluster.start(3);
    cluster.wait_until_ready(3);
    eventually("nobody to differ", || {
        (!cluster.send(leader, "GET /readyz", "").text().contains("quarantine")).then_some(())
    });
    run(&cluster, 3);
}
