//! What a certificate says: of which region and role its holder is, as which nodes it may speak, until when.
//!
//! Whether it is true is judged before, by its signature. Names do not depend on addresses, which may all change.

use dkron_core::time::Time;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What names a node that a certificate is bound to.
const NODE_URI: &str = "dkron://node/";

/// What the holder of a certificate is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// A server: it votes, appends, passes writes on, and speaks for its own agent.
    Server,
    /// A node that only runs work.
    Agent,
    /// A person or a program that calls the API.
    Client,
    /// A person or a program that operates the cluster by way of the nodes' own port.
    Operator,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 4] = [Role::Server, Role::Agent, Role::Client, Role::Operator];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Role::Server => "server",
            Role::Agent => "agent",
            Role::Client => "client",
            Role::Operator => "operator",
        }
    }

    /// The DNS name in the certificate of such a holder.
    pub fn name(self, region: &str) -> String {
        format!("{}.{region}.dkron", self.word())
    }
}

/// What a certificate says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// Whom it was made for, for people.
    pub subject: String,
    /// Its DNS names.
    pub names: Vec<String>,
    /// The names of the nodes that it is bound to; none if it is bound to no node.
    pub nodes: Vec<String>,
    /// When it begins to hold.
    pub not_before: Time,
    /// When it ends.
    pub not_after: Time,
}

impl Certificate {
    /// What stands in these bytes.
    ///
    /// # Errors
    /// A sentence if they are no certificate.
    pub fn read(der: &[u8]) -> Result<Certificate, String> {
        let (_, found) =
            X509Certificate::from_der(der).map_err(|error| format!("no certificate: {error}"))?;
        let names = found.subject_alternative_name().map_err(|error| format!("no certificate: {error}"))?;
        let mut certificate = Certificate {
            subject: found.subject().to_string(),
            names: Vec::new(),
            nodes: Vec::new(),
            not_before: Time::from_seconds(found.validity().not_before.timestamp()),
            not_after: Time::from_seconds(found.validity().not_after.timestamp()),
        };
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::DNSName(name) => certificate.names.push((*name).to_owned()),
                GeneralName::URI(uri) => certificate.nodes.extend(node_of(uri)),
                _ => {}
            }
        }
        Ok(certificate)
    }

    /// Whether it was made for this role in this region. A wildcard is no role.
    pub fn has_role(&self, role: Role, region: &str) -> bool {
        let wanted = role.name(region);
        self.names.iter().any(|name| name.eq_ignore_ascii_case(&wanted))
    }

    /// Whether its holder may speak as this node.
    pub fn is_bound_to_other_than(&self, node: &str) -> bool {
        !self.nodes.is_empty() && !self.nodes.iter().any(|bound| bound == node)
    }

    /// For people: its names, or its subject if it has none.
    pub fn shown(&self) -> String {
        if self.names.is_empty() { self.subject.clone() } else { self.names.join(", ") }
    }
}

/// The URI that binds a certificate to a node.
pub fn node_uri(node: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    node.bytes().map(encode).fold(NODE_URI.to_owned(), |uri, part| uri + &part)
}

/// The node that a URI names; none if it is about something else.
fn node_of(uri: &str) -> Option<String> {
    let mut rest = uri.strip_prefix(NODE_URI)?.bytes();
    let mut bytes = Vec::new();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_node_name_goes_into_a_uri_and_comes_back() {
        for name in ["agent1", "web_1.example", "Größe", "100%", "a b"] {
            assert_eq!(node_of(&node_uri(name)).as_deref(), Some(name));
            assert!(node_uri(name).is_ascii());
        }
        assert_eq!(node_of("dkron://node/%4"), None);
        assert_eq!(node_of("https://example.com/node/x"), None);
    }

    #[test]
    fn a_role_is_a_whole_name_of_its_region() {
        let certificate = |names: &[&str]| Certificate {
            subject: String::new(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            nodes: Vec::new(),
            not_before: Time::EPOCH,
            not_after: Time::EPOCH,
        };
        let server = certificate(&["Server.global.dkron"]);
        assert!(server.has_role(Role::Server, "global") && !server.has_role(Role::Agent, "global"));
        assert!(!server.has_role(Role::Server, "eu"), "another region");
        assert!(!certificate(&["*.global.dkron"]).has_role(Role::Server, "global"), "a wildcard");
        assert!(!certificate(&["server.global.dkron.example.com"]).has_role(Role::Server, "global"));
    }
}
