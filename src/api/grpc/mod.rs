//! How programs other than HTTP clients see a server: the services of operators, on the port of calls between nodes.
//!
//! Who may make a call is judged before it comes here, by the gate in front of that port.

mod keyring;
mod operator;

use crate::app::App;
use crate::app::keyring::Keyring;
use dkron_wire::keyring::service::KeyringServer;
use dkron_wire::operator::service::OperatorServer;
use keyring::Keys;
use operator::Operators;

/// The operators' service over the use cases.
pub fn operator(app: App) -> OperatorServer<Operators> {
    OperatorServer::new(Operators { app })
}

/// What changes the keys of gossip, for operators and between servers.
pub fn keyring(keyring: Keyring) -> KeyringServer<Keys> {
    KeyringServer::new(Keys { keyring })
}
