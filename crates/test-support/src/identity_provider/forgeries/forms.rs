//! Names that mislead, and what is not put together as a token is.

use serde_json::json;

use super::super::IdentityProvider;
use super::{CLAIMS, Collection, MALFORMED, SIGNATURE};

const SUBJECT: &str = "its subject cannot be the name of an actor";
const TOO_LONG: &str = "it is too long";

impl IdentityProvider {
    pub(super) fn subjects(&self, all: &mut Collection) {
        for value in [
            json!(null),
            json!(""),
            json!(" "),
            json!(" ana"),
            json!("ana "),
            json!(7),
            json!(["ana"]),
            json!({ "name": "ana" }),
            json!("a".repeat(256)),
            json!("ana\nsecurity_event=none"),
            json!("ana\r"),
            json!("ana\0"),
            json!("\u{1b}[2Jana"),
            json!("ana\u{7f}"),
            json!("ana\u{85}"),
            json!("\u{202e}ana"),
            json!("a\u{200b}na"),
            json!("ana\u{2028}"),
            json!("\u{feff}ana"),
            json!("ana\u{3164}"),
            json!("\u{2800}"),
            json!("a\u{34f}na"),
            json!("ana\u{fe0f}"),
            json!("ana\u{e0100}"),
        ] {
            all.add(format!("sub {value}"), self.token(&json!({ "sub": value })), SUBJECT);
        }
    }

    pub(super) fn forms(&self, all: &mut Collection) {
        let key = &self.keys[0];
        let header = key.header().to_string();
        let token = self.token(&json!({}));
        let parts: Vec<&str> = token.split('.').collect();
        for (name, token) in [
            ("nonsense", "nonsense".to_owned()),
            ("one dot", ".".to_owned()),
            ("two dots", "..".to_owned()),
            ("four dots", "....".to_owned()),
            ("two parts", format!("{}.{}", parts[0], parts[1])),
            ("four parts", format!("{token}.{}", parts[2])),
            ("five parts, as encrypted tokens have", format!("{}.AAAA.AAAA.{}.{}", parts[0], parts[1], parts[2])),
            ("a dot in front", format!(".{token}")),
            ("a dot behind", format!("{token}.")),
            ("the token twice", format!("{token}{token}")),
            ("no header", format!(".{}.{}", parts[1], parts[2])),
            ("the alphabet of base64", format!("{}.{}+/.{}+/", parts[0], parts[1], parts[2])),
            ("a key of another service", format!("esgd_{}", "0".repeat(64))),
        ] {
            all.add(name, token, MALFORMED);
        }
        all.add("no claims", format!("{}..{}", parts[0], parts[2]), SIGNATURE);
        let nested = token.clone();
        for (name, payload) in [
            ("a token in the token", nested.as_bytes()),
            ("claims in a list", b"[{\"sub\":\"ana\"}]".as_slice()),
            ("a text for claims", b"\"ana\"".as_slice()),
            ("null for claims", b"null".as_slice()),
            ("nothing for claims", b"".as_slice()),
            ("claims that break off", b"{\"sub\":\"ana\"".as_slice()),
            ("claims that are not UTF-8", b"{\"sub\":\"\xff\"}".as_slice()),
            ("half a character", b"{\"sub\":\"\\ud800\"}".as_slice()),
            ("claims behind a byte order mark", b"\xef\xbb\xbf{}".as_slice()),
        ] {
            all.add(name, key.token_of(header.as_bytes(), payload), CLAIMS);
        }
        let deep = format!("{}{}", "[".repeat(20), "]".repeat(20));
        let claims = self.claims(&json!({})).to_string().replacen('{', &format!("{{\"deep\":{deep},"), 1);
        all.add("claims that are nested deeply", key.token_of(header.as_bytes(), claims.as_bytes()), CLAIMS);
        all.add("more than 8 KiB", self.token(&json!({ "padding": "x".repeat(8 * 1_024) })), TOO_LONG);
    }
}
