//! The section `[auth]`: how callers prove who they are.

use application::authentication::{ClaimPath, GrantRules};
use domain::access::Role;
use domain::fault::Refusal;
use infrastructure::oidc::{InvalidIssuer, Issuer};

use super::fault::Origin;
use super::keys::{self, Key};
use super::raw::{self, Raw, Wrong};
use super::settings::{Settings, Sourced};

/// What is accepted as a proof: at least one of the two.
#[derive(Debug, Clone)]
pub(crate) struct AuthConfig {
    /// Whether API keys are.
    pub keys: bool,
    /// The identity provider whose tokens are.
    pub oidc: Option<OidcConfig>,
}

/// An identity provider, and what its tokens mean here.
#[derive(Debug, Clone)]
pub(crate) struct OidcConfig {
    pub issuer: Issuer,
    pub audience: String,
    pub rules: GrantRules,
}

/// What `auth.mode` says.
#[derive(Debug, Clone, Copy)]
struct Mode {
    keys: bool,
    oidc: bool,
}

/// Reads the section. `None` where something is wrong, which is then among the faults; the value is `None` for the mode
/// `none`. Keys for a provider may stand there whatever the mode is: one file serves several deployments.
pub(super) fn read(settings: &mut Settings) -> Option<Sourced<Option<AuthConfig>>> {
    let mode = settings.read(&keys::AUTH_MODE, mode);
    let issuer = settings.read(&keys::AUTH_ISSUER, issuer);
    let audience = settings.read(&keys::AUTH_AUDIENCE, |raw| raw::text(raw).map(str::to_owned));
    let role_claim = settings.read(&keys::AUTH_ROLE_CLAIM, claim);
    let connectors_claim = settings.read(&keys::AUTH_CONNECTORS_CLAIM, claim);
    let values = roles(settings);
    let Sourced { value: Mode { keys, oidc }, origin } = mode?;
    if !oidc {
        return Some(Sourced { value: keys.then_some(AuthConfig { keys, oidc: None }), origin });
    }
    let issuer =
        needed(issuer, &keys::AUTH_ISSUER, "such as `https://login.example.com/realms/esg`", &origin, settings);
    let audience = needed(audience, &keys::AUTH_AUDIENCE, "such as `connectors`", &origin, settings);
    let grants = GrantRules {
        role_claim: role_claim?.value,
        roles: values?,
        connectors_claim: connectors_claim.map(|claim| claim.value),
    };
    let oidc = OidcConfig { issuer: issuer?, audience: audience?, rules: grants };
    Some(Sourced { value: Some(AuthConfig { keys, oidc: Some(oidc) }), origin })
}

/// The value of a key that this mode cannot do without. One that is there and wrong is a fault already.
fn needed<T>(
    given: Option<Sourced<T>>,
    key: &'static Key,
    example: &str,
    mode: &Origin,
    settings: &mut Settings,
) -> Option<T> {
    if given.is_none() && !settings.is_set(key) {
        let fault = format!("this `auth.mode` needs `{}`: {}, {example}", key.path, key.expects);
        settings.faults.push(mode, fault);
    }
    given.map(|given| given.value)
}

/// Which values of the role claim mean which role.
fn roles(settings: &mut Settings) -> Option<Vec<(String, Role)>> {
    let mut roles: Vec<(String, Role)> = Vec::new();
    let mut are_right = true;
    for (key, role) in keys::AUTH_ROLES.iter().zip(Role::ALL) {
        let Some(values) = settings.read(key, raw::list) else {
            are_right = false;
            continue;
        };
        for value in values.value {
            let other = roles.iter().find(|(known, other)| *known == value && *other != role).map(|(_, other)| *other);
            if let Some(other) = other {
                let value = value.escape_debug();
                let fault = format!("`{}` has \"{value}\", which is the role `{}` already", key.path, other.as_str());
                settings.faults.push(&values.origin, fault);
            }
            roles.push((value, role));
        }
    }
    are_right.then_some(roles)
}

fn mode(raw: &Raw) -> Result<Mode, Wrong> {
    match raw::text(raw)? {
        "none" => Ok(Mode { keys: false, oidc: false }),
        "api-key" => Ok(Mode { keys: true, oidc: false }),
        "oidc" => Ok(Mode { keys: false, oidc: true }),
        "api-key+oidc" => Ok(Mode { keys: true, oidc: true }),
        _ => Err(Wrong::Unexpected),
    }
}

fn issuer(raw: &Raw) -> Result<Issuer, Wrong> {
    Issuer::parse(raw::text(raw)?).map_err(|invalid| match invalid {
        InvalidIssuer::Form => Wrong::Unexpected,
        InvalidIssuer::Plain => {
            Wrong::Because("is plain `http`, which is accepted on this machine only (127.0.0.1, localhost)".to_owned())
        }
    })
}

fn claim(raw: &Raw) -> Result<ClaimPath, Wrong> {
    ClaimPath::parse(raw::text(raw)?).map_err(|Refusal { detail, .. }| Wrong::Because(detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_its_key() {
        for (key, role) in keys::AUTH_ROLES.iter().zip(Role::ALL) {
            assert_eq!(key.path.strip_prefix("auth.roles."), Some(role.as_str()));
            assert_eq!(key.default, Some(role.as_str()));
        }
    }
}
