//! What runs beside the requests for as long as the service lives.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::sleep;

/// The pause before a part that panicked is begun again.
const PAUSE: Duration = Duration::from_secs(1);

/// Does `work` to its end; work that panics is begun again, and takes no other with it.
pub(crate) async fn outlive_panics<F: Future<Output = ()>>(part: &'static str, work: impl Fn() -> F) {
    while AssertUnwindSafe(work()).catch_unwind().await.is_err() {
        tracing::error!(part, "a part of the service panicked and is begun again");
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_panics_is_begun_again_until_it_ends() {
        let begun = AtomicU32::new(0);
        outlive_panics("test", || async {
            assert!(begun.fetch_add(1, Ordering::Relaxed) == 2, "one of two panics on purpose");
        })
        .await;
        assert_eq!(begun.into_inner(), 3);
    }
}
