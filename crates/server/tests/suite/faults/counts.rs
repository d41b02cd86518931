//! How often each fault is injected.

use std::fmt::Arguments;
use std::io::Write;

/// Set to `whole`, every fault is injected as often as the requirements say.
const VARIABLE: &str = "FAULTS";

/// A row of the fault table.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    number: u8,
    small: usize,
    whole: usize,
}

/// kill −9 of the service: kills at each of three moments, on each of two engines.
pub(super) const KILLED: Row = Row { number: 1, small: 2, whole: 100 };

/// SIGSTOP: seconds until SIGCONT. In small, until another replica has recovered the calls.
pub(super) const STOPPED: Row = Row { number: 2, small: 0, whole: 60 };

/// Rolling SIGTERM: times that all of three replicas are replaced.
pub(super) const ROLLED: Row = Row { number: 3, small: 1, whole: 10 };

/// A database that is stopped before a call: times.
pub(super) const AWAY_BEFORE: Row = Row { number: 4, small: 1, whole: 10 };

/// A database that is stopped between a hit and its answer: calls at each stop.
pub(super) const AWAY_AFTER: Row = Row { number: 5, small: 4, whole: 25 };

/// kill −9 of the whole database: times.
pub(super) const CRASHED: Row = Row { number: 6, small: 2, whole: 20 };

/// The connections of the database killed: seconds, once in each.
pub(super) const DISCONNECTED: Row = Row { number: 7, small: 3, whole: 60 };

/// Calls to an upstream that does what chance says, on each of two engines. No row of the table: RT-11 asks for it.
pub(super) const CHANCE: Row = Row { number: 0, small: 150, whole: 1_500 };

/// An upstream that hangs or drips: rounds of every case, a round's cases at once.
pub(super) const HANGING: Row = Row { number: 8, small: 1, whole: 10 };

/// An answer that is cut or contradicts itself: rounds of every case. Not above 25, where the retry quota of the
/// connectors that repeat would end.
pub(super) const BROKEN: Row = Row { number: 9, small: 1, whole: 25 };

/// An answer of enormous size: rounds of every case.
pub(super) const ENORMOUS: Row = Row { number: 10, small: 1, whole: 10 };

/// An upstream that answers 429: pauses that all replicas have to keep.
pub(super) const THROTTLED: Row = Row { number: 11, small: 2, whole: 30 };

/// An upstream that answers nothing but 503: calls, 100 in a second.
pub(super) const DOWN: Row = Row { number: 11, small: 500, whole: 60_000 };

/// An upstream that is up and down: openings of the breaker, half a minute each. In small, that it opens.
pub(super) const FLAPPING: Row = Row { number: 12, small: 0, whole: 10 };

/// Redirects to denied addresses: rounds of every case.
pub(super) const REDIRECTED: Row = Row { number: 13, small: 1, whole: 20 };

/// Names that are bound anew: look-ups that are answered with a denied address.
pub(super) const REBOUND: Row = Row { number: 13, small: 40, whole: 1_000 };

/// Bad certificates: rounds of every case.
pub(super) const CERTIFICATES: Row = Row { number: 14, small: 1, whole: 10 };

/// A secret store that fails: rounds of three calls of every case.
pub(super) const SECRETLESS: Row = Row { number: 15, small: 1, whole: 50 };

/// A secret store that stays away until what it gave has expired: times, five minutes each.
pub(super) const EXPIRED: Row = Row { number: 15, small: 0, whole: 1 };

/// Three replicas with one limit: minutes of calls without end. In small, the first burst.
pub(super) const SHARED: Row = Row { number: 16, small: 0, whole: 4 };

/// Calls at once.
pub(super) const CROWD: Row = Row { number: 17, small: 1_000, whole: 10_000 };

/// Connectors that are disabled during a back-off: rounds of twenty.
pub(super) const DISABLED: Row = Row { number: 19, small: 1, whole: 10 };

/// An audit that was tampered with: entries that each tampering is done to, on each of two engines.
pub(super) const TAMPERED: Row = Row { number: 20, small: 1, whole: 12 };

/// A hundred writers on three replicas: changes of each. No row of the table: SE-A-5 asks for it.
pub(super) const WRITTEN: Row = Row { number: 0, small: 3, whole: 100 };

/// A steady rate with faults: seconds.
pub(super) const SOAKED: Row = Row { number: 21, small: 4, whole: 3_600 };

/// Requests that are made of the OpenAPI document, on each of two engines. No row of the table: `schemathesis` counts
/// so, too. In small, one round.
pub(crate) const FUZZED: Row = Row { number: 0, small: 0, whole: 50_000 };

impl Row {
    /// How often in this run.
    pub(crate) fn count(self) -> usize {
        if whole() { self.whole } else { self.small }
    }

    /// Says how often it was, for the table in `docs/reliability.md`.
    pub(crate) fn reached(self, what: Arguments<'_>) {
        say(&format!("fault {}: {what}", self.number));
    }
}

/// Whether every fault is injected as often as the requirements say.
#[expect(clippy::disallowed_methods, reason = "the tests' environment is no configuration of the service")]
pub(crate) fn whole() -> bool {
    match std::env::var(VARIABLE).as_deref() {
        Ok("whole") => true,
        Ok(other) => panic!("{VARIABLE} is {other:?}; it can be `whole`, or not be set"),
        Err(_) => false,
    }
}

/// Prints a line. Past the test harness, which would keep it to itself, and in one piece, since tests run beside each
/// other.
pub(crate) fn say(line: &str) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).expect("standard output");
}
