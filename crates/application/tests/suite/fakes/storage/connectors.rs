//! Reading connectors.

use async_trait::async_trait;
use domain::access::Scope;
use domain::connector::{Connector, fold};
use domain::id::ConnectorId;
use domain::page::{Page, PageRequest};
use domain::repository::{ConnectorFilter, ConnectorPosition, ConnectorRepository, StorageResult};

use super::{MemoryStorage, Operation};

#[async_trait]
impl ConnectorRepository for MemoryStorage {
    async fn find_connector(&self, id: ConnectorId) -> StorageResult<Option<Connector>> {
        let state = self.enter(Operation::FindConnector)?;
        let row = state.tables.connectors.get(&id).filter(|row| !row.deleted);
        Ok(row.map(|row| row.connector.clone()))
    }

    async fn connector_was_known(&self, id: ConnectorId) -> StorageResult<bool> {
        Ok(self.enter(Operation::FindConnector)?.tables.connectors.contains_key(&id))
    }

    async fn list_connectors(
        &self,
        filter: &ConnectorFilter,
        scope: &Scope,
        page: &PageRequest<ConnectorPosition>,
    ) -> StorageResult<Page<Connector, ConnectorPosition>> {
        let state = self.enter(Operation::ListConnectors)?;
        let rows = state.tables.connectors.values().filter(|row| !row.deleted).map(|row| &row.connector);
        let mut found: Vec<Connector> =
            rows.filter(|connector| scope.contains(connector.id) && matches(filter, connector)).cloned().collect();
        found.sort_by_key(|connector| connector.settings.name.key());
        if let Some(after) = &page.after {
            found.retain(|connector| connector.settings.name.key() > after.name_key);
        }
        Ok(Page::of(found, page.size, |connector| ConnectorPosition { name_key: connector.settings.name.key() }))
    }
}

fn matches(filter: &ConnectorFilter, connector: &Connector) -> bool {
    let settings = &connector.settings;
    filter.status.is_none_or(|status| connector.switch.status == status)
        && filter.connector_type.as_ref().is_none_or(|kind| settings.connector_type == *kind)
        && filter.capability.is_none_or(|capability| settings.capabilities.contains(capability))
        && filter.name_contains.as_deref().is_none_or(|part| settings.name.key().contains(&fold(part)))
}
