//! What a server says, as the library's key-values: one value about itself, one about where it stands. A pure
//! part.
//!
//! All about itself is one value: two could arrive apart, and a reader would see what never was.

use super::error::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use dkron_core::ids::NodeId;
use dkron_core::roster::Announcement;
use dkron_wire::gossip::{decode_announcement, encode_announcement};
use std::sync::Arc;

/// The key of all that a server says of itself.
pub(super) const ABOUT: &str = "about";
/// The key of where it stands.
pub(super) const STATE: &str = "state";
/// What a server says of itself is no longer than this: thirty such servers fit into one datagram.
pub(super) const ABOUT_BYTES_MAX: usize = 1_536;

/// Where a process stands.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum State {
    /// It knows that no other process has its id.
    Settled,
    /// It does not know yet.
    #[default]
    Starting,
    /// It goes.
    Left,
}

impl State {
    pub(super) fn text(self) -> &'static str {
        match self {
            State::Settled => "settled",
            State::Starting => "starting",
            State::Left => "left",
        }
    }

    pub(super) fn read(text: Option<&str>) -> State {
        let all = [State::Settled, State::Left];
        all.into_iter().find(|state| text == Some(state.text())).unwrap_or_default()
    }
}

/// The value of what a server says of itself.
pub(super) fn about(own: &Announcement) -> Result<String, Error> {
    let bytes = encode_announcement(own);
    if bytes.len() > ABOUT_BYTES_MAX {
        let tags = own.tags.iter().map(|(key, value)| key.len() + value.len()).sum();
        return Err(Error::TooLarge { bytes: bytes.len(), tags, limit: ABOUT_BYTES_MAX });
    }
    Ok(STANDARD_NO_PAD.encode(bytes))
}

/// What the server of this id says of itself; none if that makes no sense or is said of another.
pub(super) fn read_about(id: NodeId, text: &str) -> Option<Arc<Announcement>> {
    if text.len() > ABOUT_BYTES_MAX * 4 / 3 + 4 {
        return None;
    }
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    let announcement = decode_announcement(&bytes).ok()?;
    (announcement.id == id).then(|| Arc::new(announcement))
}

/// A node's id as the library has it.
pub(super) fn node_text(id: NodeId) -> String {
    id.to_string()
}

/// The node's id in the library's text; none if it is another program's.
pub(super) fn read_node(text: &str) -> Option<NodeId> {
    let is_plain = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_plain.then(|| u128::from_str_radix(text, 16).ok().map(NodeId)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn announcement(id: u128, tag_bytes: usize) -> Announcement {
        let tags = [("zone".to_owned(), "z".repeat(tag_bytes))].into();
        Announcement { id: NodeId(id), name: "alpha".into(), tags, ..Announcement::default() }
    }

    #[test]
    fn what_a_server_says_is_read_as_it_was_said_and_only_of_itself() {
        let own = announcement(7, 20);
        let text = about(&own).expect("it fits");
        assert_eq!(read_about(NodeId(7), &text).as_deref(), Some(&own));
        assert_eq!(read_about(NodeId(8), &text), None);
        assert_eq!(read_node(&node_text(NodeId(7))), Some(NodeId(7)));
        assert_eq!(read_node("7"), None);
        for state in [State::Starting, State::Settled, State::Left] {
            assert_eq!(State::read(Some(state.text())), state);
        }
        assert_eq!((State::read(None), State::read(Some("?"))), (State::Starting, State::Starting));
    }

    #[test]
    fn tags_that_do_not_fit_are_refused_with_the_sizes() {
        assert!(about(&announcement(7, 1_400)).is_ok());
        let refusal = about(&announcement(7, 2_000)).expect_err("too large").to_string();
        assert!(
            refusal.contains("2004") && refusal.contains("1536") && refusal.contains("tags"),
            "{refusal}"
        );
    }

    proptest! {
        #[test]
        fn hostile_values_never_panic(text in ".{0,80}", long in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (read_about(NodeId(1), &text), read_node(&text), State::read(Some(&text)));
            let _ = read_about(NodeId(1), &STANDARD_NO_PAD.encode(&long));
        }
    }
}
