//! Members as Dkron's clients see them: in the list of all, and the leader.

use super::go_json::Json;
use super::operator_json::range;
use dkron_core::format::Formats;
use dkron_core::ids::NodeId;
use dkron_core::job::Words;
use dkron_core::node::Liveness;

/// A member to show.
#[derive(Clone, Copy, Debug)]
pub struct MemberView<'a> {
    /// The node's random id: stable, where Dkron makes up a new one at each request.
    pub id: NodeId,
    /// Its name.
    pub name: &'a str,
    /// Its advertised IP or host.
    pub address: &'a str,
    /// Its advertised port.
    pub port: u16,
    /// Its tags, Dkron's own included.
    pub tags: &'a Words,
    /// How it is.
    pub status: MemberStatus,
    /// Of a server: the log formats that it reads and writes.
    pub formats: Option<Formats>,
}

/// Dkron's words for how a member is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MemberStatus {
    /// Nobody knows.
    None,
    /// It is there.
    Alive,
    /// It is going.
    Leaving,
    /// It said that it goes.
    Left,
    /// It is gone without a word.
    Failed,
}

impl MemberStatus {
    /// From the state. A cordoned or draining node is alive to Dkron's clients.
    pub fn of(liveness: Liveness) -> MemberStatus {
        match liveness {
            Liveness::Alive => MemberStatus::Alive,
            Liveness::Failed => MemberStatus::Failed,
            Liveness::Left => MemberStatus::Left,
        }
    }

    fn number(self) -> i128 {
        self as i128
    }

    fn word(self) -> &'static str {
        match self {
            MemberStatus::None => "none",
            MemberStatus::Alive => "alive",
            MemberStatus::Leaving => "leaving",
            MemberStatus::Left => "left",
            MemberStatus::Failed => "failed",
        }
    }
}

/// `GET /v1/members`
pub fn encode_members<'a>(views: impl IntoIterator<Item = MemberView<'a>>, pretty: bool) -> Vec<u8> {
    let element = |view: MemberView<'_>| {
        let mut pairs = pairs(&view);
        pairs.push(("id".to_owned(), Json::text(as_uuid(view.id))));
        pairs.push(("statusText".to_owned(), Json::text(view.status.word())));
        pairs.extend(view.formats.map(|formats| ("logFormats".to_owned(), range(formats))));
        Json::Object(pairs)
    };
    Json::List(views.into_iter().map(element).collect()).render(pretty)
}

/// `GET /v1/leader`
pub fn encode_leader(view: &MemberView<'_>, pretty: bool) -> Vec<u8> {
    Json::Object(pairs(view)).render(pretty)
}

/// The versions are those that Dkron's gossip library states; they mean nothing here.
fn pairs(view: &MemberView<'_>) -> Vec<(String, Json)> {
    const VERSIONS: [(&str, i128); 6] = [
        ("ProtocolMin", 1),
        ("ProtocolMax", 5),
        ("ProtocolCur", 2),
        ("DelegateMin", 2),
        ("DelegateMax", 5),
        ("DelegateCur", 4),
    ];
    let own = [
        ("Name", Json::text(view.name)),
        ("Addr", Json::text(view.address)),
        ("Port", Json::Number(view.port.into())),
        ("Tags", Json::map(view.tags)),
        ("Status", Json::Number(view.status.number())),
    ];
    let versions = VERSIONS.map(|(key, value)| (key, Json::Number(value)));
    own.into_iter().chain(versions).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// 32 hexadecimal digits as 8-4-4-4-12.
fn as_uuid(id: NodeId) -> String {
    let id = id.to_string();
    [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags() -> Words {
        let pairs = [
            ("version", "4.0.9"),
            ("dc", "dc1"),
            ("expect", "3"),
            ("port", "6868"),
            ("region", "global"),
            ("role", "dkron"),
            ("rpc_addr", "10.0.0.1:6868"),
            ("server", "true"),
        ];
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn members_and_the_leader_are_dkrons_byte_for_byte() {
        let tags = tags();
        let view = MemberView {
            id: NodeId(0x3c1f_0000_0000_0000_0000_0000_0000_0001),
            name: "node1",
            address: "10.0.0.1",
            port: 8946,
            tags: &tags,
            status: MemberStatus::Alive,
            formats: None,
        };
        let leader = r#"{"Name":"node1","Addr":"10.0.0.1","Port":8946,"Tags":{"dc":"dc1","expect":"3","port":"6868","region":"global","role":"dkron","rpc_addr":"10.0.0.1:6868","server":"true","version":"4.0.9"},"Status":1,"ProtocolMin":1,"ProtocolMax":5,"ProtocolCur":2,"DelegateMin":2,"DelegateMax":5,"DelegateCur":4}"#;
        assert_eq!(encode_leader(&view, false), leader.as_bytes());
        let tail = r#","id":"3c1f0000-0000-0000-0000-000000000001","statusText":"alive"}]"#;
        let members = format!("[{}{tail}", leader.trim_end_matches('}'));
        assert_eq!(String::from_utf8(encode_members([view], false)), Ok(members.clone()));
        let view = MemberView { formats: Some(Formats { first: 1, last: 2 }), ..view };
        let more = members.replace("}]", r#","logFormats":[1,2]}]"#);
        assert_eq!(String::from_utf8(encode_members([view], false)), Ok(more), "behind all that Dkron has");
    }

    #[test]
    fn liveness_becomes_dkrons_words_and_numbers() {
        let shown = Liveness::ALL.map(MemberStatus::of).map(|status| (status.number(), status.word()));
        assert_eq!(shown, [(1, "alive"), (4, "failed"), (3, "left")]);
    }
}
