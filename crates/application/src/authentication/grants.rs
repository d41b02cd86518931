//! What the claims of a token mean here: a role, and for the role `service` its connectors.

use std::collections::BTreeSet;

use domain::access::{Role, Scope};
use domain::fault::{FaultCode, Refusal};
use domain::id::ConnectorId;
use serde_json::{Map, Value};

/// The most values of a claim that are looked at. Large directories put hundreds of groups into a token.
const MOST_VALUES: usize = 1_000;

/// Where a claim stands: its name, or an RFC 6901 pointer to one within another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath(String);

impl ClaimPath {
    /// Reads a place: what begins with `/` is a pointer, anything else the name of a claim as it is.
    ///
    /// # Errors
    /// `invalid-value`: it is empty, or a name with dots that is no URL and was probably meant to be a pointer.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refuse = |detail: String| Err(Refusal::new(FaultCode::InvalidValue, detail));
        if text.is_empty() || text == "/" || text.chars().any(char::is_control) {
            return refuse("must be the name of a claim, or a pointer such as `/realm_access/roles`".to_owned());
        }
        if !text.starts_with('/') && text.contains('.') && !text.contains(':') {
            return refuse(format!(
                "must be a pointer where a claim stands within another: `/{}`",
                text.replace('.', "/")
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The texts there: one, or a list.
    fn texts<'a>(&self, claims: &'a Map<String, Value>) -> Vec<&'a str> {
        let value = match self.0.strip_prefix('/') {
            None => claims.get(&self.0),
            Some(pointer) => {
                let (first, rest) = pointer.split_at(pointer.find('/').unwrap_or(pointer.len()));
                claims.get(&first.replace("~1", "/").replace("~0", "~")).and_then(|claim| claim.pointer(rest))
            }
        };
        match value {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(values)) => values.iter().take(MOST_VALUES).filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// What the deployment says about claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRules {
    /// The claim with the roles.
    pub role_claim: ClaimPath,
    /// Which of its values is which role.
    pub roles: Vec<(String, Role)>,
    /// The claim with the ids of the connectors of a `service`.
    pub connectors_claim: Option<ClaimPath>,
}

impl GrantRules {
    /// The role that the claims grant, and on which connectors. Of several roles it is the one that includes all others.
    ///
    /// # Errors
    /// Why there is none, for the holder of the token. Nothing of the token is repeated but names of roles.
    pub(super) fn grant(&self, claims: &Map<String, Value>) -> Result<(Role, Scope), String> {
        let values = self.role_claim.texts(claims);
        let named = |value: &&str| self.roles.iter().find(|(name, _)| name == value).map(|(_, role)| *role);
        let mut roles: Vec<Role> = values.iter().filter_map(named).collect();
        roles.sort_by_key(|role| role.as_str());
        roles.dedup();
        let place = self.role_claim.as_str();
        if roles.is_empty() {
            return Err(format!(
                "the token is valid and grants no role of this service; its claim `{place}` is to do so"
            ));
        }
        let role = Role::strongest(&roles).ok_or_else(|| {
            let granted = roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join("`, `");
            format!("the token's claim `{place}` grants the roles `{granted}`, of which none includes the others")
        })?;
        Ok((role, if role == Role::Service { self.scope(claims)? } else { Scope::All }))
    }

    fn scope(&self, claims: &Map<String, Value>) -> Result<Scope, String> {
        let Some(claim) = &self.connectors_claim else {
            let reason = "the token grants the role `service`, and this deployment does not say by which claim such a \
                 token lists its connectors (`auth.connectors_claim`)";
            return Err(reason.to_owned());
        };
        let listed: BTreeSet<ConnectorId> = claim.texts(claims).into_iter().filter_map(ConnectorId::parse).collect();
        if listed.is_empty() {
            let place = claim.as_str();
            return Err(format!("the token grants the role `service`, and its claim `{place}` lists no connector"));
        }
        Ok(Scope::Only(listed))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "01979a2b-7c00-7000-8000-000000000001";

    fn rules(claim: &str) -> GrantRules {
        let own = Role::ALL.map(|role| (role.as_str().to_owned(), role));
        let group = ("0b8c7f2e-operators".to_owned(), Role::Operator);
        GrantRules {
            role_claim: ClaimPath::parse(claim).expect("a claim"),
            roles: own.into_iter().chain([group]).collect(),
            connectors_claim: ClaimPath::parse("connectors").ok(),
        }
    }

    fn grant(claim: &str, claims: &Value) -> Result<(Role, Scope), String> {
        rules(claim).grant(claims.as_object().expect("an object"))
    }

    #[test]
    fn a_role_stands_alone_in_a_list_or_within_another_claim() {
        let granted = Ok((Role::Operator, Scope::All));
        for (claim, claims) in [
            ("roles", json!({ "roles": "operator" })),
            ("roles", json!({ "roles": ["offline_access", "operator", 7] })),
            ("groups", json!({ "groups": ["0b8c7f2e-operators"] })),
            ("/realm_access/roles", json!({ "realm_access": { "roles": ["viewer", "operator"] } })),
            ("/a~1b/0/roles", json!({ "a/b": [{ "roles": "operator" }] })),
            ("https://esg.example.com/roles", json!({ "https://esg.example.com/roles": ["operator"] })),
        ] {
            assert_eq!(grant(claim, &claims), granted, "{claim}");
        }
    }

    #[test]
    fn what_is_no_role_grants_none() {
        for claims in [
            json!({}),
            json!({ "roles": null }),
            json!({ "roles": [] }),
            json!({ "roles": { "admin": true } }),
            json!({ "roles": ["Admin", "admin ", "ADMIN", ["admin"], { "name": "admin" }] }),
            json!({ "roles": "viewer admin" }),
            json!({ "role": "admin", "scope": "admin" }),
        ] {
            let explanation = grant("roles", &claims).expect_err("no role");
            assert!(explanation.contains("`roles`"), "{explanation}");
        }
    }

    #[test]
    fn roles_that_are_kept_apart_do_not_add_up() {
        let explanation = grant("roles", &json!({ "roles": ["operator", "auditor"] })).expect_err("no role");
        assert!(explanation.contains("`auditor`, `operator`"), "{explanation}");
    }

    #[test]
    fn a_service_has_the_connectors_that_its_token_lists_and_never_all() {
        let listed = Scope::Only(BTreeSet::from([ConnectorId::parse(ID).expect("an id")]));
        let claims = json!({ "roles": "service", "connectors": [ID, "*", 7] });
        assert_eq!(grant("roles", &claims), Ok((Role::Service, listed)));
        for claims in [json!({ "roles": "service" }), json!({ "roles": "service", "connectors": ["*"] })] {
            assert!(grant("roles", &claims).is_err(), "{claims}");
        }
        let unlisted = GrantRules { connectors_claim: None, ..rules("roles") };
        assert!(unlisted.grant(claims.as_object().expect("an object")).is_err());
    }

    #[test]
    fn a_name_with_dots_was_meant_to_be_a_pointer() {
        let refused = ClaimPath::parse("realm_access.roles").expect_err("a refusal");
        assert!(refused.detail.contains("`/realm_access/roles`"), "{}", refused.detail);
        for right in ["roles", "/realm_access/roles", "https://esg.example.com/roles", "cognito:groups"] {
            assert!(ClaimPath::parse(right).is_ok(), "{right}");
        }
        assert!(ClaimPath::parse("").is_err() && ClaimPath::parse("/").is_err());
    }
}
