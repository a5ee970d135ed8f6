//! The end of an output, because a job may write without end.

use dkron_core::limits;

/// Beyond this many bytes over the limit the start is cut off: not at each piece, which would copy all of it.
const SLACK: usize = 64 * 1024;

/// The last [`limits::OUTPUT_BYTES_MAX`] bytes of an output, and how long it was.
#[derive(Clone, Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    total: u64,
}

impl Output {
    /// Appends a piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.total += piece.len() as u64;
        let piece = &piece[piece.len().saturating_sub(limits::OUTPUT_BYTES_MAX)..];
        self.bytes.extend_from_slice(piece);
        if self.bytes.len() >= limits::OUTPUT_BYTES_MAX + SLACK {
            self.bytes.drain(..self.bytes.len() - limits::OUTPUT_BYTES_MAX);
        }
    }

    /// Appends a line; begins a new one if the last is not ended.
    pub fn push_line(&mut self, line: &str) {
        if self.bytes.last().is_some_and(|last| *last != b'\n') {
            self.push(b"\n");
        }
        self.push(line.as_bytes());
        self.push(b"\n");
    }

    /// What is kept: the last bytes.
    pub fn kept(&self) -> &[u8] {
        &self.bytes[self.bytes.len().saturating_sub(limits::OUTPUT_BYTES_MAX)..]
    }

    /// The very last bytes, which travel in the log.
    pub fn tail(&self) -> &[u8] {
        &self.bytes[self.bytes.len().saturating_sub(limits::OUTPUT_TAIL_BYTES)..]
    }

    /// How many bytes were written in all.
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_are_kept_and_all_are_counted() {
        let mut output = Output::default();
        for piece in 0..1_000u32 {
            output.push(format!("{piece:01000}").as_bytes());
        }
        assert_eq!(output.total(), 1_000_000);
        assert_eq!(output.kept().len(), limits::OUTPUT_BYTES_MAX);
        assert!(output.kept().ends_with(b"0999"));
        assert_eq!(output.tail().len(), limits::OUTPUT_TAIL_BYTES);
    }

    #[test]
    fn a_piece_larger_than_the_limit_is_cut() {
        let mut output = Output::default();
        output.push(&vec![b'x'; 3 * limits::OUTPUT_BYTES_MAX]);
        assert_eq!(output.kept().len(), limits::OUTPUT_BYTES_MAX);
        assert_eq!(output.total(), 3 * limits::OUTPUT_BYTES_MAX as u64);
    }

    #[test]
    fn a_line_begins_on_a_line_of_its_own() {
        let mut output = Output::default();
        output.push(b"half");
        output.push_line("whole");
        assert_eq!(output.kept(), b"half\nwhole\n");
    }
}
