//! Addresses as numbers: networks, masks, and the attributes that are counted from them.

use super::interface::InterfaceAddress;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Network {
    pub(super) ip: IpAddr,
    pub(super) prefix: u32,
}

/// How many bits the addresses of a kind have.
pub(super) fn width(ip: IpAddr) -> u32 {
    if ip.is_ipv4() { 32 } else { 128 }
}

pub(super) fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// The address of a number, of the same kind as another; what is too large wraps.
pub(super) fn like(ip: IpAddr, bits: u128) -> IpAddr {
    match ip {
        IpAddr::V4(_) => Ipv4Addr::from_bits((bits & u128::from(u32::MAX)) as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
    }
}

/// The bits behind the prefix, all set.
pub(super) fn host_mask(width: u32, prefix: u32) -> u128 {
    let host = width.saturating_sub(prefix);
    if host >= 128 { u128::MAX } else { (1 << host) - 1 }
}

impl Network {
    /// Reads `10.0.0.0/8`; an address alone is the network of it alone.
    pub(super) fn read(text: &str) -> Option<Network> {
        let (ip, prefix) = text.split_once('/').map_or((text, None), |(ip, prefix)| (ip, Some(prefix)));
        let ip: IpAddr = ip.trim().parse().ok()?;
        let prefix = match prefix {
            Some(prefix) => prefix.trim().parse().ok().filter(|prefix| *prefix <= width(ip))?,
            None => width(ip),
        };
        Some(Network { ip, prefix })
    }

    pub(super) fn of(one: &InterfaceAddress) -> Network {
        Network { ip: one.ip, prefix: one.prefix }
    }

    pub(super) fn contains(self, ip: IpAddr) -> bool {
        let mask = host_mask(width(self.ip), self.prefix);
        self.ip.is_ipv4() == ip.is_ipv4() && bits(self.ip) & !mask == bits(ip) & !mask
    }

    fn mask(self) -> u128 {
        host_mask(width(self.ip), self.prefix)
    }

    fn first(self) -> u128 {
        bits(self.ip) & !self.mask()
    }

    fn last(self) -> u128 {
        bits(self.ip) | self.mask()
    }

    /// One of go-sockaddr's attributes of an address; none if there is no such attribute.
    pub(super) fn attribute(self, name: &str) -> Option<String> {
        let Network { ip, prefix } = self;
        let width = width(ip);
        let shown = |bits: u128| like(ip, bits).to_string();
        // In networks of one or two addresses every one is usable.
        let edge = u128::from(width - prefix.min(width) > 1 && ip.is_ipv4());
        let bytes = bits(ip).to_be_bytes()[16 - width as usize / 8..].to_vec();
        let each =
            |form: fn(&u8) -> String, between: &str| bytes.iter().map(form).collect::<Vec<_>>().join(between);
        Some(match name {
            "address" | "host" => ip.to_string(),
            "port" => "0".to_owned(),
            "type" => if ip.is_ipv4() { "IPv4" } else { "IPv6" }.to_owned(),
            "string" if prefix == width => ip.to_string(),
            "string" => format!("{ip}/{prefix}"),
            "network" if prefix == width => shown(self.first()),
            "network" => format!("{}/{prefix}", shown(self.first())),
            "netmask" => shown(!self.mask()),
            "mask_bits" => prefix.to_string(),
            "size" => self.mask().checked_add(1).map_or_else(
                || "340282366920938463463374607431768211456".to_owned(),
                |size| size.to_string(),
            ),
            "first_usable" => shown(self.first() + edge),
            "last_usable" => shown(self.last() - edge),
            "broadcast" if ip.is_ipv4() => shown(self.last()),
            "uint32" if ip.is_ipv4() => bits(ip).to_string(),
            "uint128" if ip.is_ipv6() => bits(ip).to_string(),
            "octets" => each(u8::to_string, " "),
            "hex" => each(|byte| format!("{byte:02x}"), ""),
            "binary" => each(|byte| format!("{byte:08b}"), ""),
            // Of the other kind of address.
            "broadcast" | "uint32" | "uint128" => String::new(),
            _ => return None,
        })
    }
}
