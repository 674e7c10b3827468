//! Words that PostgreSQL reserves. Unquoted, they are never names there, though the parser takes some of
//! them for names (`FROM ONLY t` becomes a table `ONLY`).

/// Whether an unquoted, folded word cannot name a table, a common table expression or an alias.
pub(crate) fn reserved_for_relations(word: &str) -> bool {
    reserved(word) || TYPES_AND_FUNCTIONS.binary_search(&word).is_ok()
}

/// Whether an unquoted, folded word cannot name a column.
pub(crate) fn reserved(word: &str) -> bool {
    RESERVED.binary_search(&word).is_ok()
}

#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case", "cast",
    "check", "collate", "column", "constraint", "create", "current_catalog", "current_date", "current_role",
    "current_time", "current_timestamp", "current_user", "default", "deferrable", "desc", "distinct", "do",
    "else", "end", "except", "false", "fetch", "for", "foreign", "from", "grant", "group", "having", "in",
    "initially", "intersect", "into", "lateral", "leading", "limit", "localtime", "localtimestamp", "not",
    "null", "offset", "on", "only", "or", "order", "placing", "primary", "references", "returning", "select",
    "session_user", "some", "symmetric", "table", "then", "to", "trailing", "true", "union", "unique", "user",
    "using", "variadic", "when", "where", "window", "with",
];

#[rustfmt::skip]
const TYPES_AND_FUNCTIONS: &[&str] = &[
    "authorization", "binary", "collation", "concurrently", "cross", "current_schema", "freeze", "full",
    "ilike", "inner", "is", "isnull", "join", "left", "like", "natural", "notnull", "outer", "overlaps",
    "right", "similar", "tablesample", "verbose",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_2_lists_are_sorted_so_that_every_word_is_found() {
        for list in [RESERVED, TYPES_AND_FUNCTIONS] {
            assert!(list.is_sorted());
            assert!(list.iter().all(|word| reserved_for_relations(word)));
        }
    }
}
