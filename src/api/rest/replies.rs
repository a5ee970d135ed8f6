//! The small replies: pause, health, isleader, restore.

use super::go_json::Json;

/// `GET /v1/pause`, `POST /v1/pause` and `/v1/unpause`
pub fn encode_paused(paused: bool, pretty: bool) -> Vec<u8> {
    Json::object([("paused", Json::Bool(paused))]).render(pretty)
}

/// `GET /health`
pub fn encode_health() -> Vec<u8> {
    Json::object([("status", Json::text("healthy"))]).render(false)
}

/// `GET /v1/isleader`: with status 200 on the leader, 404 on the others.
pub fn encode_is_leader(leader: bool) -> Vec<u8> {
    Json::text(if leader { "I am a leader" } else { "I am a follower" }).render(false)
}

/// `POST /v1/restore`: a text that holds a list of texts, one for each job and whether it was stored.
pub fn encode_restored<'a>(jobs: impl IntoIterator<Item = (&'a str, bool)>) -> Vec<u8> {
    let line = |(name, stored): (&str, bool)| match stored {
        true => Json::text(format!("success create {name}")),
        false => Json::text(format!("fail create {name}")),
    };
    Json::Text(Json::List(jobs.into_iter().map(line).collect()).render(false)).render(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_replies_are_dkrons_byte_for_byte() {
        assert_eq!(encode_paused(true, false), br#"{"paused":true}"#);
        assert_eq!(encode_health(), br#"{"status":"healthy"}"#);
        assert_eq!(encode_is_leader(true), br#""I am a leader""#);
        assert_eq!(encode_is_leader(false), br#""I am a follower""#);
        let restored = encode_restored([("task1", true), ("task2", false)]);
        assert_eq!(restored, br#""[\"success create task1\",\"fail create task2\"]""#);
    }
}
