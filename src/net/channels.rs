//! Connections that are kept: one to each address, made when first used and again when it broke.

use super::{Dialer, Error};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tonic::transport::Channel;

/// More addresses than servers ever have; beyond it all are forgotten and made again on use.
const KEPT_MAX: usize = 64;

/// The connections. Cheap to clone.
#[derive(Clone)]
pub struct Channels {
    dialer: Dialer,
    kept: Arc<Mutex<BTreeMap<Arc<str>, Channel>>>,
}

impl Channels {
    /// No connection yet; they are made in this way.
    pub fn new(dialer: Dialer) -> Channels {
        Channels { dialer, kept: Arc::default() }
    }

    /// A connection to `host:port`, which connects on its first use.
    ///
    /// # Errors
    /// [`Error::Dial`] if the address cannot be one.
    pub fn get(&self, address: &Arc<str>) -> Result<Channel, Error> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = kept.get(address) {
            return Ok(channel.clone());
        }
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let channel = self.dialer.line(address)?;
        kept.insert(address.clone(), channel.clone());
        Ok(channel)
    }
}
