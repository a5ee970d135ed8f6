//! The functions of templates, under the names and with the results that go-sockaddr gives them.

use super::super::words::nearest;
use super::filter;
use super::grammar::{Call, Pipeline, Word};
use super::interface::InterfaceAddress;
use super::numbers::{Network, bits, host_mask, like, width};

/// What a function takes and yields.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    Interfaces(Vec<InterfaceAddress>),
    Text(String),
    Number(i64),
}

const NAMES: [&str; 20] = [
    "GetAllInterfaces",
    "GetDefaultInterfaces",
    "GetPrivateInterfaces",
    "GetPublicInterfaces",
    "GetPrivateIP",
    "GetPrivateIPs",
    "GetPublicIP",
    "GetPublicIPs",
    "GetInterfaceIP",
    "GetInterfaceIPs",
    "sort",
    "include",
    "exclude",
    "unique",
    "limit",
    "offset",
    "math",
    "attr",
    "Attr",
    "join",
];

/// What a pipeline yields on a machine with these interfaces.
pub(super) fn run(pipeline: &Pipeline, all: &[InterfaceAddress]) -> Result<Value, String> {
    let mut carried = None;
    for call in pipeline {
        carried = Some(one(call, carried, all)?);
    }
    carried.ok_or_else(|| "is an empty template".to_owned())
}

fn one(call: &Call, carried: Option<Value>, all: &[InterfaceAddress]) -> Result<Value, String> {
    let Call { head, arguments } = call;
    let arguments = arguments.iter().map(|word| constant(word, all));
    let arguments = arguments.chain(carried.map(Ok)).collect::<Result<Vec<_>, _>>()?;
    match head {
        Word::Name(name) if name != "." => Arguments { name, values: arguments.into_iter() }.apply(all),
        _ if !arguments.is_empty() => {
            Err("is a template in which a value is called like a function".to_owned())
        }
        word => constant(word, all),
    }
}

fn constant(word: &Word, all: &[InterfaceAddress]) -> Result<Value, String> {
    match word {
        Word::Text(text) => Ok(Value::Text(text.clone())),
        Word::Number(number) => Ok(Value::Number(*number)),
        Word::Nested(pipeline) => run(pipeline, all),
        Word::Name(dot) if dot == "." => Ok(Value::Interfaces(all.to_vec())),
        Word::Name(name) => Arguments { name, values: Vec::new().into_iter() }.apply(all),
    }
}

/// The arguments of a function that are not taken yet.
struct Arguments<'a> {
    name: &'a str,
    values: std::vec::IntoIter<Value>,
}

impl Arguments<'_> {
    fn apply(mut self, all: &[InterfaceAddress]) -> Result<Value, String> {
        let named = |interfaces: &[InterfaceAddress], pattern: &str| {
            filter::select("name", pattern, true, filter::by_network(interfaces))
        };
        let forwardable = |found| filter::select("flags", "forwardable", true, found);
        let value = match self.name {
            "GetAllInterfaces" => Value::Interfaces(all.to_vec()),
            "GetDefaultInterfaces" => {
                Value::Interfaces(all.iter().filter(|one| one.default).cloned().collect())
            }
            "GetPrivateInterfaces" => Value::Interfaces(filter::private(all)),
            "GetPublicInterfaces" => Value::Interfaces(filter::public(all)),
            "GetPrivateIP" => first(filter::private(all)),
            "GetPrivateIPs" => {
                let special = filter::select("rfc", "6890", true, filter::by_network(all))?;
                addresses(&forwardable(special)?)
            }
            "GetPublicIP" => first(filter::public(all)),
            "GetPublicIPs" => addresses(&filter::select("rfc", "6890", false, filter::by_network(all))?),
            "GetInterfaceIP" => first(forwardable(named(all, &self.text()?)?)?),
            "GetInterfaceIPs" => addresses(&named(all, &self.text()?)?),
            _ => self.refine()?,
        };
        match self.values.next() {
            None => Ok(value),
            Some(_) => Err(format!("{}: has too many arguments", self.name)),
        }
    }

    /// The functions that take interfaces.
    fn refine(&mut self) -> Result<Value, String> {
        Ok(match self.name {
            "sort" => Value::Interfaces(filter::sort(&self.text()?, self.interfaces()?)?),
            "include" | "exclude" => {
                let (by, value) = (self.text()?, self.text()?);
                let keep = self.name == "include";
                Value::Interfaces(filter::select(&by, &value, keep, self.interfaces()?)?)
            }
            "unique" => {
                let by = self.text()?;
                Value::Interfaces(unique(&by, self.interfaces()?)?)
            }
            "limit" => {
                let count = usize::try_from(self.number()?).map_err(|_| "limit: is below 0".to_owned())?;
                Value::Interfaces(self.interfaces()?.into_iter().take(count).collect())
            }
            "offset" => {
                let offset = self.number()?;
                Value::Interfaces(seek(offset, self.interfaces()?)?)
            }
            "math" => {
                let (on, operand) = (self.text()?, self.text()?);
                let moved = self.interfaces()?.into_iter().map(|one| math(&on, &operand, one));
                Value::Interfaces(moved.collect::<Result<_, _>>()?)
            }
            "attr" | "Attr" => {
                let name = self.text()?;
                let found = self.interfaces()?;
                Value::Text(found.first().map_or(Ok(String::new()), |one| attribute(&name, one))?)
            }
            "join" => {
                let (name, between) = (self.text()?, self.text()?);
                let texts =
                    self.interfaces()?.iter().map(|one| attribute(&name, one)).collect::<Result<Vec<_>, _>>();
                Value::Text(texts?.join(&between))
            }
            name => return Err(unknown(name)),
        })
    }

    fn text(&mut self) -> Result<String, String> {
        match self.values.next() {
            Some(Value::Text(text)) => Ok(text),
            Some(Value::Number(number)) => Ok(number.to_string()),
            _ => Err(format!("{}: a text in quotes is missing", self.name)),
        }
    }

    fn number(&mut self) -> Result<i64, String> {
        let missing = || format!("{}: a number is missing", self.name);
        match self.values.next() {
            Some(Value::Number(number)) => Ok(number),
            Some(Value::Text(text)) => text.trim().parse().map_err(|_| missing()),
            _ => Err(missing()),
        }
    }

    fn interfaces(&mut self) -> Result<Vec<InterfaceAddress>, String> {
        match self.values.next() {
            Some(Value::Interfaces(found)) => Ok(found),
            _ => Err(format!("{}: interfaces are missing, as in GetAllInterfaces | {0} ...", self.name)),
        }
    }
}

fn unknown(name: &str) -> String {
    match nearest(name, NAMES.into_iter()) {
        Some(near) => format!("unknown function '{name}'; did you mean {near}?"),
        None => format!("unknown function '{name}', allowed are {}", NAMES.join(", ")),
    }
}

fn first(found: Vec<InterfaceAddress>) -> Value {
    Value::Text(found.first().map_or(String::new(), |one| one.ip.to_string()))
}

fn addresses(found: &[InterfaceAddress]) -> Value {
    Value::Text(found.iter().map(|one| one.ip.to_string()).collect::<Vec<_>>().join(" "))
}

fn attribute(name: &str, one: &InterfaceAddress) -> Result<String, String> {
    match name.to_ascii_lowercase().as_str() {
        "name" => Ok(one.name.clone()),
        "flags" => Ok(one.flags.names()),
        other => Network::of(one).attribute(other).ok_or_else(|| {
            format!("unknown attribute '{name}', allowed are address, name, network, size, type and others")
        }),
    }
}

/// Without what repeats its neighbour.
fn unique(by: &str, mut found: Vec<InterfaceAddress>) -> Result<Vec<InterfaceAddress>, String> {
    match by.to_ascii_lowercase().as_str() {
        "address" => found.dedup_by(|one, other| one.ip == other.ip),
        "name" => found.dedup_by(|one, other| one.name == other.name),
        _ => return Err(format!("unique: unknown attribute '{by}', allowed are address and name")),
    }
    Ok(found)
}

/// Passes over the first ones; a number below 0 counts from the end.
fn seek(offset: i64, found: Vec<InterfaceAddress>) -> Result<Vec<InterfaceAddress>, String> {
    let count = found.len() as u64;
    let skipped = match offset < 0 {
        true => count.checked_sub(offset.unsigned_abs()),
        false => Some(offset.unsigned_abs()).filter(|offset| *offset <= count),
    };
    let skipped = skipped.ok_or_else(|| format!("offset: {offset} is beyond the {count} that there are"))?;
    Ok(found.into_iter().skip(skipped as usize).collect())
}

/// Another address, counted from one: `address`, `network` (which wraps in its network) or `mask`.
fn math(on: &str, operand: &str, one: InterfaceAddress) -> Result<InterfaceAddress, String> {
    let refused = |what: &str| format!("math: '{operand}' is not {what}");
    let (address, width) = (bits(one.ip), width(one.ip));
    let signed = || {
        let number: i64 = operand.trim().parse().map_err(|_| refused("a number with a sign"))?;
        match operand.trim().starts_with(['+', '-']) {
            true => Ok(number as i128 as u128),
            false => Err(refused("a number with a sign")),
        }
    };
    match on.to_ascii_lowercase().as_str() {
        "address" => Ok(InterfaceAddress { ip: like(one.ip, address.wrapping_add(signed()?)), ..one }),
        "network" => {
            let mask = host_mask(width, one.prefix);
            let ip = like(one.ip, (address & !mask) | (signed()? & mask));
            Ok(InterfaceAddress { ip, ..one })
        }
        "mask" => {
            let prefix: Option<u32> = operand.trim().parse().ok().filter(|prefix| *prefix <= width);
            let prefix = prefix.ok_or_else(|| refused(&format!("a number from 0 to {width}")))?;
            let ip = like(one.ip, address & !host_mask(width, prefix));
            Ok(InterfaceAddress { ip, prefix: prefix.min(one.prefix), ..one })
        }
        _ => Err(format!("math: unknown operation '{on}', allowed are address, network and mask")),
    }
}
