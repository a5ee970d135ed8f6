//! The code made from `proto/*.proto`; `tests/generated.rs` keeps it true.
//!
//! Laid out as the packages are, because the generator refers from one to another by that path.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::too_many_lines, clippy::unwrap_used)]

macro_rules! packages {
    ($($name:ident = $file:literal),+ $(,)?) => {
        $(pub mod $name {
            pub mod v1 {
                include!(concat!("generated/", $file));
            }
        })+
    };
}

packages!(
    agent = "dkron.agent.v1.rs",
    consensus = "dkron.consensus.v1.rs",
    gossip = "dkron.gossip.v1.rs",
    history = "dkron.history.v1.rs",
    job = "dkron.job.v1.rs",
    journal = "dkron.journal.v1.rs",
    keyring = "dkron.keyring.v1.rs",
    launch = "dkron.launch.v1.rs",
    log = "dkron.log.v1.rs",
    node = "dkron.node.v1.rs",
    operator = "dkron.operator.v1.rs",
    raft = "dkron.raft.v1.rs",
    reply = "dkron.reply.v1.rs",
    server = "dkron.server.v1.rs",
    snapshot = "dkron.snapshot.v1.rs",
    state = "dkron.state.v1.rs",
    supervisor = "dkron.supervisor.v1.rs",
);
