//! A key as somebody wants it, and whether it can be.

use std::collections::BTreeSet;

use chrono::{DateTime, SubsecRound, Utc};
use domain::access::{Principal, Role, Scope};
use domain::api_key::KeyName;
use domain::fault::{FaultCode, Faults, pointer_to};
use domain::id::ConnectorId;
use domain::page::{PageRequest, PageSize};
use domain::raw_secret;
use domain::repository::{ConnectorFilter, Storage};

use crate::error::Error;
use crate::reason;

/// The most connectors that one key is bound to.
pub const MAX_CONNECTORS: usize = PageSize::MAX as usize;

const CONNECTORS: &str = "/connectors";

/// A key as somebody wants it; members that are absent or could not be read are `None`.
#[derive(Debug, Clone, Default)]
pub struct ApiKeyDraft {
    /// Under which name its acts are recorded.
    pub name: Option<String>,
    /// What its holder may do.
    pub role: Option<Role>,
    /// On which connectors, by their ids; only for [`Role::Service`], which needs at least one.
    pub connectors: Vec<String>,
    /// From when on it is refused; never where there is none.
    pub expires_at: Option<DateTime<Utc>>,
    /// Why it is made, for the audit.
    pub reason: Option<String>,
    /// What was found while reading it.
    pub faults: Faults,
}

/// A key that can be made.
pub(super) struct Order {
    pub(super) name: KeyName,
    pub(super) role: Role,
    pub(super) scope: Scope,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) reason: Option<String>,
}

impl ApiKeyDraft {
    /// Judges the draft of `maker` at `now`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every fault, [`Error::GrantBeyondCaller`], or that the store is unavailable.
    pub(super) async fn parse(
        self,
        maker: &Principal,
        now: DateTime<Utc>,
        storage: &dyn Storage,
    ) -> Result<Order, Error> {
        let mut faults = self.faults;
        let name = faults.require("/name", self.name.as_deref());
        let name =
            name.and_then(|name| faults.check("/name", raw_secret::refuse(name).and_then(|()| KeyName::parse(name))));
        let role = faults.require("/role", self.role);
        let reason = faults.check("/reason", reason::read(self.reason.as_deref()));
        // The store keeps microseconds, and what is answered is what it keeps.
        let expires_at = self.expires_at.map(|end| end.trunc_subsecs(6));
        if expires_at.is_some_and(|end| end <= now) {
            faults.push("/expiresAt", FaultCode::OutOfRange, "must be in the future");
        }
        let scope = match role {
            Some(Role::Service) | None => {
                let listed = connectors(&self.connectors, maker, storage, &mut faults).await?;
                role.map(|_| Scope::Only(listed))
            }
            Some(_) => Some(Scope::All),
        };
        check_binding(role, !self.connectors.is_empty(), &mut faults);
        let order = (|| Some(Order { name: name?, role: role?, scope: scope?, expires_at, reason: reason? }))();
        let order = faults.into_result(order)?;
        if maker.may_grant(order.role, &order.scope) { Ok(order) } else { Err(Error::GrantBeyondCaller) }
    }
}

/// Those of the connectors that exist for the maker; the others are faults.
async fn connectors(
    given: &[String],
    maker: &Principal,
    storage: &dyn Storage,
    faults: &mut Faults,
) -> Result<BTreeSet<ConnectorId>, Error> {
    let ids: BTreeSet<_> = given.iter().filter_map(|text| ConnectorId::parse(text)).collect();
    let within: BTreeSet<_> = ids.into_iter().filter(|id| maker.scope.contains(*id)).collect();
    let largest = PageSize::new(u64::from(PageSize::MAX)).unwrap_or_default();
    let mut existing = BTreeSet::new();
    if !within.is_empty() {
        let page = PageRequest { size: largest, after: None };
        let found = storage.list_connectors(&ConnectorFilter::default(), &Scope::Only(within), &page).await?;
        existing.extend(found.items.iter().map(|connector| connector.id));
    }
    let mut listed = BTreeSet::new();
    for (index, text) in given.iter().enumerate() {
        let pointer = || pointer_to(CONNECTORS, index);
        match ConnectorId::parse(text).filter(|id| existing.contains(id)) {
            None => faults.push(pointer(), FaultCode::InvalidValue, "there is no connector of this id"),
            Some(id) if !listed.insert(id) => faults.push(pointer(), FaultCode::Duplicate, "is given twice"),
            Some(_) => {}
        }
    }
    Ok(listed)
}

/// Keys of the role `service` are bound to connectors, and no others are.
fn check_binding(role: Option<Role>, bound: bool, faults: &mut Faults) {
    match role {
        Some(Role::Service) if !bound && !faults.mentions(CONNECTORS) => {
            let detail = "a key of the role `service` needs at least one connector";
            faults.push(CONNECTORS, FaultCode::Required, detail);
        }
        Some(role) if role != Role::Service && bound => {
            let detail = "only a key of the role `service` is bound to connectors";
            faults.push(CONNECTORS, FaultCode::NotAllowed, detail);
        }
        _ => {}
    }
}
