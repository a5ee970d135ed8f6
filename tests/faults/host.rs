//! A machine as far as the kernel can give us one: a network and a table of mounts of its own, on which the real
//! binary runs. What it says goes through one wire, which is the test's; its disk is its own, so that it can be
//! full or slow alone.

use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use tun_rs::{DeviceBuilder, SyncDevice};

/// The name of the wire's end on the machine.
const WIRE: &str = "wire0";
/// The network of all hosts: it exists in their namespaces only.
const NETWORK: [u8; 3] = [10, 77, 0];
/// A disk: what a server needs at rest several times over, and small enough to be filled at once.
const DISK: &str = "256M";
/// Names of what keeps a thread's namespaces alive.
const SPACES: [(&str, CloneFlags); 2] = [("mnt", CloneFlags::CLONE_NEWNS), ("net", CloneFlags::CLONE_NEWNET)];

/// The address with this last part.
pub(super) fn address(last: u8) -> Ipv4Addr {
    let [one, two, three] = NETWORK;
    Ipv4Addr::new(one, two, three, last)
}

/// A machine. It ends with its processes and with this value.
pub(super) struct Host {
    spaces: [(File, CloneFlags); 2],
    /// The end of its wire, for the switch.
    pub(super) wire: Arc<SyncDevice>,
    disk: PathBuf,
    /// Whether the disk can be stopped for a while; a file system in memory cannot.
    pub(super) is_disk_real: bool,
}

impl Host {
    /// A machine with a disk at `disk`, which its image, if there is one, stands beside.
    pub(super) fn new(last: u8, disk: &Path) -> io::Result<Host> {
        let disk = disk.to_path_buf();
        fs::create_dir_all(&disk)?;
        let made = thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)?;
            let wire = DeviceBuilder::new().name(WIRE).mtu(1_400).enable(false).build_sync()?;
            wire.set_nonblocking(true)?;
            run("mount", &["--make-rprivate", "/"])?;
            let is_disk_real = mount_disk(&disk)?;
            run("ip", &["link", "set", "lo", "up"])?;
            run("ip", &["address", "add", &format!("{}/24", address(last)), "dev", WIRE])?;
            run("ip", &["link", "set", WIRE, "up"])?;
            let space = |name: &str| File::open(format!("/proc/thread-self/ns/{name}"));
            let [(mounts, is_mounts), (net, is_net)] = SPACES;
            let spaces = [(space(mounts)?, is_mounts), (space(net)?, is_net)];
            Ok(Host { spaces, wire: Arc::new(wire), disk, is_disk_real })
        });
        made.join().unwrap_or_else(|_| Err(io::Error::other("making a host panicked")))
    }

    /// Does something on this machine: with its network and its disks.
    pub(super) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                unshare(CloneFlags::CLONE_FS).expect("a thread's own folders");
                for (space, kind) in &self.spaces {
                    setns(space, *kind).expect("a host's namespace");
                }
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// From now on it has another address.
    pub(super) fn change_address(&self, old: u8, new: u8) {
        self.inside(|| {
            // In this order: the first address takes the later ones of its network with it.
            run("ip", &["address", "del", &format!("{}/24", address(old)), "dev", WIRE]).expect("an address");
            run("ip", &["address", "add", &format!("{}/24", address(new)), "dev", WIRE]).expect("an address");
        });
    }

    /// Takes all the room on the disk.
    pub(super) fn fill_disk(&self) {
        self.inside(|| {
            let ballast = File::create(self.ballast()).expect("a file, even on a full disk");
            let (mut length, mut step) = (0_u64, 64 * 1024 * 1024_u64);
            while step >= 4_096 {
                match rustix::fs::fallocate(&ballast, rustix::fs::FallocateFlags::empty(), length, step) {
                    Ok(()) => length += step,
                    Err(_) => step /= 2,
                }
            }
        });
    }

    /// There is room again.
    pub(super) fn free_disk(&self) {
        self.inside(|| fs::remove_file(self.ballast()).expect("the ballast"));
    }

    fn ballast(&self) -> PathBuf {
        self.disk.join("ballast")
    }

    /// Lets nothing reach the disk until it is thawed; what has to wait for the disk waits.
    pub(super) fn freeze_disk(&self) {
        self.inside(|| run("fsfreeze", &["--freeze", &self.disk.display().to_string()]).expect("fsfreeze"));
    }

    pub(super) fn thaw_disk(&self) {
        self.inside(|| run("fsfreeze", &["--unfreeze", &self.disk.display().to_string()]).expect("fsfreeze"));
    }
}

/// A file system in a file, which a full or stopped disk is made of; where that is not allowed, one in memory.
fn mount_disk(disk: &Path) -> io::Result<bool> {
    let image = disk.with_extension("image");
    let (at, file) = (disk.display().to_string(), image.display().to_string());
    let real = run("truncate", &["--size", DISK, &file])
        .and_then(|()| run("mkfs.ext4", &["-q", "-F", "-m", "0", &file]))
        .and_then(|()| run("mount", &["-o", "loop", &file, &at]));
    if real.is_ok() {
        return Ok(true);
    }
    run("mount", &["-t", "tmpfs", "-o", &format!("size={DISK}"), "tmpfs", &at])?;
    Ok(false)
}

/// One of the system's tools; what it says when it fails is the error.
pub(super) fn run(tool: &str, arguments: &[&str]) -> io::Result<()> {
    let output = Command::new(tool)
        .args(arguments)
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("{tool}: {error}")))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(io::Error::other(format!("{tool} {}: {}", arguments.join(" "), said.trim())))
        }
    }
}
