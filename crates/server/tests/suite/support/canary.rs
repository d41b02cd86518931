//! Looking for a secret in every spelling, everywhere (SE-S-5).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use test_support::Engine::{self, Postgres, Sqlite};
use test_support::TestDatabase;

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

pub(crate) fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _infallible = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => write!(encoded, "{}", char::from(byte)),
            other => write!(encoded, "%{other:02X}"),
        };
        encoded
    })
}

/// The secret as an upstream may spell it.
pub(crate) fn spellings(secret: &str) -> Vec<String> {
    let encoded = percent_encoded(secret);
    vec![
        secret.to_owned(),
        encoded.clone(),
        encoded.to_lowercase(),
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        hex(secret),
        hex(secret).to_uppercase(),
    ]
}

/// Everything that the database holds.
pub(crate) async fn dump(engine: Engine, database: &TestDatabase) -> String {
    match engine {
        Sqlite => {
            let path = database.url().strip_prefix("sqlite://").expect("a file");
            let files = [path.to_owned(), format!("{path}-wal"), format!("{path}-journal")];
            files.iter().filter_map(|file| std::fs::read(file).ok()).map(|bytes| latin1(&bytes)).collect()
        }
        Postgres => {
            let tables = database.rows("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'").await;
            let mut dump = String::new();
            for table in tables {
                let rows = database.rows(&format!("SELECT t::text FROM {} AS t", table[0])).await;
                dump.extend(rows.into_iter().flatten());
            }
            dump
        }
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Asserts that `text` has no spelling of a secret, base64 within other base64 included.
pub(crate) fn assert_clean(place: &str, text: &str, secrets: &[&str]) {
    for secret in secrets {
        for spelling in spellings(secret) {
            assert!(!text.contains(&spelling), "{place} has {spelling}");
        }
    }
}
