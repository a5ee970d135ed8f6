//! What every test of real processes is made of: a client, the processes behind a mark, what jobs write down, what
//! servers tell of it, and patience instead of sleeps.

pub(crate) mod evidence;
pub(crate) mod http;
pub(crate) mod ledger;
pub(crate) mod patience;
pub(crate) mod processes;
pub(crate) mod python;
pub(crate) mod sink;
