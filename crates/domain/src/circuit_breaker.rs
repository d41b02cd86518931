//! The circuit breaker of one connector (RL-5): an upstream that keeps failing is left alone, then probed. Pure: the
//! time is an argument, and nothing here changes whether the connector is enabled.

use std::time::{Duration, Instant};

/// How many attempts, the last ones, are judged.
pub const WINDOW: u32 = 20;

/// Fewer attempts than these are not judged.
pub const LEAST_ATTEMPTS: u32 = 10;

/// How long an opened breaker lets nothing go.
pub const OPEN_FOR: Duration = Duration::from_secs(30);

/// How many attempts find out, after that, whether the upstream is well again.
pub const PROBES: u32 = 3;

/// The longest that an attempt takes. A probe that is not heard of for so long is given up as failed.
pub const PROBE_PATIENCE: Duration = Duration::from_mins(1);

/// What a breaker lets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// Every attempt.
    Closed,
    /// Nothing.
    Open,
    /// Probes.
    HalfOpen,
}

impl CircuitState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The state as the HTTP contract spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "Closed",
            Self::Open => "Open",
            Self::HalfOpen => "HalfOpen",
        }
    }
}

/// How an attempt ended, as far as the breaker is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptHealth {
    /// The upstream did its part: a success, or a failure that repeating does not cure.
    Well,
    /// A transient failure (RT-3), or no report of an attempt that began.
    Failing,
    /// Nothing that can be told: the attempt was not begun after all, or the call's own end cut it short.
    NotMade,
}

/// The leave for one attempt, to be given back with its end. One that is never given back blocks nothing for ever.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the breaker learns from reports only"]
pub struct Pass {
    /// What was told about an attempt counts only for the phase in which it was let go: a slow failure from before the
    /// opening says nothing about the probes.
    phase: u64,
}

/// No attempt may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// After how long one may; `None` while others probe, since their outcome decides.
    pub retry_after: Option<Duration>,
}

/// Closed until at least half of the last 20 attempts (10 at least) are transient failures. Then open for 30 s, then half
/// open for three probes: the third success closes it, the first failure opens it for another 30 s.
#[derive(Debug, Clone, Copy)]
pub struct CircuitBreaker {
    phase: u64,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed(Window),
    Open { since: Instant },
    HalfOpen { let_go: u32, well: u32, last: Instant },
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self { phase: 0, state: State::Closed(Window::default()) }
    }
}

impl CircuitBreaker {
    /// What it lets go at this moment.
    #[must_use]
    pub fn state(&self, now: Instant) -> CircuitState {
        match self.at(now).state {
            State::Closed(_) => CircuitState::Closed,
            State::Open { .. } => CircuitState::Open,
            State::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    /// Whether an attempt would be let go, for those who have to wait for something else before it.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn would_admit(&self, now: Instant) -> Result<(), Refused> {
        match self.at(now).state {
            State::Open { since } => {
                Err(Refused { retry_after: Some((since + OPEN_FOR).saturating_duration_since(now)) })
            }
            State::HalfOpen { let_go: PROBES.., .. } => Err(Refused { retry_after: None }),
            State::Closed(_) | State::HalfOpen { .. } => Ok(()),
        }
    }

    /// Lets an attempt go.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn admit(&mut self, now: Instant) -> Result<Pass, Refused> {
        self.would_admit(now)?;
        *self = self.at(now);
        if let State::HalfOpen { let_go, last, .. } = &mut self.state {
            (*let_go, *last) = (*let_go + 1, now);
        }
        Ok(Pass { phase: self.phase })
    }

    /// Learns how an attempt ended. Answers what the breaker has become by it, if that is something else.
    #[expect(clippy::needless_pass_by_value, reason = "a pass is spent by its report")]
    pub fn report(&mut self, pass: Pass, health: AttemptHealth, now: Instant) -> Option<CircuitState> {
        *self = self.at(now);
        let Pass { phase } = pass;
        if phase != self.phase {
            return None;
        }
        match (&mut self.state, health) {
            (State::Closed(window), AttemptHealth::Well | AttemptHealth::Failing) => {
                window.push(health == AttemptHealth::Failing);
                if window.is_failing() {
                    self.enter(State::Open { since: now });
                }
            }
            (State::HalfOpen { well, .. }, AttemptHealth::Well) => {
                *well += 1;
                if *well == PROBES {
                    self.enter(State::Closed(Window::default()));
                }
            }
            (State::HalfOpen { .. }, AttemptHealth::Failing) => self.enter(State::Open { since: now }),
            (State::HalfOpen { let_go, .. }, AttemptHealth::NotMade) => *let_go -= 1,
            (State::Closed(_), AttemptHealth::NotMade) | (State::Open { .. }, _) => {}
        }
        (phase != self.phase).then(|| self.state(now))
    }

    /// What the time alone has made of it.
    fn at(&self, now: Instant) -> Self {
        let mut breaker = *self;
        if let State::HalfOpen { let_go: PROBES.., last, .. } = breaker.state
            && now >= last + PROBE_PATIENCE
        {
            breaker.enter(State::Open { since: last + PROBE_PATIENCE });
        }
        if let State::Open { since } = breaker.state
            && now >= since + OPEN_FOR
        {
            breaker.enter(State::HalfOpen { let_go: 0, well: 0, last: now });
        }
        breaker
    }

    const fn enter(&mut self, state: State) {
        self.phase += 1;
        self.state = state;
    }
}

/// The last attempts, one bit each.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    failures: u32,
    length: u32,
}

impl Window {
    fn push(&mut self, failed: bool) {
        self.failures = ((self.failures << 1) | u32::from(failed)) & ((1 << WINDOW) - 1);
        self.length = (self.length + 1).min(WINDOW);
    }

    const fn is_failing(self) -> bool {
        self.length >= LEAST_ATTEMPTS && self.failures.count_ones() * 2 >= self.length
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::AttemptHealth::{Failing, NotMade, Well};
    use super::*;

    /// A breaker after attempts that ended so (`x` failing, `.` well), all at the moment that comes with it.
    fn after(attempts: &str) -> (CircuitBreaker, Instant) {
        let (mut breaker, now) = (CircuitBreaker::default(), Instant::now());
        for attempt in attempts.chars() {
            let pass = breaker.admit(now).expect("a pass");
            breaker.report(pass, if attempt == 'x' { Failing } else { Well }, now);
        }
        (breaker, now)
    }

    #[rstest]
    #[case::nine_are_too_few("xxxxxxxxx", CircuitState::Closed)]
    #[case::ten_are_enough("xxxxxxxxxx", CircuitState::Open)]
    #[case::half_of_ten("xxxxx.....", CircuitState::Open)]
    #[case::less_than_half_of_ten("xxxx......", CircuitState::Closed)]
    #[case::the_tenth_attempt_is_well("xxxxxxxxx.", CircuitState::Open)]
    #[case::nine_of_the_last_twenty("...........xxxxxxxxx", CircuitState::Closed)]
    #[case::ten_of_the_last_twenty("..........xxxxxxxxxx", CircuitState::Open)]
    #[case::older_ones_do_not_count("xxxx................xxxxxxxxx", CircuitState::Closed)]
    #[case::nor_do_older_successes("..............................xxxxxxxxxx", CircuitState::Open)]
    fn rl_5_it_opens_when_half_of_the_last_twenty_attempts_fail(
        #[case] attempts: &str,
        #[case] expected: CircuitState,
    ) {
        let (breaker, now) = after(attempts);
        assert_eq!(breaker.state(now), expected);
    }

    #[test]
    fn rl_5_an_open_breaker_lets_nothing_go_for_thirty_seconds() {
        let (mut breaker, opened) = after("xxxxxxxxxx");
        assert_eq!(breaker.admit(opened), Err(Refused { retry_after: Some(OPEN_FOR) }));
        let late = opened + Duration::from_millis(29_999);
        assert_eq!(breaker.admit(late), Err(Refused { retry_after: Some(Duration::from_millis(1)) }));
        assert!(breaker.admit(opened + OPEN_FOR).is_ok());
    }

    #[test]
    fn rl_5_three_probes_go_and_the_third_success_closes_it() {
        let (mut breaker, opened) = after("xxxxxxxxxx");
        let now = opened + OPEN_FOR;
        let probes: Vec<Pass> = (0..PROBES).map(|_| breaker.admit(now).expect("a probe")).collect();
        assert_eq!(breaker.admit(now), Err(Refused { retry_after: None }), "no fourth");
        let became: Vec<_> = probes.into_iter().map(|probe| breaker.report(probe, Well, now)).collect();
        assert_eq!(became, [None, None, Some(CircuitState::Closed)]);
        assert!((0..WINDOW).all(|_| breaker.admit(now).is_ok()));
    }

    #[test]
    fn rl_5_probes_may_be_hours_apart() {
        let (mut breaker, mut now) = after("xxxxxxxxxx");
        for _ in 0..PROBES {
            now += Duration::from_hours(1);
            let probe = breaker.admit(now).expect("a probe");
            breaker.report(probe, Well, now);
        }
        assert_eq!(breaker.state(now), CircuitState::Closed);
    }

    #[test]
    fn rl_5_a_failed_probe_opens_it_again() {
        let (mut breaker, opened) = after("xxxxxxxxxx");
        let now = opened + OPEN_FOR;
        let (first, second) = (breaker.admit(now).expect("a probe"), breaker.admit(now).expect("a probe"));
        assert_eq!(breaker.report(first, Failing, now), Some(CircuitState::Open));
        assert_eq!(breaker.report(second, Well, now), None, "the verdict is spoken");
        assert_eq!(breaker.admit(now), Err(Refused { retry_after: Some(OPEN_FOR) }));
        assert!(breaker.admit(now + OPEN_FOR).is_ok());
    }

    #[test]
    fn rl_5_what_began_before_the_opening_says_nothing_about_the_probes() {
        let (mut breaker, now) = after("xxxxxxxxx");
        let slow = breaker.admit(now).expect("a pass");
        let last = breaker.admit(now).expect("a pass");
        breaker.report(last, Failing, now);
        let later = now + OPEN_FOR;
        let probe = breaker.admit(later).expect("a probe");
        assert_eq!(breaker.report(slow, Failing, later), None);
        assert_eq!(breaker.report(probe, Well, later), None);
        assert_eq!(breaker.state(later), CircuitState::HalfOpen);
    }

    #[test]
    fn rl_5_a_probe_that_was_not_made_leaves_its_place_to_another() {
        let (mut breaker, opened) = after("xxxxxxxxxx");
        let now = opened + OPEN_FOR;
        let mut probes: Vec<Pass> = (0..PROBES).map(|_| breaker.admit(now).expect("a probe")).collect();
        breaker.report(probes.pop().expect("a probe"), NotMade, now);
        assert!(breaker.admit(now).is_ok());
        assert!(breaker.admit(now).is_err());
    }

    #[test]
    fn rl_5_probes_that_never_report_do_not_block_for_ever() {
        let (mut breaker, opened) = after("xxxxxxxxxx");
        let now = opened + OPEN_FOR;
        let probes: Vec<Pass> = (0..PROBES).map(|_| breaker.admit(now).expect("a probe")).collect();
        let given_up = now + PROBE_PATIENCE;
        assert_eq!(breaker.state(now + Duration::from_secs(59)), CircuitState::HalfOpen);
        assert_eq!(breaker.state(given_up), CircuitState::Open);
        assert!(breaker.admit(given_up + OPEN_FOR).is_ok());
        for probe in probes {
            assert_eq!(breaker.report(probe, Well, given_up + OPEN_FOR), None, "too late");
        }
        assert_eq!(breaker.state(given_up + OPEN_FOR), CircuitState::HalfOpen);
    }

    #[derive(Debug, Clone)]
    enum Event {
        Ask,
        Report(usize, AttemptHealth),
        Lose(usize),
        Time(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        let health = prop_oneof![4 => Just(Well), 6 => Just(Failing), 1 => Just(NotMade)];
        prop_oneof![
            8 => Just(Event::Ask),
            8 => (any::<usize>(), health).prop_map(|(which, health)| Event::Report(which, health)),
            1 => any::<usize>().prop_map(Event::Lose),
            3 => (0_u64..70).prop_map(Event::Time),
        ]
    }

    proptest! {
        /// Whatever happens in whatever order: until it closes, no four attempts begin within 30 s, since between the
        /// probes of one opening and those of the next it is open for so long; and after 90 s of silence one may go.
        #[test]
        fn rl_5_no_opening_has_more_than_three_probes_and_none_is_for_ever(
            events in prop::collection::vec(event(), 0..400)
        ) {
            let (mut breaker, mut now) = (CircuitBreaker::default(), Instant::now());
            let (mut out, mut probes, mut number) = (Vec::new(), VecDeque::new(), 0);
            for event in events {
                match event {
                    Event::Ask => {
                        let closed = breaker.state(now) == CircuitState::Closed;
                        if let Ok(pass) = breaker.admit(now) {
                            number += 1;
                            out.push((number, pass));
                            if !closed {
                                probes.push_back((number, now));
                            }
                        }
                    }
                    Event::Report(which, health) if !out.is_empty() => {
                        let (number, pass) = out.swap_remove(which % out.len());
                        breaker.report(pass, health, now);
                        probes.retain(|(probe, _)| health != NotMade || *probe != number);
                    }
                    Event::Lose(which) if !out.is_empty() => drop(out.swap_remove(which % out.len())),
                    Event::Report(..) | Event::Lose(_) => {}
                    Event::Time(seconds) => now += Duration::from_secs(seconds),
                }
                if breaker.state(now) == CircuitState::Closed {
                    probes.clear();
                }
                while probes.len() > 4 {
                    probes.pop_front();
                }
                if let [(_, first), _, _, (_, fourth)] = probes.make_contiguous() {
                    prop_assert!(*fourth - *first >= OPEN_FOR);
                }
                prop_assert!(breaker.would_admit(now + PROBE_PATIENCE + OPEN_FOR).is_ok());
            }
        }

        /// The breaker's window against a list of everything.
        #[test]
        fn rl_5_it_opens_exactly_when_the_rule_says(attempts in prop::collection::vec(prop::bool::weighted(0.4), 0..120)) {
            let (mut breaker, now) = (CircuitBreaker::default(), Instant::now());
            let mut last: VecDeque<bool> = VecDeque::new();
            for failed in attempts {
                let pass = breaker.admit(now).expect("closed");
                let became = breaker.report(pass, if failed { Failing } else { Well }, now);
                last.push_back(failed);
                if last.len() > 20 {
                    last.pop_front();
                }
                let failures = last.iter().filter(|failed| **failed).count();
                let opens = last.len() >= 10 && failures * 2 >= last.len();
                prop_assert_eq!(became == Some(CircuitState::Open), opens);
                if opens {
                    break;
                }
            }
        }
    }
}
