//! What `connectors demo` presumes: a store and secrets apart from the service's own, and a log that leaves the screen
//! to the outcomes. Every source overrides it as it overrides a default.

use super::fault::Origin;
use super::keys;
use super::raw::Raw;
use super::secret_stores::DEFAULT_STORE;
use super::settings::Settings;

const DATABASE_URL: &str = "sqlite://data/demo/connectors.db";
const SECRETS: &str = "data/demo/secrets";
const LOG_LEVEL: &str = "warn";

/// Lays the demo's defaults over those of the keys.
pub(super) fn presume(settings: &mut Settings) {
    for (key, value) in [(&keys::DATABASE_URL, DATABASE_URL), (&keys::LOG_LEVEL, LOG_LEVEL)] {
        settings.set(key, Raw::Word(value.to_owned()), Origin::Default);
    }
    settings.store(DEFAULT_STORE, &Origin::Default).set("path", Raw::Word(SECRETS.to_owned()), Origin::Default);
}
