//! Tokens that nobody may take, of every kind that is known to have been taken somewhere.

mod forms;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::signature::{RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256};
use serde_json::{Value, json};

use super::keys::encode;
use super::{IdentityProvider, SigningKey, now};

const ALGORITHM: &str = "its algorithm is not accepted";
const AUDIENCE: &str = "it is meant for another audience";
const CLAIMS: &str = "its claims cannot be read";
const EXPIRED: &str = "it has expired";
const EXPIRY: &str = "its expiry cannot be read";
const HEADER: &str = "its header asks for what is not understood";
const ISSUER: &str = "it comes from another issuer";
const KEY: &str = "it is signed with an unknown key";
const MALFORMED: &str = "it is no signed JWT";
const NOT_YET: &str = "it does not count yet";
const SIGNATURE: &str = "its signature does not hold";

/// A token that is not valid.
#[derive(Debug)]
pub struct Forgery {
    /// What is wrong with it.
    pub name: String,
    /// The token.
    pub token: String,
    /// What the log says.
    pub reason: &'static str,
}

struct Collection(Vec<Forgery>);

impl Collection {
    fn add(&mut self, name: impl Into<String>, token: String, reason: &'static str) {
        self.0.push(Forgery { name: name.into(), token, reason });
    }
}

impl IdentityProvider {
    /// Forged and stale tokens, each as much like a valid one as it can be: with the claims of an admin, and signed with
    /// the provider's own key where the signature is not what is wrong.
    #[must_use]
    pub fn forgeries(&self) -> Vec<Forgery> {
        let mut all = Collection(Vec::new());
        self.algorithms(&mut all);
        self.foreign_keys(&mut all);
        self.signatures(&mut all);
        self.headers(&mut all);
        self.claims_of_others(&mut all);
        self.times(&mut all);
        self.subjects(&mut all);
        self.forms(&mut all);
        all.0
    }

    fn with_algorithm(&self, name: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let mut header = self.keys[0].header();
        header["alg"] = name.clone();
        let signed = format!("{}.{}", encode(header.to_string()), encode(self.claims(&json!({})).to_string()));
        format!("{signed}.{}", encode(sign(signed.as_bytes())))
    }

    fn algorithms(&self, all: &mut Collection) {
        let rsa = &self.keys[0];
        for name in [json!("none"), json!("None"), json!("NONE"), json!("nOnE"), json!("")] {
            all.add(format!("alg {name} without a signature"), self.with_algorithm(&name, |_| Vec::new()), ALGORITHM);
            all.add(
                format!("alg {name} with a signature"),
                self.with_algorithm(&name, |text| rsa.sign(text)),
                ALGORITHM,
            );
        }
        for name in
            [json!(null), json!(256), json!(["RS256"]), json!({ "RS256": true }), json!("rs256"), json!("RS256 ")]
        {
            all.add(format!("alg {name}"), self.with_algorithm(&name, |text| rsa.sign(text)), ALGORITHM);
        }
        for name in ["ES384", "ES512", "ES256K", "EdDSA\0", "Ed448", "RSA-OAEP", "dir"] {
            all.add(format!("alg {name}"), self.with_algorithm(&json!(name), |text| rsa.sign(text)), ALGORITHM);
        }
        let pss = |text: &[u8]| rsa.sign_rsa(&RSA_PSS_SHA256, text);
        all.add("PS256", self.with_algorithm(&json!("PS256"), pss), ALGORITHM);
        all.add("PS256 called RS256", self.with_algorithm(&json!("RS256"), pss), SIGNATURE);
        let (sha384, sha512) =
            (|text: &[u8]| rsa.sign_rsa(&RSA_PKCS1_SHA384, text), |text: &[u8]| rsa.sign_rsa(&RSA_PKCS1_SHA512, text));
        all.add("RS384", self.with_algorithm(&json!("RS384"), sha384), ALGORITHM);
        all.add("RS512", self.with_algorithm(&json!("RS512"), sha512), ALGORITHM);
        all.add("RS512 called RS256", self.with_algorithm(&json!("RS256"), sha512), SIGNATURE);
        self.public_keys_as_secrets(all);
    }

    /// The public key, which everybody has, as the secret of an HMAC.
    fn public_keys_as_secrets(&self, all: &mut Collection) {
        let der = self.keys[0].public_der();
        let label = "RSA PUBLIC KEY";
        let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(&der));
        let jwk = self.keys[0].jwk();
        let modulus = jwk["n"].as_str().unwrap_or_default().as_bytes().to_vec();
        let secrets =
            [("PEM", pem.into_bytes()), ("DER", der), ("JWK", jwk.to_string().into_bytes()), ("modulus", modulus)];
        for (form, secret) in secrets {
            for (name, algorithm) in
                [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
            {
                let key = hmac::Key::new(algorithm, &secret);
                let sign = |text: &[u8]| hmac::sign(&key, text).as_ref().to_vec();
                all.add(
                    format!("{name} with the public key in {form}"),
                    self.with_algorithm(&json!(name), sign),
                    ALGORITHM,
                );
                all.add(
                    format!("{name} in {form} called RS256"),
                    self.with_algorithm(&json!("RS256"), sign),
                    SIGNATURE,
                );
            }
        }
    }

    fn foreign_keys(&self, all: &mut Collection) {
        let [rsa, ec, ed] = &self.keys;
        let claims = self.claims(&json!({}));
        for other in [SigningKey::other_rsa(rsa.id()), SigningKey::p256(ec.id()), SigningKey::ed25519(ed.id())] {
            all.add(format!("another {} key with the same kid", other.algorithm()), other.token(&claims), SIGNATURE);
        }
        for (signer, named) in [(rsa, ec), (rsa, ed), (ec, rsa), (ec, ed), (ed, rsa), (ed, ec)] {
            let mut header = signer.header();
            header["kid"] = json!(named.id());
            let name = format!("{} under the kid of {}", signer.algorithm(), named.algorithm());
            all.add(name, signer.token_with(&header, &claims), KEY);
            header["alg"] = json!(named.algorithm());
            let name = format!("{} called {}", signer.algorithm(), named.algorithm());
            all.add(name, signer.token_with(&header, &claims), SIGNATURE);
        }
        let stranger = SigningKey::other_rsa("rsa-1");
        for id in [
            json!("rsa-2"),
            json!("RSA-1"),
            json!(" rsa-1"),
            json!("rsa-1\0"),
            json!(""),
            json!("../../../../dev/null"),
            json!("/etc/passwd"),
            json!("x' UNION SELECT 'secret' --"),
            json!("http://127.0.0.1/keys"),
            json!("$(id)"),
            json!("k".repeat(257)),
            json!(1),
            json!(null),
            json!(["rsa-1"]),
            json!({ "kid": "rsa-1" }),
        ] {
            let mut header = stranger.header();
            header["kid"] = id;
            all.add(format!("kid {}", header["kid"]), stranger.token_with(&header, &claims), KEY);
        }
        let place = format!("{}/keys", self.issuer());
        for (member, value) in [
            ("jwk", stranger.jwk()),
            ("jku", json!(place)),
            ("x5u", json!(place)),
            ("x5c", json!([STANDARD.encode(stranger.public_der())])),
        ] {
            let mut header = stranger.header();
            header[member] = value;
            all.add(format!("{member} in the header"), stranger.token_with(&header, &claims), SIGNATURE);
            header["kid"] = json!("mine");
            all.add(format!("{member} with a kid of its own"), stranger.token_with(&header, &claims), KEY);
            header.as_object_mut().expect("an object").shift_remove("kid");
            all.add(format!("{member} without a kid"), stranger.token_with(&header, &claims), SIGNATURE);
        }
    }

    fn signatures(&self, all: &mut Collection) {
        for key in &self.keys {
            let kind = key.algorithm();
            let token = key.token(&self.claims(&json!({})));
            let (signed, signature) = token.rsplit_once('.').expect("a signature");
            let mut add = |name: &str, token: String, reason| all.add(format!("{kind}: {name}"), token, reason);
            let other = key.token(&self.claims(&json!({ "sub": "ben" })));
            let (other_signed, other_signature) = other.rsplit_once('.').expect("a signature");
            add("the signature of another token", format!("{signed}.{other_signature}"), SIGNATURE);
            add("other claims under the signature", format!("{other_signed}.{signature}"), SIGNATURE);
            add("no signature", format!("{signed}."), MALFORMED);
            add("half a signature", format!("{signed}.{}", &signature[..40]), SIGNATURE);
            add("a signature that goes on", format!("{signed}.{signature}AAAA"), SIGNATURE);
            add("padding", format!("{token}=="), MALFORMED);
            let flipped = if signature.starts_with('A') { 'B' } else { 'A' };
            add("a flipped bit", format!("{signed}.{flipped}{}", &signature[1..]), SIGNATURE);
            let zeros = encode(vec![0; 64]);
            add("zeros for a signature", format!("{signed}.{zeros}"), SIGNATURE);
        }
        // Two bits of the last character mean nothing: another spelling of the same bytes.
        let token = self.keys[1].token(&self.claims(&json!({})));
        let (rest, last) = token.split_at(token.len() - 1);
        let stray = match last {
            "A" => "B",
            "Q" => "R",
            "g" => "h",
            _ => "x",
        };
        all.add("stray bits at the end", format!("{rest}{stray}"), MALFORMED);
    }

    fn headers(&self, all: &mut Collection) {
        let key = &self.keys[0];
        let claims = self.claims(&json!({}));
        for (member, value) in [
            ("crit", json!(["exp"])),
            ("crit", json!(["b64"])),
            ("crit", json!([])),
            ("crit", json!(null)),
            ("typ", json!("id_token+jwt")),
            ("typ", json!("logout+jwt")),
            ("typ", json!("dpop+jwt")),
            ("typ", json!("secevent+jwt")),
            ("typ", json!("application/json")),
            ("typ", json!(7)),
            ("typ", json!(null)),
        ] {
            let mut header = key.header();
            header[member] = value;
            all.add(format!("{member} {}", header[member]), key.token_with(&header, &claims), HEADER);
        }
        let claims = claims.to_string();
        for header in [
            r#"{"alg":"none","alg":"RS256","kid":"rsa-1"}"#,
            r#"{"alg":"RS256","kid":"rsa-2","kid":"rsa-1"}"#,
            r#"{"alg":"RS256","kid":"rsa-1"}{}"#,
            r#"["RS256"]"#,
            r#""RS256""#,
            "null",
            "",
            "{",
        ] {
            all.add(format!("the header {header}"), key.token_of(header.as_bytes(), claims.as_bytes()), MALFORMED);
        }
        all.add(
            "a header that is not UTF-8",
            key.token_of(b"{\"alg\":\"RS256\",\"x\":\"\xff\"}", claims.as_bytes()),
            MALFORMED,
        );
    }

    fn claims_of_others(&self, all: &mut Collection) {
        let issuer = self.issuer();
        for value in [
            json!("https://login.example.com/realms/esg"),
            json!(format!("{issuer}/")),
            json!(issuer.to_uppercase()),
            json!(&issuer[..issuer.len() - 1]),
            json!(format!("{issuer}\0")),
            json!(""),
            json!([issuer]),
            json!(7),
            json!({ "url": issuer }),
            json!(null),
        ] {
            all.add(format!("iss {value}"), self.token(&json!({ "iss": value })), ISSUER);
        }
        for value in [
            json!("reports"),
            json!("Connectors"),
            json!("connector"),
            json!("connectors "),
            json!("connectors reports"),
            json!(""),
            json!([]),
            json!(["reports", "account"]),
            json!([["connectors"]]),
            json!(["connectors", 7]),
            json!({ "connectors": true }),
            json!(7),
            json!(true),
            json!(null),
        ] {
            all.add(format!("aud {value}"), self.token(&json!({ "aud": value })), AUDIENCE);
        }
    }

    fn times(&self, all: &mut Collection) {
        let now = now();
        for value in [json!(now - 60), json!(now - 86_400), json!(0), json!(now.saturating_sub(45))] {
            all.add(format!("exp {value}"), self.token(&json!({ "exp": value })), EXPIRED);
        }
        for value in [
            json!(null),
            json!((now + 600).to_string()),
            json!(-1),
            json!(-1e300),
            json!(1e300),
            json!(now * 1_000),
            json!(u64::MAX),
            json!(true),
            json!([now + 600]),
            json!({ "at": now + 600 }),
            json!("never"),
            json!(""),
        ] {
            all.add(format!("exp {value}"), self.token(&json!({ "exp": value })), EXPIRY);
        }
        for value in [
            json!(now + 3_600),
            json!(now + 120),
            json!(1e300),
            json!(-1),
            json!(now.to_string()),
            json!([now]),
            json!(false),
        ] {
            all.add(format!("nbf {value}"), self.token(&json!({ "nbf": value })), NOT_YET);
        }
        let with = |member: &str| {
            let claims = self.claims(&json!({ "exp": null })).to_string();
            self.keys[0].token_of(
                self.keys[0].header().to_string().as_bytes(),
                claims.replacen('{', &format!("{{{member},"), 1).as_bytes(),
            )
        };
        for number in ["NaN", "Infinity", "0x7fffffff", "1_000_000", "+1"] {
            all.add(format!("exp {number}"), with(&format!("\"exp\":{number}")), CLAIMS);
        }
        all.add("exp 1e999", with("\"exp\":1e999"), EXPIRY);
        for member in
            [r#""exp":0,"exp":9999999999"#, r#""exp":9999999999,"sub":"root""#, r#""exp":9999999999,"aud":"x""#]
        {
            all.add(format!("a claim twice: {member}"), with(member), CLAIMS);
        }
    }
}
