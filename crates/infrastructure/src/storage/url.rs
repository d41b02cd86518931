//! Where the store is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use url::Url;

/// The parameters of a PostgreSQL URL that are read. Any other is refused: it would be ignored, and a mistyped one may
/// hold what must not be logged.
const PARAMETERS: [&str; 11] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
];

/// A database URL: `sqlite://PATH` for the embedded store, `postgres://USER@HOST/DATABASE` for PostgreSQL. Shown
/// without its password.
#[derive(Clone)]
pub struct DatabaseUrl(pub(super) Place);

#[derive(Clone)]
pub(super) enum Place {
    Postgres(Box<PgConnectOptions>),
    Sqlite(PathBuf),
}

/// What is wrong with a database URL. Says what would be right, and repeats nothing of the URL: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must read `sqlite://PATH` or `postgres://USER@HOST/DATABASE`; {0}")]
pub struct InvalidDatabaseUrl(String);

impl DatabaseUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`InvalidDatabaseUrl`].
    pub fn parse(url: &str) -> Result<Self, InvalidDatabaseUrl> {
        let place = if url.starts_with("sqlite:") {
            sqlite(url).map(Place::Sqlite)
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            postgres(url).map(|options| Place::Postgres(Box::new(options)))
        } else {
            Err("this one begins otherwise".to_owned())
        };
        place.map(Self).map_err(InvalidDatabaseUrl)
    }

    /// The file of the embedded store; its directory has to exist before the store is opened.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        match &self.0 {
            Place::Sqlite(path) => Some(path),
            Place::Postgres(_) => None,
        }
    }
}

fn sqlite(url: &str) -> Result<PathBuf, String> {
    if url.contains(":memory:") {
        return Err("a store in memory cannot be shared by the connections of this service, name a file".to_owned());
    }
    if url.contains('?') {
        return Err("the embedded store takes no parameters; write a `?` in its path as `%3F`".to_owned());
    }
    let options =
        SqliteConnectOptions::from_str(url).map_err(|_| "its path is not percent-encoded UTF-8".to_owned())?;
    let path = options.get_filename().to_owned();
    if path.as_os_str().is_empty() { Err("this one has no path".to_owned()) } else { Ok(path) }
}

fn postgres(url: &str) -> Result<PgConnectOptions, String> {
    let url = Url::parse(url).map_err(|error| format!("this one cannot be read: {error}"))?;
    if url.query_pairs().any(|(name, _)| !PARAMETERS.contains(&name.as_ref())) {
        return Err(format!("its parameters can be {}", PARAMETERS.join(", ")));
    }
    let options = PgConnectOptions::from_url(&url).map_err(|_| "one of its parameters has no such value".to_owned())?;
    let named = options.get_application_name().is_some();
    Ok(if named { options } else { options.application_name("connectors") })
}

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(url: &str) -> Result<Self, InvalidDatabaseUrl> {
        Self::parse(url)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Sqlite(path) => write!(formatter, "sqlite://{}", path.display()),
            Place::Postgres(options) => {
                write!(
                    formatter,
                    "postgres://{}@{}:{}",
                    options.get_username(),
                    options.get_host(),
                    options.get_port()
                )?;
                options.get_database().map_or(Ok(()), |database| write!(formatter, "/{database}"))
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_are_picked_by_their_scheme() {
        for (url, shown) in [
            ("sqlite://data/connectors.db", "sqlite://data/connectors.db"),
            ("sqlite:///var/lib/a%20b.db", "sqlite:///var/lib/a b.db"),
            ("postgres://me:hunter2@db.example:6432/esg?sslmode=verify-full", "postgres://me@db.example:6432/esg"),
            ("postgresql://me@db.example/esg", "postgres://me@db.example:5432/esg"),
        ] {
            let parsed = DatabaseUrl::parse(url).expect(url);
            assert_eq!(parsed.to_string(), shown);
            assert!(!format!("{parsed:?}").contains("hunter2"));
        }
        assert_eq!(
            DatabaseUrl::parse("sqlite://data/c.db").expect("a URL").sqlite_path(),
            Some(Path::new("data/c.db"))
        );
    }

    #[test]
    fn a_refused_url_says_what_would_be_right_and_keeps_its_password_to_itself() {
        for url in [
            "",
            "hunter2",
            "data/connectors.db",
            "mysql://root:hunter2@db/esg",
            "sqlite:",
            "sqlite::memory:",
            "sqlite://data/c.db?mode=hunter2",
            "postgres://me:hunter2@db:port/esg",
            "postgres://me:hunter2@db:99999/esg",
            "postgres://me:x@db/esg?pasword=hunter2",
            "postgres://me:x@db/esg?sslmode=hunter2",
        ] {
            let message = DatabaseUrl::parse(url).expect_err(url).to_string();
            assert!(
                message.contains("sqlite://PATH") && message.contains("postgres://USER@HOST/DATABASE"),
                "{message}"
            );
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
