//! Addresses as people write them: `10.0.0.1`, `10.0.0.1:8946`, `:8080`, `[::1]:8946`, `node1:8946`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host, by name or number, and a port. Names are looked up at every use: addresses may change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostPort {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(formatter, "[{}]:{}", self.host, self.port),
            false => write!(formatter, "{}:{}", self.host, self.port),
        }
    }
}

/// What is allowed, for messages.
pub(super) const ALLOWED: &str =
    "allowed are ADDRESS, ADDRESS:PORT and :PORT, as in 10.0.0.1:8946 or [::1]:8946";

/// Reads an address; the host is empty in `:PORT`.
pub(super) fn parse(text: &str, default_port: u16) -> Result<HostPort, String> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok(HostPort { host: text.to_owned(), port: default_port });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, parse_port(port)?),
        _ => (text, default_port),
    };
    Ok(HostPort { host: parse_host(host)?, port })
}

fn parse_port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("'{text}' is not a port, allowed are 0 to 65535"))
}

fn parse_host(text: &str) -> Result<String, String> {
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let known = inner.parse::<Ipv6Addr>();
        return known
            .map(|ip| ip.to_string())
            .map_err(|_| format!("'{inner}' is not an IPv6 address; {ALLOWED}"));
    }
    let all_numeric = !text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
    if all_numeric && text.parse::<Ipv4Addr>().is_err() {
        return Err(format!("'{text}' is not an IPv4 address; {ALLOWED}"));
    }
    let legal = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_');
    match text.chars().find(|letter| !legal(*letter)) {
        Some(letter) => Err(format!("'{letter}' cannot stand in a host; {ALLOWED}")),
        None => Ok(text.to_owned()),
    }
}

/// The IP address of a host: written as such, or looked up. An empty host is every address.
pub(super) fn ip_of(host: &str, lookup: &dyn Fn(&str) -> Option<IpAddr>) -> Result<IpAddr, String> {
    if host.is_empty() {
        return Ok(Ipv4Addr::UNSPECIFIED.into());
    }
    let found = host.parse().ok().or_else(|| lookup(host));
    found.ok_or_else(|| format!("the name '{host}' has no address on this machine; {ALLOWED}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        parse(text, 8946).map_or_else(|error| error, |address| address.to_string())
    }

    #[test]
    fn a_missing_port_is_the_default_one() {
        assert_eq!(read("10.0.0.1"), "10.0.0.1:8946");
        assert_eq!(read("10.0.0.1:7000"), "10.0.0.1:7000");
        assert_eq!(read("::1"), "[::1]:8946");
        assert_eq!(read("[::1]"), "[::1]:8946");
        assert_eq!(read("[fe80::1]:1"), "[fe80::1]:1");
        assert_eq!(read("node-1.example"), "node-1.example:8946");
        assert_eq!(read(":8080"), ":8080");
    }

    #[test]
    fn what_is_no_address_says_what_is_allowed() {
        for text in ["10.0.0", "10.0.0.256", "10.0.0.1:x", "10.0.0.1:70000", "[::g]:1", "a b", "http://x:1"] {
            assert!(read(text).contains("allowed are"), "{text}: {}", read(text));
        }
    }
}
