//! What happened, as one hash over all of it, and as text if somebody reads along.

use dkron_core::time::Time;
use std::fmt::Debug;
use xxhash_rust::xxh3::Xxh3;

/// The trace of one run.
pub(crate) struct Trace {
    hash: Xxh3,
    text: String,
    events: u64,
    print: bool,
}

impl Trace {
    /// An empty trace; printed as it grows if `print`.
    pub(crate) fn new(print: bool) -> Trace {
        Trace { hash: Xxh3::new(), text: String::new(), events: 0, print }
    }

    /// Notes something.
    pub(crate) fn note(&mut self, now: Time, what: &dyn Debug) {
        use std::fmt::Write;
        self.text.clear();
        let _ = write!(self.text, "{what:?}");
        self.hash.update(&now.nanos().to_le_bytes());
        self.hash.update(self.text.as_bytes());
        self.events += 1;
        if self.print {
            let since = (now - crate::clock::BEGINNING).nanos() as f64 / 1e9;
            println!("{since:11.6}  {}", self.text);
        }
    }

    /// The hash of everything so far.
    pub(crate) fn digest(&self) -> (u64, u64) {
        (self.hash.digest(), self.events)
    }
}
