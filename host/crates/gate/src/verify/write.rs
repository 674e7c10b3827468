//! INSERT, UPDATE and DELETE: rows are written for the tenant only, and rows of the tenant only.

use applet_catalog::Table;
use pg_query::protobuf::{
    DeleteStmt, IndexElem, InferClause, InsertStmt, MultiAssignRef, OnConflictAction, OnConflictClause,
    OverridingKind, RangeVar, ResTarget, ReturningClause, SelectStmt, UpdateStmt,
};
use pg_query::{Node, NodeEnum};

use super::names::{absent, inner, none, required};
use super::predicate::{confined, conjuncts, is_tenant};
use super::walker::{Source, Walker};
use super::{Checked, Disagreement, kind_of};

/// Columns that no UPDATE may assign, whatever the table (SPEC S4.15).
const NEVER_ASSIGNED: [&str; 3] = ["id", "tenant_id", "created_at"];

impl<'a> Walker<'a> {
    pub(super) fn update(&mut self, update: &UpdateStmt) -> Checked {
        let UpdateStmt { relation, target_list, where_clause, from_clause, returning_clause, with_clause } =
            update;
        self.with(with_clause.as_ref())?;
        self.levels.push(Vec::new());
        let table = self.target(relation.as_ref(), where_clause.as_deref())?;
        // What is assigned may be computed from the relations in FROM.
        self.from(from_clause, where_clause.as_deref())?;
        self.assignments(target_list, table)?;
        self.returning(returning_clause.as_ref())?;
        self.levels.pop();
        Ok(())
    }

    pub(super) fn delete(&mut self, delete: &DeleteStmt) -> Checked {
        let DeleteStmt { relation, using_clause, where_clause, returning_clause, with_clause } = delete;
        self.with(with_clause.as_ref())?;
        self.levels.push(Vec::new());
        self.target(relation.as_ref(), where_clause.as_deref())?;
        self.from(using_clause, where_clause.as_deref())?;
        self.returning(returning_clause.as_ref())?;
        self.levels.pop();
        Ok(())
    }

    pub(super) fn insert(&mut self, insert: &InsertStmt) -> Checked {
        let InsertStmt {
            relation,
            cols,
            select_stmt,
            on_conflict_clause,
            returning_clause,
            with_clause,
            r#override,
        } = insert;
        absent(*r#override != OverridingKind::OverridingNotSet as i32, "OVERRIDING")?;
        self.with(with_clause.as_ref())?;
        let columns = insert_columns(cols)?;
        let range = relation.as_ref().ok_or_else(|| Disagreement::new("no target"))?;
        let (table, alias) = self.base_table(range)?;
        let rows = required(select_stmt.as_deref(), "the rows of an INSERT")?;
        let NodeEnum::SelectStmt(rows) = rows else {
            return Err(Disagreement::new(format!("a {} as rows of an INSERT", kind_of(rows))));
        };
        // The source of the rows does not see the target, the clauses behind it do.
        self.rows(rows, &columns, table)?;
        self.levels.push(Vec::new());
        self.introduce(&alias, Source::Base(table))?;
        if let Some(conflict) = on_conflict_clause {
            self.on_conflict(conflict, table, &alias)?;
        }
        self.returning(returning_clause.as_ref())?;
        self.levels.pop();
        Ok(())
    }

    /// The target of UPDATE or DELETE: its rows are confined by WHERE, there is nothing else that could.
    fn target(&mut self, range: Option<&RangeVar>, condition: Option<&Node>) -> Checked<&'a Table> {
        let range = range.ok_or_else(|| Disagreement::new("no target"))?;
        let (table, alias) = self.base_table(range)?;
        self.introduce(&alias, Source::Base(table))?;
        if let Some(column) = self.predicate_column(table) {
            let confined = confined(&alias, column, self.tenant()?, &[], &conjuncts(condition)?);
            absent(!confined, "target without its predicate")?;
        }
        absent(table.tenant_column().is_none(), "write to a table without tenants")?;
        Ok(table)
    }

    /// Every row has the tenant's parameter in the tenant column, behind either wall.
    fn rows(&mut self, rows: &SelectStmt, columns: &[&str], table: &Table) -> Checked {
        let tenant_column = table.tenant_column().map(applet_types::SqlName::as_str);
        let place = columns.iter().position(|column| Some(*column) == tenant_column);
        let place = place.ok_or_else(|| Disagreement::new("an INSERT without the tenant column"))?;
        let tenant = self.tenant()?;
        let mut rest = rows.clone();
        if rows.values_lists.is_empty() {
            absent(rows.target_list.len() != columns.len(), "count of projections")?;
            let slot = rest.target_list.remove(place);
            let NodeEnum::ResTarget(slot) = inner(&slot)? else {
                return Err(Disagreement::new("a projection that is no target"));
            };
            self.tenant_slot(slot.val.as_deref(), tenant)?;
            for target in &rest.target_list {
                absent(is_star(target)?, "star in an INSERT's projection")?;
            }
        } else {
            for row in &mut rest.values_lists {
                let Some(NodeEnum::List(list)) = &mut row.node else {
                    return Err(Disagreement::new("a row of another shape"));
                };
                absent(list.items.len() != columns.len(), "count of values")?;
                let slot = list.items.remove(place);
                self.tenant_slot(Some(&slot), tenant)?;
            }
        }
        self.select(&rest)
    }

    fn tenant_slot(&mut self, value: Option<&Node>, tenant: u16) -> Checked {
        let value = required(value, "the tenant's value")?;
        absent(!is_tenant(value, tenant), "value in the tenant column that is not the tenant")?;
        self.note_parameter(i32::from(tenant))
    }

    fn on_conflict(&mut self, conflict: &OnConflictClause, table: &'a Table, alias: &str) -> Checked {
        let OnConflictClause { action, infer, target_list, where_clause, location: _ } = conflict;
        if let Some(infer) = infer {
            let InferClause { index_elems, where_clause, conname, location: _ } = &**infer;
            absent(!conname.is_empty(), "ON CONSTRAINT")?;
            index_elems.iter().try_for_each(index_column)?;
            self.optional(where_clause.as_deref())?;
        }
        if *action == OnConflictAction::OnconflictNothing as i32 {
            none(target_list, "assignment without DO UPDATE")?;
            return absent(where_clause.is_some(), "condition without DO UPDATE");
        }
        absent(*action != OnConflictAction::OnconflictUpdate as i32, "action on conflict")?;
        self.introduce("excluded", Source::Base(table))?;
        self.assignments(target_list, table)?;
        let conditions = conjuncts(where_clause.as_deref())?;
        if let Some(column) = self.predicate_column(table) {
            // The row in the way may be another tenant's.
            let confined = confined(alias, column, self.tenant()?, &[], &conditions);
            absent(!confined, "DO UPDATE without its predicate")?;
        }
        self.conditions(&conditions)
    }

    fn assignments(&mut self, targets: &[Node], table: &Table) -> Checked {
        for target in targets {
            let NodeEnum::ResTarget(target) = inner(target)? else {
                return Err(Disagreement::new("an assignment of another shape"));
            };
            let ResTarget { name, indirection, val, location: _ } = &**target;
            none(indirection, "assignment to a part of a column")?;
            let tenant = table.tenant_column().is_some_and(|column| column.as_str() == name);
            let forbidden = tenant || NEVER_ASSIGNED.contains(&name.as_str());
            absent(forbidden, &format!("assignment to `{name}`"))?;
            match required(val.as_deref(), "an assignment's value")? {
                NodeEnum::MultiAssignRef(reference) => {
                    let MultiAssignRef { source, colno, ncolumns: _ } = &**reference;
                    // Every column of the list refers to the same source; once is enough.
                    if *colno == 1 {
                        self.expression(required(source.as_deref(), "an assignment's source")?)?;
                    }
                }
                value => self.expression(value)?,
            }
        }
        Ok(())
    }

    fn returning(&mut self, returning: Option<&ReturningClause>) -> Checked {
        let Some(ReturningClause { options, exprs }) = returning else { return Ok(()) };
        none(options, "option of RETURNING")?;
        self.projection(exprs)
    }
}

fn insert_columns(cols: &[Node]) -> Checked<Vec<&str>> {
    let mut columns = Vec::new();
    for col in cols {
        let NodeEnum::ResTarget(target) = inner(col)? else {
            return Err(Disagreement::new("a column of another shape"));
        };
        let ResTarget { name, indirection, val, location: _ } = &**target;
        none(indirection, "part of a column")?;
        absent(val.is_some(), "value in a column list")?;
        absent(columns.contains(&name.as_str()), "column twice")?;
        columns.push(name);
    }
    Ok(columns)
}

fn is_star(target: &Node) -> Checked<bool> {
    let NodeEnum::ResTarget(target) = inner(target)? else { return Ok(true) };
    let NodeEnum::ColumnRef(column) = required(target.val.as_deref(), "a projection")? else {
        return Ok(false);
    };
    Ok(column.fields.iter().any(|field| matches!(field.node, Some(NodeEnum::AStar(_)))))
}

fn index_column(element: &Node) -> Checked {
    let NodeEnum::IndexElem(element) = inner(element)? else {
        return Err(Disagreement::new("a conflict target of another shape"));
    };
    let IndexElem {
        name,
        expr,
        indexcolname,
        collation,
        opclass,
        opclassopts,
        ordering: _,
        nulls_ordering: _,
    } = &**element;
    absent(name.is_empty() || expr.is_some(), "expression as conflict target")?;
    absent(!indexcolname.is_empty(), "name of an index column")?;
    none(collation, "collation of a conflict target")?;
    none(opclass, "operator class")?;
    none(opclassopts, "operator class option")
}
