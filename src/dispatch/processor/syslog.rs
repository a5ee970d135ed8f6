//! `syslog`: the output to the machine's system log, a message for each line, as facility cron, severity info.
//!
//! Written to the socket by hand, a line each: the protocol is one datagram, and the C library's function keeps
//! state for the whole process.

use super::Piece;
use crate::clock;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

/// Where the system log listens.
pub(super) const SOCKET: &str = "/dev/log";
/// Facility cron (9), severity info (6).
const PRIORITY: u8 = 9 * 8 + 6;
/// Longer lines are cut in pieces: what daemons take by default.
const LINE_BYTES: usize = 8 * 1024;
/// How long a full socket is waited for.
const WAIT: Duration = Duration::from_secs(2);

pub(super) fn process(piece: &Piece<'_>, socket: &Path) -> io::Result<String> {
    let log = UnixDatagram::unbound()?;
    log.connect(socket).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            io::Error::other(format!("{}: there is no system log here", socket.display()))
        }
        _ => error,
    })?;
    log.set_write_timeout(Some(WAIT))?;
    let head = format!("<{PRIORITY}>{} [dkron][{}]: ", stamp(), std::process::id()).into_bytes();
    let lines = piece.output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    for part in lines.flat_map(|line| line.chunks(LINE_BYTES)) {
        log.send(&[head.as_slice(), part].concat())?;
    }
    Ok("Output in syslog".to_owned())
}

/// `Jan  2 15:04:05`, in UTC; system logs put their own in its place for messages of their own machine.
fn stamp() -> String {
    let now = jiff::Timestamp::from_second(clock::wall().seconds()).unwrap_or_default();
    now.strftime("%b %e %H:%M:%S").to_string()
}
