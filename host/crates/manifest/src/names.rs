//! Names that a manifest cannot give to its tables and columns.

use applet_types::SqlName;

/// PostgreSQL's reserved words: as a bare name in a statement each of them is a syntax error or, worse,
/// something else (`user` is a function). From appendix C of its manual, version 17.
const SQL_WORDS: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "binary",
    "bit",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "precision",
    "primary",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "some",
    "substring",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

/// Columns that every PostgreSQL table has already.
const SYSTEM_COLUMNS: &[&str] = &["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "oid"];

/// Tables of the platform.
const PLATFORM_TABLES: &[&str] = &["tenants", "users"];

/// Beginnings that belong to PostgreSQL and to us. `applet_` is how physical names begin: a declared name
/// must not look like another applet's table.
const PREFIXES: &[&str] = &["pg_", "applet_", "_deleted_", "information_schema"];

/// Why this cannot be the name of an own table, if it cannot.
pub(crate) fn reserved_table(name: &SqlName) -> Option<String> {
    if PLATFORM_TABLES.contains(&name.as_str()) {
        return Some(format!("`{name}` is a table of the platform"));
    }
    reserved_prefix(name).or_else(|| reserved_word(name))
}

/// Why no permission can be asked for on this table, if none can.
pub(crate) fn reserved_request(name: &SqlName) -> Option<String> {
    reserved_prefix(name)
}

/// Why this cannot be the name of a column, if it cannot.
pub(crate) fn reserved_column(name: &SqlName) -> Option<String> {
    if SYSTEM_COLUMNS.contains(&name.as_str()) {
        return Some(format!("`{name}` is a system column of every table"));
    }
    reserved_word(name)
}

fn reserved_prefix(name: &SqlName) -> Option<String> {
    let prefix = PREFIXES.iter().find(|prefix| name.as_str().starts_with(**prefix))?;
    Some(format!("names that begin with `{prefix}` are reserved"))
}

/// Whether a name is a reserved word of SQL, so that DDL has to quote it.
pub fn is_sql_word(name: &SqlName) -> bool {
    SQL_WORDS.contains(&name.as_str())
}

fn reserved_word(name: &SqlName) -> Option<String> {
    is_sql_word(name).then(|| format!("`{name}` is a reserved word of SQL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_76_names_of_the_platform_the_database_and_the_language_are_reserved() {
        for name in ["tenants", "users", "pg_class", "applet_ai_chat_x", "_deleted_x", "order", "user"] {
            assert!(reserved_table(&name.parse().unwrap()).is_some(), "{name}");
        }
        for name in ["ctid", "xmax", "tableoid", "select"] {
            assert!(reserved_column(&name.parse().unwrap()).is_some(), "{name}");
        }
        for name in ["name", "status", "value", "type", "position", "data", "description", "time", "date"] {
            assert_eq!(reserved_column(&name.parse().unwrap()), None, "{name}");
            assert_eq!(reserved_table(&name.parse().unwrap()), None, "{name}");
        }
    }
}
