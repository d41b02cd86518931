//! The load: a fixed number of callers, each with a connection of its own and one call under way.

use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Failure;
use crate::client::{Connection, Target};

/// How one side is driven in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// How many callers there are.
    pub(crate) in_flight: usize,
    /// How long before anything is measured.
    pub(crate) warm_up: Duration,
    /// How long is measured.
    pub(crate) measured: Duration,
}

/// What one round came to.
#[derive(Debug)]
pub(crate) struct Round {
    /// How long each call took that ended while it was measured.
    pub(crate) latencies: Vec<Duration>,
    /// Calls acknowledged, those of the warm-up and of the end included.
    pub(crate) acknowledged: u64,
    /// Calls that ended while it was measured, a second.
    pub(crate) rate: f64,
}

impl Load {
    /// Drives a side for one round. Every answer has to contain every one of `signs`.
    ///
    /// # Errors
    /// The first call that was no success.
    pub(crate) async fn drive(
        self,
        target: &Target,
        body: &Bytes,
        signs: &'static [&'static str],
    ) -> Result<Round, Failure> {
        let mut connections = Vec::with_capacity(self.in_flight);
        for _ in 0..self.in_flight {
            connections.push(Connection::open(target.clone()).await?);
        }
        let from = Instant::now() + self.warm_up;
        let to = from + self.measured;
        let mut callers = JoinSet::new();
        for connection in connections {
            callers.spawn(call(connection, body.clone(), signs, from, to));
        }
        let (mut latencies, mut acknowledged) = (Vec::new(), 0);
        while let Some(caller) = callers.join_next().await {
            let (of_caller, calls) = caller??;
            latencies.extend(of_caller);
            acknowledged += calls;
        }
        let ended = u32::try_from(latencies.len())?;
        Ok(Round { latencies, acknowledged, rate: f64::from(ended) / self.measured.as_secs_f64() })
    }
}

async fn call(
    mut connection: Connection,
    body: Bytes,
    signs: &[&str],
    from: Instant,
    to: Instant,
) -> Result<(Vec<Duration>, u64), Failure> {
    let (mut latencies, mut acknowledged) = (Vec::new(), 0);
    loop {
        let begun = Instant::now();
        if begun >= to {
            return Ok((latencies, acknowledged));
        }
        let answer = connection.post(body.clone()).await?;
        let ended = Instant::now();
        let text = std::str::from_utf8(&answer)?;
        if let Some(sign) = signs.iter().find(|sign| !text.contains(**sign)) {
            return Err(format!("an answer has no `{sign}`: {text}").into());
        }
        acknowledged += 1;
        if (from..to).contains(&ended) {
            latencies.push(ended - begun);
        }
    }
}
