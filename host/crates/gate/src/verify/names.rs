//! Reading names out of the parse tree's lists of string nodes.

use pg_query::{Node, NodeEnum};

use super::{Checked, Disagreement, kind_of};

/// The node inside the wrapper; an empty wrapper is never what the printer meant.
pub(super) fn inner(node: &Node) -> Checked<&NodeEnum> {
    node.node.as_ref().ok_or_else(|| Disagreement::new("an empty node"))
}

/// The node inside an optional box, required.
pub(super) fn required<'t>(node: Option<&'t Node>, what: &str) -> Checked<&'t NodeEnum> {
    node.map_or_else(|| Err(Disagreement::new(format!("{what} is missing"))), inner)
}

/// The text of a string node.
pub(super) fn text(node: &Node) -> Checked<&str> {
    match inner(node)? {
        NodeEnum::String(string) => Ok(&string.sval),
        other => Err(Disagreement::new(format!("a {} where a name belongs", kind_of(other)))),
    }
}

/// The names of a list that holds nothing else.
pub(super) fn texts(list: &[Node]) -> Checked<Vec<&str>> {
    list.iter().map(text).collect()
}

/// The name of a function or type: always printed with `pg_catalog` before it, so that no object of another
/// schema can stand in for it.
pub(super) fn catalog_name<'t>(list: &'t [Node], what: &str) -> Checked<&'t str> {
    match texts(list)?.as_slice() {
        ["pg_catalog", name] => Ok(name),
        other => Err(Disagreement::new(format!("{what} `{}` is not of pg_catalog", other.join(".")))),
    }
}

/// The name of an operator: unqualified, or with the schema spelled out as PostgreSQL's own.
pub(super) fn operator_name(list: &[Node]) -> Checked<&str> {
    match texts(list)?.as_slice() {
        [name] | ["pg_catalog", name] => Ok(name),
        other => Err(Disagreement::new(format!("operator `{}` has a schema", other.join(".")))),
    }
}

/// Whether a list is empty, which it must be.
pub(super) fn none(list: &[Node], what: &str) -> Checked {
    if list.is_empty() { Ok(()) } else { Err(Disagreement::new(format!("unexpected {what}"))) }
}

/// Refuses a flag or an optional part that the printer never writes.
pub(super) fn absent(present: bool, what: &str) -> Checked {
    if present { Err(Disagreement::new(format!("unexpected {what}"))) } else { Ok(()) }
}
