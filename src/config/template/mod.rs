//! Address templates: `{{ GetPrivateIP }}:8946`, `{{ GetInterfaceIP "eth0" }}`, and pipelines of filters, in
//! the words of go-sockaddr, which Dkron's settings use. A template that finds nothing is refused: an empty
//! text would mean every address of the machine.

mod blocks;
mod filter;
mod functions;
mod grammar;
mod interface;
mod numbers;

#[cfg(test)]
mod tests;

pub(super) use interface::interfaces;
pub use interface::{InterfaceAddress, InterfaceFlags};

use functions::Value;
use std::net::Ipv6Addr;

/// The text with each action replaced by what it finds: one address. Texts without actions stay as they are.
///
/// # Errors
/// What is wrong with the template, or that it finds no address, or several.
pub(super) fn expand(text: &str, all: &dyn Fn() -> Vec<InterfaceAddress>) -> Result<String, String> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    let all = all();
    let parts = grammar::parse(text)?;
    let mut out = String::new();
    for (index, part) in parts.iter().enumerate() {
        match part {
            grammar::Part::Text(text) => out.push_str(text),
            grammar::Part::Action(pipeline) => {
                let next = parts.get(index + 1);
                let port_follows = matches!(next, Some(grammar::Part::Text(text)) if text.starts_with(':'));
                let found = found(&functions::run(pipeline, &all)?, &all)?;
                let bare = port_follows && !out.ends_with('[') && found.parse::<Ipv6Addr>().is_ok();
                out.push_str(&if bare { format!("[{found}]") } else { found });
            }
        }
    }
    let words: Vec<&str> = out.split_whitespace().collect();
    match words.as_slice() {
        [one] => Ok((*one).to_owned()),
        _ => Err(format!("multiple addresses found (\"{}\"), please configure one", words.join(" "))),
    }
}

/// The private address that a template `{{ GetPrivateIP }}` stands for.
pub(super) fn private_ip(all: &[InterfaceAddress]) -> Option<std::net::IpAddr> {
    filter::private(all).first().map(|found| found.ip)
}

fn found(value: &Value, all: &[InterfaceAddress]) -> Result<String, String> {
    match value {
        Value::Text(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Text(_) => {
            let mut names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            names.dedup();
            Err(format!("finds no address on this machine, whose interfaces are {}", names.join(", ")))
        }
        Value::Interfaces(_) => {
            Err("yields interfaces, not an address; end it with | attr \"address\"".to_owned())
        }
    }
}
