//! Clusters that trust only who shows a certificate and a token: what goes over the wire, who is refused and how both
//! sides are told, certificates that change under way, tokens that come and go.

mod certificates;
mod kit;
mod relay;
mod strangers;
mod tokens;
mod wire;
