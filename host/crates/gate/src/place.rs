//! Pass 4, placement. Assumes a typed form with unscoped base relations. Guarantees that each base relation
//! that belongs to tenants has its predicate exactly where it filters the relation itself and nothing else:
//!
//! - in WHERE, when no outer join stands between the relation and its query;
//! - in ON, when the relation is on the nullable side of a LEFT or RIGHT JOIN: in WHERE it would turn the
//!   outer join into an inner one;
//! - in a derived table in the relation's place, when neither can name it: FULL JOIN, outer joins with
//!   USING, NATURAL JOIN, new column names, a join behind an alias.
//!
//! Rejects nothing. *Invariant:* never filters a derived table or a common table expression from outside by
//! a column called like the tenant column: a guest can forge that one.

use crate::accounting::Scoped;
use crate::ir::{
    Assignment, Body, Bound, Call, ConflictUpdate, Constraint, Cte, Delete, Distinct, Expr, FromItem, Group,
    Insert, Item, Join, JoinKind, Limit, Order, Over, Predicate, Quantified, Query, Relation, Select,
    Statement, StatementBody, Step, Update, Window,
};

/// Where the predicate of a relation can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spot {
    Where,
    On,
    Derived,
}

/// Places all predicates of a statement.
pub(crate) fn place(statement: &mut Statement) {
    ctes(&mut statement.ctes);
    match &mut statement.body {
        StatementBody::Select(query) => self::query(query),
        StatementBody::Insert(insert) => self::insert(insert),
        StatementBody::Update(update) => self::update(update),
        StatementBody::Delete(delete) => self::delete(delete),
    }
}

fn ctes(ctes: &mut [Cte]) {
    for cte in ctes {
        query(&mut cte.query);
    }
}

fn query(query: &mut Query) {
    let Query { ctes: with, body, order_by, limit, offset } = query;
    ctes(with);
    match body {
        Body::Select(select) => self::select(select),
        Body::Values(rows) => rows.iter_mut().for_each(|row| exprs(row)),
        Body::Nested(inner) => self::query(inner),
    }
    orders(order_by);
    match limit {
        Limit::None | Limit::Rows(_) => {}
        Limit::Free(expr) | Limit::Capped(expr, _) => self::expr(expr),
    }
    offset.iter_mut().for_each(self::expr);
}

fn select(select: &mut Select) {
    let Select { distinct, projection, from, selection, predicates, group_by, having, windows } = select;
    *predicates = list(from);
    if let Distinct::On(on) = distinct {
        exprs(on);
    }
    items(projection);
    selection.iter_mut().chain(having).for_each(expr);
    for group in group_by {
        match group {
            Group::Expr(inner) => expr(inner),
            Group::Empty => {}
            Group::Rollup(sets) | Group::Cube(sets) | Group::Sets(sets) => {
                sets.iter_mut().for_each(|set| exprs(set))
            }
        }
    }
    windows.iter_mut().for_each(|(_, window)| self::window(window));
}

/// The items of a FROM list, each of which stands directly above WHERE.
fn list(from: &mut [FromItem]) -> Vec<Predicate> {
    from.iter_mut().flat_map(|item| self::item(item, Spot::Where)).collect()
}

/// Places what is inside of an item of FROM and gives back the predicates that have to go to `spot`.
fn item(from: &mut FromItem, spot: Spot) -> Vec<Predicate> {
    match from {
        FromItem::Relation(relation) => self::relation(relation, spot).into_iter().collect(),
        FromItem::Cte { .. } => Vec::new(),
        FromItem::Derived { query, .. } => {
            self::query(query);
            Vec::new()
        }
        FromItem::Function { calls, .. } => {
            calls.iter_mut().for_each(self::call);
            Vec::new()
        }
        FromItem::Join(join) => self::join(join, spot),
        FromItem::Group { inner, alias: None } => item(inner, spot),
        // The alias hides the members, so nothing outside can name them.
        FromItem::Group { inner, alias: Some(_) } => item(inner, Spot::Derived),
    }
}

fn relation(relation: &mut Relation, spot: Spot) -> Option<Predicate> {
    let spot = if relation.renamed.is_empty() { spot } else { Spot::Derived };
    relation.derive = spot == Spot::Derived;
    let column = relation.tenant.clone()?;
    let predicate = Predicate { alias: relation.alias.clone(), column };
    match spot {
        Spot::Where => relation.scoped = Scoped::Where,
        Spot::On => relation.scoped = Scoped::On,
        Spot::Derived => {
            relation.scoped = Scoped::Derived;
            return None;
        }
    }
    Some(predicate)
}

fn join(join: &mut Join, spot: Spot) -> Vec<Predicate> {
    let Join { left, right, kind, constraint, predicates } = join;
    let (has_on, natural) = match constraint {
        Constraint::On(condition) => {
            expr(condition);
            (true, false)
        }
        Constraint::Natural => (false, true),
        Constraint::Using(_) | Constraint::None => (false, false),
    };
    // Where a nullable side's predicates go; without ON they have no place but the relation itself.
    let nullable = if has_on { Spot::On } else { Spot::Derived };
    if natural {
        // NATURAL joins over all common columns, so both sides show what the grant shows and no more.
        return [item(left, Spot::Derived), item(right, Spot::Derived)].concat();
    }
    match kind {
        JoinKind::Inner | JoinKind::Cross => [item(left, spot), item(right, spot)].concat(),
        JoinKind::Left => {
            let outside = item(left, spot);
            *predicates = item(right, nullable);
            outside
        }
        JoinKind::Right => {
            *predicates = item(left, nullable);
            item(right, spot)
        }
        JoinKind::Full => [item(left, Spot::Derived), item(right, Spot::Derived)].concat(),
    }
}

fn insert(insert: &mut Insert) {
    let Insert { target, columns: _, tenant_column: _, source, conflict, returning } = insert;
    query(source);
    if let Some(ConflictUpdate { assignments, selection, predicates }) =
        conflict.as_mut().and_then(|conflict| conflict.update.as_mut())
    {
        let column = target.tenant.clone();
        *predicates =
            column.into_iter().map(|column| Predicate { alias: target.alias.clone(), column }).collect();
        self::assignments(assignments);
        selection.iter_mut().for_each(expr);
    }
    items(returning);
}

fn update(update: &mut Update) {
    let Update { target, assignments, from, selection, predicates, returning } = update;
    predicates.extend(relation(target, Spot::Where));
    predicates.extend(list(from));
    self::assignments(assignments);
    selection.iter_mut().for_each(expr);
    items(returning);
}

fn delete(delete: &mut Delete) {
    let Delete { target, using, selection, predicates, returning } = delete;
    predicates.extend(relation(target, Spot::Where));
    predicates.extend(list(using));
    selection.iter_mut().for_each(expr);
    items(returning);
}

fn assignments(assignments: &mut [Assignment]) {
    for assignment in assignments {
        match assignment {
            Assignment::One(_, value) | Assignment::Many(_, value) => expr(value),
        }
    }
}

fn items(items: &mut [Item]) {
    items.iter_mut().for_each(|item| expr(&mut item.expr));
}

fn exprs(list: &mut [Expr]) {
    list.iter_mut().for_each(expr);
}

fn orders(orders: &mut [Order]) {
    orders.iter_mut().for_each(|order| expr(&mut order.expr));
}

fn window(window: &mut Window) {
    let Window { base: _, partition_by, order_by, frame } = window;
    exprs(partition_by);
    orders(order_by);
    for bound in frame.iter_mut().flat_map(|frame| std::iter::once(&mut frame.start).chain(&mut frame.end)) {
        match bound {
            Bound::Preceding(distance) | Bound::Following(distance) => expr(distance),
            Bound::CurrentRow | Bound::UnboundedPreceding | Bound::UnboundedFollowing => {}
        }
    }
}

fn call(call: &mut Call) {
    let Call { name: _, form: _, distinct: _, star: _, args, order_by, within_group, filter, over } = call;
    args.iter_mut().for_each(|arg| expr(&mut arg.value));
    orders(order_by);
    orders(within_group);
    filter.iter_mut().for_each(|filter| expr(filter));
    if let Some(Over::Window(over)) = over {
        window(over);
    }
}

/// Looks for queries inside of expressions.
fn expr(expression: &mut Expr) {
    match expression {
        Expr::Column { .. }
        | Expr::WholeRow { .. }
        | Expr::Literal(_)
        | Expr::Parameter(_)
        | Expr::Tenant
        | Expr::Default
        | Expr::Interval { .. } => {}
        Expr::Chain { first, rest } => {
            expr(first);
            rest.iter_mut().for_each(|(_, operand)| expr(operand));
        }
        Expr::Prefix { operand, .. }
        | Expr::Parens(operand)
        | Expr::Test { operand, .. }
        | Expr::Cast { operand, .. }
        | Expr::CastCall { operand, .. }
        | Expr::Collate { operand, .. }
        | Expr::Extract { operand, .. } => expr(operand),
        Expr::Distinct { left, right, .. } => {
            expr(left);
            expr(right);
        }
        Expr::AtTimeZone { operand: first, zone: second }
        | Expr::Position { needle: first, hay: second }
        | Expr::SubstringFor { operand: first, length: second } => {
            expr(first);
            expr(second);
        }
        Expr::InList { operand, list, .. } => {
            expr(operand);
            exprs(list);
        }
        Expr::InQuery { operand, query, .. } => {
            expr(operand);
            self::query(query);
        }
        Expr::Between { operand, low, high, .. } => {
            [operand, low, high].into_iter().for_each(|part| expr(part))
        }
        Expr::Like(like) => {
            expr(&mut like.operand);
            expr(&mut like.pattern);
        }
        Expr::Quantified { left, right, .. } => {
            expr(left);
            match right {
                Quantified::Query(query) => self::query(query),
                Quantified::Array(array) => expr(array),
            }
        }
        Expr::Case { operand, branches, otherwise } => {
            operand.iter_mut().chain(otherwise).for_each(|part| expr(part));
            for (condition, result) in branches {
                expr(condition);
                expr(result);
            }
        }
        Expr::Exists { query, .. } | Expr::Subquery(query) | Expr::ArrayQuery(query) => self::query(query),
        Expr::Array { items, .. } | Expr::Row { items, .. } => exprs(items),
        Expr::Subscript { operand, steps } => {
            expr(operand);
            for step in steps {
                match step {
                    Step::Index(index) => expr(index),
                    Step::Slice(lower, upper) => lower.iter_mut().chain(upper).for_each(expr),
                }
            }
        }
        Expr::Call(inner) => call(inner),
    }
}
