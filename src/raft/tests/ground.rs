//! What a directory remembers before its server belongs to a cluster.

use super::{Tally, options, until_free};
use crate::raft::log::disk::Disk;
use crate::raft::{Error, Raft, open};
use dkron_core::bootstrap::Promise;
use dkron_core::command::Founding;
use dkron_core::ids::{ClusterId, Incarnation, NodeId, Stamp};
use std::collections::BTreeSet;
use std::fs::File;

fn promise(set: BTreeSet<NodeId>) -> Promise {
    let founder = Founding {
        cluster: ClusterId(7),
        incarnation: Incarnation(1),
        default_zone: "UTC".into(),
        zone_data: "2026a".into(),
    };
    Promise { cluster: ClusterId(7), initialiser: NodeId(2), set, founder, withdrawn: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_keeps_its_id_its_promise_and_its_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let ground = open(folder.path(), None).await.expect("opened");
    let own = ground.identity();
    assert_eq!((own.stamp, ground.promise()), (None, None));
    let promise = promise([own.server, NodeId(2)].into());
    ground.promises().set(Some(promise.clone())).await.expect("promised");
    ground.close().await.expect("closed");

    let mut ground = open(folder.path(), Some(own.server)).await.expect("opened again");
    assert_eq!((ground.identity(), ground.promise()), (own, Some(&promise)));
    let wrong = Stamp { cluster: ClusterId(8), incarnation: Incarnation(1) };
    let refused = ground.adopt(wrong).await.err();
    assert!(matches!(refused, Some(Error::Promised { .. })), "{refused:?}");
    let right = Stamp { cluster: ClusterId(7), ..wrong };
    ground.adopt(right).await.expect("adopted");
    ground.close().await.expect("closed");

    let ground = open(folder.path(), None).await.expect("opened again");
    assert_eq!((ground.identity().stamp, ground.promise()), (Some(right), Some(&promise)));
    let promises = ground.promises();
    promises.forswear(ClusterId(3)).await.expect("forsworn");
    promises.forswear(ClusterId(4)).await.expect("forsworn");
    drop(promises);
    ground.close().await.expect("closed");
    let ground = open(folder.path(), None).await.expect("opened again");
    assert_eq!(ground.forsworn(), &[ClusterId(3), ClusterId(4)].into());
    assert!(ground.is_blank().expect("read"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_is_taken_back_and_without_a_cluster_nothing_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let ground = open(folder.path(), None).await.expect("opened");
    ground.promises().set(Some(promise([NodeId(2)].into()))).await.expect("promised");
    ground.promises().set(None).await.expect("taken back");
    ground.close().await.expect("closed");
    let ground = open(folder.path(), None).await.expect("opened again");
    assert_eq!(ground.promise(), None);
    let (options, _history) = options::<Tally>();
    let refused = Raft::start(ground, options).await.err();
    assert!(matches!(refused, Some(Error::NoCluster)), "{refused:?}");
    until_free(|| open(folder.path(), None)).await.expect("a refused start lets go of the directory");
}

#[test]
fn a_log_that_somebody_has_locked_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let (disk, thread) = Disk::open(folder.path()).expect("opened");
    let end = disk.end(thread);
    drop(disk);
    end.close();
    let holder = File::open(folder.path().join("db")).expect("sled's file");
    assert!(crate::lock::take(&holder).expect("asked"), "it was closed");
    let began = crate::clock::monotonic();
    assert!(matches!(Disk::open(folder.path()), Err(Error::InUse(_))), "somebody keeps it");
    assert!(began.elapsed() > std::time::Duration::from_secs(1), "it was not waited for");
    drop(holder);
    let (disk, thread) = Disk::open(folder.path()).expect("it was let go");
    let end = disk.end(thread);
    drop(disk);
    end.close();
}
