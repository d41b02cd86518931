//! The sources of the configuration, and what is wrong with them.

use rstest::rstest;

use crate::support::Program;

#[test]
fn every_fault_of_every_source_is_said_with_its_place_and_what_would_be_right() {
    let program = Program::new()
        .with_file(
            "connectors.toml",
            r#"listn = "127.0.0.1:8080"
allow_http = "yes"
allowed_destinations = ["10.0.0.0/8", "http://erp"]
[auth]
mode = "oidc"
require_if_match = true
[secret_stores.SecretStore]
kind = "safe"
address = "https://vault"
[secret_stores.other]
kind = "file"
prefix = "SECRET_"
[retention]
log_days = 90
bodies_days = 0
"#,
        )
        .with("CONNECTORS_DB_URL", "postgres://me:hunter2@db/esg")
        .with("CONNECTORS_EXECUTION_CIRCUIT_BREAKER", "on");
    let ended = program.run(&["--config", "connectors.toml", "--listen", "localhost:8080"]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.stdout, "");
    let expected = r#"connectors: the configuration is wrong
  connectors.toml, line 1: there is no key `listn`; did you mean `listen`?
  connectors.toml, line 2: `allow_http` is "yes" and must be `true` or `false`
  connectors.toml, line 3: `allowed_destinations` contains "http://erp"; every entry must be a CIDR range such as `10.20.0.0/16`, an address, or a host name
  connectors.toml, line 5: this `auth.mode` needs `auth.audience`: what stands in `aud` of tokens that are meant for this service, such as `connectors`
  connectors.toml, line 5: this `auth.mode` needs `auth.issuer`: the https URL of the identity provider, as it stands in `iss` of its tokens, such as `https://login.example.com/realms/esg`
  connectors.toml, line 6: there is no key `auth.require_if_match`; did you mean `require_if_match`, which stands above the first section?
  connectors.toml, line 8: `secret_stores.SecretStore.kind` must be `file`, `env`, `vault`, `aws` or `azure`
  connectors.toml, line 10: `secret_stores.other.path` must be the path of a directory
  connectors.toml, line 12: `secret_stores.other.prefix` does not belong to a store of the kind `file`, which has `path`
  connectors.toml, line 14: there is no key `retention.log_days`; did you mean `retention.logs_days`?
  connectors.toml, line 15: `retention.bodies_days` must be a number of days from 1 to 36500
  the environment variable CONNECTORS_DB_URL: there is no such key; did you mean CONNECTORS_DATABASE_URL?
  the environment variable CONNECTORS_EXECUTION_CIRCUIT_BREAKER: `execution.circuit_breaker` is "on" and must be `true` or `false`
  the flag --listen: `listen` is "localhost:8080" and must be an IP address with a port, such as `127.0.0.1:8080`
docs/configuration.md describes every key.
"#;
    assert_eq!(ended.stderr, expected);
}

#[rstest]
#[case("listen = \"127.0.0.1:8080\"\nallow_http = \n", "line 2: this is not TOML")]
#[case("allow_http = 1", "line 1: `allow_http` must be `true` or `false`")]
#[case("listen = 8080", "line 1: `listen` must be an IP address with a port")]
#[case("[listen]\nport = 1", "line 1: `listen` must be an IP address with a port")]
#[case("auth = \"none\"", "line 1: `auth` is a section: write `[auth]`")]
#[case("[observability]", "line 1: there is no section `[observability]`")]
#[case("mode = \"none\"", "line 1: there is no key `mode`; did you mean `auth.mode` in the section `[auth]`?")]
#[case("[secret_stores]\nhr = \"data\"", "line 2: a secret store is a section: write `[secret_stores.hr]`")]
#[case("[secret_stores.\"h r\"]\nkind = \"file\"", "line 1: `h r`: a secret store is named with")]
#[case(
    "[secret_stores.hr]\npath = \"data\"",
    "line 1: `secret_stores.hr.kind` is missing; it is `file`, `env`, `vault`, `aws` or `azure`"
)]
#[case("[secret_stores.hr]\nkind = \"env\"", "line 1: `secret_stores.hr.prefix` must be what the names")]
#[case(
    "[secret_stores.hr]\nkind = \"env\"\nprefix = \"CONN\"",
    "line 3: `secret_stores.hr.prefix` covers the variables of the configuration"
)]
#[case(
    "[secret_stores.hr]\nkind = \"env\"\nprefix = \"CONNECTORS_DATABASE_\"",
    "line 3: `secret_stores.hr.prefix` covers the variables of the configuration"
)]
#[case("database_url = \"data/c.db\"", "line 1: `database_url` must read `sqlite://PATH`")]
#[case("log_level = \"verbose\"", "line 1: `log_level` is \"verbose\" and must be a level such as `info`")]
#[case("log_format = \"xml\"", "line 1: `log_format` is \"xml\" and must be `pretty` or `json`")]
#[case("[execution]\nmax_concurrent_calls = 1.5", "line 2: `execution.max_concurrent_calls` must be a number")]
fn a_wrong_line_ends_the_start(#[case] file: &str, #[case] expected: &str) {
    let ended = Program::new().with_file("c.toml", file).run(&["serve", "--config", "c.toml"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("\n  c.toml, {expected}")), "{}", ended.stderr);
}

#[rstest]
#[case("CONNECTORS_LISTN", "127.0.0.1:0", "there is no such key; did you mean CONNECTORS_LISTEN?")]
#[case("CONNECTORS_COLOUR", "blue", "there is no such key; variables that begin with CONNECTORS_ are keys")]
#[case("CONNECTORS_LISTEN", "", "`listen` is empty; give it a value, or do not set it")]
#[case("CONNECTORS_SECRET_STORES_HR_PATH", "x", "the variable names no member (`kind`, `path`, `prefix`, `address`")]
#[case("CONNECTORS_SECRET_STORES_SECRETSTORE_KIND", "gcp", "`secret_stores.SecretStore.kind` must be `file`, `env`")]
#[case("CONNECTORS_CONFIG", "missing.toml", "cannot read the file missing.toml: No such file or directory")]
fn a_wrong_variable_ends_the_start(#[case] name: &str, #[case] value: &str, #[case] expected: &str) {
    let ended = Program::new().with(name, value).run(&["serve"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("\n  the environment variable {name}: {expected}")), "{}", ended.stderr);
}

#[test]
fn a_wrong_line_does_not_hide_behind_a_right_variable() {
    let program = Program::new().with_file("c.toml", "allow_http = 1").with("CONNECTORS_ALLOW_HTTP", "true");
    assert_eq!(program.run(&["migrate", "--config", "c.toml"]).code, Some(2));
}

#[test]
fn the_file_overrides_the_default_the_environment_the_file_and_a_flag_both() {
    let store = |program: &Program, arguments: &[&str]| {
        let stderr = program.run(arguments).stderr;
        let (_, rest) = stderr.rsplit_once("The store sqlite://").expect("a note");
        rest.split(' ').next().expect("a path").to_owned()
    };
    let program = Program::new().with_file("c.toml", "database_url = \"sqlite://file.db\"");
    assert_eq!(store(&program, &["migrate"]), "data/connectors.db");
    assert_eq!(store(&program, &["--config", "c.toml", "migrate"]), "file.db");
    assert_eq!(store(&program, &["migrate", "--config", "c.toml"]), "file.db");
    let program = program.with("CONNECTORS_CONFIG", "c.toml");
    assert_eq!(store(&program, &["migrate"]), "file.db");
    let program = program.with("CONNECTORS_DATABASE_URL", "sqlite://variable.db");
    assert_eq!(store(&program, &["migrate"]), "variable.db");
    assert_eq!(store(&program, &["migrate", "--database-url", "sqlite://flag.db"]), "flag.db");
    assert_eq!(store(&program, &["--database-url", "sqlite://flag.db", "migrate"]), "flag.db");
}

#[test]
fn the_environment_reaches_every_key_with_one_underscore_or_two() {
    let program = Program::new()
        .with("CONNECTORS_AUTH__MODE", "api-key")
        .with("CONNECTORS_LISTEN", "0.0.0.0:0")
        .with("CONNECTORS_ALLOWED_DESTINATIONS", "10.20.0.0/16, erp.internal")
        .with("CONNECTORS_REQUIRE_IF_MATCH", "true")
        .with("CONNECTORS_EXECUTION_MAX_CONCURRENT_CALLS", "10")
        .with("CONNECTORS_SECRET_STORES_SECRETSTORE_KIND", "env")
        .with("CONNECTORS_SECRET_STORES_SECRETSTORE_PREFIX", "CONNECTORS_SECRET_")
        .with("CONNECTORS_SECRET_HR", "a secret of that store, and no key")
        .with("CONNECTORS_SERVICE_HOST", "10.96.0.7")
        .with("CONNECTORS_PORT", "tcp://10.96.0.7:8080")
        .with("OTHER", "is not ours");
    program.succeed(&["migrate"]);
}

#[rstest]
#[case("client-secret", "../x", Some(2))]
#[case("client-secret", "a/b", Some(2))]
#[case("client-secret", "contoso..com", Some(2))]
#[case("workload-identity", "x?y=", Some(2))]
#[case("client-secret", "72f988bf-86f1-41af-91ab-2d7cd011db47", Some(0))]
#[case("workload-identity", "contoso.onmicrosoft.com", Some(0))]
fn the_directory_of_azure_is_one_segment_of_a_path(
    #[case] auth: &str,
    #[case] tenant: &str,
    #[case] code: Option<i32>,
) {
    let mut program = Program::new();
    let file = if auth == "client-secret" { "client_secret_file" } else { "token_file" };
    for (member, value) in [
        ("kind", "azure"),
        ("vault_url", "https://contoso.vault.azure.net"),
        ("auth", auth),
        ("tenant_id", tenant),
        ("client_id", "6e3c1f5a-2f0b-4a57-9d55-1c0d1a0b7f11"),
        (file, "proof"),
    ] {
        program = program.with(&format!("CONNECTORS_SECRET_STORES_SECRETSTORE_{}", member.to_uppercase()), value);
    }
    let ended = program.run(&["migrate"]);
    assert_eq!(ended.code, code, "{}", ended.stderr);
    assert_eq!(ended.stderr.contains("the id of the directory"), code == Some(2), "{}", ended.stderr);
}

#[test]
fn two_spellings_of_one_variable_are_a_fault() {
    let program = Program::new().with("CONNECTORS_AUTH__MODE", "none").with("CONNECTORS_AUTH_MODE", "api-key");
    let ended = program.run(&["migrate"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("are the same key; set one of them"), "{}", ended.stderr);
}

#[rstest]
#[case("0.0.0.0:8080", Some(2))]
#[case("[::]:8080", Some(2))]
#[case("192.168.1.7:8080", Some(2))]
#[case("[::ffff:10.0.0.1]:8080", Some(2))]
#[case("127.0.0.1:8080", Some(0))]
#[case("127.1.2.3:8080", Some(0))]
#[case("[::1]:8080", Some(0))]
#[case("[::ffff:127.0.0.1]:8080", Some(0))]
fn without_authentication_only_loopback_is_listened_on(#[case] listen: &str, #[case] code: Option<i32>) {
    let ended = Program::new().with("CONNECTORS_LISTEN", listen).run(&["migrate"]);
    assert_eq!(ended.code, code, "{}", ended.stderr);
    if code == Some(2) {
        for advice in ["`auth.mode` to `api-key`", "`connectors keys create`", "listen on 127.0.0.1", listen] {
            assert!(ended.stderr.contains(advice), "{}", ended.stderr);
        }
    }
    let with_keys = Program::new().with("CONNECTORS_LISTEN", listen).with("CONNECTORS_AUTH_MODE", "api-key");
    assert_eq!(with_keys.run(&["migrate"]).code, Some(0));
}

/// Nothing listens on port 1.
#[rstest]
#[case("postgres://me:hunter2@127.0.0.1:1/esg")]
#[case("postgres://me@127.0.0.1:1/esg?password=hunter2")]
#[case("postgres://me:1/hunter2@127.0.0.1:1/esg")]
#[case("postgres://me:x@127.0.0.1:1/esg?pasword=hunter2")]
#[case("mysql://me:hunter2@127.0.0.1:1/esg")]
fn a_password_is_never_printed(#[case] url: &str) {
    let file = format!("database_url = \"{url}\"");
    for program in [
        Program::new().with("CONNECTORS_DATABASE_URL", url),
        Program::new().with("CONNECTORS_DATABASE_URL", url).with("CONNECTORS_LISTEN", "wrong"),
        Program::new().with_file("c.toml", &file).with("CONNECTORS_CONFIG", "c.toml"),
        Program::new().with_file("c.toml", &format!("{file} x")).with("CONNECTORS_CONFIG", "c.toml"),
    ] {
        let ended = program.with("CONNECTORS_LOG_LEVEL", "trace,sqlx=trace").run(&["serve"]);
        assert_ne!(ended.code, Some(0));
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}

#[rstest]
#[case("issuer = \"http://login.example.com\"", "line 3: `auth.issuer` is plain `http`")]
#[case("issuer = \"login.example.com\"", "line 3: `auth.issuer` is \"login.example.com\" and must be the https URL")]
#[case("issuer = \"https://login.example.com\"", "line 2: this `auth.mode` needs `auth.audience`")]
#[case("role_claim = \"realm_access.roles\"", "line 3: `auth.role_claim` must be a pointer")]
#[case("role_claim = [\"roles\"]", "line 3: `auth.role_claim` must be the name of a claim")]
#[case("roles.admin = [\"boss\"]\nroles.operator = [\"boss\"]", "which is the role `operator` already")]
#[case("roles.boss = [\"boss\"]", "line 3: there is no key `auth.roles.boss`")]
#[case("roles = \"admin\"", "line 3: `auth.roles` is a section")]
fn what_is_wrong_with_an_identity_provider_is_said(#[case] line: &str, #[case] said: &str) {
    let program = Program::new().with_file("connectors.toml", &format!("[auth]\nmode = \"oidc\"\n{line}\n"));
    let ended = program.run(&["--config", "connectors.toml", "migrate"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[test]
fn with_an_identity_provider_any_address_may_be_listened_on() {
    let file = "[auth]\nmode = \"api-key+oidc\"\nissuer = \"https://login.example.com/realms/esg\"\naudience = \"connectors\"\n\
         role_claim = \"groups\"\n[auth.roles]\nadmin = [\"esg-admins\", \"it\"]\nviewer = []\n";
    let program = Program::new().with_file("connectors.toml", file).with("CONNECTORS_LISTEN", "0.0.0.0:8080");
    let ended = program.run(&["--config", "connectors.toml", "migrate"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
