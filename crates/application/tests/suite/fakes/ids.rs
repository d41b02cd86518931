//! Ids that count, so that they are unique and in order of creation.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

use application::ports::Ids;
use domain::correlation::TraceId;
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct CountingIds(AtomicU64);

impl CountingIds {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Ids for CountingIds {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(0x0197_9a2b_7c00_7000_8000_0000_0000_0000 + u128::from(self.next()))
    }

    fn trace_id(&self) -> TraceId {
        TraceId::new(self.next().into()).expect("not zero")
    }

    fn parent_id(&self) -> NonZeroU64 {
        NonZeroU64::new(self.next()).expect("not zero")
    }

    fn key_material(&self) -> [u8; 32] {
        let mut material = [0xa5; 32];
        material[..8].copy_from_slice(&self.next().to_be_bytes());
        material
    }
}
