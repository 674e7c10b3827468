//! The tenant predicate, as it stands in the tree: `"alias"."column" = $n::pg_catalog.uuid`.

use pg_query::protobuf::{AExpr, AExprKind, BoolExpr, BoolExprType, ColumnRef, JoinType, ParamRef, TypeCast};
use pg_query::{Node, NodeEnum};

use super::Checked;
use super::names::{catalog_name, inner, operator_name, texts};

/// A condition split at its top-level ANDs. Nothing below an OR, NOT or CASE is a conjunct.
pub(super) fn conjuncts(condition: Option<&Node>) -> Checked<Vec<&NodeEnum>> {
    let mut found = Vec::new();
    if let Some(node) = condition {
        split(inner(node)?, &mut found)?;
    }
    Ok(found)
}

fn split<'t>(node: &'t NodeEnum, found: &mut Vec<&'t NodeEnum>) -> Checked {
    match node {
        NodeEnum::BoolExpr(expression) if expression.boolop == BoolExprType::AndExpr as i32 => {
            let BoolExpr { xpr: _, boolop: _, args, location: _ } = &**expression;
            args.iter().try_for_each(|arg| split(inner(arg)?, found))
        }
        other => {
            found.push(other);
            Ok(())
        }
    }
}

/// The alias and column of `"alias"."column" = $tenant::pg_catalog.uuid`, if that is what the node is.
pub(super) fn read(node: &NodeEnum, tenant: u16) -> Option<(&str, &str)> {
    let NodeEnum::AExpr(expression) = node else { return None };
    let AExpr { kind, name, lexpr, rexpr, rexpr_list_start: _, rexpr_list_end: _, location: _ } =
        &**expression;
    if *kind != AExprKind::AexprOp as i32 || operator_name(name).ok()? != "=" {
        return None;
    }
    if !is_tenant(rexpr.as_deref()?.node.as_ref()?, tenant) {
        return None;
    }
    let NodeEnum::ColumnRef(ColumnRef { fields, location: _ }) = lexpr.as_deref()?.node.as_ref()? else {
        return None;
    };
    match texts(fields).ok()?.as_slice() {
        [alias, column] => Some((alias, column)),
        _ => None,
    }
}

/// Whether the node is `$tenant::pg_catalog.uuid`.
pub(super) fn is_tenant(node: &NodeEnum, tenant: u16) -> bool {
    let NodeEnum::TypeCast(cast) = node else { return false };
    let TypeCast { arg, type_name, location: _ } = &**cast;
    let Some(NodeEnum::ParamRef(ParamRef { number, location: _ })) =
        arg.as_deref().and_then(|node| node.node.as_ref())
    else {
        return false;
    };
    let Some(name) = type_name else { return false };
    let plain = name.typmods.is_empty() && name.array_bounds.is_empty() && !name.setof && !name.pct_type;
    *number == i32::from(tenant)
        && plain
        && catalog_name(&name.names, "type").is_ok_and(|name| name == "uuid")
}

/// Which side of a join a relation stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Left of JOIN.
    Left,
    /// Right of JOIN.
    Right,
}

/// A join above a relation, seen from that relation.
#[derive(Debug)]
pub(super) struct Frame<'t> {
    /// The conjuncts of ON.
    pub(super) on: Vec<&'t NodeEnum>,
    /// Which join it is.
    pub(super) kind: JoinType,
    /// Where the relation stands.
    pub(super) side: Side,
    /// Whether the join has an alias, which hides the relation from everything outside.
    pub(super) hides: bool,
}

impl Frame<'_> {
    /// Whether ON drops this side's rows: always for an inner join, else only on the nullable side. A
    /// preserved row comes out whatever ON says.
    const fn restricts(&self) -> bool {
        match self.kind {
            JoinType::JoinInner => true,
            JoinType::JoinLeft => matches!(self.side, Side::Right),
            JoinType::JoinRight => matches!(self.side, Side::Left),
            JoinType::JoinFull
            | JoinType::Undefined
            | JoinType::JoinSemi
            | JoinType::JoinAnti
            | JoinType::JoinRightSemi
            | JoinType::JoinRightAnti
            | JoinType::JoinUniqueOuter
            | JoinType::JoinUniqueInner => false,
        }
    }
}

/// Whether a relation's rows are confined to the tenant: the predicate is a conjunct of the WHERE of its
/// query, or of the ON of a join above it that drops its rows. `frames` is outermost first.
pub(super) fn confined(
    alias: &str,
    column: &str,
    tenant: u16,
    frames: &[Frame<'_>],
    conditions: &[&NodeEnum],
) -> bool {
    let stated = |conjuncts: &[&NodeEnum]| {
        conjuncts.iter().any(|conjunct| read(conjunct, tenant) == Some((alias, column)))
    };
    for frame in frames.iter().rev() {
        if frame.restricts() && stated(&frame.on) {
            return true;
        }
        if frame.hides {
            // Outside, the same alias would mean something else.
            return false;
        }
    }
    stated(conditions)
}
