//! What the node tells others: notifications, metrics, traces. What is given in part has no effect, as in
//! Dkron, and is told.

use super::super::address::HostPort;
use super::super::values::{Mail, Notices, Observation, Secret, Webhook};
use super::{Reader, peer};

const STATSD_PORT: u16 = 8125;
const OTLP_PORT: u16 = 4317;

impl<'a> Reader<'a> {
    pub(super) fn notices(&mut self) -> Notices {
        Notices {
            mail: self.mail(),
            before: self.webhook("pre-webhook-endpoint", "pre-webhook-payload", "pre-webhook-headers"),
            after: self.webhook("webhook-endpoint", "webhook-payload", "webhook-headers"),
            cronitor: self.url("cronitor-endpoint"),
        }
    }

    fn mail(&mut self) -> Option<Mail> {
        let port = self.number("mail-port", 0, 0..=u16::MAX);
        let host = self.optional("mail-host").unwrap_or_default();
        let login = self.together("mail-username", "mail-password");
        let prefix = self.raw.one("mail-subject-prefix").map_or("[Dkron]", |typed| typed.value.as_str());
        let mail = Mail {
            host: host.to_owned(),
            port,
            login: login.map(|(name, password)| (name.to_owned(), Secret::new(password))),
            from: self.optional("mail-from").unwrap_or_default().to_owned(),
            payload: self.optional("mail-payload").unwrap_or_default().to_owned(),
            subject_prefix: prefix.to_owned(),
        };
        match (host.is_empty(), port == 0) {
            (true, true) => return None,
            (false, false) => return Some(mail),
            (false, true) => self.warn_of("mail-host", "has no effect without mail-port"),
            (true, false) => self.warn_of("mail-port", "has no effect without mail-host"),
        }
        None
    }

    fn webhook(&mut self, endpoint: &str, payload: &str, headers: &str) -> Option<Webhook> {
        let headers = self.read_list(headers, header);
        let url = self.url(endpoint);
        let (_, payload) = self.together(endpoint, payload)?;
        Some(Webhook { endpoint: url?, payload: payload.to_owned(), headers })
    }

    /// Two settings that mean something only together.
    fn together(&mut self, one: &str, other: &str) -> Option<(&'a str, &'a str)> {
        match (self.optional(one), self.optional(other)) {
            (Some(one), Some(other)) => return Some((one, other)),
            (Some(_), None) => self.warn_of(one, &format!("has no effect without {other}")),
            (None, Some(_)) => self.warn_of(other, &format!("has no effect without {one}")),
            (None, None) => (),
        }
        None
    }

    fn url(&mut self, name: &str) -> Option<Secret> {
        self.optional(name)?;
        self.read(name, |text| match is_url(text) {
            true => Ok(Secret::new(text)),
            false => Err("is not a web address, allowed are http://HOST... and https://HOST...".to_owned()),
        })
    }

    fn warn_of(&mut self, name: &str, warning: &str) {
        if let Some(typed) = self.raw.one(name) {
            self.warn(typed, warning);
        }
    }

    pub(super) fn observation(&mut self) -> Observation {
        let dog_statsd = self.peer_of("dog-statsd-addr", STATSD_PORT);
        let dog_statsd_tags = self.read_list("dog-statsd-tags", |tag| match tag.trim() {
            "" => Err("is empty, allowed is KEY:VALUE".to_owned()),
            tag => Ok(tag.to_owned()),
        });
        if dog_statsd.is_none() && !dog_statsd_tags.is_empty() {
            self.warn_of("dog-statsd-tags", "has no effect without dog-statsd-addr");
        }
        Observation {
            prometheus: self.boolean("enable-prometheus", false),
            statsd: self.peer_of("statsd-addr", STATSD_PORT),
            dog_statsd,
            dog_statsd_tags,
            otel: self.otel(),
        }
    }

    fn peer_of(&mut self, name: &str, default_port: u16) -> Option<HostPort> {
        self.optional(name)?;
        self.read(name, |text| peer(text, default_port))
    }

    /// Dkron's is `HOST:PORT`; a URL says also whether to use TLS.
    fn otel(&mut self) -> Option<String> {
        self.optional("otel-endpoint")?;
        self.read("otel-endpoint", |text| match is_url(text) {
            true => Ok(text.to_owned()),
            false => peer(text, OTLP_PORT).map(|address| format!("http://{address}")),
        })
    }
}

/// Whether a text begins as a web address and goes on without spaces.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let legal = |letter: char| !letter.is_whitespace() && !letter.is_control();
    rest.is_some_and(|rest| {
        rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '[') && rest.chars().all(legal)
    })
}

/// `Name: value`. The name is a token of HTTP, the value has no line feed.
fn header(text: &str) -> Result<(String, Secret), String> {
    let token = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    let found = text.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
    match found {
        Some((name, value))
            if !name.is_empty() && name.chars().all(token) && !value.contains(char::is_control) =>
        {
            Ok((name.to_owned(), Secret::new(value)))
        }
        _ => Err("is not a header, allowed is 'Name: value'".to_owned()),
    }
}
