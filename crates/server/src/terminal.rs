//! What commands say: their result on standard output, everything else on standard error.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stderr, stdout};

use crate::failure::Failure;

/// Prints a result. A reader that has gone away (`connectors openapi | head`) is no failure.
pub(crate) fn print(text: impl Display) -> Result<(), Failure> {
    let mut output = stdout().lock();
    match write!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::caused("cannot write to standard output", &error))
        }
        _ => Ok(()),
    }
}

/// Tells the person at the terminal something, in a line of its own.
pub(crate) fn note(text: impl Display) {
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(stderr().lock(), "{text}");
}
