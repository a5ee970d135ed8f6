//! A HTTP/1.1 client of a few lines: one connection a request, so that a test decides on every byte sent and
//! knows that a request is made once.

use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// A header by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, whatever the status.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the answer {} {}", self.status, self.text()))
    }

    /// The same, if the status is the expected one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Reply {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// Sends a request and reads its answer.
pub(crate) fn send(
    address: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    let mut head = format!("{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    head.push_str(&format!("content-length: {}\r\n", body.len()));
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut stream = TcpStream::connect_timeout(&address, ANSWER)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    stream.write_all(head.as_bytes())?;
    // A server may refuse a body by its length and close: then the answer counts, not that writing failed.
    let written = stream.write_all(body);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    match parse(&answer, line.starts_with("HEAD ")) {
        Some(reply) => Ok(reply),
        None => {
            read.and(written)?;
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer is cut"))
        }
    }
}

/// A whole answer; none if it is cut. The answer to `HEAD` promises a body that does not come.
fn parse(answer: &[u8], bare: bool) -> Option<Reply> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let pair = |line: &str| {
        line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<(String, String)> = lines.filter_map(pair).collect();
    let mut reply = Reply { status, headers, body: answer[end + 4..].to_vec() };
    let promised: Option<usize> = reply.header("content-length").and_then(|length| length.parse().ok());
    if bare {
        return reply.body.is_empty().then_some(reply);
    } else if reply.header("transfer-encoding").is_some() {
        reply.body = unchunked(&reply.body)?;
    } else if promised.is_some_and(|promised| promised != reply.body.len()) {
        return None;
    }
    Some(reply)
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?.trim(), 16).ok()?;
        rest = &rest[end + 2..];
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..length)?);
        rest = rest.get(length + 2..)?;
    }
}

#[test]
fn a_cut_answer_is_none() {
    assert!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n1234", false).is_none());
    assert!(parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", false).is_none());
    let whole = parse(
        b"HTTP/1.1 404 No\r\nX-Whom: me\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        false,
    );
    let whole = whole.expect("an answer");
    assert_eq!((whole.status, whole.header("x-whom"), whole.text().as_str()), (404, Some("me"), "abc"));
}
