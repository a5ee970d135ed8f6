//! Lists from one page to the next: `limit` and `cursor` in the question, `X-Next-Cursor` and `Link` in the answer.

use super::query::Query;
use crate::api::status::Problem;
use axum::http::{HeaderName, HeaderValue, Uri, header};
use axum::response::Response;

/// Rows of a page whose client says nothing.
pub(super) const PAGE: usize = 100;
/// Most rows of a page.
pub(in crate::api::rest) const PAGE_MAX: usize = 1_000;

const NEXT: HeaderName = HeaderName::from_static("x-next-cursor");
const LOST: HeaderName = HeaderName::from_static("x-dkron-history-lost");

/// What no list depends on: how it is printed, which part of it is wanted, how fresh it must be.
const BESIDE_THE_QUESTION: [&str; 7] =
    ["cursor", "limit", "pretty", "output_size_limit", "consistent", "stale", "min_index"];

impl Query {
    /// How many rows a page has, if the client asks for pages: from 1 to 1,000.
    pub(super) fn limit(&self) -> Result<Option<usize>, Problem> {
        let refused = |text: &str| {
            Problem::bad_request(format!(
                "limit: '{text}' is not allowed, allowed is a whole number from 1 to {PAGE_MAX}"
            ))
        };
        let Some(text) = self.get("limit") else {
            return Ok(self.get("cursor").map(|_| PAGE));
        };
        let limit = text.parse().map_err(|_| refused(text))?;
        if limit == 0 || limit > PAGE_MAX { Err(refused(text)) } else { Ok(Some(limit)) }
    }

    /// The place where the page begins, if a cursor says one.
    pub(super) fn place<T>(
        &self,
        decode: impl FnOnce(u32, &str) -> Option<T>,
        path: &str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.get("cursor") else { return Ok(None) };
        let shown: String = text.chars().take(80).collect();
        let refused = || {
            Problem::bad_request(format!(
                "cursor: '{shown}' is not allowed, allowed is what X-Next-Cursor gave for this very list"
            ))
        };
        decode(self.question(path), text).map(Some).ok_or_else(refused)
    }

    /// A checksum of which list is asked for, in which order.
    pub(super) fn question(&self, path: &str) -> u32 {
        let mut pairs: Vec<_> = self.all().filter(|(key, _)| !BESIDE_THE_QUESTION.contains(key)).collect();
        pairs.sort_unstable();
        let mut sum = crc32fast::Hasher::new();
        sum.update(path.as_bytes());
        for (key, value) in pairs {
            for part in [key, value] {
                sum.update(&(part.len() as u64).to_be_bytes());
                sum.update(part.as_bytes());
            }
        }
        sum.finalize()
    }
}

/// Says where the list goes on, if it does.
pub(super) fn paged(mut response: Response, uri: &Uri, next: Option<String>) -> Response {
    let Some(next) = next else { return response };
    let query = uri.query().unwrap_or_default();
    let others = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let own = format!("cursor={next}");
    let query: Vec<&str> = others.chain([own.as_str()]).collect();
    let link = format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"));
    if let (Ok(next), Ok(link)) = (HeaderValue::from_str(&next), HeaderValue::from_str(&link)) {
        response.headers_mut().insert(NEXT, next);
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// Says that rows of the entries up to this one may be lost, if any are.
pub(super) fn marked(mut response: Response, lost_up_to: Option<u64>) -> Response {
    if let Some(index) = lost_up_to {
        response.headers_mut().insert(LOST, HeaderValue::from(index));
    }
    response
}
