//! Routing by the store's name.

use std::collections::BTreeMap;
use std::sync::Arc;

use application::ports::{SecretError, SecretStore};
use infrastructure::secrets::{EnvStore, SecretStores};

use super::resolve;

fn holding(value: &str) -> Arc<dyn SecretStore> {
    Arc::new(EnvStore::new("", [("KEY".to_owned(), value.to_owned())]))
}

#[tokio::test]
async fn a_reference_goes_to_the_store_that_it_names() {
    let stores = BTreeMap::from([("SecretStore".to_owned(), holding("one")), ("other".to_owned(), holding("two"))]);
    let stores = SecretStores::new(stores);
    assert_eq!(resolve(&stores, "SecretStore:key").await.as_deref(), Ok("one"));
    assert_eq!(resolve(&stores, "other:key").await.as_deref(), Ok("two"));
}

#[tokio::test]
async fn se_s_1_a_store_that_is_not_configured_is_told_with_those_that_are() {
    let stores = SecretStores::new(BTreeMap::from([("b".to_owned(), holding("")), ("a".to_owned(), holding(""))]));
    let error = resolve(&stores, "vault:key").await.expect_err("an unknown store");
    assert_eq!(error, SecretError::UnknownStore { configured: vec!["a".to_owned(), "b".to_owned()] });
    assert_eq!(error.to_string(), "no secret store of that name is configured; configured are: a, b");
}
