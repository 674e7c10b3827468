//! The node kinds that may occur in an expression. Anything else is a disagreement.

use pg_query::protobuf::{
    AArrayExpr, AConst, AExpr, AExprKind, AIndices, AIndirection, BoolExpr, BooleanTest, CaseExpr, CaseWhen,
    CoalesceExpr, CollateClause, ColumnRef, FuncCall, GroupingFunc, GroupingSet, List, MinMaxExpr, MinMaxOp,
    NamedArgExpr, NullTest, RowExpr, SortBy, SqlValueFunction, SqlValueFunctionOp, SubLink, SubLinkType,
    TypeCast, WindowDef, a_const,
};
use pg_query::{Node, NodeEnum};

use super::names::{absent, catalog_name, inner, none, operator_name, required, text, texts};
use super::walker::{Source, Walker};
use super::{Checked, Disagreement, kind_of};

/// Columns that every table has and that tell about other tenants' activity.
const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// Collations that may be named; each is PostgreSQL's own.
const COLLATIONS: [&str; 4] = ["C", "default", "und-x-icu", "ucs_basic"];

impl Walker<'_> {
    pub(super) fn expressions(&mut self, nodes: &[Node]) -> Checked {
        nodes.iter().try_for_each(|node| self.expression_node(node))
    }

    pub(super) fn optional(&mut self, node: Option<&Node>) -> Checked {
        node.map_or(Ok(()), |node| self.expression_node(node))
    }

    pub(super) fn expression_node(&mut self, node: &Node) -> Checked {
        self.expression(inner(node)?)
    }

    fn boxed(&mut self, node: Option<&Node>, what: &str) -> Checked {
        self.expression(required(node, what)?)
    }

    pub(super) fn expression(&mut self, node: &NodeEnum) -> Checked {
        match node {
            NodeEnum::ColumnRef(column) => self.column(column),
            NodeEnum::ParamRef(parameter) => self.parameter(parameter),
            NodeEnum::AConst(constant) => self::constant(constant),
            NodeEnum::TypeCast(cast) => {
                let TypeCast { arg, type_name, location: _ } = &**cast;
                let name = type_name.as_ref().ok_or_else(|| Disagreement::new("a cast to nothing"))?;
                self.type_name(name)?;
                self.boxed(arg.as_deref(), "a cast's argument")
            }
            NodeEnum::AExpr(expression) => self.operator(expression),
            NodeEnum::BoolExpr(expression) => {
                let BoolExpr { xpr: _, boolop: _, args, location: _ } = &**expression;
                self.expressions(args)
            }
            NodeEnum::FuncCall(call) => self.call(call),
            NodeEnum::SubLink(link) => self.sub_link(link),
            NodeEnum::NullTest(test) => {
                let NullTest { xpr: _, arg, nulltesttype: _, argisrow: _, location: _ } = &**test;
                self.boxed(arg.as_deref(), "a test's argument")
            }
            NodeEnum::BooleanTest(test) => {
                let BooleanTest { xpr: _, arg, booltesttype: _, location: _ } = &**test;
                self.boxed(arg.as_deref(), "a test's argument")
            }
            NodeEnum::List(List { items }) => self.expressions(items),
            NodeEnum::SortBy(sort) => {
                let SortBy { node, sortby_dir: _, sortby_nulls: _, use_op, location: _ } = &**sort;
                none(use_op, "USING of a sort")?;
                self.boxed(node.as_deref(), "a sort key")
            }
            NodeEnum::WindowDef(window) => self.window(window),
            // `DEFAULT` as a value: the column's own default.
            NodeEnum::SetToDefault(_) => Ok(()),
            other => self.special_form(other),
        }
    }

    /// Forms that are functions in all but syntax.
    fn special_form(&mut self, node: &NodeEnum) -> Checked {
        match node {
            NodeEnum::CaseExpr(case) => self.case(case),
            NodeEnum::CoalesceExpr(expression) => {
                let CoalesceExpr { xpr: _, coalescetype: _, coalescecollid: _, args, location: _ } =
                    &**expression;
                self.note_function("coalesce")?;
                self.expressions(args)
            }
            NodeEnum::MinMaxExpr(expression) => {
                let MinMaxExpr {
                    xpr: _,
                    minmaxtype: _,
                    minmaxcollid: _,
                    inputcollid: _,
                    op,
                    args,
                    location: _,
                } = &**expression;
                let greatest = *op == MinMaxOp::IsGreatest as i32;
                self.note_function(if greatest { "greatest" } else { "least" })?;
                self.expressions(args)
            }
            NodeEnum::SqlvalueFunction(function) => self.value_function(function),
            NodeEnum::GroupingFunc(function) => {
                let GroupingFunc { xpr: _, args, refs, agglevelsup: _, location: _ } = &**function;
                none(refs, "analysed reference")?;
                self.note_function("grouping")?;
                self.expressions(args)
            }
            NodeEnum::GroupingSet(set) => {
                let GroupingSet { kind: _, content, location: _ } = set;
                self.expressions(content)
            }
            NodeEnum::AArrayExpr(array) => {
                let AArrayExpr { elements, list_start: _, list_end: _, location: _ } = array;
                self.expressions(elements)
            }
            NodeEnum::RowExpr(row) => {
                let RowExpr { xpr: _, args, row_typeid: _, row_format: _, colnames, location: _ } = &**row;
                none(colnames, "names in a row")?;
                self.expressions(args)
            }
            NodeEnum::AIndirection(indirection) => self.indirection(indirection),
            NodeEnum::CollateClause(collate) => {
                let CollateClause { arg, collname, location: _ } = &**collate;
                let known = texts(collname)?.last().is_some_and(|name| COLLATIONS.contains(name));
                absent(!known, "collation")?;
                self.boxed(arg.as_deref(), "a collation's argument")
            }
            other => Err(Disagreement::new(format!("a {} in an expression", kind_of(other)))),
        }
    }

    fn column(&self, column: &ColumnRef) -> Checked {
        let ColumnRef { fields, location: _ } = column;
        let (last, qualifier) = match fields.as_slice() {
            [last] => (last, None),
            [qualifier, last] => (last, Some(text(qualifier)?)),
            _ => return Err(Disagreement::new("a column with more than one qualifier")),
        };
        let star = matches!(inner(last)?, NodeEnum::AStar(_));
        let name = if star { None } else { Some(text(last)?) };
        absent(name.is_some_and(|name| SYSTEM_COLUMNS.contains(&name)), "system column")?;
        let Some(qualifier) = qualifier else { return Ok(()) };
        match self.source(qualifier) {
            // `c.f` is also a call of function f with the row c, when there is no such column.
            Some(Source::Base(table)) => {
                let known = name.is_none_or(|name| table.columns.iter().any(|c| c.name.as_str() == name));
                absent(!known, "column that the table does not have")
            }
            Some(Source::Derived) => Ok(()),
            None => Err(Disagreement::new("a qualifier that is no alias")),
        }
    }

    fn operator(&mut self, expression: &AExpr) -> Checked {
        let AExpr { kind, name, lexpr, rexpr, rexpr_list_start: _, rexpr_list_end: _, location: _ } =
            expression;
        let kind = AExprKind::try_from(*kind).map_err(|_| Disagreement::new("an unknown expression"))?;
        match kind {
            AExprKind::AexprNullif => self.note_function("nullif")?,
            AExprKind::AexprOp
            | AExprKind::AexprOpAny
            | AExprKind::AexprOpAll
            | AExprKind::AexprDistinct
            | AExprKind::AexprNotDistinct
            | AExprKind::AexprIn
            | AExprKind::AexprLike
            | AExprKind::AexprIlike
            | AExprKind::AexprSimilar
            | AExprKind::AexprBetween
            | AExprKind::AexprNotBetween
            | AExprKind::AexprBetweenSym
            | AExprKind::AexprNotBetweenSym => {}
            AExprKind::Undefined => return Err(Disagreement::new("an undefined expression")),
        }
        self.note_operator(operator_name(name)?)?;
        // A prefix operator has no left side; nothing has no right side.
        self.optional(lexpr.as_deref())?;
        self.boxed(rexpr.as_deref(), "an operand")
    }

    fn call(&mut self, call: &FuncCall) -> Checked {
        let FuncCall {
            funcname,
            args,
            agg_order,
            agg_filter,
            over,
            agg_within_group: _,
            agg_star: _,
            agg_distinct: _,
            func_variadic,
            funcformat: _,
            location: _,
        } = call;
        absent(*func_variadic, "VARIADIC")?;
        self.note_function(catalog_name(funcname, "function")?)?;
        for arg in args {
            match inner(arg)? {
                NodeEnum::NamedArgExpr(named) => {
                    let NamedArgExpr { xpr: _, arg, name: _, argnumber: _, location: _ } = &**named;
                    self.boxed(arg.as_deref(), "a named argument")?;
                }
                plain => self.expression(plain)?,
            }
        }
        self.expressions(agg_order)?;
        self.optional(agg_filter.as_deref())?;
        over.as_deref().map_or(Ok(()), |window| self.window(window))
    }

    fn window(&mut self, window: &WindowDef) -> Checked {
        let WindowDef {
            name: _,
            refname: _,
            partition_clause,
            order_clause,
            frame_options: _,
            start_offset,
            end_offset,
            location: _,
        } = window;
        self.expressions(partition_clause)?;
        self.expressions(order_clause)?;
        self.optional(start_offset.as_deref())?;
        self.optional(end_offset.as_deref())
    }

    fn sub_link(&mut self, link: &SubLink) -> Checked {
        let SubLink { xpr: _, sub_link_type, sub_link_id: _, testexpr, oper_name, subselect, location: _ } =
            link;
        let kind =
            SubLinkType::try_from(*sub_link_type).map_err(|_| Disagreement::new("an unknown subquery"))?;
        match kind {
            SubLinkType::ExistsSublink
            | SubLinkType::AllSublink
            | SubLinkType::AnySublink
            | SubLinkType::ExprSublink
            | SubLinkType::ArraySublink => {}
            SubLinkType::Undefined
            | SubLinkType::RowcompareSublink
            | SubLinkType::MultiexprSublink
            | SubLinkType::CteSublink => return Err(Disagreement::new("a subquery of a later stage")),
        }
        if !oper_name.is_empty() {
            self.note_operator(operator_name(oper_name)?)?;
        }
        self.optional(testexpr.as_deref())?;
        self.nested_select(required(subselect.as_deref(), "a subquery")?)
    }

    fn case(&mut self, case: &CaseExpr) -> Checked {
        let CaseExpr { xpr: _, casetype: _, casecollid: _, arg, args, defresult, location: _ } = case;
        self.optional(arg.as_deref())?;
        for branch in args {
            let NodeEnum::CaseWhen(branch) = inner(branch)? else {
                return Err(Disagreement::new("a CASE branch of another shape"));
            };
            let CaseWhen { xpr: _, expr, result, location: _ } = &**branch;
            self.boxed(expr.as_deref(), "a branch's condition")?;
            self.boxed(result.as_deref(), "a branch's result")?;
        }
        self.optional(defresult.as_deref())
    }

    fn value_function(&mut self, function: &SqlValueFunction) -> Checked {
        let SqlValueFunction { xpr: _, op, r#type: _, typmod: _, location: _ } = function;
        let op = SqlValueFunctionOp::try_from(*op).map_err(|_| Disagreement::new("an unknown function"))?;
        match op {
            SqlValueFunctionOp::SvfopCurrentDate => self.note_function("current_date"),
            SqlValueFunctionOp::SvfopCurrentTime | SqlValueFunctionOp::SvfopCurrentTimeN => {
                self.note_function("current_time")
            }
            SqlValueFunctionOp::SvfopCurrentTimestamp | SqlValueFunctionOp::SvfopCurrentTimestampN => {
                self.note_function("current_timestamp")
            }
            SqlValueFunctionOp::SvfopLocaltime | SqlValueFunctionOp::SvfopLocaltimeN => {
                self.note_function("localtime")
            }
            SqlValueFunctionOp::SvfopLocaltimestamp | SqlValueFunctionOp::SvfopLocaltimestampN => {
                self.note_function("localtimestamp")
            }
            SqlValueFunctionOp::SqlvalueFunctionOpUndefined
            | SqlValueFunctionOp::SvfopCurrentRole
            | SqlValueFunctionOp::SvfopCurrentUser
            | SqlValueFunctionOp::SvfopUser
            | SqlValueFunctionOp::SvfopSessionUser
            | SqlValueFunctionOp::SvfopCurrentCatalog
            | SqlValueFunctionOp::SvfopCurrentSchema => {
                Err(Disagreement::new("a function about the session"))
            }
        }
    }

    /// Subscripts only: a field of a row can be a function in disguise.
    fn indirection(&mut self, indirection: &AIndirection) -> Checked {
        let AIndirection { arg, indirection } = indirection;
        self.boxed(arg.as_deref(), "a subscript's argument")?;
        for step in indirection {
            let NodeEnum::AIndices(indices) = inner(step)? else {
                return Err(Disagreement::new("a field of an expression"));
            };
            let AIndices { is_slice: _, lidx, uidx } = &**indices;
            self.optional(lidx.as_deref())?;
            self.optional(uidx.as_deref())?;
        }
        Ok(())
    }
}

fn constant(constant: &AConst) -> Checked {
    let AConst { isnull, location: _, val } = constant;
    match val {
        None => absent(!isnull, "constant without a value"),
        Some(
            a_const::Val::Ival(_) | a_const::Val::Fval(_) | a_const::Val::Boolval(_) | a_const::Val::Sval(_),
        ) => Ok(()),
        Some(a_const::Val::Bsval(_)) => Err(Disagreement::new("a bit string")),
    }
}
