//! Every key there is. `docs/configuration.md` describes them, and a test at the foot holds the two together.

/// The prefix of every environment variable that this program reads.
pub(crate) const PREFIX: &str = "CONNECTORS_";

/// The variable that names the file, as `--config` does.
pub(crate) const FILE_VARIABLE: &str = "CONNECTORS_CONFIG";

/// The section whose tables are named by the deployment.
pub(crate) const STORES: &str = "secret_stores";

/// The members of such a table.
pub(crate) const STORE_MEMBERS: &[&str] = &[
    "kind",
    "path",
    "prefix",
    "address",
    "mount",
    "namespace",
    "auth",
    "auth_mount",
    "token_file",
    "role_id",
    "secret_id_file",
    "role",
    "jwt_file",
    "region",
    "endpoint_url",
    "vault_url",
    "tenant_id",
    "client_id",
    "client_secret_file",
    "authority_url",
    "resource",
];

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// As in the file, sections joined with dots.
    pub path: &'static str,
    /// What counts as right, to follow "must be".
    pub expects: &'static str,
    /// The default as the environment would spell it; `None` where absence means something of its own.
    pub default: Option<&'static str>,
    /// Whether the value may hold a password, so that no message quotes it.
    pub sensitive: bool,
}

impl Key {
    const fn served(path: &'static str, expects: &'static str, default: Option<&'static str>) -> Self {
        Self { path, expects, default, sensitive: false }
    }

    /// The environment variable that overrides the key.
    pub(crate) fn variable(&self) -> String {
        variable(self.path)
    }
}

/// The environment variable for a path.
pub(crate) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace(['.', '-'], "_").to_ascii_uppercase())
}

const TRUE_OR_FALSE: &str = "`true` or `false`";

pub(crate) static LISTEN: Key =
    Key::served("listen", "an IP address with a port, such as `127.0.0.1:8080`", Some("127.0.0.1:8080"));
pub(crate) static DATABASE_URL: Key = Key {
    sensitive: true,
    ..Key::served(
        "database_url",
        "`sqlite://PATH` or `postgres://USER@HOST/DATABASE`",
        Some("sqlite://data/connectors.db"),
    )
};
pub(crate) static ALLOW_HTTP: Key = Key::served("allow_http", TRUE_OR_FALSE, Some("false"));
pub(crate) static ALLOWED_DESTINATIONS: Key =
    Key::served("allowed_destinations", "a list of CIDR ranges, addresses and host names", Some(""));
pub(crate) static REQUIRE_IF_MATCH: Key = Key::served("require_if_match", TRUE_OR_FALSE, Some("false"));
pub(crate) static INBOUND_LIMIT: Key =
    Key::served("inbound_limit_per_minute", "a number of requests from 0 (off) to 1000000", Some("600"));
pub(crate) static CORS_ALLOWED_ORIGINS: Key =
    Key::served("cors_allowed_origins", "a list of origins, such as `https://studio.example.com`", Some(""));
pub(crate) static EXTRA_CA_FILE: Key =
    Key::served("extra_ca_file", "the path of a PEM file with certificates of authorities", None);
pub(crate) static LOG_FORMAT: Key = Key::served("log_format", "`pretty` or `json`", None);
pub(crate) static LOG_LEVEL: Key =
    Key::served("log_level", "a level such as `info`, or directives such as `info,api=debug`", Some("info"));
pub(crate) static MAX_CALLS: Key =
    Key::served("execution.max_concurrent_calls", "a number of calls from 1 to 100000", Some("500"));
pub(crate) static MAX_CALLS_PER_CONNECTOR: Key =
    Key::served("execution.max_concurrent_calls_per_connector", "a number of calls from 1 to 1000", Some("25"));
pub(crate) static CIRCUIT_BREAKER: Key = Key::served("execution.circuit_breaker", TRUE_OR_FALSE, Some("true"));
pub(crate) static LOGS_DAYS: Key = Key::served("retention.logs_days", "a number of days from 1 to 36500", Some("90"));
pub(crate) static BODIES_DAYS: Key =
    Key::served("retention.bodies_days", "a number of days from 1 to 36500", Some("14"));
pub(crate) static AUTH_MODE: Key =
    Key::served("auth.mode", "`none`, `api-key`, `oidc` or `api-key+oidc`", Some("none"));
pub(crate) static AUTH_ISSUER: Key =
    Key::served("auth.issuer", "the https URL of the identity provider, as it stands in `iss` of its tokens", None);
pub(crate) static AUTH_AUDIENCE: Key =
    Key::served("auth.audience", "what stands in `aud` of tokens that are meant for this service", None);
pub(crate) static AUTH_ROLE_CLAIM: Key =
    Key::served("auth.role_claim", "the name of a claim, or a pointer such as `/realm_access/roles`", Some("roles"));
pub(crate) static AUTH_CONNECTORS_CLAIM: Key =
    Key::served("auth.connectors_claim", "the name of a claim, or a pointer such as `/realm_access/roles`", None);

const CLAIM_VALUES: &str = "a list of values of the role claim";

/// Which values of the role claim mean which role, in the order of `Role::ALL`.
pub(crate) static AUTH_ROLES: [Key; 6] = [
    Key::served("auth.roles.viewer", CLAIM_VALUES, Some("viewer")),
    Key::served("auth.roles.operator", CLAIM_VALUES, Some("operator")),
    Key::served("auth.roles.approver", CLAIM_VALUES, Some("approver")),
    Key::served("auth.roles.admin", CLAIM_VALUES, Some("admin")),
    Key::served("auth.roles.auditor", CLAIM_VALUES, Some("auditor")),
    Key::served("auth.roles.service", CLAIM_VALUES, Some("service")),
];

pub(crate) static METRICS_LISTEN: Key = Key::served(
    "metrics_listen",
    "an IP address with a port, such as `127.0.0.1:9090`, or `off`",
    Some("127.0.0.1:9090"),
);

pub(crate) static FAILED_LOGINS: Key =
    Key::served("failed_logins_per_minute", "a number of attempts from 0 (off) to 1000000", Some("20"));

/// The table.
pub(crate) static ALL: [&Key; 28] = [
    &LISTEN,
    &METRICS_LISTEN,
    &DATABASE_URL,
    &ALLOW_HTTP,
    &ALLOWED_DESTINATIONS,
    &INBOUND_LIMIT,
    &FAILED_LOGINS,
    &REQUIRE_IF_MATCH,
    &CORS_ALLOWED_ORIGINS,
    &EXTRA_CA_FILE,
    &LOG_FORMAT,
    &LOG_LEVEL,
    &MAX_CALLS,
    &MAX_CALLS_PER_CONNECTOR,
    &CIRCUIT_BREAKER,
    &AUTH_MODE,
    &AUTH_ISSUER,
    &AUTH_AUDIENCE,
    &AUTH_ROLE_CLAIM,
    &AUTH_CONNECTORS_CLAIM,
    &AUTH_ROLES[0],
    &AUTH_ROLES[1],
    &AUTH_ROLES[2],
    &AUTH_ROLES[3],
    &AUTH_ROLES[4],
    &AUTH_ROLES[5],
    &LOGS_DAYS,
    &BODIES_DAYS,
];

/// The key of that path.
pub(crate) fn find(path: &str) -> Option<&'static Key> {
    ALL.into_iter().find(|key| key.path == path)
}

/// Whether `path` is a section rather than a key.
pub(crate) fn is_section(path: &str) -> bool {
    path == STORES || ALL.into_iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// The key that an unknown path was probably meant to be: the same name in another section, or the nearest spelling.
pub(crate) fn nearest(path: &str) -> Option<&'static Key> {
    let name = path.rsplit('.').next().unwrap_or(path);
    let same_name = ALL.into_iter().find(|key| key.path.rsplit('.').next() == Some(name));
    same_name.or_else(|| nearest_by(path, |key| key.path.to_owned()))
}

/// The key that an unknown variable was probably meant to be; the prefix, which all have, says nothing.
pub(crate) fn nearest_variable(variable: &str) -> Option<&'static Key> {
    let wanted = variable.to_ascii_uppercase();
    let spelling = |key: &Key| key.variable().split_off(PREFIX.len());
    nearest_by(wanted.strip_prefix(PREFIX).unwrap_or(&wanted), spelling)
}

fn nearest_by(wanted: &str, spelling: impl Fn(&Key) -> String) -> Option<&'static Key> {
    let similarity = |key: &Key| strsim::normalized_damerau_levenshtein(wanted, &spelling(key));
    let best = ALL.into_iter().max_by(|one, other| similarity(one).total_cmp(&similarity(other)))?;
    (similarity(best) >= 0.5).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = include_str!("../../../../docs/configuration.md");

    /// The row of the reference whose first cell names the key.
    fn row(path: &str) -> Vec<&'static str> {
        let first = format!("| `{path}` |");
        let row = REFERENCE.lines().find(|line| line.starts_with(&first));
        row.unwrap_or_else(|| panic!("docs/configuration.md has no row for `{path}`")).split(" | ").collect()
    }

    #[test]
    fn the_reference_describes_every_key_as_it_is() {
        for key in ALL {
            let cells = row(key.path);
            assert_eq!(cells[1], format!("`{}`", key.variable()), "{}", key.path);
            match key.default {
                Some("") => assert_eq!(cells[2], "`[]`", "{}", key.path),
                Some(default) => assert_eq!(cells[2].replace('"', ""), format!("`{default}`"), "{}", key.path),
                None => assert!(!cells[2].is_empty(), "{}", key.path),
            }
            let unescaped = cells[3].replace("\\|", "|");
            assert!(unescaped.starts_with(key.expects), "{}: {unescaped}", key.path);
        }
        for member in STORE_MEMBERS {
            row(&format!("{STORES}.NAME.{member}"));
        }
    }

    #[test]
    fn the_reference_describes_no_key_that_does_not_exist() {
        for line in REFERENCE.lines().filter(|line| line.contains("`CONNECTORS_")) {
            let Some(path) = line.strip_prefix("| `").and_then(|rest| rest.split('`').next()) else { continue };
            let is_store = path.strip_prefix("secret_stores.NAME.").is_some_and(|name| STORE_MEMBERS.contains(&name));
            assert!(is_store || find(path).is_some(), "{path}");
        }
    }

    #[test]
    fn a_misspelt_key_has_a_nearest_one_and_nonsense_has_none() {
        let nearest = |path| nearest(path).map(|key| key.path);
        assert_eq!(nearest("listn"), Some("listen"));
        assert_eq!(nearest("auth.listen"), Some("listen"));
        assert_eq!(nearest("mode"), Some("auth.mode"));
        assert_eq!(nearest("retention.log_days"), Some("retention.logs_days"));
        assert_eq!(nearest("colour"), None);
        assert_eq!(nearest_variable("CONNECTORS_DB_URL").map(|key| key.path), Some("database_url"));
        assert!(nearest_variable("CONNECTORS_COLOUR").is_none());
    }
}
