//! How rows lie on disk: frames, the records in them, the entries that describe rows, segments and their
//! list.
//!
//! Knows nothing of what lives or dies: that is the heads' and the keeper's business.

pub(in crate::history) mod catalogue;
pub(in crate::history) mod entry;
pub(in crate::history) mod frame;
pub(in crate::history) mod record;
pub(in crate::history) mod scan;
pub(in crate::history) mod segment;
