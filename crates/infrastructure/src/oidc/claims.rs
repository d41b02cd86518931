//! The claims that every token needs (RFC 7519 §4.1, RFC 9068 §2.2).

use std::time::Duration;

use application::ports::{TokenFault, VerifiedToken};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// How far the provider's clock may be from ours.
const LEEWAY: Duration = Duration::from_secs(30);

/// The longest subject (OpenID Connect Core §2).
const MAX_SUBJECT: usize = 255;

/// The end of the year 9999. What lies beyond is no expiry.
const END_OF_TIME: f64 = 253_402_300_800.0;

/// Who the bearer is, if the claims are those of a token from `issuer` for `audience` that counts at `now`.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn check(
    claims: Map<String, Value>,
    issuer: &str,
    audience: &str,
    now: DateTime<Utc>,
) -> Result<VerifiedToken, TokenFault> {
    if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
        return Err(TokenFault::Issuer);
    }
    if !claims.get("aud").is_some_and(|given| names(given, audience)) {
        return Err(TokenFault::Audience);
    }
    #[expect(clippy::cast_precision_loss, reason = "microseconds of this age are exact to a thousandth of a second")]
    let now = now.timestamp_micros() as f64 / 1e6;
    let leeway = LEEWAY.as_secs_f64();
    let expiry = claims.get("exp").and_then(moment).ok_or(TokenFault::Expiry)?;
    if now >= expiry + leeway {
        return Err(TokenFault::Expired);
    }
    if let Some(begin) = claims.get("nbf")
        && moment(begin).is_none_or(|begin| begin > now + leeway)
    {
        return Err(TokenFault::NotYet);
    }
    let subject = claims.get("sub").and_then(Value::as_str).filter(|text| is_name(text));
    let subject = subject.ok_or(TokenFault::Subject)?.to_owned();
    Ok(VerifiedToken { subject, claims })
}

/// One text, or a list of texts of which one is `audience`.
fn names(given: &Value, audience: &str) -> bool {
    match given {
        Value::String(one) => one == audience,
        Value::Array(several) => several.iter().all(Value::is_string) && several.iter().any(|one| one == audience),
        _ => false,
    }
}

/// Seconds since 1970, decimals allowed.
fn moment(value: &Value) -> Option<f64> {
    let Value::Number(number) = value else { return None };
    number.as_f64().filter(|seconds| (0.0..END_OF_TIME).contains(seconds))
}

/// Whether it can stand in a log, in a list and in the audit without misleading those who read them: what Unicode calls
/// default-ignorable is not seen, and two names that differ in it look the same.
fn is_name(text: &str) -> bool {
    let misleads = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
    };
    !text.is_empty() && text.chars().count() <= MAX_SUBJECT && text.trim() == text && !text.contains(misleads)
}
