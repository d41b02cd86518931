//! What the database holds, so that two moments can be compared.

use std::collections::{BTreeMap, BTreeSet};

use test_support::Engine::{self, Postgres, Sqlite};
use test_support::TestDatabase;

/// What a process writes by itself while nobody asks for anything: heartbeats of its lease, and when a key was used.
const WRITTEN_BY_THE_PROCESS: &[(&str, &[&str])] = &[("leases", &["valid_until_ms"]), ("api_keys", &["last_used_at"])];

/// Every row of every table, by the table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Digest(BTreeMap<String, BTreeSet<String>>);

/// The columns of every table. They do not change while the service runs.
pub(super) struct Tables {
    engine: Engine,
    columns: BTreeMap<String, Vec<String>>,
}

impl Tables {
    pub(super) async fn of(engine: Engine, database: &TestDatabase) -> Self {
        let sql = match engine {
            Sqlite => {
                "SELECT t.name, c.name FROM sqlite_master AS t, pragma_table_info(t.name) AS c \
                 WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid"
            }
            Postgres => {
                "SELECT table_name::text, column_name::text FROM information_schema.columns \
                 JOIN information_schema.tables USING (table_schema, table_name) \
                 WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY table_name, ordinal_position"
            }
        };
        let mut columns = BTreeMap::<String, Vec<String>>::new();
        for row in database.rows(sql).await {
            let [table, column] = row.try_into().expect("two columns");
            let process = WRITTEN_BY_THE_PROCESS.iter().find(|(name, _)| *name == table);
            if process.is_none_or(|(_, written)| !written.contains(&column.as_str())) {
                columns.entry(table).or_default().push(column);
            }
        }
        assert!(columns.len() > 8, "{columns:?}");
        Self { engine, columns }
    }

    /// What the database holds now.
    pub(super) async fn digest(&self, database: &TestDatabase) -> Digest {
        let of_table = |(table, columns): (&String, &Vec<String>)| {
            let literals: Vec<_> = columns
                .iter()
                .map(|column| match self.engine {
                    Sqlite => format!("quote({column})"),
                    Postgres => format!("quote_nullable({column}::text)"),
                })
                .collect();
            format!("SELECT '{table}', {} FROM {table}", literals.join(" || ', ' || "))
        };
        // One statement, so that there is one moment, and one connection.
        let sql = self.columns.iter().map(of_table).collect::<Vec<_>>().join(" UNION ALL ");
        let mut tables: BTreeMap<_, _> = self.columns.keys().map(|table| (table.clone(), BTreeSet::new())).collect();
        for row in database.rows(&sql).await {
            let [table, row] = row.try_into().expect("two columns");
            tables.get_mut(&table).expect("a table").insert(row);
        }
        Digest(tables)
    }
}

/// What one call writes: its row, its attempts, what is kept of them, the windows of its limit, and with the first call
/// of a process its lease.
const WRITTEN_BY_A_CALL: &[&str] = &[
    "integration_logs",
    "integration_log_attempts",
    "integration_log_payloads",
    "rate_windows",
    "paused_connectors",
    "leases",
];

impl Digest {
    /// What has changed since `before`, table by table; `None` when nothing has.
    pub(super) fn difference(&self, before: &Self) -> Option<String> {
        self.difference_beside(before, &[])
    }

    /// What has changed since `before` but for what one call writes; `None` when nothing has.
    pub(super) fn beside_one_call(&self, before: &Self) -> Option<String> {
        let calls = |digest: &Self| digest.0["integration_logs"].len();
        if calls(self) != calls(before) + 1 {
            return Some(format!("{} calls after {}", calls(self), calls(before)));
        }
        self.difference_beside(before, WRITTEN_BY_A_CALL)
    }

    fn difference_beside(&self, before: &Self, left_out: &[&str]) -> Option<String> {
        let changed: Vec<_> = self
            .0
            .iter()
            .filter(|(table, rows)| !left_out.contains(&table.as_str()) && before.0.get(*table) != Some(rows))
            .map(|(table, rows)| {
                let held = &before.0[table];
                let (new, gone): (Vec<_>, Vec<_>) = (rows.difference(held).collect(), held.difference(rows).collect());
                format!("{table}: new {new:?}, gone {gone:?}")
            })
            .collect();
        (!changed.is_empty()).then(|| changed.join("; "))
    }
}
