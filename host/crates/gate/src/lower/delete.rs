//! DELETE: always a hard delete, with a grant of its own (S4.14).

use applet_types::Operation;
use sqlparser::ast::{self, FromTable};

use super::Lower;
use super::from::stars_of;
use super::scope::Scope;
use crate::ir::Delete;
use crate::reject::{Gate, unsupported};

impl Lower<'_> {
    pub(super) fn delete(&mut self, delete: &ast::Delete) -> Gate<Delete> {
        let ast::Delete {
            delete_token: _,
            optimizer_hints,
            tables,
            from,
            using,
            selection,
            returning,
            output,
            order_by,
            limit,
        } = delete;
        self.absent(!optimizer_hints.is_empty(), "an optimizer hint")?;
        self.absent(!tables.is_empty(), "DELETE from several tables")?;
        self.absent(output.is_some(), "OUTPUT")?;
        self.absent(!order_by.is_empty() || limit.is_some(), "ORDER BY or LIMIT of a DELETE")?;
        let FromTable::WithFromKeyword(list) = from else {
            return Err(unsupported("delete", None, "DELETE without FROM"));
        };
        let [table] = list.as_slice() else {
            return Err(unsupported("delete", None, "DELETE from several tables"));
        };
        let (target, relation, entry) = self.write_target(table, Operation::HardDelete)?;
        self.uses(&target.table.name, Operation::HardDelete);
        let mut scope = Scope::default();
        let mut stars = stars_of(&entry);
        scope.push(entry, target.span)?;
        let using = match using {
            Some(list) => self.more_relations(list, &mut scope, &mut stars)?,
            None => Vec::new(),
        };
        let selection = selection.as_ref().map(|condition| self.expr(condition, &scope)).transpose()?;
        let returning = self.returning(returning.as_deref(), &mut scope, &stars)?;
        Ok(Delete { target: relation, using, selection, predicates: Vec::new(), returning })
    }
}
