//! Time and chance of the machine. The one place where the wall clock is read and ids are minted, so that every other
//! one can be tested without either.

use std::num::NonZeroU64;

use application::ports::{Clock, Ids};
use chrono::{DateTime, SubsecRound, Utc};
use domain::correlation::TraceId;
use rand::rngs::SysRng;
use rand::{TryRng, random};
use uuid::Uuid;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// Truncated to microseconds: PostgreSQL keeps no more, and what was shown must be what is stored.
    #[expect(clippy::disallowed_methods, reason = "the one home of the wall clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}

/// `UUIDv7` for rows, random numbers for traces, the operating system's entropy for keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct UuidV7Ids;

impl Ids for UuidV7Ids {
    #[expect(clippy::disallowed_methods, reason = "the one home of ids")]
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn trace_id(&self) -> TraceId {
        std::iter::repeat_with(random).find_map(TraceId::new).expect("one in 2^128 random numbers is zero")
    }

    fn parent_id(&self) -> NonZeroU64 {
        std::iter::repeat_with(random).find_map(NonZeroU64::new).expect("one in 2^64 random numbers is zero")
    }

    /// # Panics
    /// When the operating system gives no entropy: there is no safe key without it.
    fn key_material(&self) -> [u8; 32] {
        let mut material = [0; 32];
        SysRng.try_fill_bytes(&mut material).expect("the operating system gives entropy");
        material
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_gives_whole_microseconds() {
        assert_eq!(SystemClock.now().timestamp_subsec_nanos() % 1_000, 0);
    }

    #[test]
    fn ids_differ_and_rows_sort_by_their_age() {
        let (first, second) = (UuidV7Ids.uuid(), UuidV7Ids.uuid());
        assert_eq!(first.get_version_num(), 7);
        assert!(first < second);
        assert_ne!(UuidV7Ids.trace_id(), UuidV7Ids.trace_id());
        assert_ne!(UuidV7Ids.parent_id(), UuidV7Ids.parent_id());
        assert_ne!(UuidV7Ids.key_material(), UuidV7Ids.key_material());
    }
}
