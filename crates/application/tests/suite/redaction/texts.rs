//! What the redactor finds in a text, at what cost, and which names it takes for telling.

use std::time::{Duration, Instant};

use application::redaction::{Redactor, is_secret_name};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rstest::rstest;
use secrecy::SecretString;
use serde_json::json;

use super::{assert_hidden, connector, spellings};
use crate::fakes::Step;
use crate::world::{World, push};

fn redactor(values: &[&str]) -> Redactor {
    let values: Vec<SecretString> = values.iter().map(|value| SecretString::from(*value)).collect();
    Redactor::knowing(&values).expect("built")
}

#[rstest]
#[case::repetitive("Z".repeat(4096))]
#[case::repetitive_to_its_end("Z".repeat(4095) + "x")]
#[case::escaped_everywhere("~/ é*'&+".repeat(450))]
#[case::varied((0..4_096_u32).map(|n| char::from(b"aZ7-"[n.wrapping_mul(2_654_435_761) as usize >> 30])).collect())]
fn a_long_secret_costs_little_and_is_found(#[case] secret: String) {
    let begun = Instant::now();
    for _ in 0..20 {
        redactor(&[&secret]);
    }
    // Automatons over whole values took seconds each.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let redactor = redactor(&[&secret]);
    for spelling in spellings(&secret) {
        // What repeats the beginning in front of it must not hide it.
        for before in ["", "Z", "ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ", "~/ é"] {
            let clean = redactor.text(&format!("a {before}{spelling} b"));
            assert!(clean.contains("[REDACTED]") && clean.len() < 60, "{} bytes", clean.len());
        }
    }
    let begun = secret.char_indices().nth(40).map(|(at, _)| &secret[..at]).expect("long");
    assert_eq!(redactor.text(begun), begun, "its beginning alone is not the secret");
}

#[rstest]
#[case("trailing-secret-98765  ", "got trailing-secret-98765", "got [REDACTED]")]
#[case("\ttrailing-secret-98765\n", "got trailing-secret-98765.", "got [REDACTED].")]
#[case("trailing-secret-98765  ", "got trailing-secret-98765  .", "got [REDACTED]  .")]
#[case("   ", "a   b", "a   b")]
fn white_space_around_a_secret_is_none_of_it(#[case] secret: &str, #[case] text: &str, #[case] clean: &str) {
    assert_eq!(redactor(&[secret]).text(text), clean);
}

#[tokio::test]
async fn a_basic_password_is_known_without_the_white_space_around_it() {
    let world = World::new();
    let id = world.enabled(connector("Basic", &json!({}))).await;
    world.secrets.put("HR", "user:trailing-secret-98765  ");
    let answer = json!({ "echo": ["trailing-secret-98765", STANDARD.encode("trailing-secret-98765")] });
    let execution = world.executed(id, push(&json!({})), [Step::json(200, &answer)]).await;
    assert_hidden("everything", &format!("{execution:?}{}", world.storage.dump()), "trailing-secret-98765");
}

#[rstest]
#[case("ab12", "Bearer ab12", "Bearer [REDACTED]")]
#[case("ab12", "{\"a\":\"ab12\"}", "{\"a\":\"[REDACTED]\"}")]
#[case("ab12", "cab12 ab123 éab12 (ab12)", "cab12 ab123 éab12 ([REDACTED])")]
#[case("ab12", "hex 61623132 and base64 YWIxMg==", "hex [REDACTED] and base64 [REDACTED]==")]
#[case("a.a.a", "xa.a.a.a", "xa.[REDACTED]")]
#[case("a/b", "a%2Fb a\\/b", "[REDACTED] [REDACTED]")]
#[case("żółć", "to żółć", "to [REDACTED]")]
#[case("ab1", "x ab1", "x [REDACTED]")]
#[case("ab", "x ab", "x ab")]
#[case("ab", " ab\n", "[REDACTED]")]
fn a_short_secret_is_replaced_as_a_word(#[case] secret: &str, #[case] text: &str, #[case] clean: &str) {
    assert_eq!(redactor(&[secret]).text(text), clean);
}

#[rstest]
#[case(
    "Location: https://a.example/cb?access_token=LEAK&sig=LEAK&page=2",
    "Location: https://a.example/cb?access_token=[REDACTED]&sig=[REDACTED]&page=2"
)]
#[case(
    "<https://a.example/?page=2&token=LEAK>; rel=\"next\"",
    "<https://a.example/?page=2&token=[REDACTED]>; rel=\"next\""
)]
#[case("token=\"LEAK\", realm=\"r\"", "token=\"[REDACTED]\", realm=\"r\"")]
#[case("set-cookie: sid=LEAK; Path=/ LEAK\nnext: 1", "set-cookie: [REDACTED]\nnext: 1")]
#[case("Authorization: Digest a=LEAK, b=LEAK", "Authorization: [REDACTED]")]
#[case("access_token: Bearer LEAK and more", "access_token: [REDACTED] and more")]
#[case(r#"{"password":"LE\"AK\\","a":"b"}"#, r#"{"password":"[REDACTED]","a":"b"}"#)]
#[case(r#"{"body":"{\"password\":\"LE\\\"AK\",\"a\":1}"}"#, r#"{"body":"{\"password\":\"[REDACTED]\",\"a\":1}"}"#)]
#[case(r#"{"otp": 123456, "a": 1}"#, r#"{"otp": [REDACTED], "a": 1}"#)]
#[case(r#"{"otp":123456,"jwt":null}"#, r#"{"otp":[REDACTED],"jwt":null}"#)]
#[case("{\"credentials\":\n {\"a\":[\"LEAK}\"]},\"b\":1}", "{\"credentials\":\n [REDACTED],\"b\":1}")]
#[case(r#"{"credentials":{"a":"LEAK","#, r#"{"credentials":[REDACTED]"#)]
#[case(r#"{"password":"LEAK"#, r#"{"password":"[REDACTED]"#)]
#[case("Server=h;User=u;Password=LE=AK,1;Port=1", "Server=h;User=u;Password=[REDACTED];Port=1")]
#[case("{'password' => 'LEAK', 'a' => 'b'}", "{'password' => '[REDACTED]', 'a' => 'b'}")]
#[case("data[password]=LEAK&a=b", "data[password]=[REDACTED]&a=b")]
#[case("/to?u=https%3A%2F%2Fa%2F%3Fsig%3DLEAK%26page%3D2", "/to?u=https%3A%2F%2Fa%2F%3Fsig%3D[REDACTED]%26page%3D2")]
#[case("hasło_password=LEAK żółć", "hasło_password=[REDACTED] żółć")]
#[case("token::parse failed at 10:20:30", "token::parse failed at 10:20:30")]
#[case("token=&password: , nextPageToken=2 year: 2026", "token=&password: , nextPageToken=2 year: 2026")]
fn what_stands_after_a_telling_name_is_taken_out_of_free_text(#[case] text: &str, #[case] clean: &str) {
    let redactor = redactor(&[]);
    assert_eq!(redactor.text(text), clean);
    assert_eq!(redactor.text(clean), clean, "once is enough");
}

#[rstest]
#[case("token=\"")]
#[case("token=[")]
#[case("=")]
#[case("  =  ")]
#[case("\\\"token\\\":\\")]
#[case("aaaa")]
#[case("%3D")]
#[case("token=bearer ")]
fn a_hostile_text_costs_no_more_than_its_length(#[case] unit: &str) {
    let begun = Instant::now();
    let _clean = redactor(&["Z1Z1Z1Z1"]).text(&unit.repeat(1024 * 1024 / unit.len()));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

const SECRET_NAMES: &str = "
    Authorization Proxy-Authorization X-Serverless-Authorization Authentication-Info Cookie Set-Cookie X-API-Key
    X-Access-Token X-Vault-Token Private-Token X-CSRF-Token X-Auth-Token X-Amz-Signature X-Amz-Security-Token
    X-Amz-Credential X-Hub-Signature-256 Ocp-Apim-Subscription-Key x-functions-key x-goog-api-key X-Signature
    db_password DB_PASSWORD user_password newPassword password2 passwordHash passwd pwd passphrase
    aws_secret_access_key accessKey connectionString ConnectionStrings.connectionString sessionId session_id
    JSESSIONID ASP.NET_SessionId jwt id_token idToken IDToken otp sig token tokens access_tokens refreshToken
    ACCESSTOKEN clientSecret client_secret client-secret webhookSecret secret secretKey privateKey signingKey apikey
    APIKey apiKeys credential credentials csrfmiddlewaretoken authorization_code code_verifier client_assertion
    SAMLResponse smtp_pass bearer auth signature
";

const BENIGN_NAMES: &str = "
    nextPageToken pageToken next_page_token nextpagetoken continuationToken nextToken syncToken nextSyncToken cursorToken
    $skiptoken deltaToken token_type tokenType token_endpoint tokenUrl tokensUsed total_tokens maxTokens
    password_changed_at passwordChangedAt hasPassword passwordPolicy password_required signatureDate signature_required
    signatureStatus secretary secretariatName cookieConsent credentialType apiKeyName tradeSecrets keyFigure primaryKey
    foreignKey externalKey publicKey businessKey sortKey accountKey key keyword keyPerformanceIndicator monkey id
    employeeId trainingSessionId sessions authorizationStatus workAuthorization author authority authenticationMethod
    passed boardingPass passengerCount compass postalCode costCode securityCode countryCode code information string
    stringValue design designation sigFigs assignee response verifier pin pinCode ETag WWW-Authenticate Location
    X-Request-Id total_co2e scope1Emissions fte year signedBy
";

#[test]
fn the_words_of_a_name_tell() {
    let names = |list: &'static str| list.split_whitespace();
    let missed: Vec<_> = names(SECRET_NAMES).filter(|name| !is_secret_name(name)).collect();
    let wronged: Vec<_> = names(BENIGN_NAMES).filter(|name| is_secret_name(name)).collect();
    assert_eq!((missed, wronged), (vec![], vec![]));
    assert!(names(SECRET_NAMES).count() >= 40 && names(BENIGN_NAMES).count() >= 40);
}
