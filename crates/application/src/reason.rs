//! Why somebody did something, in their own words; it is stored and shown, so that a secret in it is refused.

use domain::connector::parse_reason;
use domain::fault::Refusal;
use domain::raw_secret;

/// Reads a reason; a blank one is none.
///
/// # Errors
/// `raw-secret-detected`, or that it is no text of a reason.
pub(crate) fn read(given: Option<&str>) -> Result<Option<String>, Refusal> {
    given.map_or(Ok(()), raw_secret::refuse)?;
    parse_reason(given)
}
