//! AWS Secrets Manager: the official client against moto's server, and against a socket for answers that moto never gives.

use std::time::{Duration, Instant};

use application::ports::{SecretError, SecretStore};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use domain::secret_ref::SecretRef;
use infrastructure::http::TrustedRoots;
use infrastructure::secrets::{AwsSettings, AwsStore, CachedStore};
use rstest::rstest;
use serde_json::json;
use test_support::Moto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{not_found, resolve};

const KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn store_at(url: &str, (id, secret): (&str, &str)) -> AwsStore {
    let settings = AwsSettings {
        region: Some("eu-central-1".to_owned()),
        endpoint_url: Some(url.parse().expect("a URL")),
        prefix: "connectors/".to_owned(),
        roots: TrustedRoots::default(),
    };
    let credentials = SharedCredentialsProvider::new(Credentials::new(id, secret, None, None, "test"));
    AwsStore::new(settings).expect("a store").with_credentials(credentials)
}

fn store(moto: &Moto) -> AwsStore {
    store_at(&moto.url(), ("AKIAIOSFODNN7EXAMPLE", KEY))
}

/// Why it is unavailable, after what every such text begins with.
async fn unavailable(store: &dyn SecretStore, reference: &str) -> String {
    match resolve(store, reference).await {
        Err(SecretError::Unavailable(text)) => {
            assert!(!text.contains(KEY), "{text}");
            let start = format!("the secret `{reference}` could not be read: ");
            text.strip_prefix(&start).unwrap_or_else(|| panic!("{text}")).to_owned()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn se_s_2_a_secret_of_aws_is_found_by_name_field_and_version() {
    let moto = Moto::start();
    let store = store(&moto);
    moto.create("connectors/hr/api-key", r#"{"user":"svc","key":"first"}"#);
    let second = moto.put("connectors/hr/api-key", r#"{"user":"svc","key":"second"}"#);
    assert_eq!(resolve(&store, "aws:hr/api-key#key").await.as_deref(), Ok("second"));
    assert_eq!(resolve(&store, "aws:hr/api-key").await.as_deref(), Ok(r#"{"user":"svc","key":"second"}"#));
    assert_eq!(resolve(&store, "aws:hr/api-key#key@AWSPREVIOUS").await.as_deref(), Ok("first"));
    let third = moto.put("connectors/hr/api-key", r#"{"key":"third"}"#);
    assert_ne!(second, third);
    assert_eq!(resolve(&store, &format!("aws:hr/api-key#key@{second}")).await.as_deref(), Ok("second"));
    assert_eq!(resolve(&store, "aws:hr/api-key#key").await.as_deref(), Ok("third"));

    let no_field = not_found("the secret `aws:hr/api-key#user` has no such field");
    assert_eq!(resolve(&store, "aws:hr/api-key#user").await, no_field);
}

#[tokio::test]
async fn se_s_2_what_aws_does_not_have_as_text_is_not_found() {
    let moto = Moto::start();
    let store = store(&moto);
    // Only the prefix is looked at.
    moto.create("hr", "of somebody else");
    assert_eq!(resolve(&store, "aws:hr").await, not_found("the secret `aws:hr` does not exist"));

    moto.create("connectors/erp", "value");
    for version in ["AWSPREVIOUS", "00000000-0000-0000-0000-000000000000"] {
        let text = format!("the secret `aws:erp@{version}` does not exist, or not in that version");
        assert_eq!(resolve(&store, &format!("aws:erp@{version}")).await, not_found(&text));
    }
    moto.secrets("DeleteSecret", &json!({ "SecretId": "connectors/erp" }));
    assert_eq!(resolve(&store, "aws:erp").await, not_found("the secret `aws:erp` is marked for deletion"));

    moto.secrets("CreateSecret", &json!({ "Name": "connectors/binary", "SecretBinary": "AAEC" }));
    let binary = not_found("the secret `aws:binary` is binary, and only text can be used");
    assert_eq!(resolve(&store, "aws:binary").await, binary);
}

#[tokio::test]
async fn se_s_2_aws_denies_whoever_has_no_right() {
    let moto = Moto::start();
    moto.create("connectors/erp", "value");
    let (id, secret) = moto.judge_rights();
    let store = store_at(&moto.url(), (&id, &secret));
    assert_eq!(
        unavailable(&store, "aws:erp").await,
        "the store denies it; see that the service's role allows `secretsmanager:GetSecretValue` on it, and \
         `kms:Decrypt` on a key of your own",
    );
}

#[tokio::test]
async fn se_s_2_aws_that_is_away_is_said_at_once() {
    let mut moto = Moto::start();
    let store = store(&moto);
    moto.create("connectors/erp", "value");
    assert_eq!(resolve(&store, "aws:erp").await.as_deref(), Ok("value"));
    moto.end();
    let away =
        "the store cannot be reached; see the log, `secret_stores.aws.region` and `secret_stores.aws.endpoint_url`";
    assert_eq!(unavailable(&store, "aws:erp").await, away);
}

#[tokio::test]
async fn se_s_2_aws_that_is_silent_is_given_up_after_5_s() {
    let moto = Moto::start();
    let store = store(&moto);
    moto.fall_silent();
    let begun = Instant::now();
    assert_eq!(unavailable(&store, "aws:erp").await, "the store did not answer within 5 s");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn se_s_6_a_rotated_secret_of_aws_is_seen_when_an_upstream_refuses_the_old_one() {
    let moto = Moto::start();
    let store = CachedStore::remote(std::sync::Arc::new(store(&moto)));
    moto.create("connectors/erp", "old");
    let reference = SecretRef::parse("aws:erp").expect("a reference");
    let held = store.resolve(&reference).await.expect("a secret");
    moto.put("connectors/erp", "new");
    assert_eq!(resolve(&store, "aws:erp").await.as_deref(), Ok("old"), "it is cached");
    store.renew(&reference, &held).await.expect("a secret");
    assert_eq!(resolve(&store, "aws:erp").await.as_deref(), Ok("new"));
}

/// A server that answers every request with this.
async fn answering(status: u16, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = format!(
        "HTTP/1.1 {status} Scripted\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len(),
    );
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 8192];
            if stream.read(&mut request).await.is_ok() {
                stream.write_all(answer.as_bytes()).await.ok();
                stream.shutdown().await.ok();
            }
        }
    });
    url
}

#[rstest]
#[case::expired(
    400,
    "ExpiredTokenException",
    "the store refuses the service's AWS credentials; see that they are current, and the clock"
)]
#[case::unknown(
    400,
    "UnrecognizedClientException",
    "the store refuses the service's AWS credentials; see that they are current, and the clock"
)]
#[case::throttled(400, "ThrottlingException", "the store throttles the service; try again later")]
#[case::too_many(429, "TooManyRequestsException", "the store throttles the service; try again later")]
#[case::encrypted(
    400,
    "DecryptionFailure",
    "the store cannot decrypt it; see that its KMS key is enabled and that the service's role allows `kms:Decrypt` on it"
)]
#[case::failing(500, "InternalServiceError", "the store answered with the status 500; see the log")]
#[tokio::test]
async fn se_s_2_a_refusal_of_aws_is_named(#[case] status: u16, #[case] code: &str, #[case] expected: &str) {
    let body = json!({ "__type": code, "message": format!("about {KEY}") }).to_string();
    let store = store_at(&answering(status, &body).await, ("AKIAIOSFODNN7EXAMPLE", KEY));
    assert_eq!(unavailable(&store, "aws:erp").await, expected);
}

#[rstest]
#[case::no_json("<html>Welcome</html>")]
#[case::longer_than_any_secret(&"x".repeat(600 * 1024))]
#[tokio::test]
async fn se_s_2_what_is_no_aws_is_said_and_not_quoted(#[case] body: &str) {
    let store = store_at(&answering(200, body).await, ("AKIAIOSFODNN7EXAMPLE", KEY));
    let expected = "what answered is no AWS Secrets Manager; see the log and `secret_stores.aws.endpoint_url`";
    assert_eq!(unavailable(&store, "aws:erp").await, expected);
}
