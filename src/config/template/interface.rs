//! The addresses of this machine's interfaces, and which interface the default route leaves by.

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags as Bits;
use nix::sys::socket::SockaddrStorage;
use std::fs;
use std::net::IpAddr;

/// One address of one interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InterfaceAddress {
    /// The interface.
    pub name: String,
    /// The address.
    pub ip: IpAddr,
    /// How many leading bits name its network.
    pub prefix: u32,
    /// What the interface is.
    pub flags: InterfaceFlags,
    /// Whether the default route leaves by this interface.
    pub default: bool,
}

/// What an interface is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct InterfaceFlags {
    /// It is switched on.
    pub up: bool,
    /// It can reach all of its network at once.
    pub broadcast: bool,
    /// It leads nowhere else.
    pub loopback: bool,
    /// It has one other end.
    pub point_to_point: bool,
    /// It can reach groups.
    pub multicast: bool,
}

impl InterfaceFlags {
    /// The names of those that are set, as go-sockaddr prints them.
    pub(super) fn names(self) -> String {
        let all = [
            (self.up, "up"),
            (self.broadcast, "broadcast"),
            (self.loopback, "loopback"),
            (self.point_to_point, "pointtopoint"),
            (self.multicast, "multicast"),
        ];
        all.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect::<Vec<_>>().join("|")
    }
}

/// This machine's own, in the system's order; empty where they cannot be read.
pub(in crate::config) fn interfaces() -> Vec<InterfaceAddress> {
    let default = default_interface();
    let Ok(found) = getifaddrs() else { return Vec::new() };
    let read = |one: nix::ifaddrs::InterfaceAddress| {
        let ip = ip(one.address.as_ref()?)?;
        Some(InterfaceAddress {
            ip,
            prefix: one.netmask.as_ref().and_then(self::ip).map_or(host_prefix(ip), ones),
            flags: flags(one.flags),
            default: default.as_ref() == Some(&one.interface_name),
            name: one.interface_name,
        })
    };
    found.filter_map(read).collect()
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

fn host_prefix(ip: IpAddr) -> u32 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn ones(mask: IpAddr) -> u32 {
    match mask {
        IpAddr::V4(mask) => mask.to_bits().leading_ones(),
        IpAddr::V6(mask) => mask.to_bits().leading_ones(),
    }
}

fn flags(bits: Bits) -> InterfaceFlags {
    InterfaceFlags {
        up: bits.contains(Bits::IFF_UP),
        broadcast: bits.contains(Bits::IFF_BROADCAST),
        loopback: bits.contains(Bits::IFF_LOOPBACK),
        point_to_point: bits.contains(Bits::IFF_POINTOPOINT),
        multicast: bits.contains(Bits::IFF_MULTICAST),
    }
}

/// The interface of the default route, by the kernel's own tables; IPv4 first.
fn default_interface() -> Option<String> {
    let table = |path: &str| fs::read_to_string(path).unwrap_or_default();
    default_v4(&table("/proc/net/route")).or_else(|| default_v6(&table("/proc/net/ipv6_route")))
}

/// Of the routes to anywhere the one with the lowest metric.
pub(super) fn default_v4(table: &str) -> Option<String> {
    let routes = table.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let anywhere = columns.get(1) == Some(&"00000000") && columns.get(7) == Some(&"00000000");
        let metric: u64 = columns.get(6)?.parse().ok()?;
        anywhere.then(|| (metric, columns[0].to_owned()))
    });
    routes.min().map(|(_, name)| name)
}

/// As for IPv4; the kernel lists a route of its own on `lo` for what is unreachable.
pub(super) fn default_v6(table: &str) -> Option<String> {
    let routes = table.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [to, prefix, .., name] = columns.as_slice() else { return None };
        let metric = u64::from_str_radix(columns.get(5)?, 16).ok()?;
        let anywhere = to.bytes().all(|digit| digit == b'0') && *prefix == "00" && *name != "lo";
        anywhere.then(|| (metric, (*name).to_owned()))
    });
    routes.min().map(|(_, name)| name)
}
