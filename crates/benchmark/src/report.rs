//! What the comparison prints.

use std::error::Error;
use std::io::{self, Write, stderr, stdout};
use std::time::Duration;

use test_support::TestDatabase;

use crate::client::Target;
use crate::load::Round;

/// One side, and what its rounds came to.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
    /// What every answer has to contain.
    pub(crate) signs: &'static [&'static str],
    pub(crate) database: TestDatabase,
    pub(crate) rounds: Vec<Round>,
}

impl Side {
    pub(crate) fn new(
        name: &'static str,
        target: Target,
        signs: &'static [&'static str],
        database: TestDatabase,
    ) -> Self {
        Self { name, target, signs, database, rounds: Vec::new() }
    }

    /// The rates of its rounds, ascending.
    fn rates(&self) -> Vec<f64> {
        let mut rates: Vec<f64> = self.rounds.iter().map(|round| round.rate).collect();
        rates.sort_by(f64::total_cmp);
        rates
    }

    /// How long its calls took, ascending.
    fn latencies(&self) -> Vec<Duration> {
        let mut latencies: Vec<Duration> = self.rounds.iter().flat_map(|round| &round.latencies).copied().collect();
        latencies.sort_unstable();
        latencies
    }
}

/// Prints the table of both sides, and answers how many times the rate of the first the second reaches.
pub(crate) fn print(sides: &[Side; 2]) -> io::Result<f64> {
    line("")?;
    line("          calls/s     min  median     max   latency p50       p99")?;
    for side in sides {
        let (rates, latencies) = (side.rates(), side.latencies());
        let p50 = milliseconds(&latencies, 50);
        let p99 = milliseconds(&latencies, 99);
        let (min, max) = (rates.first().copied().unwrap_or(0.0), rates.last().copied().unwrap_or(0.0));
        let middle = median(&rates);
        line(&format!("{:>8} {:8} {min:>7.0} {middle:>7.0} {max:>7.0} {p50:>10.2} ms {p99:>6.2} ms", side.name, ""))?;
    }
    let [by_hand, service] = sides.each_ref().map(|side| median(&side.rates()));
    let ratio = service / by_hand;
    line(&format!("ratio of the medians: {ratio:.2}"))?;
    Ok(ratio)
}

/// Prints one line.
pub(crate) fn line(text: &str) -> io::Result<()> {
    writeln!(stdout(), "{text}")
}

/// Tells why there is no result.
pub(crate) fn complain(failure: &(dyn Error + 'static)) {
    // Without a standard error there is nobody to tell.
    writeln!(stderr(), "benchmark: {failure}").ok();
}

fn median(ascending: &[f64]) -> f64 {
    let (low, high) = (ascending.len().saturating_sub(1) / 2, ascending.len() / 2);
    match (ascending.get(low), ascending.get(high)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => 0.0,
    }
}

/// The latency that so many per cent of the calls do not exceed.
fn milliseconds(ascending: &[Duration], per_cent: usize) -> f64 {
    let rank = (ascending.len() * per_cent).div_ceil(100);
    ascending.get(rank.saturating_sub(1)).map_or(0.0, |latency| latency.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert!((median(&[1.0, 2.0, 4.0, 9.0]) - 3.0).abs() < f64::EPSILON);
        assert!((median(&[1.0, 2.0, 9.0]) - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_percentile_is_a_latency_that_was_measured() {
        let latencies: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert!((milliseconds(&latencies, 50) - 100.0).abs() < f64::EPSILON);
        assert!((milliseconds(&latencies, 99) - 198.0).abs() < f64::EPSILON);
        assert!((milliseconds(&latencies[..1], 99) - 1.0).abs() < f64::EPSILON);
    }
}
