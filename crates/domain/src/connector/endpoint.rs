//! The base URL of a connector, and how a call's endpoint is joined to it so that it cannot leave it (SE-D-4).

use url::{Origin, Url};

use crate::fault::{FaultCode, Refusal};

/// An absolute `http(s)` URL without user information, query or fragment, at most 2 048 characters; answered as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    given: String,
    url: Url,
}

impl BaseUrl {
    /// The longest base URL, in bytes.
    pub const MAX_LENGTH: usize = 2_048;

    /// Reads a base URL. Whether its destination is called is the deployment's decision, not made here.
    ///
    /// # Errors
    /// `out-of-range` for its length, `invalid-value` for everything that is not such a URL.
    pub fn parse(given: &str) -> Result<Self, Refusal> {
        if given.len() > Self::MAX_LENGTH {
            return Err(Refusal::new(FaultCode::OutOfRange, "must have at most 2048 characters"));
        }
        let invalid = |detail: &str| Refusal::new(FaultCode::InvalidValue, detail);
        if given.chars().any(|character| character.is_whitespace() || character.is_control() || character == '\\') {
            return Err(invalid("must not contain white space, control characters or backslashes"));
        }
        let url =
            Url::parse(given).map_err(|_| invalid("must be an absolute URL such as `https://api.example.com/v1`"))?;
        if !matches!(url.scheme(), "https" | "http") || !has_authority(given) {
            return Err(invalid("must be an absolute `https` URL such as `https://api.example.com/v1`"));
        }
        if !url.username().is_empty()
            || url.password().is_some()
            || given.contains('@') && authority(given).contains('@')
        {
            return Err(invalid("must not contain a user name or password; use `authenticationSecretRef`"));
        }
        if given.contains(['?', '#']) {
            return Err(invalid("must have no query and no fragment; a call brings its own `query`"));
        }
        if url.port() == Some(0) {
            return Err(invalid("must not name port 0"));
        }
        Ok(Self { given: given.to_owned(), url })
    }

    /// The URL as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// The parsed URL, the only form that is judged and connected to.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Scheme, host and port: where the connector's secret may go.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.url.origin()
    }

    /// The URL of `endpoint`, a path below this base URL. `/` is the base URL with a slash at its end.
    ///
    /// # Errors
    /// `endpoint-outside-base-url` when scheme, host, port or base path would change, `invalid-value` when it is no
    /// path.
    pub fn join(&self, endpoint: &str) -> Result<Url, Refusal> {
        let invalid = |detail: &str| Refusal::new(FaultCode::InvalidValue, detail);
        if endpoint.len() > Self::MAX_LENGTH {
            return Err(Refusal::new(FaultCode::OutOfRange, "must have at most 2048 characters"));
        }
        if endpoint.chars().any(|character| character.is_control() || character.is_whitespace()) {
            return Err(invalid("must not contain white space or control characters; percent-encode them"));
        }
        if endpoint.starts_with("//") || endpoint.contains("://") || endpoint.contains('\\') || climbs(endpoint) {
            return Err(outside());
        }
        if !endpoint.starts_with('/') {
            return Err(invalid("must be a path below the base URL that starts with `/`"));
        }
        if endpoint.contains(['?', '#']) {
            return Err(invalid("must be a path alone; put parameters into `query`"));
        }
        let base_path = self.url.path().trim_end_matches('/');
        let origin = self.origin().ascii_serialization();
        let url = Url::parse(&format!("{origin}{base_path}{endpoint}")).map_err(|_| invalid("must be a URL path"))?;
        let below = url.path().strip_prefix(base_path).is_some_and(|rest| rest.starts_with('/'));
        if url.origin() == self.origin() && below { Ok(url) } else { Err(outside()) }
    }
}

fn outside() -> Refusal {
    Refusal::new(FaultCode::EndpointOutsideBaseUrl, "must stay below the connector's `endpointBaseUrl`")
}

fn has_authority(given: &str) -> bool {
    given.split_once("://").is_some_and(|(_, rest)| !rest.is_empty() && !rest.starts_with('/'))
}

fn authority(given: &str) -> &str {
    let rest = given.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Whether a segment is `..`, also where an upstream would only see it after decoding, once or several times.
fn climbs(endpoint: &str) -> bool {
    let mut path = endpoint.to_ascii_lowercase();
    loop {
        if path.split(['/', '\\']).any(|segment| segment == ".." || segment.starts_with("..;")) {
            return true;
        }
        let decoded = path.replace("%25", "%").replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\");
        if decoded == path {
            return false;
        }
        path = decoded;
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://api.hr-system.example.com/v1")]
    #[case("https://API.example.com:8443")]
    #[case("http://10.0.0.1/a/b/")]
    #[case("https://[2001:db8::1]/x@y")]
    fn a_base_url_is_answered_as_given(#[case] given: &str) {
        assert_eq!(BaseUrl::parse(given).expect("a base URL").as_str(), given);
    }

    #[rstest]
    #[case("")]
    #[case("not a url")]
    #[case("/v1")]
    #[case("https:api.example.com")]
    #[case("https:///api.example.com")]
    #[case("ftp://example.com")]
    #[case("file:///etc/passwd")]
    #[case("javascript:alert(1)")]
    #[case("https://user@example.com/")]
    #[case("https://user:pass@example.com/")]
    #[case("https://@example.com/")]
    #[case("https://example.com/?a=b")]
    #[case("https://example.com/?")]
    #[case("https://example.com/#x")]
    #[case("https://example.com\\@evil.com/")]
    #[case("https://exa mple.com/")]
    #[case(" https://example.com/")]
    #[case("https://example.com:0/")]
    #[case("https://example.com:99999/")]
    fn anything_else_is_refused(#[case] given: &str) {
        assert!(BaseUrl::parse(given).is_err(), "{given}");
    }

    #[rstest]
    #[case("https://h.example/v1", "/employees", "https://h.example/v1/employees")]
    #[case("https://h.example/v1/", "/employees", "https://h.example/v1/employees")]
    #[case("https://h.example", "/", "https://h.example/")]
    #[case("https://h.example/v1", "/a%20b/ä", "https://h.example/v1/a%20b/%C3%A4")]
    #[case("https://h.example:8443/v1", "/x:y/@z", "https://h.example:8443/v1/x:y/@z")]
    #[case("https://h.example/v1", "/a/./b", "https://h.example/v1/a/b")]
    fn an_endpoint_is_joined_below_the_base(#[case] base: &str, #[case] endpoint: &str, #[case] expected: &str) {
        assert_eq!(BaseUrl::parse(base).expect("base").join(endpoint).expect("joined").as_str(), expected);
    }

    #[rstest]
    #[case("/../admin")]
    #[case("/a/../../admin")]
    #[case("/%2e%2e/admin")]
    #[case("/.%2E/admin")]
    #[case("/%252e%252e/admin")]
    #[case("/x%2f..%2f..%2fadmin")]
    #[case("/..;/admin")]
    #[case("//evil.example/x")]
    #[case("https://evil.example/x")]
    #[case("\\\\evil.example")]
    #[case("/\\evil.example")]
    fn an_endpoint_cannot_leave_the_base(#[case] endpoint: &str) {
        let refusal = BaseUrl::parse("https://h.example/v1").expect("base").join(endpoint).expect_err("refused");
        assert_eq!(refusal.code, FaultCode::EndpointOutsideBaseUrl, "{endpoint}");
    }

    #[rstest]
    #[case("")]
    #[case("employees")]
    #[case("/a?b=c")]
    #[case("/a#b")]
    #[case("/a b")]
    #[case("/a\nb")]
    fn an_endpoint_is_a_path(#[case] endpoint: &str) {
        let refusal = BaseUrl::parse("https://h.example/v1").expect("base").join(endpoint).expect_err("refused");
        assert_eq!(refusal.code, FaultCode::InvalidValue, "{endpoint}");
    }
}
