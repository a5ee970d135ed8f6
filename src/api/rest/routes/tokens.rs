//! `/v1/tokens`: the first one, more of them, what each allows, and their end.

use super::query::Query;
use super::{Answer, Door, json, listed};
use crate::api::rest::go_json::Json;
use crate::api::rest::token_json::{decode_order, made, token};
use crate::api::status::Problem;
use crate::app::access::{Caller, Made};
use crate::clock;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use dkron_core::ids::TokenId;

pub(super) async fn list(State(door): State<Door>, query: Query) -> Answer {
    let tokens = door.app.tokens().await?;
    let list = Json::List(tokens.iter().map(token).collect());
    Ok(listed(tokens.len(), list.render(query.pretty())))
}

pub(super) async fn create(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    query: Query,
    body: Bytes,
) -> Answer {
    let order = decode_order(&body, clock::guarded().time);
    let order = order.map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(told(&door.app.create_token(&caller, order).await?, &query))
}

pub(super) async fn bootstrap(State(door): State<Door>, query: Query) -> Answer {
    Ok(told(&door.app.bootstrap_token().await?, &query))
}

/// The word in `X-Dkron-Recovery` must stand in a file of this server's data directory.
pub(super) async fn recover(State(door): State<Door>, headers: HeaderMap, query: Query) -> Answer {
    let word = headers.get("x-dkron-recovery").and_then(|word| word.to_str().ok()).unwrap_or_default();
    Ok(told(&door.app.recover_token(word).await?, &query))
}

/// What the token that was sent allows.
pub(super) async fn own(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Answer {
    match caller {
        Caller::Holder(id, _) => show(&door, id, &query).await,
        _ => Err(Problem(StatusCode::NOT_FOUND, "no token is asked for here, and none counts".to_owned())),
    }
}

pub(super) async fn get(State(door): State<Door>, Path(id): Path<String>, query: Query) -> Answer {
    show(&door, read(&id)?, &query).await
}

async fn show(door: &Door, id: TokenId, query: &Query) -> Answer {
    Ok(json(StatusCode::OK, token(&door.app.token(id).await?).render(query.pretty())))
}

pub(super) async fn revoke(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    query: Query,
) -> Answer {
    let revoked = door.app.revoke_token(&caller, read(&id)?).await?;
    Ok(json(StatusCode::OK, token(&revoked).render(query.pretty())))
}

/// The one answer with a secret in it: nobody on the way may keep it.
fn told(new: &Made, query: &Query) -> Response {
    let mut response = json(StatusCode::CREATED, made(new).render(query.pretty()));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn read(id: &str) -> Result<TokenId, Problem> {
    TokenId::parse(id).ok_or_else(|| {
        Problem::bad_request(format!("id: '{id}' is not allowed, allowed are 32 hexadecimal digits"))
    })
}
