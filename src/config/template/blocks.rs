//! Blocks of addresses with a purpose, by the document that names them, and which of them routers pass on.
//! The numbers are those of the registries of special-purpose addresses.

use super::numbers::Network;
use std::net::IpAddr;

/// Blocks by the number of the RFC.
const BLOCKS: [(u32, &[&str]); 25] = [
    (919, &["255.255.255.255/32"]),
    (1112, &["224.0.0.0/4"]),
    (1122, &["0.0.0.0/8", "127.0.0.0/8"]),
    (1918, &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]),
    (2544, &["198.18.0.0/15"]),
    (2765, &["::ffff:0:0:0/96"]),
    (2928, &["2001::/16"]),
    (3056, &["2002::/16"]),
    (3068, &["192.88.99.0/24", "2002:c058:6301::/120"]),
    (3171, &["224.0.0.0/4"]),
    (3849, &["2001:db8::/32"]),
    (3927, &["169.254.0.0/16"]),
    (4193, &["fc00::/7"]),
    (4291, &["::/128", "::1/128", "::ffff:0:0/96", "fe80::/10", "fec0::/10", "ff00::/8"]),
    (4380, &["2001::/32"]),
    (4773, &["2001::/23"]),
    (4843, &["2001:10::/28"]),
    (5180, &["2001:2::/48"]),
    (5735, &["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15"]),
    (5737, &["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"]),
    (6052, &["64:ff9b::/96"]),
    (6333, &["192.0.0.0/29"]),
    (6598, &["100.64.0.0/10"]),
    (6666, &["100::/64"]),
    (6890, SPECIAL),
];

/// RFC 6890: everything with a special purpose, private networks and the carriers' shared one among it.
const SPECIAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "64:ff9b::/96",
    "::ffff:0:0/96",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
];

/// What routers do not pass on.
const LOCAL: [&str; 14] = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "::ffff:0:0/96",
    "2001:db8::/32",
    "2001:10::/28",
    "fe80::/10",
];

/// Whether an address is in a block of an RFC; none if the RFC is not known here.
pub(super) fn in_rfc(rfc: u32, ip: IpAddr) -> Option<bool> {
    let (_, blocks) = BLOCKS.into_iter().find(|(number, _)| *number == rfc)?;
    Some(within(blocks, ip))
}

/// Whether an address has a special purpose, that of private networks above all.
pub(super) fn is_private(ip: IpAddr) -> bool {
    within(SPECIAL, ip)
}

/// Whether routers pass packets for an address on.
pub(super) fn is_forwardable(ip: IpAddr) -> bool {
    !within(&LOCAL, ip)
}

fn within(blocks: &[&str], ip: IpAddr) -> bool {
    blocks.iter().filter_map(|block| Network::read(block)).any(|block| block.contains(ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_a_network() {
        let all = BLOCKS.iter().flat_map(|(_, blocks)| blocks.iter()).chain(&LOCAL);
        for block in all {
            assert!(Network::read(block).is_some(), "{block}");
        }
    }
}
