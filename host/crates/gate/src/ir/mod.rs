//! The typed form: what a statement means once every name is resolved and everything in it is allowed.
//!
//! *Invariant:* what has no node here cannot be printed, so widening what applets may say starts with a node
//! here. Nothing holds text of the guest but [`Name`], [`Literal`] and validated numbers; functions,
//! operators, types and collations are static names out of our own lists.
//!
//! Chains of operators are kept flat, in the order they were written, with the guest's own parentheses as
//! nodes. PostgreSQL then applies its own precedence to the printed chain, so the two parsers cannot differ
//! about it, and a chain of hundreds of operators is no deep tree.

mod call;

pub(crate) use call::{Arg, Bound, Call, Form, Frame, Over, Window};

/// An identifier that has been checked; always printed in double quotes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(String);

impl Name {
    /// Takes text that can stand between double quotes as it is: no quote, backslash or control character,
    /// not empty, at most 63 bytes. The one place where a [`Name`] is made.
    pub(crate) fn checked(text: &str) -> Option<Self> {
        let plain = !text.chars().any(|c| c == '"' || c == '\\' || c.is_control());
        let fits = !text.is_empty() && text.len() <= applet_types::MAX_IDENTIFIER_BYTES;
        (plain && fits).then(|| Self(text.to_owned()))
    }

    /// What PostgreSQL calls a column that has no name.
    pub(crate) fn unnamed() -> Self {
        Self("?column?".to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&applet_types::SqlName> for Name {
    fn from(name: &applet_types::SqlName) -> Self {
        Self(name.as_str().to_owned())
    }
}

/// A whole statement.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) ctes: Vec<Cte>,
    pub(crate) body: StatementBody,
}

#[derive(Debug)]
pub(crate) enum StatementBody {
    Select(Query),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
}

#[derive(Debug)]
pub(crate) struct Cte {
    pub(crate) name: Name,
    pub(crate) columns: Vec<Name>,
    pub(crate) materialized: Option<bool>,
    pub(crate) query: Query,
}

#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) ctes: Vec<Cte>,
    pub(crate) body: Body,
    pub(crate) order_by: Vec<Order>,
    pub(crate) limit: Limit,
    pub(crate) offset: Option<Expr>,
}

#[derive(Debug)]
pub(crate) enum Body {
    Select(Box<Select>),
    Values(Vec<Vec<Expr>>),
    Nested(Box<Query>),
}

#[derive(Debug)]
pub(crate) enum Limit {
    None,
    /// A number, already the smaller of the guest's and the cap.
    Rows(u64),
    /// The guest's expression, below the top level.
    Free(Expr),
    /// The guest's expression at the top level: `LEAST(expression, cap)`.
    Capped(Expr, u64),
}

#[derive(Debug)]
pub(crate) struct Select {
    pub(crate) distinct: Distinct,
    pub(crate) projection: Vec<Item>,
    pub(crate) from: Vec<FromItem>,
    pub(crate) selection: Option<Expr>,
    pub(crate) predicates: Vec<Predicate>,
    pub(crate) group_by: Vec<Group>,
    pub(crate) having: Option<Expr>,
    pub(crate) windows: Vec<(Name, Window)>,
}

#[derive(Debug)]
pub(crate) enum Distinct {
    All,
    Rows,
    On(Vec<Expr>),
}

/// One column of a projection.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) expr: Expr,
    pub(crate) alias: Option<Name>,
}

#[derive(Debug)]
pub(crate) enum Group {
    Expr(Expr),
    Empty,
    Rollup(Vec<Vec<Expr>>),
    Cube(Vec<Vec<Expr>>),
    Sets(Vec<Vec<Expr>>),
}

#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) expr: Expr,
    pub(crate) descending: Option<bool>,
    pub(crate) nulls_first: Option<bool>,
}

/// `"alias"."column" = tenant`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Predicate {
    pub(crate) alias: Name,
    pub(crate) column: Name,
}

/// A base relation.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) schema: Name,
    pub(crate) name: Name,
    pub(crate) alias: Name,
    /// The tenant column, if rows belong to tenants and the predicate is ours to place.
    pub(crate) tenant: Option<Name>,
    pub(crate) scoped: crate::accounting::Scoped,
    /// The columns that may be read, in the order of the table: what a derived table in its place shows.
    pub(crate) readable: Vec<Name>,
    /// The guest's new names for them.
    pub(crate) renamed: Vec<Name>,
    /// Whether something forbids naming the relation itself here, so that it has to be derived.
    pub(crate) derive: bool,
}

#[derive(Debug)]
pub(crate) enum FromItem {
    Relation(Relation),
    Cte {
        name: Name,
        alias: Name,
        columns: Vec<Name>,
    },
    Derived {
        lateral: bool,
        query: Box<Query>,
        alias: Name,
        columns: Vec<Name>,
    },
    /// A function, or several side by side (ROWS FROM).
    Function {
        lateral: bool,
        calls: Vec<Call>,
        ordinality: bool,
        alias: Name,
        columns: Vec<Name>,
    },
    Join(Box<Join>),
    /// Parentheses around a join, which may have an alias that hides its members.
    Group {
        inner: Box<FromItem>,
        alias: Option<(Name, Vec<Name>)>,
    },
}

#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) left: FromItem,
    pub(crate) right: FromItem,
    pub(crate) kind: JoinKind,
    pub(crate) constraint: Constraint,
    pub(crate) predicates: Vec<Predicate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Cross,
}

#[derive(Debug)]
pub(crate) enum Constraint {
    On(Expr),
    Using(Vec<Name>),
    Natural,
    None,
}

#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) target: Relation,
    pub(crate) columns: Vec<Name>,
    /// The column that gets the tenant, appended to the list.
    pub(crate) tenant_column: Name,
    pub(crate) source: Query,
    pub(crate) conflict: Option<Conflict>,
    pub(crate) returning: Vec<Item>,
}

#[derive(Debug)]
pub(crate) struct Conflict {
    pub(crate) target: Vec<Name>,
    pub(crate) update: Option<ConflictUpdate>,
}

#[derive(Debug)]
pub(crate) struct ConflictUpdate {
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) selection: Option<Expr>,
    pub(crate) predicates: Vec<Predicate>,
}

#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) target: Relation,
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) from: Vec<FromItem>,
    pub(crate) selection: Option<Expr>,
    pub(crate) predicates: Vec<Predicate>,
    pub(crate) returning: Vec<Item>,
}

#[derive(Debug)]
pub(crate) struct Delete {
    pub(crate) target: Relation,
    pub(crate) using: Vec<FromItem>,
    pub(crate) selection: Option<Expr>,
    pub(crate) predicates: Vec<Predicate>,
    pub(crate) returning: Vec<Item>,
}

#[derive(Debug)]
pub(crate) enum Assignment {
    One(Name, Expr),
    Many(Vec<Name>, Expr),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Literal {
    Text(String),
    /// Digits, point and exponent, checked.
    Number(String),
    Boolean(bool),
    Null,
}

#[derive(Debug)]
pub(crate) enum Expr {
    Column {
        relation: Option<Name>,
        column: Name,
    },
    /// A relation as one value: `c` in `row_to_json(c)`, or `c.*` as an argument.
    WholeRow {
        alias: Name,
        star: bool,
    },
    Literal(Literal),
    Parameter(u16),
    /// The tenant's parameter; only the gate makes one.
    Tenant,
    /// DEFAULT as a value of INSERT or UPDATE.
    Default,
    /// Operands and the operators between them, flat.
    Chain {
        first: Box<Expr>,
        rest: Vec<(&'static str, Expr)>,
    },
    Prefix {
        operator: &'static str,
        operand: Box<Expr>,
    },
    Parens(Box<Expr>),
    Test {
        operand: Box<Expr>,
        test: Test,
    },
    Distinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    InList {
        operand: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    InQuery {
        operand: Box<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    Between {
        operand: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        negated: bool,
    },
    Like(Box<Like>),
    Quantified {
        left: Box<Expr>,
        operator: &'static str,
        all: bool,
        right: Quantified,
    },
    /// `operand::type::type`.
    Cast {
        operand: Box<Expr>,
        types: Vec<TypeName>,
    },
    /// `CAST(operand AS type)`.
    CastCall {
        operand: Box<Expr>,
        to: TypeName,
    },
    /// `INTERVAL 'text' DAY TO SECOND`.
    Interval {
        text: String,
        fields: &'static str,
    },
    AtTimeZone {
        operand: Box<Expr>,
        zone: Box<Expr>,
    },
    Collate {
        operand: Box<Expr>,
        collation: &'static str,
    },
    Extract {
        field: &'static str,
        operand: Box<Expr>,
    },
    Position {
        needle: Box<Expr>,
        hay: Box<Expr>,
    },
    /// `SUBSTRING(operand FOR length)`, which no ordinary call can say.
    SubstringFor {
        operand: Box<Expr>,
        length: Box<Expr>,
    },
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Exists {
        query: Box<Query>,
        negated: bool,
    },
    Subquery(Box<Query>),
    ArrayQuery(Box<Query>),
    Array {
        items: Vec<Expr>,
        keyword: bool,
    },
    Row {
        items: Vec<Expr>,
        keyword: bool,
    },
    Subscript {
        operand: Box<Expr>,
        steps: Vec<Step>,
    },
    Call(Box<Call>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    Null,
    NotNull,
    True,
    NotTrue,
    False,
    NotFalse,
    Unknown,
    NotUnknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LikeKind {
    Like,
    ILike,
    Similar,
}

#[derive(Debug)]
pub(crate) struct Like {
    pub(crate) kind: LikeKind,
    pub(crate) negated: bool,
    pub(crate) any: bool,
    pub(crate) operand: Expr,
    pub(crate) pattern: Expr,
    pub(crate) escape: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Quantified {
    Query(Box<Query>),
    Array(Box<Expr>),
}

#[derive(Debug)]
pub(crate) enum Step {
    Index(Expr),
    Slice(Option<Expr>, Option<Expr>),
}

/// A type of the list, printed `pg_catalog.name(modifiers)[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypeName {
    pub(crate) name: &'static str,
    pub(crate) modifiers: Vec<i64>,
    pub(crate) array: bool,
}
