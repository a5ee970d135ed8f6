//! Who this agent is: made once, kept beside the journal.

use super::folder::Folder;
use dkron_core::ids::{BootId, NodeId};
use dkron_core::time::Time;
use std::{fs, io};

const NODE: &str = "node-id";
const LIFE: &str = "life";

/// The node's id; made and made durable at the first start. A server's own id is kept here too: started again
/// without `--server` the node is the same, and its vote can be taken from it.
pub(super) fn node(folder: &Folder, server: Option<NodeId>) -> io::Result<NodeId> {
    let kept = read(folder)?;
    let id = match server.or(kept) {
        Some(id) => id,
        None => NodeId(random()?),
    };
    if kept != Some(id) {
        folder.write_durably(NODE, format!("{id}\n").as_bytes())?;
    }
    Ok(id)
}

fn read(folder: &Folder) -> io::Result<Option<NodeId>> {
    match fs::read_to_string(folder.path(NODE)) {
        Ok(text) => {
            let id = u128::from_str_radix(text.trim(), 16).map_err(|_| invalid("node-id is no id"))?;
            Ok(Some(NodeId(id)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The number of this start of the agent, made durable before it is used: higher than all before it. Also than the
/// seconds of the wall clock, so that a data directory that was put back from a copy goes on above them.
pub(super) fn next_life(folder: &Folder, now: Time) -> io::Result<u64> {
    let last = match fs::read_to_string(folder.path(LIFE)) {
        Ok(text) => text.trim().parse().map_err(|_| invalid("life is no number"))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0u64,
        Err(error) => return Err(error),
    };
    let life = last.saturating_add(1).max(now.seconds().max(0).unsigned_abs());
    folder.write_durably(LIFE, format!("{life}\n").as_bytes())?;
    Ok(life)
}

/// This boot of the machine.
pub(super) fn boot() -> io::Result<BootId> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).map(BootId).map_err(|_| invalid("the kernel's boot_id is no id"))
}

/// 128 bits from the kernel.
pub(super) fn random() -> io::Result<u128> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(u128::from_be_bytes(bytes))
}

fn invalid(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_has_a_higher_number_whatever_the_clock_shows() {
        let data = tempfile::tempdir().expect("temporary folder");
        let folder = Folder::open(data.path()).expect("folder is made");
        let lives =
            [100, 100, 7, 200].map(|now| next_life(&folder, Time::from_seconds(now)).expect("a number"));
        assert_eq!(lives, [100, 101, 102, 200]);
    }

    #[test]
    fn an_id_is_made_once() {
        let data = tempfile::tempdir().expect("temporary folder");
        let folder = Folder::open(data.path()).expect("folder is made");
        let first = node(&folder, None).expect("id is made");
        assert_eq!(node(&folder, None).expect("id is read"), first);
        assert_ne!(boot().expect("boot id is read"), BootId(0));
    }

    #[test]
    fn a_server_that_becomes_an_agent_keeps_its_id() {
        let data = tempfile::tempdir().expect("temporary folder");
        let folder = Folder::open(data.path()).expect("folder is made");
        let server = NodeId(7);
        assert_ne!(node(&folder, None).expect("id is made"), server);
        assert_eq!(node(&folder, Some(server)).expect("id is kept"), server);
        assert_eq!(node(&folder, None).expect("id is read"), server);
    }
}
