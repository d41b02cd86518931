//! The base URL of a connector, and how a call's endpoint is joined to it so that it cannot leave it (SE-D-4).

use url::{Host, Origin, Url};

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
        if matches!(url.host(), Some(Host::Domain(name)) if !is_dns_name(name)) {
            return Err(invalid(
                "must name a host: labels of 1 to 63 letters, digits, `-` and `_`, not beginning or ending with `-`, \
                 at most 253 characters in all",
            ));
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
        if endpoint.starts_with("//") || endpoint.contains("://") || endpoint.contains('\\') {
            return Err(outside());
        }
        judge_decoded(endpoint)?;
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

/// Whether `name`, to which the URL parser has applied IDNA, can be a name of the DNS; one dot may end it.
fn is_dns_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// How often a path may be percent-encoded over and over. Every round is one more proxy that decodes.
const MAX_DECODINGS: usize = 8;

/// Judges the path as given and as upstreams see it, which decode it once or several times.
fn judge_decoded(endpoint: &str) -> Result<(), Refusal> {
    let mut path = endpoint.as_bytes().to_vec();
    for _ in 0..=MAX_DECODINGS {
        if String::from_utf8_lossy(&path).chars().any(char::is_control) {
            let detail = "must not contain control characters, percent-encoded ones included";
            return Err(Refusal::new(FaultCode::InvalidValue, detail));
        }
        if climbs(&path) {
            return Err(outside());
        }
        let decoded = decode(&path);
        if decoded == path {
            return Ok(());
        }
        path = decoded;
    }
    Err(Refusal::new(FaultCode::InvalidValue, "is percent-encoded too many times over"))
}

/// Whether a segment is `..` for some upstream. Servlet containers drop what follows a `;`, Windows drops spaces at the
/// end of a name; `?` and `#` end the path where a proxy passes on what it has decoded.
fn climbs(path: &[u8]) -> bool {
    path.split(|byte| b"/\\?#".contains(byte)).any(|segment| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        name.trim_ascii_end() == b".."
    })
}

/// One round of percent-decoding; what is no escape stays. Also reads `%uXXXX` as IIS does, and ASCII that is spelled
/// as two bytes of UTF-8, which old decoders accept (`%c0%ae` is a dot).
fn decode(path: &[u8]) -> Vec<u8> {
    let mut decoded: Vec<u8> = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, after @ ..] = rest {
        let (byte, left) = match (first, after) {
            (b'%', [b'u' | b'U', b'0', b'0', high, low, left @ ..] | [high, low, left @ ..]) => {
                (hex(*high, *low), left)
            }
            _ => (None, after),
        };
        let (byte, left) = byte.map_or((*first, after), |byte| (byte, left));
        match decoded.last_mut() {
            Some(lead @ (0xc0 | 0xc1)) if (0x80..0xc0).contains(&byte) => *lead = (*lead & 1) << 6 | byte & 0x3f,
            _ => decoded.push(byte),
        }
        rest = left;
    }
    decoded
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://api.hr-system.example.com/v1")]
    #[case("https://API.example.com:8443")]
    #[case("http://10.0.0.1/a/b/")]
    #[case("https://[2001:db8::1]/x@y")]
    #[case("https://hr_system.example.com./v1")]
    #[case("https://bücher.example/")]
    #[case("https://xn--bcher-kva.example/")]
    #[case("https://localhost")]
    #[case("https://_a.b-c.3x/")]
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
    #[case("-", false)]
    #[case("*", false)]
    #[case("*.example.com", false)]
    #[case("..", false)]
    #[case(".", false)]
    #[case("a..b", false)]
    #[case(".a", false)]
    #[case("a.example..", false)]
    #[case("-a.example", false)]
    #[case("a-.example", false)]
    #[case("a!b.example", false)]
    #[case(&"a".repeat(63), true)]
    #[case(&"a".repeat(64), false)]
    #[case(&["a"; 127].join("."), true)]
    #[case(&format!("{}.", ["a"; 127].join(".")), true)]
    #[case(&["a"; 128].join("."), false)]
    fn a_host_is_a_name_that_the_dns_can_have(#[case] host: &str, #[case] sound: bool) {
        let parsed = BaseUrl::parse(&format!("https://{host}"));
        assert_eq!(parsed.map_err(|refusal| refusal.code).err(), (!sound).then_some(FaultCode::InvalidValue), "{host}");
    }

    #[rstest]
    #[case("https://h.example/v1", "/employees", "https://h.example/v1/employees")]
    #[case("https://h.example/v1/", "/employees", "https://h.example/v1/employees")]
    #[case("https://h.example", "/", "https://h.example/")]
    #[case("https://h.example/v1", "/a%20b/ä", "https://h.example/v1/a%20b/%C3%A4")]
    #[case("https://h.example:8443/v1", "/x:y/@z", "https://h.example:8443/v1/x:y/@z")]
    #[case("https://h.example/v1", "/a/./b", "https://h.example/v1/a/b")]
    #[case("https://h.example/v1", "/a%2Fb", "https://h.example/v1/a%2Fb")]
    #[case("https://h.example/v1", "/100%25", "https://h.example/v1/100%25")]
    #[case("https://h.example/v1", "/100%2525", "https://h.example/v1/100%2525")]
    #[case("https://h.example/v1", "/50%-off;a=b/x..y/...", "https://h.example/v1/50%-off;a=b/x..y/...")]
    #[case("https://h.example/v1", "/%E4/%C3%A4/a%3Fb%23c", "https://h.example/v1/%E4/%C3%A4/a%3Fb%23c")]
    #[case("https://h.example/v1", "/a%3b..%20x", "https://h.example/v1/a%3b..%20x")]
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
    #[case("/%%32%65%%32%65/x")]
    #[case("/%2%65%2%65/x")]
    #[case("/%%%33%32%65./x")]
    #[case("/..%3bx/")]
    #[case("/..;a=b/x")]
    #[case("/%2e.%253Bx/")]
    #[case("/..%20/x")]
    #[case("/..%3fx/")]
    #[case("/a%2f..%23")]
    #[case("/..%5cx")]
    #[case("/%c0%ae%C0%AE/x")]
    #[case("/a%c0%af..%c0%afx")]
    #[case("/%u002e%u002E/x")]
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
    #[case("/..%00/")]
    #[case("/%2e%2e%00/x")]
    #[case("/..%09/")]
    #[case("/a%0ab")]
    #[case("/a%250d%250ab")]
    #[case("/a%%30%41b")]
    #[case("/a%7f")]
    #[case("/a%C2%85")]
    #[case(&format!("/%{}41", "25".repeat(9)))]
    fn an_endpoint_is_a_path(#[case] endpoint: &str) {
        let refusal = BaseUrl::parse("https://h.example/v1").expect("base").join(endpoint).expect_err("refused");
        assert_eq!(refusal.code, FaultCode::InvalidValue, "{endpoint}");
    }

    proptest! {
        #[test]
        fn se_d_4_whatever_is_joined_stays_below_the_base(
            base in "https?://[a-z]{1,8}\\.example(:[1-9][0-9]{0,3})?(/[a-z0-9%]{0,4}){0,3}",
            endpoint in prop_oneof![any::<String>(), "(/|\\\\|\\.|%2e|%2f|%25|%5c|%c0%ae|;|:|@|//|[a-z]|\\?|#){0,12}"],
        ) {
            let Ok(base) = BaseUrl::parse(&base) else { return Ok(()) };
            if let Ok(url) = base.join(&endpoint) {
                prop_assert_eq!(url.origin(), base.origin());
                let below = url.path().strip_prefix(base.url().path().trim_end_matches('/'));
                prop_assert!(below.is_some_and(|rest| rest.starts_with('/')), "{}", url);
                let climbs = url.path_segments().into_iter().flatten().any(|segment| segment == "..");
                prop_assert!(!climbs && url.query().is_none() && url.fragment().is_none(), "{}", url);
                prop_assert!(url.username().is_empty() && url.password().is_none(), "{}", url);
            }
        }

        #[test]
        fn any_text_is_a_base_url_or_refused(text in prop_oneof![any::<String>(), "https?:[/\\\\]{0,3}[a-z0-9@:.%\\[\\]?#-]{0,24}"]) {
            if let Ok(base) = BaseUrl::parse(&text) {
                prop_assert_eq!(base.as_str(), &text);
                prop_assert!(matches!(base.url().scheme(), "http" | "https") && base.url().host().is_some());
                prop_assert!(base.url().username().is_empty() && base.url().password().is_none());
                prop_assert!(base.url().query().is_none() && base.url().fragment().is_none());
            }
        }
    }
}
