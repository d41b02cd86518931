//! Raw secrets in texts where only references belong (SE-S-4): credentials of known shapes, and values that look like
//! secrets under names that tell of one. Ordinary ids, hashes, URLs and prose pass. Time is bounded, whatever the text.

mod chance;
mod draft;
mod shapes;
mod spellings;
mod telling;
mod value;

use crate::fault::{FaultCode, Refusal};

/// How much of a text is looked at, in bytes. No text of a configuration is longer; one that is gets refused for that.
const LONGEST: usize = 64 * 1024;

/// What a value under a telling name is called.
const NAMED: &str = "a secret under a name that tells of one";

/// The kind of secret that `text` holds, for a person: `a GitHub token`. The text is read as it stands, and as it was
/// before it was URL-encoded, put into JSON, or broken into lines.
#[must_use]
pub fn find(text: &str) -> Option<&'static str> {
    find_by(shapes::find, text)
}

/// As [`find`] for a text that stands where an id belongs. Some issuers draw ids as others draw secrets, so that only
/// what has a mark of its own is one here.
#[must_use]
pub fn find_in_id(text: &str) -> Option<&'static str> {
    find_by(shapes::find_marked, text)
}

fn find_by(shape: impl Fn(&str) -> Option<&'static str>, text: &str) -> Option<&'static str> {
    let text = &text[..text.floor_char_boundary(LONGEST)];
    spellings::of(text).iter().find_map(|text| shape(text).or_else(|| telling::is_within(text).then_some(NAMED)))
}

/// As [`find`] for a text that stands under `name`, which may tell of a secret.
#[must_use]
pub fn find_under(name: &str, text: &str) -> Option<&'static str> {
    find(text).or_else(|| (telling::tells(name) && is_secret(text)).then_some(NAMED))
}

/// As [`find`] for a text that stands where a reference to a secret belongs.
#[must_use]
pub fn find_for_reference(text: &str) -> Option<&'static str> {
    find(text).or_else(|| is_secret(text).then_some("a secret itself"))
}

fn is_secret(text: &str) -> bool {
    value::is_secret(&text[..text.floor_char_boundary(LONGEST)], value::Tie::Assigned)
}

/// Passes a text on that holds no secret.
///
/// # Errors
/// `raw-secret-detected`, with what to do instead, and without the text.
pub fn refuse(text: &str) -> Result<(), Refusal> {
    find(text).map_or(Ok(()), |kind| Err(refusal(kind)))
}

fn refusal(kind: &str) -> Refusal {
    let detail = format!(
        "looks like {kind}, and this is no place for one: put it into a secret store and refer to it in \
         `authenticationSecretRef`, as in `SecretStore:HR-ApiKey`. It was not kept; renew it if others may have seen it"
    );
    Refusal::new(FaultCode::RawSecretDetected, detail)
}
