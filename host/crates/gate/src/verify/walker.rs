//! What the walk carries along, and the final comparison with the printer's account.

use std::collections::BTreeSet;

use applet_catalog::{Catalog, Table};
use applet_types::{Grants, SqlName};
use pg_query::NodeEnum;
use pg_query::protobuf::{ParamRef, RangeVar, TypeName};

use super::names::{absent, catalog_name, inner};
use super::{Checked, Disagreement, kind_of};
use crate::accounting::{Accounting, PrintedRelation, Scoped};
use crate::allow::functions;
use crate::{ScopeContext, StatementKind, Wall};

/// What PostgreSQL's grammar makes of syntax: EXTRACT, AT TIME ZONE, TRIM, POSITION, LIKE … ESCAPE.
const GRAMMAR_FUNCTIONS: [&str; 5] = ["extract", "position", "like_escape", "similar_to_escape", "timezone"];

/// The operators that may stand in the text: a list of its own, because the gate's is about the other
/// parser's tree.
#[rustfmt::skip]
const OPERATORS: [&str; 41] = [
    "=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "^", "||", "~~", "~~*", "!~~", "!~~*", "~", "~*",
    "!~", "!~*", "->", "->>", "#>", "#>>", "@>", "<@", "?", "?|", "?&", "#-", "&&", "<<", ">>", "|", "&", "#",
    "BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN SYMMETRIC",
];

/// The types that may be named, by PostgreSQL's own names.
#[rustfmt::skip]
const TYPES: [&str; 20] = [
    "int2", "int4", "int8", "numeric", "float4", "float8", "text", "varchar", "bpchar", "bool", "date", "time",
    "timetz", "timestamp", "timestamptz", "interval", "uuid", "json", "jsonb",
    "bytea",
];

/// A relation as the second parser read it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Relation {
    schema: String,
    name: String,
    alias: String,
}

/// What a name before a dot can mean.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source<'a> {
    /// A base table, whose columns are known.
    Base(&'a Table),
    /// A derived table, a common table expression or a function: its columns are its own.
    Derived,
}

/// The walk over one tree.
pub(super) struct Walker<'a> {
    pub(super) accounting: &'a Accounting,
    pub(super) catalog: &'a Catalog,
    pub(super) grants: &'a Grants,
    /// Whether predicates and grants are ours to prove.
    pub(super) both_walls: bool,
    /// Names of common table expressions visible here, innermost last.
    pub(super) visible_ctes: Vec<String>,
    /// Aliases visible here, one list per query, innermost last.
    pub(super) levels: Vec<Vec<(String, Source<'a>)>>,
    pub(super) nested_queries: usize,
    relations: Vec<Relation>,
    ctes: BTreeSet<String>,
    functions: BTreeSet<String>,
    operators: BTreeSet<String>,
    types: BTreeSet<String>,
    max_parameter: u16,
}

impl<'a> Walker<'a> {
    pub(super) fn new(accounting: &'a Accounting, context: &ScopeContext<'a>) -> Self {
        Self {
            accounting,
            catalog: context.catalog,
            grants: context.grants,
            both_walls: context.wall == Wall::Both,
            visible_ctes: Vec::new(),
            levels: Vec::new(),
            nested_queries: 0,
            relations: Vec::new(),
            ctes: BTreeSet::new(),
            functions: BTreeSet::new(),
            operators: BTreeSet::new(),
            types: BTreeSet::new(),
            max_parameter: 0,
        }
    }

    /// The top of the tree: the statement that the printer says it is.
    pub(super) fn statement(&mut self, node: &NodeEnum) -> Checked {
        match (node, self.accounting.kind) {
            (NodeEnum::SelectStmt(select), StatementKind::Select) => {
                // The row cap is part of the text, because it is the only thing that bounds the answer.
                absent(select.limit_count.is_none(), "SELECT without a row cap")?;
                self.select(select)
            }
            (NodeEnum::InsertStmt(insert), StatementKind::Insert) => self.insert(insert),
            (NodeEnum::UpdateStmt(update), StatementKind::Update) => self.update(update),
            (NodeEnum::DeleteStmt(delete), StatementKind::Delete) => self.delete(delete),
            (
                other,
                StatementKind::Select | StatementKind::Insert | StatementKind::Update | StatementKind::Delete,
            ) => Err(Disagreement::new(format!("a {} as statement", kind_of(other)))),
        }
    }

    /// Notes a base table, after its name is looked up where it has to stand.
    pub(super) fn base_table(&mut self, range: &RangeVar) -> Checked<(&'a Table, String)> {
        let RangeVar { catalogname, schemaname, relname, inh, relpersistence, alias, location: _ } = range;
        absent(!catalogname.is_empty(), "database name")?;
        absent(!inh, "ONLY")?;
        absent(relpersistence != "p", "temporary relation")?;
        let alias = alias.as_ref().ok_or_else(|| Disagreement::new("a relation without alias"))?;
        // Renamed columns would make the predicate's column mean another one.
        absent(!alias.colnames.is_empty(), "column aliases of a base table")?;
        let name = SqlName::exact(relname).ok();
        let table = name.as_ref().and_then(|name| self.catalog.table(name));
        let table = table.ok_or_else(|| Disagreement::new(format!("unknown relation `{relname}`")))?;
        absent(table.schema.as_str() != schemaname, "relation of another schema")?;
        let granted = self.grants.table(&table.name).is_some();
        absent(self.both_walls && !granted, "relation that is not granted")?;
        self.relations.push(Relation {
            schema: schemaname.clone(),
            name: relname.clone(),
            alias: alias.aliasname.clone(),
        });
        Ok((table, alias.aliasname.clone()))
    }

    /// The tenant column whose predicate has to be proven for this table, if any.
    pub(super) fn predicate_column(&self, table: &'a Table) -> Option<&'a str> {
        if self.both_walls { table.tenant_column().map(SqlName::as_str) } else { None }
    }

    /// The tenant's parameter; without one, nothing that belongs to tenants can be proven.
    pub(super) fn tenant(&self) -> Checked<u16> {
        self.accounting.tenant_parameter.ok_or_else(|| Disagreement::new("no tenant parameter"))
    }

    /// Makes an alias visible in the innermost query; two of the same name would make it ambiguous which
    /// one a predicate speaks about.
    pub(super) fn introduce(&mut self, alias: &str, source: Source<'a>) -> Checked {
        let level = self.levels.last_mut().ok_or_else(|| Disagreement::new("an alias outside a query"))?;
        absent(level.iter().any(|(known, _)| known == alias), "second use of an alias")?;
        level.push((alias.to_owned(), source));
        Ok(())
    }

    /// What a name before a dot means here.
    pub(super) fn source(&self, alias: &str) -> Option<Source<'a>> {
        let aliases = self.levels.iter().rev().flatten();
        aliases.into_iter().find(|(known, _)| known == alias).map(|(_, source)| *source)
    }

    pub(super) fn note_cte(&mut self, name: &str) -> Checked {
        absent(self.catalog_has(name), "common table expression named like a table")?;
        self.ctes.insert(name.to_owned());
        Ok(())
    }

    fn catalog_has(&self, name: &str) -> bool {
        SqlName::exact(name).is_ok_and(|name| self.catalog.table(&name).is_some())
    }

    pub(super) fn note_function(&mut self, name: &str) -> Checked {
        let allowed = functions::lookup(name).is_some() || GRAMMAR_FUNCTIONS.contains(&name);
        absent(!allowed, &format!("function `{name}`"))?;
        note(&mut self.functions, &self.accounting.functions, name, "function")
    }

    pub(super) fn note_operator(&mut self, name: &str) -> Checked {
        absent(!OPERATORS.contains(&name), &format!("operator `{name}`"))?;
        note(&mut self.operators, &self.accounting.operators, name, "operator")
    }

    pub(super) fn note_parameter(&mut self, number: i32) -> Checked {
        let number = u16::try_from(number).map_err(|_| Disagreement::new("parameter out of range"))?;
        self.max_parameter = self.max_parameter.max(number);
        Ok(())
    }

    /// A parameter in an expression. The tenant's never is: it stands in predicates and in the tenant
    /// column of new rows, where it is taken out before expressions are walked.
    pub(super) fn parameter(&mut self, parameter: &ParamRef) -> Checked {
        let ParamRef { number, location: _ } = parameter;
        absent(*number < 1, "parameter without a number")?;
        let tenant = self.accounting.tenant_parameter.map(i32::from);
        absent(tenant == Some(*number), "use of the tenant's parameter in an expression")?;
        self.note_parameter(*number)
    }

    pub(super) fn type_name(&mut self, name: &TypeName) -> Checked {
        let TypeName { names, type_oid, setof, pct_type, typmods, typemod: _, array_bounds, location: _ } =
            name;
        absent(*type_oid != 0 || *setof || *pct_type, "form of a type")?;
        absent(array_bounds.len() > 1, "array of several dimensions")?;
        for modifier in typmods {
            absent(!matches!(inner(modifier)?, NodeEnum::AConst(_)), "computed type modifier")?;
        }
        let name = catalog_name(names, "type")?;
        absent(!TYPES.contains(&name), &format!("type `{name}`"))?;
        note(&mut self.types, &self.accounting.types, name, "type")
    }

    /// What the printer takes a relation for is what the catalogue says it is.
    fn tenancy_agrees(&self, relation: &PrintedRelation) -> Checked {
        let table = SqlName::exact(&relation.relation).ok();
        let table = table.as_ref().and_then(|name| self.catalog.table(name));
        let column = table.and_then(Table::tenant_column).map(SqlName::as_str);
        absent(relation.tenant_column.as_deref() != column, "difference in a tenant column")?;
        let free = relation.scoped == Scoped::Free;
        absent(free && column.is_some(), "relation without a predicate")
    }

    /// Compares what was found with what the printer says it wrote. What it says beyond that was lost on
    /// the way, which is as bad as something added.
    pub(super) fn finish(mut self) -> Checked {
        self.relations.sort();
        let mut printed: Vec<_> = self.accounting.relations.iter().collect();
        printed.sort();
        let same = printed.len() == self.relations.len()
            && printed.iter().zip(&self.relations).all(|(printed, found)| {
                printed.schema == found.schema
                    && printed.relation == found.name
                    && printed.alias == found.alias
            });
        absent(!same, "difference in relations")?;
        if self.both_walls {
            printed.into_iter().try_for_each(|relation| self.tenancy_agrees(relation))?;
        }
        absent(self.ctes != self.accounting.ctes, "difference in common table expressions")?;
        absent(self.nested_queries != self.accounting.nested_queries, "difference in nested queries")?;
        absent(self.max_parameter != self.accounting.max_parameter, "difference in parameters")?;
        lost(&self.accounting.functions, &self.functions, "function")?;
        lost(&self.accounting.operators, &self.operators, "operator")?;
        lost(&self.accounting.types, &self.types, "type")
    }
}

fn note(found: &mut BTreeSet<String>, accounted: &BTreeSet<String>, name: &str, what: &str) -> Checked {
    if !accounted.contains(name) {
        return Err(Disagreement::new(format!("{what} `{name}` is not accounted for")));
    }
    if !found.contains(name) {
        found.insert(name.to_owned());
    }
    Ok(())
}

/// The predicate's own `=` and `uuid` are taken out before expressions are walked, so they may be missing.
fn lost(accounted: &BTreeSet<String>, found: &BTreeSet<String>, what: &str) -> Checked {
    let missing = accounted.difference(found).find(|name| !matches!(name.as_str(), "=" | "uuid"));
    missing.map_or(Ok(()), |name| Err(Disagreement::new(format!("{what} `{name}` is lost"))))
}
