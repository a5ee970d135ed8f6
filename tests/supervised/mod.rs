//! The agent with real processes: its supervisor is the real binary, its jobs are real commands. What a server
//! would say is said by the tests.

mod ends;
mod http;
mod process;
mod rig;
