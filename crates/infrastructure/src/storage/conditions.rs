//! The WHERE of a list whose filters are optional. Only what was asked for is in it: `$1 IS NULL OR …` would cost the
//! plan. All text comes from literals, all values are bound.

use std::fmt::Write as _;

use domain::access::Scope;
use domain::page::PageSize;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::{Database, Encode, Postgres, Sqlite, Type};

use super::columns::{Id, Timestamp};

/// A value that is bound.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Id(Id),
    Time(Timestamp),
    Number(i64),
}

/// Conditions that all have to hold.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    text: String,
    values: Vec<Value>,
    impossible: bool,
}

impl Conditions {
    /// Adds a condition with a `?` for every value.
    pub(super) fn add(&mut self, condition: &'static str, values: impl IntoIterator<Item = Value>) {
        self.text.push_str(if self.text.is_empty() { " WHERE " } else { " AND " });
        let mut parts = condition.split('?');
        self.text.push_str(parts.next().unwrap_or_default());
        for (value, part) in values.into_iter().zip(parts) {
            self.bind(value);
            self.text.push_str(part);
        }
    }

    /// Adds the condition if there is something to compare with.
    pub(super) fn add_some(&mut self, condition: &'static str, value: Option<Value>) {
        if let Some(value) = value {
            self.add(condition, [value]);
        }
    }

    /// Keeps to the connectors of `scope`. `start` is the condition up to its list, as in `id IN `.
    pub(super) fn keep_to(&mut self, scope: &Scope, start: &'static str) {
        let Scope::Only(listed) = scope else { return };
        self.impossible |= listed.is_empty();
        self.add(start, []);
        for (index, id) in listed.iter().enumerate() {
            self.text.push_str(if index == 0 { "(" } else { ", " });
            self.bind(Value::Id(Id(id.as_uuid())));
        }
        self.text.push(')');
    }

    /// The query for one page and one row more, which tells whether another page follows. `None` when no row can
    /// fulfil the conditions, so that there is nothing to ask.
    pub(super) fn page(
        mut self,
        select: &'static str,
        order: &'static str,
        size: PageSize,
    ) -> Option<(String, Vec<Value>)> {
        self.text.insert_str(0, select);
        self.text.push_str(order);
        self.text.push_str(" LIMIT ");
        self.bind(Value::Number(i64::from(size.rows()) + 1));
        (!self.impossible).then_some((self.text, self.values))
    }

    fn bind(&mut self, value: Value) {
        // PostgreSQL has no NUL in text, so nothing can be equal to it there, and nothing is anywhere.
        self.impossible |= matches!(&value, Value::Text(text) if text.contains('\0'));
        self.values.push(value);
        let _infallible = write!(self.text, "${}", self.values.len());
    }
}

macro_rules! bound_as_itself {
    ($engine:ty) => {
        impl Type<$engine> for Value {
            fn type_info() -> <$engine as Database>::TypeInfo {
                <String as Type<$engine>>::type_info()
            }
        }

        impl Encode<'_, $engine> for Value {
            fn encode_by_ref(&self, buffer: &mut <$engine as Database>::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
                match self {
                    Self::Text(text) => Encode::<$engine>::encode_by_ref(text, buffer),
                    Self::Id(id) => Encode::<$engine>::encode_by_ref(id, buffer),
                    Self::Time(time) => Encode::<$engine>::encode_by_ref(time, buffer),
                    Self::Number(number) => Encode::<$engine>::encode_by_ref(number, buffer),
                }
            }

            fn produces(&self) -> Option<<$engine as Database>::TypeInfo> {
                Some(match self {
                    Self::Text(_) => <String as Type<$engine>>::type_info(),
                    Self::Id(_) => <Id as Type<$engine>>::type_info(),
                    Self::Time(_) => <Timestamp as Type<$engine>>::type_info(),
                    Self::Number(_) => <i64 as Type<$engine>>::type_info(),
                })
            }
        }
    };
}

bound_as_itself!(Postgres);
bound_as_itself!(Sqlite);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn only_what_was_asked_for_is_in_the_text_and_every_value_is_bound() {
        let mut conditions = Conditions::default();
        conditions.add("deleted_at IS NULL", []);
        conditions.add_some("actor = ?", None);
        conditions.add_some("status = ?", Some(Value::Text("Enabled".to_owned())));
        conditions.add("(a, b) < (?, ?)", [Value::Number(1), Value::Number(2)]);
        let page = conditions.page("SELECT a FROM t", " ORDER BY a", PageSize::default());
        let (text, values) = page.expect("it can have rows");
        assert_eq!(
            text,
            "SELECT a FROM t WHERE deleted_at IS NULL AND status = $1 AND (a, b) < ($2, $3) ORDER BY a LIMIT $4"
        );
        assert_eq!(values.len(), 4);
        assert_eq!(values.last(), Some(&Value::Number(51)));
    }

    #[test]
    fn an_empty_scope_and_text_with_nul_have_no_rows() {
        let mut nobody = Conditions::default();
        nobody.keep_to(&Scope::Only(BTreeSet::new()), "id IN ");
        assert_eq!(nobody.page("", "", PageSize::default()), None);
        let mut nothing = Conditions::default();
        nothing.add_some("actor = ?", Some(Value::Text("a\0b".to_owned())));
        assert_eq!(nothing.page("", "", PageSize::default()), None);
    }
}
