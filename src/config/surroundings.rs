//! What a node's settings take from its machine: variables, names, addresses. One struct of functions, so
//! that a test can be any machine.

use super::template::{self, InterfaceAddress};
use std::io::{self, Read};
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;

/// What a machine knows under a name.
pub type Lookup<T> = Box<dyn Fn(&str) -> Option<T>>;

/// Reads a whole text file.
pub type ReadFile = Box<dyn Fn(&Path) -> io::Result<String>>;

/// More than any settings file needs.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The machine, as far as settings depend on it.
pub struct Surroundings {
    /// A variable of the environment; none if it is unset or no text.
    pub variable: Lookup<String>,
    /// The machine's name.
    pub host_name: Box<dyn Fn() -> String>,
    /// The addresses of its interfaces.
    pub interfaces: Box<dyn Fn() -> Vec<InterfaceAddress>>,
    /// The first address of a name.
    pub address_of: Lookup<IpAddr>,
    /// The IANA name of the machine's zone, where it can be told.
    pub local_zone: Box<dyn Fn() -> Option<String>>,
    /// The text of a settings file.
    pub read_file: ReadFile,
}

impl Surroundings {
    /// This process's own.
    pub fn real() -> Surroundings {
        Surroundings {
            variable: Box::new(|name| std::env::var(name).ok()),
            host_name: Box::new(|| gethostname::gethostname().to_string_lossy().into_owned()),
            interfaces: Box::new(template::interfaces),
            address_of: Box::new(|name| {
                (name, 0).to_socket_addrs().ok().and_then(|mut found| found.next()).map(|found| found.ip())
            }),
            local_zone: Box::new(local_zone),
            read_file: Box::new(read_file),
        }
    }

    /// The address that `{{ GetPrivateIP }}` stands for.
    pub(super) fn private_address(&self) -> Option<IpAddr> {
        template::private_ip(&(self.interfaces)())
    }

    /// A text with its address templates filled in.
    pub(super) fn expand(&self, text: &str) -> Result<String, String> {
        template::expand(text, &*self.interfaces)
    }
}

fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    match text.len() as u64 > FILE_BYTES_MAX {
        true => Err(io::Error::other(format!("it is longer than {FILE_BYTES_MAX} bytes"))),
        false => Ok(text),
    }
}

/// What `/etc/localtime` points to, below the folder of zones.
fn local_zone() -> Option<String> {
    let target = std::fs::read_link("/etc/localtime").ok()?;
    let target = target.to_str()?;
    target.split_once("zoneinfo/").map(|(_, name)| name.to_owned())
}
