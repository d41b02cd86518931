//! The token endpoint's answer (RFC 6749 §5.1), read as widely as servers write it.

use std::time::Duration;

use ::oauth2::{AccessToken, RefreshToken, Scope, TokenResponse};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The largest token that is sent: with its name it has to fit what servers take as one header.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// What is read of an answer. A refresh token is not: the client can always ask again (§4.4.3).
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Answer {
    access_token: AccessToken,
    token_type: Kind,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<Duration>,
}

/// `token_type`; letter case does not count.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(super) struct Kind(String);

impl ::oauth2::TokenType for Kind {}

impl TokenResponse for Answer {
    type TokenType = Kind;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &Kind {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        None
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

impl Answer {
    /// What keeps the token from being sent, if anything.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let token = self.access_token.secret();
        if !self.token_type.0.eq_ignore_ascii_case("bearer") {
            Some("its `token_type` is not `Bearer`")
        } else if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            Some("its `access_token` cannot be sent as a header")
        } else if token.len() > MAX_TOKEN_BYTES {
            Some("its `access_token` is larger than 16 KiB")
        } else {
            None
        }
    }
}

/// Some servers write the number as a string, or with a fraction. What is neither says nothing about the token's life.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let number = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    Ok(number.filter(|number| number.is_finite()).map(|number: f64| {
        // Beyond what a duration holds is as good as for ever.
        Duration::try_from_secs_f64(number.max(0.0)).unwrap_or(Duration::MAX)
    }))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read(json: &str) -> Answer {
        serde_json::from_str(json).expect("an answer")
    }

    #[rstest]
    #[case("3600", Some(3_600.0))]
    #[case("\"3600\"", Some(3_600.0))]
    #[case("3599.5", Some(3_599.5))]
    #[case("0", Some(0.0))]
    #[case("-5", Some(0.0))]
    #[case("null", None)]
    #[case("\"soon\"", None)]
    #[case("[]", None)]
    fn a_life_is_read_in_every_spelling(#[case] given: &str, #[case] expected: Option<f64>) {
        let answer = read(&format!(
            r#"{{ "access_token": "t", "token_type": "bearer", "expires_in": {given}, "ext_expires_in": 1.5e3 }}"#
        ));
        assert_eq!(answer.expires_in.map(|life| life.as_secs_f64()), expected);
        assert_eq!(answer.fault(), None);
    }

    #[test]
    fn a_life_beyond_measure_is_no_panic() {
        let answer = read(r#"{ "access_token": "t", "token_type": "Bearer", "expires_in": 1e300 }"#);
        assert_eq!(answer.expires_in, Some(Duration::MAX));
        assert_eq!(read(r#"{ "access_token": "t", "token_type": "Bearer" }"#).expires_in, None);
    }

    #[rstest]
    #[case("t", "mac", "token_type")]
    #[case("", "Bearer", "header")]
    #[case("a b", "Bearer", "header")]
    #[case("a\\r\\nX-Evil: 1", "Bearer", "header")]
    #[case("ä", "Bearer", "header")]
    #[case(&"t".repeat(MAX_TOKEN_BYTES + 1), "Bearer", "16 KiB")]
    fn a_token_that_cannot_be_sent_is_said_to_be_so(#[case] token: &str, #[case] kind: &str, #[case] named: &str) {
        let answer = read(&format!(r#"{{ "access_token": "{token}", "token_type": "{kind}" }}"#));
        let fault = answer.fault().expect("a fault");
        assert!(fault.contains(named), "{fault}");
    }
}
