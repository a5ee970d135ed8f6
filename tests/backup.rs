//! The backup that the other tests restore: 25 jobs as Dkron's `GET /v1/jobs` gives them.

use dkron::api::rest::job_json::{JobView, decode_jobs, encode_jobs};
use dkron_core::rules::Rules;

const BACKUP: &[u8] = include_bytes!("data/backup.json");

#[test]
fn a_backup_of_dkron_comes_back_byte_for_byte() {
    let jobs = decode_jobs(BACKUP).expect("a backup");
    assert_eq!(jobs.len(), 25);
    let views = jobs.iter().map(|sent| JobView { echo: false, ..sent.echo() });
    assert_eq!(String::from_utf8_lossy(&encode_jobs(views, false)), String::from_utf8_lossy(BACKUP));
}

#[test]
fn every_job_of_the_backup_is_valid_and_its_rules_can_be_read() {
    for sent in decode_jobs(BACKUP).expect("a backup") {
        sent.job.validate().unwrap_or_else(|error| panic!("{}: {error}", sent.job.name));
        Rules::of(&sent.job).unwrap_or_else(|error| panic!("{}: {error}", sent.job.name));
    }
}

#[test]
fn the_backup_has_dkrons_features() {
    let jobs: Vec<_> = decode_jobs(BACKUP).expect("a backup").into_iter().map(|sent| sent.job).collect();
    assert!(jobs.iter().any(|job| job.schedule == "@every 1s"));
    assert!(jobs.iter().any(|job| job.schedule.starts_with("*/5 ")));
    assert!(jobs.iter().any(|job| job.schedule.contains('~')));
    assert!(jobs.iter().any(|job| job.schedule.starts_with("TZ=")));
    assert!(jobs.iter().any(|job| job.schedule.is_empty() && !job.parent_job.is_empty()));
    assert!(jobs.iter().any(|job| job.disabled));
    assert!(jobs.iter().any(|job| job.ephemeral));
    assert!(jobs.iter().any(|job| job.retries > 0));
    assert!(jobs.iter().any(|job| job.starts_at.is_some() && job.expires_at.is_some()));
    assert!(jobs.iter().any(|job| job.executor == "http"));
    assert!(jobs.iter().any(|job| job.tags.values().any(|value| value == "true:1")));
    assert!(jobs.iter().any(|job| job.concurrency.to_string() == "forbid"));
    assert!(jobs.iter().any(|job| !job.processors.is_empty()));
}
