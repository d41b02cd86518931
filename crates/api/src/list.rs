//! Lists: `limit`, sealed cursors, and the envelope `{"items":[…],"nextCursor":…}`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::page::{Page, PageRequest, PageSize};
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;
use utoipa::{IntoParams, ToSchema};

use crate::query::Query;

/// The length of a cursor's seal, in bytes: a truncated HMAC-SHA-256.
const SEAL: usize = 16;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List<T> {
    /// The items, in the order of the list.
    pub(crate) items: Vec<T>,
    /// Send it as `cursor` for the next page; null on the last one.
    #[schema(required)]
    pub(crate) next_cursor: Option<String>,
}

/// How a list is paged.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `Cursors::page` reads")]
pub(crate) struct PageParameters {
    /// Items per page: 1 to 200, 50 by default; more is read as 200
    #[param(minimum = 1)]
    limit: Option<i64>,
    /// `nextCursor` of the page before
    cursor: Option<String>,
}

/// Seals the cursors of one list: a cursor only opens for the same list with the same filters.
pub(crate) struct Cursors<'a> {
    key: &'a [u8; 32],
    list: String,
}

impl<'a> Cursors<'a> {
    /// For the list called `list` as `query` narrows it; call it when all filters have been read.
    pub(crate) fn new(key: &'a [u8; 32], list: &str, query: &Query) -> Self {
        Self { key, list: format!("{list}?{}", query.filters()) }
    }

    /// Reads `limit` and `cursor`; `parse` reads a position that [`Self::answer`] wrote.
    pub(crate) fn page<P>(&self, query: &mut Query, parse: impl FnOnce(&str) -> Option<P>) -> PageRequest<P> {
        let size = match query.paging("limit") {
            None => PageSize::default(),
            Some(text) => limit(&text).unwrap_or_else(|| {
                query.fault("limit", "must be a whole number from 1; more than 200 is read as 200");
                PageSize::default()
            }),
        };
        let after = query.paging("cursor").and_then(|cursor| {
            let position = self.open(&cursor).and_then(|position| parse(&position));
            if position.is_none() {
                query.fault("cursor", "must be the `nextCursor` of this list with the same filters");
            }
            position
        });
        PageRequest { size, after }
    }

    /// The page as it is answered.
    pub(crate) fn answer<T, P, D>(
        &self,
        page: Page<T, P>,
        dto: impl Fn(T) -> D,
        position: impl Fn(&P) -> String,
    ) -> List<D> {
        let next_cursor = page.next.as_ref().map(|next| self.seal(&position(next)));
        List { items: page.items.into_iter().map(dto).collect(), next_cursor }
    }

    fn seal(&self, position: &str) -> String {
        let mut token = position.as_bytes().to_vec();
        token.extend_from_slice(&self.mac(position).finalize().into_bytes()[..SEAL]);
        URL_SAFE_NO_PAD.encode(token)
    }

    fn open(&self, cursor: &str) -> Option<String> {
        let token = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (position, seal) = token.split_at_checked(token.len().checked_sub(SEAL)?)?;
        let position = std::str::from_utf8(position).ok()?;
        self.mac(position).verify_truncated_left(seal).ok()?;
        Some(position.to_owned())
    }

    fn mac(&self, position: &str) -> Hmac<Sha256> {
        // HMAC itself fills a short key up to its block with zeros.
        let mut block = [0; 64];
        block[..self.key.len()].copy_from_slice(self.key);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
        mac.update(self.list.as_bytes());
        mac.update(b"\0");
        mac.update(position.as_bytes());
        mac
    }
}

fn limit(text: &str) -> Option<PageSize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than fit are more than the largest page in any case.
    if digits { PageSize::new(text.parse().unwrap_or(u64::MAX)) } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cursors<'a>(key: &'a [u8; 32], list: &str) -> Cursors<'a> {
        Cursors { key, list: list.to_owned() }
    }

    proptest! {
        #[test]
        fn a_cursor_opens_for_its_list_alone(position in any::<String>(), list in any::<String>(), other in any::<String>()) {
            let key = [7; 32];
            let sealed = cursors(&key, &list).seal(&position);
            prop_assert_eq!(cursors(&key, &list).open(&sealed), Some(position));
            prop_assert_eq!(cursors(&key, &other).open(&sealed).is_some(), other == list);
            prop_assert_eq!(cursors(&[8; 32], &list).open(&sealed), None);
        }

        #[test]
        fn a_cursor_with_a_changed_bit_does_not_open(position in ".{0,40}", at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let key = [7; 32];
            let mut token = URL_SAFE_NO_PAD.decode(cursors(&key, "logs?").seal(&position)).expect("base64");
            let at = at.index(token.len());
            token[at] ^= 1 << bit;
            prop_assert_eq!(cursors(&key, "logs?").open(&URL_SAFE_NO_PAD.encode(token)), None);
        }

        #[test]
        fn any_text_is_no_cursor(text in prop_oneof![any::<String>(), "[A-Za-z0-9_=-]{0,80}"]) {
            prop_assert_eq!(cursors(&[7; 32], "logs?").open(&text), None);
        }
    }
}
