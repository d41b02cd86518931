//! The store of environment variables.

use infrastructure::secrets::EnvStore;
use rstest::rstest;

use super::{not_found, resolve};

fn store() -> EnvStore {
    let variables = [
        ("SECRET_HR_APIKEY", "k-1"),
        ("SECRET_HR_API_KEY_2", "k-2\n"),
        ("SECRET_EMPTY", ""),
        ("SECRET_CLIENT", r#"{"clientId":"c","clientSecret":"s"}"#),
        ("PATH", "/usr/bin"),
    ];
    EnvStore::new("SECRET_", variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

#[rstest]
#[case("s:HR-ApiKey", Ok("k-1"))]
#[case("s:hr.apikey", Ok("k-1"))]
#[case("s:hr/api-key.2", Ok("k-2\n"))]
#[case("s:client#clientSecret", Ok("s"))]
#[case("s:client#other", Err("the secret `s:client#other` has no such field"))]
#[case("s:empty", Err("the secret `s:empty` is empty"))]
#[case("s:missing", Err("the secret `s:missing` does not exist"))]
#[case("s:PATH", Err("the secret `s:PATH` does not exist"))]
#[case("s:hr-apikey@2", Err("the secret `s:hr-apikey@2` names a version, and the environment keeps no versions"))]
#[tokio::test]
async fn a_name_is_a_variable_in_upper_case_behind_the_prefix(
    #[case] reference: &str,
    #[case] expected: Result<&str, &str>,
) {
    let expected = expected.map(str::to_owned).or_else(not_found);
    assert_eq!(resolve(&store(), reference).await, expected);
}
