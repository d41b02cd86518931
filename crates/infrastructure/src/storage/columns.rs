//! How values stand in columns, where the engines differ or sqlx would choose otherwise.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use domain::json;
use serde_json::Value;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::{Database, Decode, Encode, Postgres, Sqlite, Type};
use uuid::Uuid;

/// TIMESTAMPTZ, or RFC 3339 text in UTC with exactly six fractional digits: of one width, so that it sorts by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timestamp(pub(super) DateTime<Utc>);

/// UUID, or hyphenated lower-case text, which sorts like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(pub(super) Uuid);

/// TEXT on both engines: JSONB would reorder members, rewrite numbers and refuse `\u0000`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Json(pub(super) Value);

/// 32 bytes as 64 lower-case hexadecimal digits, on both engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest(pub(super) [u8; 32]);

/// A duration in whole milliseconds, for columns that end in `_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Milliseconds(pub(super) Duration);

impl Milliseconds {
    /// The number that is stored.
    pub(super) fn count(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Moments in a list: TIMESTAMPTZ[], or a JSON array of them as [`Timestamp`] writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moments(pub(super) Vec<DateTime<Utc>>);

/// Small numbers in a list: INTEGER[], or a JSON array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counts(pub(super) Vec<i32>);

/// Stores a column type as a type that the engine knows.
macro_rules! stored_as {
    ($column:ty, $engine:ty, $known:ty, $write:expr, $read:expr) => {
        impl Type<$engine> for $column {
            fn type_info() -> <$engine as Database>::TypeInfo {
                <$known as Type<$engine>>::type_info()
            }

            fn compatible(info: &<$engine as Database>::TypeInfo) -> bool {
                <$known as Type<$engine>>::compatible(info)
            }
        }

        impl Encode<'_, $engine> for $column {
            fn encode_by_ref(&self, buffer: &mut <$engine as Database>::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
                let write: fn(&$column) -> $known = $write;
                <$known as Encode<'_, $engine>>::encode(write(self), buffer)
            }
        }

        impl<'r> Decode<'r, $engine> for $column {
            fn decode(value: <$engine as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
                let read: fn($known) -> Result<$column, BoxDynError> = $read;
                read(<$known as Decode<'r, $engine>>::decode(value)?)
            }
        }
    };
}

macro_rules! stored_alike_as {
    ($column:ty, $known:ty, $write:expr, $read:expr) => {
        stored_as!($column, Postgres, $known, $write, $read);
        stored_as!($column, Sqlite, $known, $write, $read);
    };
}

stored_as!(Timestamp, Postgres, DateTime<Utc>, |column| column.0, |known| Ok(Timestamp(known)));
stored_as!(Timestamp, Sqlite, String, |column| text_of(column.0), |known| Ok(Timestamp(
    DateTime::parse_from_rfc3339(&known)?.to_utc()
)));

stored_as!(Moments, Postgres, Vec<DateTime<Utc>>, |column| column.0.clone(), |known| Ok(Moments(known)));
stored_as!(
    Moments,
    Sqlite,
    String,
    |column| column.0.iter().map(|moment| text_of(*moment)).collect::<Value>().to_string(),
    |known| {
        let texts: Vec<String> = serde_json::from_str(&known)?;
        let moments = texts.iter().map(|text| DateTime::parse_from_rfc3339(text).map(|moment| moment.to_utc()));
        Ok(Moments(moments.collect::<Result<_, _>>()?))
    }
);

stored_as!(Counts, Postgres, Vec<i32>, |column| column.0.clone(), |known| Ok(Counts(known)));
stored_as!(Counts, Sqlite, String, |column| column.0.iter().copied().collect::<Value>().to_string(), |known| Ok(
    Counts(serde_json::from_str(&known)?)
));

stored_as!(Id, Postgres, Uuid, |column| column.0, |known| Ok(Id(known)));
stored_as!(Id, Sqlite, String, |column| column.0.hyphenated().to_string(), |known| Ok(Id(Uuid::try_parse(&known)?)));

stored_alike_as!(Json, String, |column| column.0.to_string(), |known| Ok(Json(json::parse(
    &known,
    json::Rules::LENIENT
)?)));

stored_alike_as!(Digest, String, |column| hex::encode(column.0), |known| {
    let mut bytes = [0; 32];
    hex::decode_to_slice(known, &mut bytes)?;
    Ok(Digest(bytes))
});

stored_alike_as!(Milliseconds, i64, |column| column.count(), |known| Ok(Milliseconds(Duration::from_millis(
    known.try_into()?
))));

fn text_of(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sqlx::{Connection, SqliteConnection};

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let number = "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?(e[+-][0-9]{1,4})?"
            .prop_map(|number| Value::Number(number.parse().expect("a number")));
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            number,
            any::<String>().prop_map(Value::String),
            Just(Value::from("{\"a\":[1]}")),
            Just(Value::from("12")),
        ];
        let name = prop_oneof![
            Just("$serde_json::private::Number".to_owned()),
            Just("$serde_json::private::RawValue".to_owned()),
            any::<String>(),
        ];
        leaf.prop_recursive(8, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::vec((name.clone(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    async fn through_sqlite(value: &Value) -> Value {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.expect("connected");
        let question = sqlx::query_scalar::<_, Json>("SELECT ?").bind(Json(value.clone()));
        question.fetch_one(&mut connection).await.expect("read").0
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn json_is_read_as_it_was_written(value in any_value()) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let read = runtime.block_on(through_sqlite(&value));
            prop_assert_eq!(read.to_string(), value.to_string());
            prop_assert_eq!(read, value);
        }
    }
}
