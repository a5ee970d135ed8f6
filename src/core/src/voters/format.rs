//! The log format during a rolling upgrade: what every member reads, never more, and never less than is in use.

use crate::roster::Announcement;

/// A server cannot read the format that the others write.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "server {name:?} (version {version}) reads log formats {} to {}, the cluster writes {format}: upgrade one \
     release at a time",
    formats.0, formats.1
)]
pub struct TooFarApart {
    /// The server's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it reads, first and last.
    pub formats: (u8, u8),
    /// What is written.
    pub format: u8,
}

/// The highest format that all members read: what the leader may write from now on. It never goes back, since
/// entries of the present one are in the log; a member of whom nothing is known keeps it where it is.
pub fn log_format<'a>(present: u8, members: impl IntoIterator<Item = Option<&'a Announcement>>) -> u8 {
    let last = |member: Option<&Announcement>| member.map_or(present, |server| server.formats.1);
    members.into_iter().map(last).min().unwrap_or(present).max(present)
}

/// Whether a server can be a member of a cluster that writes this format.
pub fn admits(format: u8, server: &Announcement) -> Result<(), TooFarApart> {
    let (first, last) = server.formats;
    if (first..=last).contains(&format) {
        return Ok(());
    }
    Err(TooFarApart {
        name: server.name.to_string(),
        version: server.version.to_string(),
        formats: server.formats,
        format,
    })
}
