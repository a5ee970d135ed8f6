//! What operators see: members of the log's group, their health, nodes. Our own shapes: Dkron has none.

use super::go_json::Json;
use dkron_core::format::Formats;
use dkron_core::ids::NodeId;
use dkron_core::node::{NodeView, Work};
use dkron_core::roster::{Announcement, Roster};
use dkron_core::time::{Span, Time};
use dkron_core::voters::{Health, Peer, ServerHealth};

/// A moment on two clocks: spans are taken on the steady one and shown on the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The boot clock.
    pub steady: Time,
    /// The wall clock.
    pub wall: Time,
}

impl Now {
    fn since(self, at: Option<Time>) -> Json {
        at.map_or(Json::Null, |at| Json::text((self.wall - (self.steady - at)).to_string()))
    }

    fn ago_ms(self, at: Option<Time>) -> Json {
        at.map_or(Json::Null, |at| millis(self.steady - at))
    }
}

fn millis(span: Span) -> Json {
    Json::Number(span.millis().into())
}

/// `GET /v1/cluster/peers`
pub fn encode_peers(peers: &[Peer], pretty: bool) -> Vec<u8> {
    Json::List(peers.iter().map(|peer| Json::Object(peer_pairs(peer))).collect()).render(pretty)
}

/// One member.
pub fn encode_peer(peer: &Peer, pretty: bool) -> Vec<u8> {
    Json::Object(peer_pairs(peer)).render(pretty)
}

fn peer_pairs(peer: &Peer) -> Vec<(String, Json)> {
    let wish = peer.wish.map_or(Json::Null, |wish| Json::text(wish.to_string()));
    let pairs = [
        ("id", Json::text(peer.id.to_string())),
        ("name", Json::text(&peer.name)),
        ("address", Json::text(&peer.address)),
        ("voter", Json::Bool(peer.voter)),
        ("leader", Json::Bool(peer.leader)),
        ("wish", wish),
    ];
    pairs.map(|(key, value)| (key.to_owned(), value)).into()
}

/// `GET /v1/operator/health`
pub fn encode_servers_health(health: &Health, now: Now, pretty: bool) -> Vec<u8> {
    let servers = health.servers.iter().map(|server| server_health(server, now)).collect();
    let holding_back = health.holding_back().map(|server| Json::text(&server.peer.name)).collect();
    let object = Json::object([
        ("healthy", Json::Bool(health.healthy)),
        ("failure_tolerance", Json::Number(health.failure_tolerance as i128)),
        ("quorum", Json::Number(health.quorum_size as i128)),
        ("log_format", Json::Number(health.format.into())),
        ("log_format_held_back_by", Json::List(holding_back)),
        ("servers", Json::List(servers)),
    ]);
    object.render(pretty)
}

fn server_health(server: &ServerHealth, now: Now) -> Json {
    let mut pairs = peer_pairs(&server.peer);
    let complaints = server.complaints.iter().map(|complaint| Json::text(complaint.to_string())).collect();
    // The leader needs no contact with itself.
    let contact = server.heard.filter(|_| !server.peer.leader);
    let more = [
        ("healthy", Json::Bool(server.complaints.is_empty())),
        ("since", now.since(server.well_since)),
        ("last_contact_ms", now.ago_ms(contact)),
        ("lag", server.lag.map_or(Json::Null, |lag| Json::Number(lag.into()))),
        ("clock_ahead_ms", server.clock_ahead.map_or(Json::Null, millis)),
        ("version", Json::text(&server.version)),
        ("log_formats", server.formats.map_or(Json::Null, range)),
        ("complaints", Json::List(complaints)),
    ];
    pairs.extend(more.map(|(key, value)| (key.to_owned(), value)));
    Json::Object(pairs)
}

/// First and last.
pub(super) fn range(formats: Formats) -> Json {
    Json::List([formats.first, formats.last].map(|format| Json::Number(format.into())).into())
}

/// `GET /v1/nodes`
pub fn encode_nodes(nodes: &[NodeView], pretty: bool) -> Vec<u8> {
    Json::List(nodes.iter().map(node).collect()).render(pretty)
}

/// One node.
pub fn encode_node(view: &NodeView, pretty: bool) -> Vec<u8> {
    node(view).render(pretty)
}

fn node(node: &NodeView) -> Json {
    let drained = node.work == Work::Draining && node.executions == 0;
    Json::object([
        ("id", Json::text(node.id.to_string())),
        ("name", Json::text(&node.name)),
        ("address", Json::text(&node.address)),
        ("server", Json::Bool(node.server)),
        ("status", Json::text(node.liveness.to_string())),
        ("work", Json::text(node.work.to_string())),
        ("drained", Json::Bool(drained)),
        ("executions", Json::Number(node.executions.into())),
        ("slots", Json::Number(node.slots.into())),
    ])
}

/// `POST /v1/leave`, as Dkron: regions and the servers that are left in each.
pub fn encode_left(roster: &Roster, own: NodeId, pretty: bool) -> Vec<u8> {
    let region = roster.server(own).map(|server| server.region.clone()).unwrap_or_default();
    let left = roster.alive().filter(|server| server.id != own && server.region == region);
    Json::object([(&*region, Json::List(left.map(server).collect()))]).render(pretty)
}

fn server(server: &Announcement) -> Json {
    let (host, port) = server.calls.rsplit_once(':').unwrap_or((&server.calls, "0"));
    let port = Json::Number(port.parse::<u16>().unwrap_or(0).into());
    let host = Json::text(host.trim_matches(['[', ']']));
    let address = Json::object([("IP", host), ("Port", port.clone()), ("Zone", Json::text(""))]);
    Json::object([
        ("Name", Json::text(&server.name)),
        ("ID", Json::text(&server.name)),
        ("Region", Json::text(&server.region)),
        ("Datacenter", Json::text(&server.datacenter)),
        ("Port", port),
        ("Bootstrap", Json::Bool(false)),
        ("Expect", Json::Number(server.expect.into())),
        ("RaftVersion", Json::Number(0)),
        ("BuildVersion", Json::text(&server.version)),
        ("Addr", address.clone()),
        ("RPCAddr", address),
        ("Status", Json::Number(1)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use dkron_core::roster::{Liveness, Sighting};
    use dkron_core::voters::Complaint;

    #[test]
    fn the_answer_to_leave_has_dkrons_shape() {
        let server = |id: u128| Announcement {
            id: NodeId(id),
            name: format!("node{id}").into(),
            region: "global".into(),
            datacenter: "dc1".into(),
            expect: 3,
            version: "4.0.9".into(),
            calls: format!("10.0.0.{id}:6868").into(),
            ..Announcement::default()
        };
        let seen = |id| (NodeId(id), Sighting { server: server(id).into(), liveness: Liveness::Alive });
        let roster = Roster { own: NodeId(2), servers: [seen(1), seen(2)].into() };
        let expected = r#"{"global":[{"Name":"node1","ID":"node1","Region":"global","Datacenter":"dc1","Port":6868,"Bootstrap":false,"Expect":3,"RaftVersion":0,"BuildVersion":"4.0.9","Addr":{"IP":"10.0.0.1","Port":6868,"Zone":""},"RPCAddr":{"IP":"10.0.0.1","Port":6868,"Zone":""},"Status":1}]}"#;
        assert_eq!(String::from_utf8(encode_left(&roster, NodeId(2), false)), Ok(expected.to_owned()));
    }

    #[test]
    fn health_shows_since_when_on_the_wall_clock_and_what_is_wrong() {
        let peer = Peer { id: NodeId(2), name: "node2".into(), voter: true, ..Peer::default() };
        let server = ServerHealth {
            peer,
            lag: Some(4),
            heard: Some(Time::from_seconds(99)),
            well_since: Some(Time::from_seconds(90)),
            clock_ahead: Some(Span::from_millis(-3)),
            version: "0.1.0".into(),
            formats: Some(Formats { first: 1, last: 1 }),
            complaints: vec![Complaint::Unheard],
        };
        let upgraded =
            ServerHealth { formats: Some(Formats { first: 1, last: 2 }), ..ServerHealth::default() };
        let servers = vec![upgraded, server];
        let health = Health { healthy: false, quorum_size: 2, failure_tolerance: 0, format: 1, servers };
        let now = Now { steady: Time::from_seconds(100), wall: Time::from_seconds(1_800_000_000) };
        let text = String::from_utf8(encode_servers_health(&health, now, false)).expect("text");
        let head = r#"{"healthy":false,"failure_tolerance":0,"quorum":2,"log_format":1,"log_format_held_back_by":["node2"],"servers":[{"id":"#;
        assert!(text.starts_with(head), "{text}");
        assert!(text.contains(r#""since":"2027-01-15T07:59:50Z","last_contact_ms":1000,"lag":4"#), "{text}");
        assert!(
            text.ends_with(
                r#""clock_ahead_ms":-3,"version":"0.1.0","log_formats":[1,1],"complaints":["it does not answer the leader"]}]}"#
            ),
            "{text}"
        );
    }
}
