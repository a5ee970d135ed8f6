//! Choosing among the addresses of interfaces: sources, filters, orders.

use super::blocks;
use super::interface::InterfaceAddress;
use super::numbers::{Network, bits};
use regex::Regex;
use std::cmp::Ordering;
use std::net::IpAddr;

type Addresses = Vec<InterfaceAddress>;

/// Addresses that routers pass on, on interfaces that are up: the default route's first, IPv4 before IPv6,
/// larger networks first.
fn usable(all: &[InterfaceAddress]) -> Addresses {
    let usable = |one: &&InterfaceAddress| one.flags.up && blocks::is_forwardable(one.ip);
    let mut found: Addresses = all.iter().filter(usable).cloned().collect();
    found.sort_by(|one, other| {
        let default = other.default.cmp(&one.default);
        default.then_with(|| by_type(one, other)).then_with(|| by_size(one, other))
    });
    found
}

pub(super) fn private(all: &[InterfaceAddress]) -> Addresses {
    usable(all).into_iter().filter(|one| blocks::is_private(one.ip)).collect()
}

pub(super) fn public(all: &[InterfaceAddress]) -> Addresses {
    usable(all).into_iter().filter(|one| !blocks::is_private(one.ip)).collect()
}

/// Every address, whatever its interface, IPv4 before IPv6, larger networks first.
pub(super) fn by_network(all: &[InterfaceAddress]) -> Addresses {
    let mut found = all.to_vec();
    found.sort_by(|one, other| by_type(one, other).then_with(|| by_size(one, other)));
    found
}

fn by_type(one: &InterfaceAddress, other: &InterfaceAddress) -> Ordering {
    one.ip.is_ipv6().cmp(&other.ip.is_ipv6())
}

/// Within a kind of address only.
fn by_size(one: &InterfaceAddress, other: &InterfaceAddress) -> Ordering {
    match by_type(one, other) {
        Ordering::Equal => one.prefix.cmp(&other.prefix),
        _ => Ordering::Equal,
    }
}

fn by_address(one: &InterfaceAddress, other: &InterfaceAddress) -> Ordering {
    match by_type(one, other) {
        Ordering::Equal => bits(one.ip).cmp(&bits(other.ip)),
        _ => Ordering::Equal,
    }
}

type Order = fn(&InterfaceAddress, &InterfaceAddress) -> Ordering;

/// Sorts by `default,-type,size,+address` and the like.
pub(super) fn sort(keys: &str, mut found: Addresses) -> Result<Addresses, String> {
    let mut orders: Vec<(Order, bool)> = Vec::new();
    for key in keys.split(',').map(|key| key.trim().to_ascii_lowercase()) {
        let (descending, name) = match key.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, key.strip_prefix('+').unwrap_or(&key)),
        };
        let order: Order = match name {
            "address" => by_address,
            "default" => |one, other| other.default.cmp(&one.default),
            "name" => |one, other| one.name.cmp(&other.name),
            "private" => |one, other| blocks::is_private(other.ip).cmp(&blocks::is_private(one.ip)),
            "size" => by_size,
            "type" => by_type,
            // The addresses of interfaces have no ports.
            "port" => |_, _| Ordering::Equal,
            _ => {
                return Err(format!(
                    "sort: unknown key '{name}', allowed are address, default, name, port, private, size and type"
                ));
            }
        };
        orders.push((order, descending));
    }
    found.sort_by(|one, other| {
        orders.iter().fold(Ordering::Equal, |so_far, (order, descending)| {
            so_far.then_with(|| if *descending { order(other, one) } else { order(one, other) })
        })
    });
    Ok(found)
}

/// Keeps what has a property, or what has it not.
pub(super) fn select(by: &str, value: &str, keep: bool, found: Addresses) -> Result<Addresses, String> {
    let test = property(by, value)?;
    Ok(found.into_iter().filter(|one| test(one) == keep).collect())
}

type Property = Box<dyn Fn(&InterfaceAddress) -> bool>;

fn property(by: &str, value: &str) -> Result<Property, String> {
    let parts = || value.split('|').map(|part| part.trim().to_ascii_lowercase());
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("{by}: '{text}' is not a number"));
    Ok(match by.to_ascii_lowercase().as_str() {
        "address" => {
            let pattern = pattern(value)?;
            Box::new(move |one| {
                Network::of(one).attribute("string").is_some_and(|text| pattern.is_match(&text))
            })
        }
        "name" => {
            let pattern = pattern(value)?;
            Box::new(move |one| pattern.is_match(&one.name))
        }
        "flag" | "flags" => all_of(parts().map(|name| flag(&name)).collect::<Result<_, _>>()?),
        "type" => any_of(parts().map(|name| kind(&name)).collect::<Result<_, _>>()?),
        "network" => any_of(parts().map(|text| network(&text)).collect::<Result<_, _>>()?),
        "rfc" | "rfcs" => {
            let numbers = parts().map(|text| number(&text)).collect::<Result<Vec<_>, _>>()?;
            any_of(numbers.into_iter().map(rfc).collect::<Result<_, _>>()?)
        }
        "size" => {
            let prefix = number(value.trim())?;
            Box::new(move |one| one.prefix == prefix)
        }
        "port" => {
            let pattern = pattern(value)?;
            Box::new(move |_| pattern.is_match("0"))
        }
        _ => {
            return Err(format!(
                "unknown filter '{by}', allowed are address, flags, name, network, port, rfc, size and type"
            ));
        }
    })
}

fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| format!("'{text}' is not a regular expression: {error}"))
}

fn any_of(tests: Vec<Property>) -> Property {
    Box::new(move |one| tests.iter().any(|test| test(one)))
}

fn all_of(tests: Vec<Property>) -> Property {
    Box::new(move |one| tests.iter().all(|test| test(one)))
}

fn kind(name: &str) -> Result<Property, String> {
    Ok(match name {
        "ip" => Box::new(|_| true),
        "ipv4" => Box::new(|one| one.ip.is_ipv4()),
        "ipv6" => Box::new(|one| one.ip.is_ipv6()),
        "unix" => Box::new(|_| false),
        _ => return Err(format!("unknown type '{name}', allowed are ip, ipv4, ipv6 and unix")),
    })
}

fn network(text: &str) -> Result<Property, String> {
    let network = Network::read(text);
    let network = network.ok_or_else(|| format!("'{text}' is not a network, allowed is 10.0.0.0/8"))?;
    Ok(Box::new(move |one| network.contains(one.ip)))
}

fn rfc(number: u32) -> Result<Property, String> {
    let anywhere = IpAddr::from([0, 0, 0, 0]);
    blocks::in_rfc(number, anywhere).ok_or_else(|| format!("no addresses of RFC {number} are known"))?;
    Ok(Box::new(move |one| blocks::in_rfc(number, one.ip) == Some(true)))
}

fn flag(name: &str) -> Result<Property, String> {
    let v6_group = |ip: IpAddr, scope: u16| match ip {
        IpAddr::V6(ip) => ip.segments()[0] & 0xff0f == 0xff00 | scope,
        IpAddr::V4(_) => false,
    };
    let link_local = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let link_group = move |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets()[..3] == [224, 0, 0],
        IpAddr::V6(_) => v6_group(ip, 2),
    };
    Ok(match name {
        "up" => Box::new(|one| one.flags.up),
        "down" => Box::new(|one| !one.flags.up),
        "broadcast" => Box::new(|one| one.flags.broadcast),
        "point-to-point" => Box::new(|one| one.flags.point_to_point),
        "loopback" => Box::new(|one| one.flags.loopback || one.ip.is_loopback()),
        "multicast" => Box::new(|one| one.flags.multicast || one.ip.is_multicast()),
        "forwardable" => Box::new(|one| blocks::is_forwardable(one.ip)),
        "unspecified" => Box::new(|one| one.ip.is_unspecified()),
        "link-local unicast" => Box::new(move |one| link_local(one.ip)),
        "link-local multicast" => Box::new(move |one| link_group(one.ip)),
        "interface-local multicast" => Box::new(move |one| v6_group(one.ip, 1)),
        "global unicast" => Box::new(move |one| {
            let special = one.ip.is_unspecified() || one.ip.is_loopback() || one.ip.is_multicast();
            !special && !link_local(one.ip) && one.ip != IpAddr::from([255, 255, 255, 255])
        }),
        _ => {
            return Err(format!(
                "unknown flag '{name}', allowed are broadcast, down, forwardable, global unicast, \
                 interface-local multicast, link-local multicast, link-local unicast, loopback, multicast, \
                 point-to-point, unspecified and up"
            ));
        }
    })
}
