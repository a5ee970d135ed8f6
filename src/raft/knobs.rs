//! Every knob of openraft, set on purpose.

use super::error::Error;
use openraft::{Config, SnapshotPolicy, StepDownPolicy};

/// The heartbeat at multiplier 1: several fit into the shortest election timeout.
const HEARTBEAT_MS: u64 = 50;
/// The shortest election timeout at multiplier 1: ten times an append on a busy disk.
const ELECTION_MIN_MS: u64 = 150;
/// The longest: failover takes this lease and one election.
const ELECTION_MAX_MS: u64 = 300;
/// The slowest that a multiplier may make it, for links across continents.
const MULTIPLIER_MAX: u32 = 100;

/// openraft's settings, its times scaled by `multiplier` (1 for a local network).
pub(crate) fn config(multiplier: u32) -> Result<Config, Error> {
    if multiplier == 0 || multiplier > MULTIPLIER_MAX {
        return Err(Error::Settings(format!(
            "raft-multiplier is {multiplier}, it goes from 1 to {MULTIPLIER_MAX}"
        )));
    }
    let scale = u64::from(multiplier);
    #[expect(deprecated, reason = "a struct literal names all fields, also the one that is no longer used")]
    let config = Config {
        // Only shown in traces; messages are told apart by cluster id and incarnation, which are ours.
        cluster_name: "dkron".to_owned(),
        election_timeout_min: ELECTION_MIN_MS * scale,
        election_timeout_max: ELECTION_MAX_MS * scale,
        heartbeat_interval: HEARTBEAT_MS * scale,
        // No suppression: heartbeats have their own connection, and a busy follower must see them.
        heartbeat_min_interval: Some(0),
        // A snapshot of a million jobs takes tens of seconds on a slow link; a dead one ends by its connection.
        install_snapshot_timeout: 120_000,
        // Not used any more by openraft: the network sends whole snapshots.
        send_snapshot_timeout: 0,
        // At most 64 KiB each, cut further by bytes in the log reader: about a megabyte a message.
        max_payload_entries: 256,
        // One write of the follower's disk thread; it cuts by bytes itself.
        max_append_entries: Some(256),
        // Beyond this a snapshot is cheaper than the log; purged entries force one anyway.
        replication_lag_threshold: 100_000,
        // The keeper decides by bytes, entries and time, and calls openraft when the file is on the disk.
        snapshot_policy: SnapshotPolicy::Never,
        // Not used: the network streams the file.
        snapshot_max_chunk_size: 1024 * 1024,
        // Never purge by itself: the keeper purges behind two verified snapshots.
        max_in_snapshot_log_to_keep: u64::MAX,
        // The keeper's purges are large already.
        purge_batch_size: 1,
        // Only the proposer writes, two at a time; the rest is votes, appends and control.
        api_channel_size: Some(1_024),
        // Two entries in flight are all there ever are; one more costs nothing.
        api_batch_capacity: 16,
        // The proposer has gathered already.
        api_batch_linger_ms: 0,
        // Ticks, flushes and answers of a few peers.
        notification_channel_size: Some(4_096),
        // Applies wait here while the history is full; then the core waits, which is the wanted pressure.
        state_machine_channel_size: Some(256),
        // Statistics are not compiled in.
        log_stage_capacity: None,
        // The leader's own flush and the followers' run at the same time.
        broadcast_submitted_on_append: Some(true),
        // Time moves; tests that want it still do not use this room.
        enable_tick: true,
        enable_heartbeat: true,
        enable_elect: true,
        // A removed leader stays for one short election, so that its last answers go out.
        removed_leader_step_down: StepDownPolicy::After(ELECTION_MIN_MS * scale),
        // A leader cut off from its quorum falls silent, so that the others elect.
        quorum_loss_probe_interval: Some(2 * ELECTION_MAX_MS * scale),
        // A server that was cut off must not depose a healthy leader when it returns.
        enable_pre_vote: Some(true),
        // Quick at first, since most outages are restarts.
        backoff: "50ms 100ms 200ms ...1s".to_owned(),
        // The target of a transfer has to catch up now.
        reset_backoff_on_transfer_leader: Some(true),
        // A log that went back lost what it acknowledged: the server must join again under a new id.
        allow_log_reversion: Some(false),
        // A restarted leader stands for election: its state is as old as the last commit mark.
        enable_leader_restore: Some(false),
    };
    config.validate().map_err(|error| Error::Settings(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_hold_at_every_multiplier() {
        for multiplier in [1, 5, MULTIPLIER_MAX] {
            assert!(config(multiplier).is_ok(), "{multiplier}");
        }
        assert!(config(0).is_err());
        assert!(config(MULTIPLIER_MAX + 1).is_err());
    }
}
