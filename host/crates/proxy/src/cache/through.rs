//! Where statements meet the cache.

use std::collections::BTreeSet;

use applet_catalog::Catalog;
use applet_gate::{ScopedStatement, TableUse, Wall};
use applet_types::{Encoding, ErrorCode, Failure, Invocation, Operation, Outcome, SqlName, Statement};

use super::{Asked, Lookup, Marked};
use crate::execute::Executable;
use crate::memo::Judge;
use crate::proxy::Inner;
use crate::trail::Trail;
use crate::usage;

impl Inner {
    /// Executes what the gate let pass, or answers it from the cache. Budgets count either way.
    pub(crate) async fn answer(
        &self,
        call: &Invocation,
        judge: &Judge,
        scoped: &ScopedStatement,
        statement: (&Statement, Encoding),
        trail: &mut Trail,
    ) -> Result<Outcome, Failure> {
        let (Statement { parameters, .. }, encoding) = statement;
        let executable = Executable::from(scoped);
        match self.lookup(call, judge, scoped, statement).await {
            Lookup::Hit(outcome) => {
                usage::count(call, &outcome)?;
                Ok(outcome)
            }
            Lookup::Miss(slot) => {
                let outcome = self.run(call, judge, executable, parameters, encoding, trail).await?;
                slot.keep(&outcome).await;
                Ok(outcome)
            }
            Lookup::Pass => self.run(call, judge, executable, parameters, encoding, trail).await,
        }
    }

    async fn lookup(
        &self,
        call: &Invocation,
        judge: &Judge,
        scoped: &ScopedStatement,
        (statement, encoding): (&Statement, Encoding),
    ) -> Lookup {
        let (Some(cache), Some(policy)) = (&self.config.cache, call.limits.cache) else {
            return Lookup::Pass;
        };
        let executable = Executable::from(scoped);
        let cacheable = executable.is_read()
            && !scoped.volatile()
            && !scoped.tables().is_empty()
            && self.config.wall == Wall::Both
            && !self.holds_transaction(call.request);
        if !cacheable {
            return Lookup::Pass;
        }
        let asked = Asked {
            call,
            catalog: judge.catalog_digest(),
            text: scoped.text(),
            parameters: &statement.parameters,
            encoding,
            row_cap: scoped.row_cap(),
        };
        let tables: BTreeSet<SqlName> = scoped.tables().iter().map(|used| used.table.clone()).collect();
        cache.lookup(&asked, tables.into_iter().collect(), policy).await
    }

    /// Before a commit: marks the tables that these uses change.
    pub(crate) async fn mark<'a>(
        &self,
        call: &Invocation,
        catalog: &Catalog,
        uses: impl IntoIterator<Item = &'a TableUse>,
    ) -> Option<Marked> {
        let cache = self.config.cache.as_ref()?;
        let tables = changed(catalog, uses);
        if tables.is_empty() { None } else { Some(cache.mark(call.tenant, tables).await) }
    }
}

/// After a commit, or what was to be one.
pub(crate) async fn settle(marked: Option<Marked>, ended: &Result<(), Failure>) {
    if let Some(marked) = marked {
        let unknown = ended.as_ref().is_err_and(|failure| failure.code == ErrorCode::CommitUnknown);
        marked.settle(!unknown).await;
    }
}

/// The tables whose rows may differ afterwards: those written, and those whose foreign keys follow them, as
/// with ON DELETE CASCADE. Which of those do is not in the catalogue, so all count.
fn changed<'a>(catalog: &Catalog, uses: impl IntoIterator<Item = &'a TableUse>) -> Vec<SqlName> {
    let mut tables = BTreeSet::new();
    let mut followed = Vec::new();
    for used in uses {
        match used.operation {
            Operation::Read => {}
            Operation::Insert | Operation::SoftDelete => {
                tables.insert(used.table.clone());
            }
            Operation::Update | Operation::HardDelete => {
                tables.insert(used.table.clone());
                followed.push(used.table.clone());
            }
        }
    }
    let mut seen: BTreeSet<SqlName> = followed.iter().cloned().collect();
    while let Some(target) = followed.pop() {
        let followers =
            catalog.tables().filter(|table| table.foreign_keys.iter().any(|key| key.target == target));
        for follower in followers {
            if seen.insert(follower.name.clone()) {
                tables.insert(follower.name.clone());
                followed.push(follower.name.clone());
            }
        }
    }
    tables.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use applet_catalog::{ForeignKey, RowSecurity, Table, Tenancy};

    use super::*;

    fn name(text: &str) -> SqlName {
        text.parse().unwrap()
    }

    fn table(text: &str, target: Option<&str>) -> Table {
        let key = |target: &str| ForeignKey {
            name: "key".to_owned(),
            columns: vec![name("other")],
            target: name(target),
            target_columns: vec![name("id")],
        };
        Table {
            schema: name("public"),
            name: name(text),
            columns: Vec::new(),
            tenancy: Tenancy::Column(name("tenant_id")),
            unique_keys: Vec::new(),
            foreign_keys: target.map(key).into_iter().collect(),
            row_security: RowSecurity::default(),
            owner: String::new(),
        }
    }

    #[test]
    fn d8_a_delete_changes_what_follows_its_foreign_keys() {
        let catalog = Catalog::new([
            table("clients", None),
            table("chats", Some("clients")),
            table("messages", Some("chats")),
            table("trees", Some("trees")),
            table("others", None),
        ]);
        let changed = |uses: &[(&str, Operation)]| {
            let uses: Vec<_> = uses
                .iter()
                .map(|(table, operation)| TableUse { table: name(table), operation: *operation })
                .collect();
            changed(&catalog, &uses).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(changed(&[("clients", Operation::Read)]), "");
        assert_eq!(changed(&[("clients", Operation::Insert), ("others", Operation::Read)]), "clients");
        assert_eq!(changed(&[("clients", Operation::HardDelete)]), "chats clients messages");
        assert_eq!(changed(&[("chats", Operation::Update)]), "chats messages");
        assert_eq!(changed(&[("trees", Operation::HardDelete)]), "trees");
    }
}
