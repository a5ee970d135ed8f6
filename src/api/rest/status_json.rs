//! `GET /v1`: what a node says of itself. All leaves are texts, as in Dkron.

use super::go_json::Json;
use dkron_core::job::Words;

/// A node to show.
#[derive(Clone, Copy, Debug)]
pub struct StatusView<'a> {
    /// Its name.
    pub name: &'a str,
    /// The version that it runs.
    pub version: &'a str,
    /// How many members there are.
    pub members: u64,
    /// Of these, gone without a word.
    pub failed: u64,
    /// Of these, gone with one.
    pub left: u64,
    /// Whether gossip is encrypted.
    pub encrypted: bool,
    /// Its tags.
    pub tags: &'a Words,
}

/// The status object. What only Dkron's gossip library counts is 0 here.
pub fn encode_status(view: &StatusView<'_>, pretty: bool) -> Vec<u8> {
    let count = |number: u64| Json::text(number.to_string());
    let agent = Json::object([("name", Json::text(view.name)), ("version", Json::text(view.version))]);
    let serf = Json::object([
        ("coordinate_resets", count(0)),
        ("encrypted", Json::text(view.encrypted.to_string())),
        ("event_queue", count(0)),
        ("event_time", count(1)),
        ("failed", count(view.failed)),
        ("health_score", count(0)),
        ("intent_queue", count(0)),
        ("left", count(view.left)),
        ("member_time", count(view.members)),
        ("members", count(view.members)),
        ("query_queue", count(0)),
        ("query_time", count(1)),
    ]);
    Json::object([("agent", agent), ("serf", serf), ("tags", Json::map(view.tags))]).render(pretty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_dkrons_byte_for_byte() {
        let pairs = [
            ("dc", "dc1"),
            ("port", "6868"),
            ("region", "global"),
            ("role", "dkron"),
            ("rpc_addr", "10.0.0.1:6868"),
            ("server", "true"),
            ("version", "4.0.9"),
        ];
        let tags: Words = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let view = StatusView {
            name: "node1",
            version: "4.0.9",
            members: 3,
            failed: 0,
            left: 0,
            encrypted: false,
            tags: &tags,
        };
        let expected = r#"{"agent":{"name":"node1","version":"4.0.9"},"serf":{"coordinate_resets":"0","encrypted":"false","event_queue":"0","event_time":"1","failed":"0","health_score":"0","intent_queue":"0","left":"0","member_time":"3","members":"3","query_queue":"0","query_time":"1"},"tags":{"dc":"dc1","port":"6868","region":"global","role":"dkron","rpc_addr":"10.0.0.1:6868","server":"true","version":"4.0.9"}}"#;
        assert_eq!(String::from_utf8(encode_status(&view, false)), Ok(expected.to_owned()));
    }
}
