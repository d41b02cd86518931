//! What the person in front of the demo reads while it runs: whole lines on standard output, without tricks that a file
//! or a pipe would keep.

use std::fmt::Display;
use std::io::{IsTerminal, Stdout, Write, stdout};
use std::time::Instant;

/// The width of what is written to no terminal.
const WIDTH_OF_A_FILE: u16 = 120;

/// Standard output since the demo began.
pub(super) struct Screen {
    out: Stdout,
    begun: Instant,
}

impl Screen {
    pub(super) fn begin() -> Self {
        Self { out: stdout(), begun: Instant::now() }
    }

    /// A line as it is.
    pub(super) fn line(&self, text: impl Display) {
        self.write(format_args!("{text}\n"));
    }

    /// A line with the time since the start.
    pub(super) fn step(&self, text: impl Display) {
        self.write(format_args!("{:>6.1} s  {text}\n", self.begun.elapsed().as_secs_f64()));
    }

    /// The beginning of a step that takes its time; the line ends with [`Started::end`].
    pub(super) fn start(&self, text: impl Display) -> Started<'_> {
        self.write(format_args!("{:>6.1} s  {text} … ", self.begun.elapsed().as_secs_f64()));
        Started { screen: self, how: String::new() }
    }

    /// The width to lay a table out for; `None` is the terminal's own.
    pub(super) fn width(&self) -> Option<u16> {
        (!self.out.is_terminal()).then_some(WIDTH_OF_A_FILE)
    }

    fn write(&self, text: impl Display) {
        let mut out = self.out.lock();
        // Where standard output is closed or full there is nobody to tell, and the service goes on.
        let _ = write!(out, "{text}").and_then(|()| out.flush());
    }
}

/// A line without its end, which it gets in any case: Ctrl-C may come in the middle of the step.
pub(super) struct Started<'a> {
    screen: &'a Screen,
    how: String,
}

impl Started<'_> {
    /// Ends the line with how the step went.
    pub(super) fn end(mut self, how: String) {
        self.how = how;
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        self.screen.write(format_args!("{}\n", self.how));
    }
}
