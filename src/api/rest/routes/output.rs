//! An execution's output as it is written: as plain text, or as events for a browser.

use super::query::Query;
use super::{Answer, Door};
use crate::api::rest::go_json::Json;
use crate::app::output::Piece;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use futures::stream::{self, BoxStream, StreamExt};
use std::convert::Infallible;

/// With `follow` to its end, else what there is of it now. `offset` is where to begin; a browser that comes back says it
/// by `Last-Event-ID`.
pub(super) async fn output(
    State(door): State<Door>,
    Path((job, execution)): Path<(String, String)>,
    headers: HeaderMap,
    query: Query,
) -> Answer {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let seen = text("last-event-id").and_then(|id| id.parse().ok());
    let offset = query.number("offset")?.map_or(0, |offset| offset as u64).max(seen.unwrap_or(0));
    let events = text("accept").is_some_and(|kinds| kinds.contains("text/event-stream"));
    let follows = query.get("follow").is_some_and(|value| value != "false");
    let pieces = match follows {
        true => door.app.follow(&job, &execution, offset).await?,
        false => stream::iter(door.app.output_now(&job, &execution, offset).await?).boxed(),
    };
    Ok(streamed(pieces, events))
}

fn streamed(pieces: BoxStream<'static, Piece>, events: bool) -> Response {
    let (kind, body) = match events {
        true => {
            let end = stream::once(async { b"event: end\ndata: {}\n\n".to_vec() });
            ("text/event-stream", Body::from_stream(pieces.map(|piece| event(&piece)).chain(end).map(sent)))
        }
        false => ("text/plain; charset=utf-8", Body::from_stream(pieces.map(plain).map(sent))),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that gathers would hold back what is written now.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

fn sent(bytes: Vec<u8>) -> Result<Vec<u8>, Infallible> {
    Ok(bytes)
}

/// The bytes, and before them a line where some are missing.
fn plain(piece: Piece) -> Vec<u8> {
    let Piece { missed, bytes, .. } = piece;
    match missed {
        0 => bytes,
        _ => [format!("\n[{missed} bytes are missing here]\n").into_bytes(), bytes].concat(),
    }
}

/// An event whose id is where the next one begins.
fn event(piece: &Piece) -> Vec<u8> {
    let next = piece.offset + piece.bytes.len() as u64;
    let data = Json::object([
        ("offset", Json::Number(piece.offset.into())),
        ("missed", Json::Number(piece.missed.into())),
        ("text", Json::Text(piece.bytes.clone())),
    ]);
    [format!("id: {next}\ndata: ").into_bytes(), data.render(false), b"\n\n".to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_marked_in_either_form() {
        let piece = Piece { offset: 10, missed: 4, bytes: b"a\nb".to_vec() };
        assert_eq!(plain(piece.clone()), b"\n[4 bytes are missing here]\na\nb");
        let expected = "id: 13\ndata: {\"offset\":10,\"missed\":4,\"text\":\"a\\nb\"}\n\n";
        assert_eq!(String::from_utf8(event(&piece)), Ok(expected.to_owned()));
    }
}
