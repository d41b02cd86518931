//! Who may do what. The whole matrix is the one table in [`Role::permissions`].

use std::collections::BTreeSet;

use crate::id::ConnectorId;

/// Where an actor's name comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActorType {
    /// The person at the machine: authentication mode `none`, or the command line.
    Local,
    /// The holder of an API key.
    ApiKey,
    /// The subject of an OIDC token.
    Oidc,
    /// The service itself.
    System,
}

impl ActorType {
    /// The type as the contract spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "Local",
            Self::ApiKey => "ApiKey",
            Self::Oidc => "Oidc",
            Self::System => "System",
        }
    }

    /// Reads the contract's spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Local, Self::ApiKey, Self::Oidc, Self::System].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Who did something: a key's name, a token's subject, `local`, or a part of the service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The name that appears in `createdBy`, `initiatedBy` and the audit.
    pub name: String,
    /// Where the name comes from.
    pub kind: ActorType,
}

impl Actor {
    /// The person at the machine.
    #[must_use]
    pub fn local() -> Self {
        Self { name: "local".to_owned(), kind: ActorType::Local }
    }

    /// A part of the service that acts on its own account.
    #[must_use]
    pub fn system(part: &str) -> Self {
        Self { name: part.to_owned(), kind: ActorType::System }
    }
}

/// What an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// See connectors and logs.
    Read,
    /// Call an upstream.
    Execute,
    /// Enable and disable.
    Switch,
    /// Try a connection out.
    Test,
    /// Create, change and delete connectors.
    Configure,
    /// See the audit trail.
    Audit,
    /// Make, see and revoke API keys.
    ManageKeys,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 7] =
        [Self::Read, Self::Execute, Self::Switch, Self::Test, Self::Configure, Self::Audit, Self::ManageKeys];

    /// The permission as the OpenAPI document names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Execute => "execute",
            Self::Switch => "switch",
            Self::Test => "test",
            Self::Configure => "configure",
            Self::Audit => "audit",
            Self::ManageKeys => "manage-keys",
        }
    }
}

/// What a principal may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads, executes, enables and disables, tests connections.
    Operator,
    /// Reads, and decides on records once there are records.
    Approver,
    /// Everything.
    Admin,
    /// Reads, the audit included.
    Auditor,
    /// Reads and executes the connectors it is listed for; all others do not exist for it.
    Service,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Viewer, Self::Operator, Self::Approver, Self::Admin, Self::Auditor, Self::Service];

    /// The matrix: a role, and all that it may do.
    #[must_use]
    pub const fn permissions(self) -> &'static [Permission] {
        use Permission::{Audit, Execute, Read, Switch, Test};
        match self {
            Self::Viewer | Self::Approver => &[Read],
            Self::Operator => &[Read, Execute, Switch, Test],
            Self::Admin => &Permission::ALL,
            Self::Auditor => &[Read, Audit],
            Self::Service => &[Read, Execute],
        }
    }

    /// Whether it may do that.
    #[must_use]
    pub fn allows(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }

    /// Whether this role leaves nothing out that the other one may do or see. Auditor, operator and approver are kept
    /// apart on purpose: none of them includes another of them.
    #[must_use]
    pub const fn includes(self, other: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Operator => matches!(other, Self::Operator | Self::Service | Self::Viewer),
            Self::Approver => matches!(other, Self::Approver | Self::Viewer),
            Self::Auditor => matches!(other, Self::Auditor | Self::Viewer),
            Self::Viewer => matches!(other, Self::Viewer),
            Self::Service => matches!(other, Self::Service),
        }
    }

    /// The one of `roles` that includes all others; `None` where there is none, or no role at all.
    #[must_use]
    pub fn strongest(roles: &[Self]) -> Option<Self> {
        roles.iter().copied().find(|role| roles.iter().all(|other| role.includes(*other)))
    }

    /// The role as the command line and the store spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
            Self::Service => "service",
        }
    }

    /// Reads [`Self::as_str`] back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Which connectors exist for a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// These; every other one is "not found" and in no list.
    Only(BTreeSet<ConnectorId>),
}

impl Scope {
    /// Whether the connector exists for the principal.
    #[must_use]
    pub fn contains(&self, connector: ConnectorId) -> bool {
        match self {
            Self::All => true,
            Self::Only(listed) => listed.contains(&connector),
        }
    }

    /// Whether everything that exists in `other` exists here.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(own), Self::Only(listed)) => listed.is_subset(own),
        }
    }

    /// Whether a call through `connector` exists for the principal; one through none does for those alone who see all.
    #[must_use]
    pub fn contains_call(&self, connector: Option<ConnectorId>) -> bool {
        connector.map_or(*self == Self::All, |connector| self.contains(connector))
    }
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Under which name its acts are recorded.
    pub actor: Actor,
    /// What it may do.
    pub role: Role,
    /// On which connectors.
    pub scope: Scope,
}

impl Principal {
    /// The person at the machine, who may do everything.
    #[must_use]
    pub fn local() -> Self {
        Self { actor: Actor::local(), role: Role::Admin, scope: Scope::All }
    }

    /// Whether it may give this role on these connectors to somebody: nobody gives more than they have.
    #[must_use]
    pub fn may_grant(&self, role: Role, scope: &Scope) -> bool {
        self.role.includes(role) && self.scope.covers(scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_is_the_one_of_the_contract() {
        let rows: Vec<String> = Role::ALL
            .into_iter()
            .map(|role| {
                let marks: String =
                    Permission::ALL.into_iter().map(|needed| if role.allows(needed) { 'x' } else { '.' }).collect();
                format!("{:<8} {marks}", role.as_str())
            })
            .collect();
        //        Read Execute Switch Test Configure Audit ManageKeys
        assert_eq!(
            rows,
            [
                "viewer   x......",
                "operator xxxx...",
                "approver x......",
                "admin    xxxxxxx",
                "auditor  x....x.",
                "service  xx....."
            ]
        );
    }

    #[test]
    fn a_role_that_includes_another_may_do_all_that_the_other_may() {
        for role in Role::ALL {
            for other in Role::ALL.into_iter().filter(|other| role.includes(*other)) {
                for permission in Permission::ALL {
                    let kept = role.allows(permission) || !other.allows(permission);
                    assert!(kept, "{role:?} includes {other:?} without {permission:?}");
                }
            }
        }
    }

    #[test]
    fn the_strongest_role_includes_all_others_or_there_is_none() {
        let strongest = Role::strongest;
        assert_eq!(strongest(&[]), None);
        assert_eq!(strongest(&[Role::Viewer]), Some(Role::Viewer));
        assert_eq!(strongest(&[Role::Viewer, Role::Operator, Role::Viewer]), Some(Role::Operator));
        assert_eq!(strongest(&[Role::Auditor, Role::Admin, Role::Operator]), Some(Role::Admin));
        assert_eq!(strongest(&[Role::Auditor, Role::Operator]), None);
        assert_eq!(strongest(&[Role::Service, Role::Viewer]), None);
        assert_eq!(strongest(&[Role::Approver, Role::Operator, Role::Viewer]), None);
    }

    #[test]
    fn a_scope_covers_what_is_within_it() {
        let only =
            |ids: &[u128]| Scope::Only(ids.iter().map(|id| ConnectorId::new(uuid::Uuid::from_u128(*id))).collect());
        assert!(Scope::All.covers(&Scope::All) && Scope::All.covers(&only(&[1])));
        assert!(only(&[1, 2]).covers(&only(&[2])) && only(&[1]).covers(&only(&[])));
        assert!(!only(&[1]).covers(&Scope::All) && !only(&[1]).covers(&only(&[1, 2])));
    }
}
