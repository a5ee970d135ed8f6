//! What a node's settings take from its machine: variables, names, addresses. One struct of functions, so
//! that a test can be any machine.

use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs, UdpSocket};

/// What a machine knows under a name.
pub type Lookup<T> = Box<dyn Fn(&str) -> Option<T>>;

/// The machine, as far as settings depend on it.
pub struct Surroundings {
    /// A variable of the environment; none if it is unset or no text.
    pub variable: Lookup<String>,
    /// The machine's name.
    pub host_name: Box<dyn Fn() -> String>,
    /// The first private IPv4 address of the default route's interface.
    pub private_address: Box<dyn Fn() -> Option<Ipv4Addr>>,
    /// The first address of a name.
    pub address_of: Lookup<IpAddr>,
    /// The IANA name of the machine's zone, where it can be told.
    pub local_zone: Box<dyn Fn() -> Option<String>>,
}

impl Surroundings {
    /// This process's own.
    pub fn real() -> Surroundings {
        Surroundings {
            variable: Box::new(|name| std::env::var(name).ok()),
            host_name: Box::new(|| gethostname::gethostname().to_string_lossy().into_owned()),
            private_address: Box::new(private_address),
            address_of: Box::new(|name| {
                (name, 0).to_socket_addrs().ok().and_then(|mut found| found.next()).map(|found| found.ip())
            }),
            local_zone: Box::new(local_zone),
        }
    }
}

/// The address that the default route leaves from, if it is a private one. Connecting a datagram socket
/// sends nothing: the kernel only picks the way, and with it the source address.
fn private_address() -> Option<Ipv4Addr> {
    const SOMEWHERE_FAR: (Ipv4Addr, u16) = (Ipv4Addr::new(198, 51, 100, 1), 9);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(SOMEWHERE_FAR).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) if is_private(address) => Some(address),
        _ => None,
    }
}

/// What `/etc/localtime` points to, below the folder of zones.
fn local_zone() -> Option<String> {
    let target = std::fs::read_link("/etc/localtime").ok()?;
    let target = target.to_str()?;
    target.split_once("zoneinfo/").map(|(_, name)| name.to_owned())
}

/// The blocks of private networks, the carriers' shared one (100.64.0.0/10) among them, as in Dkron.
fn is_private(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    address.is_private() || (first == 100 && (64..128).contains(&second))
}
