//! RL-6: how many requests a principal may make in a minute, and the headers that tell it so
//! (`draft-ietf-httpapi-ratelimit-headers`). A minute's allowance may be used at once; from then on it comes back
//! evenly, a request every 60/N s.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::access::{Actor, Principal};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::problem::{Problem, ProblemCode};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// After so many requests the principals are forgotten whose allowance is whole again. So those of the last minute are
/// kept, and at most so many beside them.
const REQUESTS_BETWEEN_CLEANINGS: usize = 1_000;

type Limiter<C> = RateLimiter<Actor, HashMapStateStore<Actor>, C, StateInformationMiddleware>;

/// The limit of one process, the same for every principal.
pub(crate) struct InboundLimit<C: Clock = DefaultClock> {
    per_minute: NonZeroU32,
    limiter: Limiter<C>,
    requests: AtomicUsize,
}

/// How a principal stands after a request.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    /// Whether the request goes on.
    admitted: bool,
    /// How many requests may follow at once.
    remaining: u32,
    /// Until the allowance is whole again; of a request that was refused, until the next one is admitted.
    wait: Duration,
}

impl InboundLimit {
    /// So many requests a minute; 0 is no limit.
    pub(crate) fn per_minute(requests: u32) -> Option<Arc<Self>> {
        NonZeroU32::new(requests).map(|requests| Arc::new(Self::with_clock(requests, DefaultClock::default())))
    }
}

impl<C: Clock> InboundLimit<C> {
    fn with_clock(per_minute: NonZeroU32, clock: C) -> Self {
        let limiter = RateLimiter::new(Quota::per_minute(per_minute), HashMapStateStore::default(), clock);
        Self { per_minute, limiter, requests: AtomicUsize::new(0) }
    }

    fn admit(&self, actor: &Actor) -> Standing {
        if self.requests.fetch_add(1, Ordering::Relaxed) % REQUESTS_BETWEEN_CLEANINGS == REQUESTS_BETWEEN_CLEANINGS - 1
        {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key(actor) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let used = self.per_minute.get().saturating_sub(remaining);
                let wait = Duration::from_mins(1) * used / self.per_minute.get();
                Standing { admitted: true, remaining, wait }
            }
            Err(refused) => {
                Standing { admitted: false, remaining: 0, wait: refused.wait_time_from(self.limiter.clock().now()) }
            }
        }
    }
}

impl Standing {
    /// Whole seconds, rounded up: one who waits so long is not too early.
    fn seconds(&self) -> u64 {
        self.wait.as_secs() + u64::from(self.wait.subsec_nanos() > 0)
    }

    fn describe(&self, per_minute: NonZeroU32, headers: &mut HeaderMap) {
        let policy = format!("\"principal\";q={per_minute};w=60");
        let standing = format!("\"principal\";r={};t={}", self.remaining, self.seconds());
        for (name, value) in [(POLICY, policy), (STANDING, standing)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }
}

/// Middleware, behind the authentication: counts every request of a principal, whatever comes of it, and answers 429
/// beyond the limit. Requests without a principal are not counted.
pub(crate) async fn enforce(State(limit): State<Option<Arc<InboundLimit>>>, request: Request, next: Next) -> Response {
    let (Some(limit), Some(principal)) = (limit, request.extensions().get::<Principal>()) else {
        return next.run(request).await;
    };
    let standing = limit.admit(&principal.actor);
    let mut response =
        if standing.admitted { next.run(request).await } else { refused(limit.per_minute, &standing).into_response() };
    standing.describe(limit.per_minute, response.headers_mut());
    response
}

fn refused(per_minute: NonZeroU32, standing: &Standing) -> Problem {
    // A clock that has moved on since the question must not turn the advice into "at once".
    let seconds = standing.seconds().max(1);
    let detail = format!("you may make {per_minute} requests a minute; the next one is admitted in {seconds} s");
    Problem::new(ProblemCode::TooManyRequests, detail).with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
}

#[cfg(test)]
mod tests {
    use domain::access::ActorType;
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn actor(name: &str) -> Actor {
        Actor { name: name.to_owned(), kind: ActorType::ApiKey }
    }

    fn limit(per_minute: u32) -> (InboundLimit<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (InboundLimit::with_clock(NonZeroU32::new(per_minute).expect("a limit"), clock.clone()), clock)
    }

    #[test]
    fn rl_6_the_allowance_may_be_used_at_once_and_comes_back_evenly() {
        let (limit, clock) = limit(600);
        let ana = actor("ana");
        for remaining in (0..600).rev() {
            let standing = limit.admit(&ana);
            assert_eq!((standing.admitted, standing.remaining), (true, remaining));
        }
        let refused = Standing { admitted: false, remaining: 0, wait: Duration::from_millis(100) };
        assert_eq!(limit.admit(&ana), refused);
        clock.advance(Duration::from_millis(99));
        assert!(!limit.admit(&ana).admitted);
        clock.advance(Duration::from_millis(1));
        assert!(limit.admit(&ana).admitted);
        assert_eq!(limit.admit(&ana), refused);
        clock.advance(Duration::from_mins(1));
        assert_eq!(limit.admit(&ana), Standing { admitted: true, remaining: 599, wait: Duration::from_millis(100) });
    }

    #[test]
    fn rl_6_principals_whose_allowance_is_whole_are_forgotten() {
        let (limit, clock) = limit(60);
        for number in 0..20 * REQUESTS_BETWEEN_CLEANINGS {
            assert!(limit.admit(&actor(&format!("key-{number}"))).admitted);
            clock.advance(Duration::from_millis(100));
        }
        // A used allowance is whole after one second here, so ten principals are of interest at any time.
        let known = limit.limiter.len();
        assert!(known <= REQUESTS_BETWEEN_CLEANINGS + 20, "{known}");
    }

    #[test]
    fn rl_6_a_cleaning_forgets_nobody_who_has_used_up_the_allowance() {
        let (limit, _clock) = limit(1);
        let ana = actor("ana");
        assert!(limit.admit(&ana).admitted);
        for _ in 0..2 * REQUESTS_BETWEEN_CLEANINGS {
            assert!(!limit.admit(&ana).admitted);
        }
    }
}
