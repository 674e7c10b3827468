//! Queries: WITH, FROM and the proof that every base relation in it is confined to the tenant.

use pg_query::protobuf::{
    Alias, CommonTableExpr, JoinExpr, JoinType, LimitOption, RangeFunction, RangeSubselect, RangeVar,
    SelectStmt, SetOperation, WithClause,
};
use pg_query::{Node, NodeEnum};

use super::names::{absent, inner, none, required, texts};
use super::predicate::{Frame, Side, confined, conjuncts, read};
use super::walker::{Source, Walker};
use super::{Checked, Disagreement, kind_of};

/// How deep joins may nest before the walk gives up; the gate allows far fewer.
const MAX_JOIN_FRAMES: usize = 32;

impl<'a> Walker<'a> {
    /// A query inside another statement.
    pub(super) fn nested_select(&mut self, node: &NodeEnum) -> Checked {
        let NodeEnum::SelectStmt(select) = node else {
            return Err(Disagreement::new(format!("a {} as subquery", kind_of(node))));
        };
        self.nested_queries += 1;
        self.select(select)
    }

    /// One SELECT or VALUES with everything in it.
    pub(super) fn select(&mut self, select: &SelectStmt) -> Checked {
        let SelectStmt {
            distinct_clause,
            into_clause,
            target_list,
            from_clause,
            where_clause,
            group_clause,
            group_distinct: _,
            having_clause,
            window_clause,
            values_lists,
            sort_clause,
            limit_offset,
            limit_count,
            limit_option,
            locking_clause,
            with_clause,
            op,
            all,
            larg,
            rarg,
        } = select;
        absent(into_clause.is_some(), "INTO")?;
        none(locking_clause, "locking clause")?;
        absent(*op != SetOperation::SetopNone as i32, "set operation")?;
        absent(*all || larg.is_some() || rarg.is_some(), "part of a set operation")?;
        let plain_limit = [LimitOption::Default as i32, LimitOption::Count as i32].contains(limit_option);
        absent(!plain_limit, "WITH TIES")?;

        let visible = self.visible_ctes.len();
        self.with(with_clause.as_ref())?;
        self.levels.push(Vec::new());
        self.from(from_clause, where_clause.as_deref())?;
        for item in distinct_clause {
            // A plain DISTINCT is a list with one empty node.
            if item.node.is_some() {
                self.expression_node(item)?;
            }
        }
        self.projection(target_list)?;
        self.expressions(group_clause)?;
        self.optional(having_clause.as_deref())?;
        self.expressions(window_clause)?;
        self.expressions(values_lists)?;
        self.expressions(sort_clause)?;
        self.optional(limit_offset.as_deref())?;
        self.optional(limit_count.as_deref())?;
        self.levels.pop();
        self.visible_ctes.truncate(visible);
        Ok(())
    }

    /// A list of projections, as in SELECT and RETURNING.
    pub(super) fn projection(&mut self, targets: &[Node]) -> Checked {
        for target in targets {
            let NodeEnum::ResTarget(target) = inner(target)? else {
                return Err(Disagreement::new("a projection that is no target"));
            };
            none(&target.indirection, "indirection of a projection")?;
            let value = required(target.val.as_deref(), "a projection's expression")?;
            self.expression(value)?;
        }
        Ok(())
    }

    /// WITH: each expression sees those before it and those of the queries around, never itself.
    pub(super) fn with(&mut self, with: Option<&WithClause>) -> Checked {
        let Some(WithClause { ctes, recursive, location: _ }) = with else { return Ok(()) };
        absent(*recursive, "RECURSIVE")?;
        for cte in ctes {
            let NodeEnum::CommonTableExpr(cte) = inner(cte)? else {
                return Err(Disagreement::new("a WITH item that is no query"));
            };
            self.cte(cte)?;
        }
        Ok(())
    }

    fn cte(&mut self, cte: &CommonTableExpr) -> Checked {
        let CommonTableExpr {
            ctename,
            aliascolnames,
            ctematerialized: _,
            ctequery,
            search_clause,
            cycle_clause,
            location: _,
            cterecursive,
            cterefcount: _,
            ctecolnames,
            ctecoltypes,
            ctecoltypmods,
            ctecolcollations,
        } = cte;
        absent(*cterecursive || search_clause.is_some() || cycle_clause.is_some(), "recursion")?;
        none(ctecolnames, "analysed column")?;
        none(ctecoltypes, "analysed column")?;
        none(ctecoltypmods, "analysed column")?;
        none(ctecolcollations, "analysed column")?;
        texts(aliascolnames)?;
        self.nested_select(required(ctequery.as_deref(), "a CTE's query")?)?;
        self.note_cte(ctename)?;
        self.visible_ctes.push(ctename.clone());
        Ok(())
    }

    /// FROM and WHERE of one query: every relation is proven, every condition walked.
    pub(super) fn from(&mut self, items: &[Node], condition: Option<&Node>) -> Checked {
        let conditions = conjuncts(condition)?;
        self.introduce_all(items)?;
        for item in items {
            self.relation_item(inner(item)?, &mut Vec::new(), &conditions)?;
        }
        self.conditions(&conditions)
    }

    /// Conjuncts of a condition. A tenant predicate about an alias of this very query has served its
    /// purpose; anything else is an expression, where the tenant's parameter may not occur.
    pub(super) fn conditions(&mut self, conjuncts: &[&NodeEnum]) -> Checked {
        for conjunct in conjuncts {
            let predicate = self.accounting.tenant_parameter.and_then(|tenant| read(conjunct, tenant));
            match predicate {
                Some((alias, column)) if self.is_own_predicate(alias, column) => {
                    self.note_parameter(i32::from(self.tenant()?))?;
                }
                Some(_) | None => self.expression(conjunct)?,
            }
        }
        Ok(())
    }

    fn is_own_predicate(&self, alias: &str, column: &str) -> bool {
        let own = self.levels.last().and_then(|level| level.iter().find(|(known, _)| known == alias));
        match own {
            Some((_, Source::Base(table))) => self.predicate_column(table) == Some(column),
            Some((_, Source::Derived)) | None => false,
        }
    }

    /// First the names, because LATERAL and ON may speak of items further left or right.
    fn introduce_all(&mut self, items: &[Node]) -> Checked {
        items.iter().try_for_each(|item| self.introduce_item(inner(item)?, 0))
    }

    fn introduce_item(&mut self, item: &NodeEnum, depth: usize) -> Checked {
        absent(depth > MAX_JOIN_FRAMES, "nesting of joins")?;
        match item {
            NodeEnum::RangeVar(range) => {
                let alias = alias_name(range.alias.as_ref())?;
                if range.schemaname.is_empty() {
                    self.introduce(alias, Source::Derived)
                } else {
                    let (table, alias) = self.base_table(range)?;
                    self.introduce(&alias, Source::Base(table))
                }
            }
            NodeEnum::RangeSubselect(derived) => {
                self.introduce(alias_name(derived.alias.as_ref())?, Source::Derived)
            }
            NodeEnum::RangeFunction(function) => {
                self.introduce(alias_name(function.alias.as_ref())?, Source::Derived)
            }
            NodeEnum::JoinExpr(join) => {
                self.introduce_item(required(join.larg.as_deref(), "a join's left side")?, depth + 1)?;
                self.introduce_item(required(join.rarg.as_deref(), "a join's right side")?, depth + 1)?;
                for alias in [join.alias.as_ref(), join.join_using_alias.as_ref()].into_iter().flatten() {
                    self.introduce(&alias.aliasname, Source::Derived)?;
                }
                Ok(())
            }
            other => Err(Disagreement::new(format!("a {} in FROM", kind_of(other)))),
        }
    }

    fn relation_item<'t>(
        &mut self,
        item: &'t NodeEnum,
        frames: &mut Vec<Frame<'t>>,
        conditions: &[&'t NodeEnum],
    ) -> Checked {
        match item {
            NodeEnum::RangeVar(range) if range.schemaname.is_empty() => self.cte_reference(range),
            NodeEnum::RangeVar(range) => self.proven(range, frames, conditions),
            NodeEnum::RangeSubselect(derived) => {
                let RangeSubselect { lateral: _, subquery, alias } = &**derived;
                column_names(alias.as_ref())?;
                self.nested_select(required(subquery.as_deref(), "a derived table's query")?)
            }
            NodeEnum::RangeFunction(function) => self.range_function(function),
            NodeEnum::JoinExpr(join) => self.join(join, frames, conditions),
            other => Err(Disagreement::new(format!("a {} in FROM", kind_of(other)))),
        }
    }

    /// A name without schema: PostgreSQL takes a visible common table expression before any table.
    fn cte_reference(&self, range: &RangeVar) -> Checked {
        let RangeVar { catalogname, schemaname: _, relname, inh, relpersistence, alias, location: _ } = range;
        absent(!catalogname.is_empty() || !inh || relpersistence != "p", "form of a CTE reference")?;
        column_names(alias.as_ref())?;
        absent(!self.visible_ctes.contains(relname), "relation without schema")
    }

    fn proven(&self, range: &RangeVar, frames: &[Frame<'_>], conditions: &[&NodeEnum]) -> Checked {
        let alias = alias_name(range.alias.as_ref())?;
        let Some(Source::Base(table)) = self.source(alias) else {
            return Err(Disagreement::new("a relation that was not introduced"));
        };
        let Some(column) = self.predicate_column(table) else { return Ok(()) };
        let confined = confined(alias, column, self.tenant()?, frames, conditions);
        absent(!confined, &format!("relation `{alias}` without its predicate"))
    }

    fn join<'t>(
        &mut self,
        join: &'t JoinExpr,
        frames: &mut Vec<Frame<'t>>,
        conditions: &[&'t NodeEnum],
    ) -> Checked {
        let JoinExpr {
            jointype,
            is_natural: _,
            larg,
            rarg,
            using_clause,
            join_using_alias,
            quals,
            alias,
            rtindex: _,
        } = join;
        let kind = JoinType::try_from(*jointype).map_err(|_| Disagreement::new("an unknown join"))?;
        let plain = matches!(
            kind,
            JoinType::JoinInner | JoinType::JoinLeft | JoinType::JoinRight | JoinType::JoinFull
        );
        absent(!plain, "kind of join")?;
        texts(using_clause)?;
        column_names(alias.as_ref())?;
        column_names(join_using_alias.as_ref())?;
        let on = conjuncts(quals.as_deref())?;
        for (side, arg) in [(Side::Left, larg), (Side::Right, rarg)] {
            frames.push(Frame { on: on.clone(), kind, side, hides: alias.is_some() });
            self.relation_item(required(arg.as_deref(), "a side of a join")?, frames, conditions)?;
            frames.pop();
        }
        self.conditions(&on)
    }

    fn range_function(&mut self, function: &RangeFunction) -> Checked {
        let RangeFunction { lateral: _, ordinality: _, is_rowsfrom, functions, alias, coldeflist } = function;
        absent(*is_rowsfrom && functions.len() < 2, "ROWS FROM one function")?;
        absent(!*is_rowsfrom && functions.len() != 1, "several functions in one FROM item")?;
        none(coldeflist, "column definition list")?;
        column_names(alias.as_ref())?;
        functions.iter().try_for_each(|item| self.call_in_from(item))
    }

    fn call_in_from(&mut self, item: &Node) -> Checked {
        let NodeEnum::List(list) = inner(item)? else {
            return Err(Disagreement::new("a FROM function of another shape"));
        };
        // The function and its own column definitions, which have to be empty.
        let mut parts = list.items.iter();
        let call = required(parts.next(), "a FROM function")?;
        absent(parts.any(|part| part.node.is_some()), "column definition list")?;
        match call {
            NodeEnum::FuncCall(_) => self.expression(call),
            other => Err(Disagreement::new(format!("a {} as FROM function", kind_of(other)))),
        }
    }
}

fn alias_name(alias: Option<&Alias>) -> Checked<&str> {
    alias.map_or_else(|| Err(Disagreement::new("a FROM item without alias")), |alias| Ok(&*alias.aliasname))
}

fn column_names(alias: Option<&Alias>) -> Checked {
    alias.map_or(Ok(()), |alias| texts(&alias.colnames).map(drop))
}
