//! `log`: the output on the daemon's own standard output, or its standard error after a failure.
//!
//! Not through tracing: Dkron's users cut these blocks out of the daemon's stream by their first and last lines.

use super::Piece;
use std::io::{self, Write};

pub(super) fn process(piece: &Piece<'_>, out: &mut impl Write, err: &mut impl Write) -> io::Result<String> {
    let stream: &mut dyn Write = if piece.succeeded { out } else { err };
    let mut block =
        format!("----- BEGIN OUTPUT job={} execution={} -----\n", piece.job, piece.id).into_bytes();
    block.extend_from_slice(piece.output);
    if !block.ends_with(b"\n") {
        block.push(b'\n');
    }
    block.extend_from_slice(b"----- END OUTPUT -----\n");
    stream.write_all(&block)?;
    stream.flush()?;
    Ok("Output in dkron log".to_owned())
}
