//! What a connector asks an authorization server for: the client credentials grant (RFC 6749 §4.4).

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::SETTINGS;
use crate::connector::endpoint::BaseUrl;
use crate::connector::text;
use crate::fault::{FaultCode, Faults, Refusal, pointer_to};

/// The most scopes of one token.
pub const MAX_SCOPES: usize = 50;

/// The longest scope and the longest client id, in bytes.
const LONGEST_WORD: usize = 256;

/// The longest audience, in characters.
const LONGEST_AUDIENCE: usize = 2_048;

/// How the client proves itself to its authorization server (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientAuthentication {
    /// With an `Authorization` header, which every authorization server has to support.
    Basic,
    /// With `client_id` and `client_secret` in the body.
    Post,
}

impl ClientAuthentication {
    /// The value as the contract spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Post => "Post",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Basic, Self::Post].into_iter().find(|way| way.as_str() == text)
    }
}

/// The settings of `OAuth2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    /// Where tokens are had; under the same rules as the base URL of the connector.
    pub token_url: BaseUrl,
    /// Who asks, unless the secret says so.
    pub client_id: Option<String>,
    /// What for; none means what the authorization server gives by itself.
    pub scopes: Vec<String>,
    /// For whom, where the authorization server wants to know.
    pub audience: Option<String>,
    /// How the client proves itself.
    pub client_authentication: ClientAuthentication,
}

impl ClientCredentials {
    /// The settings that are in force, as an object.
    #[must_use]
    pub fn settings(&self) -> Value {
        let mut members = Map::new();
        members.insert("tokenUrl".to_owned(), json!(self.token_url.as_str()));
        if let Some(id) = &self.client_id {
            members.insert("clientId".to_owned(), json!(id));
        }
        members.insert("scopes".to_owned(), json!(self.scopes));
        if let Some(audience) = &self.audience {
            members.insert("audience".to_owned(), json!(audience));
        }
        members.insert("clientAuthentication".to_owned(), json!(self.client_authentication.as_str()));
        Value::Object(members)
    }

    pub(super) fn parse(mut settings: Map<String, Value>, faults: &mut Faults) -> Option<Self> {
        let token_url = member(&mut settings, "tokenUrl", faults, token_url);
        let token_url = faults.require(&pointer_to(SETTINGS, "tokenUrl"), token_url);
        let client_id = optional(&mut settings, "clientId", faults, client_id);
        let scopes = match settings.remove("scopes") {
            None => Some(Vec::new()),
            Some(given) => scopes(&given, faults),
        };
        let audience = optional(&mut settings, "audience", faults, |given| text::line(given, LONGEST_AUDIENCE));
        let client_authentication = optional(&mut settings, "clientAuthentication", faults, client_authentication);
        let sound = super::no_settings(&settings, faults);
        let parsed = Self {
            token_url: token_url?,
            client_id: client_id.ok()?,
            scopes: scopes?,
            audience: audience.ok()?,
            client_authentication: client_authentication.ok()?.unwrap_or(ClientAuthentication::Basic),
        };
        sound.then_some(parsed)
    }
}

/// What is wrong with a member was noted.
struct AtFault;

/// A member of text; `None` when it is absent or at fault.
fn member<T>(
    settings: &mut Map<String, Value>,
    name: &str,
    faults: &mut Faults,
    parse: impl FnOnce(&str) -> Result<T, Refusal>,
) -> Option<T> {
    optional(settings, name, faults, parse).ok().flatten()
}

/// A member of text that may be absent.
fn optional<T>(
    settings: &mut Map<String, Value>,
    name: &str,
    faults: &mut Faults,
    parse: impl FnOnce(&str) -> Result<T, Refusal>,
) -> Result<Option<T>, AtFault> {
    let Some(given) = settings.remove(name) else { return Ok(None) };
    faults.check(&pointer_to(SETTINGS, name), string(&given).and_then(parse)).map(Some).ok_or(AtFault)
}

fn string(value: &Value) -> Result<&str, Refusal> {
    value.as_str().ok_or_else(|| Refusal::new(FaultCode::Type, "must be a string"))
}

fn token_url(given: &str) -> Result<BaseUrl, Refusal> {
    if given.contains(['?', '#']) {
        // The same rule as for `endpointBaseUrl`, whose explanation would speak of calls.
        return Err(Refusal::new(FaultCode::InvalidValue, "must have no query and no fragment"));
    }
    BaseUrl::parse(given)
}

/// `*VSCHAR` (RFC 6749 appendix A.1), but not empty.
fn client_id(given: &str) -> Result<String, Refusal> {
    let fits = (1..=LONGEST_WORD).contains(&given.len()) && given.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    if fits {
        Ok(given.to_owned())
    } else {
        Err(Refusal::new(FaultCode::InvalidValue, "must be 1 to 256 printable ASCII characters"))
    }
}

fn client_authentication(given: &str) -> Result<ClientAuthentication, Refusal> {
    ClientAuthentication::parse(given).ok_or_else(|| Refusal::new(FaultCode::InvalidValue, "must be `Basic` or `Post`"))
}

fn scopes(given: &Value, faults: &mut Faults) -> Option<Vec<String>> {
    let pointer = pointer_to(SETTINGS, "scopes");
    let Value::Array(elements) = given else {
        faults.push(pointer, FaultCode::Type, "must be an array of strings");
        return None;
    };
    if elements.len() > MAX_SCOPES {
        faults.push(pointer, FaultCode::OutOfRange, format!("must have at most {MAX_SCOPES} elements"));
        return None;
    }
    let mut seen = HashSet::new();
    let mut sound = true;
    let mut scopes = Vec::with_capacity(elements.len());
    for (index, element) in elements.iter().enumerate() {
        let checked = string(element).and_then(scope).and_then(|scope| {
            if seen.insert(scope) { Ok(scope) } else { Err(Refusal::new(FaultCode::Duplicate, "is given twice")) }
        });
        match faults.check(&pointer_to(&pointer, index.to_string()), checked) {
            Some(scope) => scopes.push(scope.to_owned()),
            None => sound = false,
        }
    }
    sound.then_some(scopes)
}

/// A `scope-token` (RFC 6749 §3.3).
fn scope(given: &str) -> Result<&str, Refusal> {
    let fits = (1..=LONGEST_WORD).contains(&given.len())
        && given.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    if fits {
        return Ok(given);
    }
    let detail = "must be one scope: 1 to 256 printable ASCII characters without space, `\"` and `\\`";
    Err(Refusal::new(FaultCode::InvalidValue, detail))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TOKEN_URL: &str = "https://login.example.com/token";

    fn parsed(settings: Value) -> Result<ClientCredentials, Vec<(String, &'static str)>> {
        let Value::Object(members) = settings else { panic!("an object") };
        let mut faults = Faults::new();
        let parsed = ClientCredentials::parse(members, &mut faults);
        faults
            .into_result(parsed)
            .map_err(|faults| faults.iter().map(|fault| (fault.pointer.clone(), fault.code.as_str())).collect())
    }

    #[test]
    fn settings_read_back_as_they_are_answered() {
        for settings in [
            json!({ "tokenUrl": TOKEN_URL, "scopes": [], "clientAuthentication": "Basic" }),
            json!({
                "tokenUrl": "https://login.example.com:8443/t/oauth2/v2.0/token", "clientId": "an id",
                "scopes": ["https://graph.example.com/.default", "hr.read"], "audience": "https://api.example.com/",
                "clientAuthentication": "Post"
            }),
        ] {
            let read = parsed(settings.clone()).expect("sound");
            assert_eq!(read.settings(), settings);
            assert_eq!(parsed(read.settings()), Ok(read));
        }
    }

    #[test]
    fn only_the_token_url_is_required() {
        let read = parsed(json!({ "tokenUrl": TOKEN_URL })).expect("sound");
        assert_eq!((read.client_id, read.audience, read.scopes), (None, None, Vec::new()));
        assert_eq!(read.client_authentication, ClientAuthentication::Basic);
        assert_eq!(parsed(json!({})), Err(vec![("/authenticationSettings/tokenUrl".to_owned(), "required")]));
    }

    #[rstest]
    #[case("tokenUrl", json!(null), "type")]
    #[case("tokenUrl", json!(7), "type")]
    #[case("tokenUrl", json!("not a url"), "invalid-value")]
    #[case("tokenUrl", json!("ftp://login.example.com/token"), "invalid-value")]
    #[case("tokenUrl", json!("https://ana:pw@login.example.com/token"), "invalid-value")]
    #[case("tokenUrl", json!("https://login.example.com/token?tenant=1"), "invalid-value")]
    #[case("tokenUrl", json!("https://login.example.com/token#x"), "invalid-value")]
    #[case("tokenUrl", json!("https://login.example.com:0/token"), "invalid-value")]
    #[case("tokenUrl", json!(format!("https://login.example.com/{}", "a".repeat(2_048))), "out-of-range")]
    #[case("clientId", json!(""), "invalid-value")]
    #[case("clientId", json!("ä"), "invalid-value")]
    #[case("clientId", json!("a\nb"), "invalid-value")]
    #[case("clientId", json!("a".repeat(257)), "invalid-value")]
    #[case("clientId", json!(null), "type")]
    #[case("scopes", json!("hr.read"), "type")]
    #[case("scopes", json!(null), "type")]
    #[case("scopes", json!(vec!["a"; 51]), "out-of-range")]
    #[case("scopes/1", json!(["a", "b c"]), "invalid-value")]
    #[case("scopes/0", json!([""]), "invalid-value")]
    #[case("scopes/0", json!(["a\"b"]), "invalid-value")]
    #[case("scopes/0", json!(["a\\b"]), "invalid-value")]
    #[case("scopes/0", json!(["ä"]), "invalid-value")]
    #[case("scopes/0", json!([1]), "type")]
    #[case("scopes/2", json!(["a", "A", "a"]), "duplicate")]
    #[case("audience", json!(""), "out-of-range")]
    #[case("audience", json!("a\u{0}b"), "invalid-value")]
    #[case("audience", json!("a".repeat(2_049)), "out-of-range")]
    #[case("clientAuthentication", json!("basic"), "invalid-value")]
    #[case("clientAuthentication", json!("private_key_jwt"), "invalid-value")]
    #[case("clientAuthentication", json!(1), "type")]
    #[case("clientSecret", json!("x"), "unknown-member")]
    fn a_setting_has_its_type_and_its_bounds(#[case] pointer: &str, #[case] value: Value, #[case] code: &'static str) {
        let name = pointer.split('/').next().expect("a name");
        let mut settings = json!({ "tokenUrl": TOKEN_URL });
        settings[name] = value;
        assert_eq!(parsed(settings), Err(vec![(format!("/authenticationSettings/{pointer}"), code)]));
    }

    #[test]
    fn all_faults_are_found_at_once() {
        let found = parsed(json!({ "clientId": 1, "scopes": ["a b", "c", "c"], "audience": 2, "realm": "x" }));
        let pointers: Vec<String> = found.expect_err("refused").into_iter().map(|(pointer, _)| pointer).collect();
        let expected = ["tokenUrl", "clientId", "scopes/0", "scopes/2", "audience", "realm"];
        assert_eq!(pointers, expected.map(|name| format!("/authenticationSettings/{name}")));
    }
}
