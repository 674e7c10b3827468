//! The functions that may be called: PostgreSQL's own, free of side effects, bounded in time and memory by
//! their arguments, blind to the catalogue, the session and the server.

use crate::ir::Form;

/// An allowed function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    /// Whether two calls with the same arguments may differ, so that a result must not be cached.
    pub(crate) volatile: bool,
}

/// The function of this folded name, if applets may call it.
pub(crate) fn lookup(name: &str) -> Option<Function> {
    let plain = |list: &[&'static str]| list.iter().copied().find(|known| *known == name);
    if let Some(name) =
        [AGGREGATES, WINDOW, TEXT, NUMBER, DATE, JSON, ARRAY, MISC].into_iter().find_map(plain)
    {
        return Some(Function { name, form: Form::Plain, volatile: false });
    }
    if let Some(name) = plain(VOLATILE) {
        return Some(Function { name, form: Form::Plain, volatile: true });
    }
    if let Some(name) = plain(KEYWORDS) {
        return Some(Function { name, form: Form::Keyword, volatile: false });
    }
    plain(BARE).map(|name| Function { name, form: Form::Bare, volatile: true })
}

/// The columns of a function in FROM: what a call adds to the names in scope. `None` for functions that
/// cannot stand there.
pub(crate) fn table_columns(name: &str) -> Option<TableColumns> {
    match name {
        "jsonb_array_elements"
        | "jsonb_array_elements_text"
        | "json_array_elements"
        | "json_array_elements_text" => Some(TableColumns::Named(&["value"])),
        "jsonb_each" | "jsonb_each_text" | "json_each" | "json_each_text" => {
            Some(TableColumns::Named(&["key", "value"]))
        }
        "unnest" => Some(TableColumns::PerArgument),
        "jsonb_object_keys"
        | "json_object_keys"
        | "generate_series"
        | "regexp_split_to_table"
        | "string_to_table" => Some(TableColumns::Alias),
        _ => None,
    }
}

/// How the columns of a function in FROM are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableColumns {
    /// These, whatever the alias.
    Named(&'static [&'static str]),
    /// One, called like the alias or else like the function.
    Alias,
    /// One for each argument: called like the alias when there is one, else all like the function.
    PerArgument,
}

#[rustfmt::skip]
const AGGREGATES: &[&str] = &[
    "count", "sum", "avg", "min", "max", "bool_and", "bool_or", "every", "string_agg", "array_agg", "json_agg",
    "jsonb_agg", "json_object_agg", "jsonb_object_agg", "percentile_cont", "percentile_disc", "mode", "stddev",
    "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp", "corr", "covar_pop", "covar_samp",
    "regr_slope", "regr_intercept", "regr_r2", "regr_count", "bit_and", "bit_or", "bit_xor",
];

#[rustfmt::skip]
const WINDOW: &[&str] = &[
    "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "first_value",
    "last_value", "nth_value",
];

#[rustfmt::skip]
const TEXT: &[&str] = &[
    "lower", "upper", "initcap", "length", "char_length", "character_length", "octet_length", "bit_length",
    "left", "right", "substr", "substring", "strpos", "split_part", "replace", "translate", "reverse",
    "btrim", "ltrim", "rtrim", "concat", "concat_ws", "ascii", "chr", "md5", "starts_with", "overlay",
    "regexp_replace", "regexp_match", "regexp_like", "regexp_count", "regexp_instr", "regexp_substr",
    "regexp_split_to_array", "regexp_split_to_table", "string_to_array", "string_to_table", "quote_literal",
    "quote_nullable", "to_char", "to_number", "lpad", "rpad",
];

#[rustfmt::skip]
const NUMBER: &[&str] = &[
    "abs", "ceil", "ceiling", "floor", "round", "trunc", "sign", "mod", "div", "power", "pow", "sqrt", "cbrt",
    "exp", "ln", "log", "log10", "width_bucket", "pi", "degrees", "radians", "gcd", "lcm", "scale",
    "min_scale", "trim_scale", "sin", "cos", "tan", "asin", "acos", "atan", "atan2",
];

#[rustfmt::skip]
const DATE: &[&str] = &[
    "date", "date_trunc", "date_part", "date_bin", "make_date", "make_time", "make_interval", "make_timestamp",
    "make_timestamptz", "to_timestamp", "to_date", "justify_days", "justify_hours", "justify_interval",
    "timezone", "isfinite",
];

#[rustfmt::skip]
const JSON: &[&str] = &[
    "to_json", "to_jsonb", "json_build_object", "jsonb_build_object", "json_build_array", "jsonb_build_array",
    "jsonb_set", "jsonb_insert", "jsonb_strip_nulls", "json_strip_nulls", "jsonb_typeof", "json_typeof",
    "jsonb_array_length", "json_array_length", "jsonb_extract_path", "jsonb_extract_path_text",
    "json_extract_path", "json_extract_path_text", "jsonb_path_exists", "jsonb_path_query_first",
    "jsonb_pretty", "row_to_json", "jsonb_array_elements", "jsonb_array_elements_text", "json_array_elements",
    "json_array_elements_text", "jsonb_each", "jsonb_each_text", "json_each", "json_each_text",
    "jsonb_object_keys", "json_object_keys", "jsonb_object", "json_object", "array_to_json",
];

#[rustfmt::skip]
const ARRAY: &[&str] = &[
    "array_length", "cardinality", "array_append", "array_prepend", "array_cat", "array_remove",
    "array_replace", "array_position", "array_positions", "array_to_string", "array_upper", "array_lower",
    "array_ndims", "trim_array", "unnest", "generate_series",
];

#[rustfmt::skip]
const MISC: &[&str] = &["encode", "decode", "sha224", "sha256", "sha384", "sha512", "num_nulls", "num_nonnulls"];

#[rustfmt::skip]
const VOLATILE: &[&str] = &[
    "now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "age", "random",
    "gen_random_uuid",
];

/// Part of the grammar: cannot be qualified and means the same everywhere.
const KEYWORDS: &[&str] = &["coalesce", "greatest", "least", "nullif", "grouping"];

/// Part of the grammar and written without parentheses.
const BARE: &[&str] = &["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_9_no_function_that_reads_the_server_or_has_effects_is_on_the_list() {
        for name in [
            "set_config",
            "current_setting",
            "pg_sleep",
            "pg_read_file",
            "query_to_xml",
            "lo_import",
            "nextval",
            "dblink",
            "repeat",
            "format",
            "array_fill",
            "version",
            "current_user",
            "to_regclass",
            "has_table_privilege",
            "txid_current",
            "inet_client_addr",
            "setseed",
            "ts_stat",
            "xmlparse",
            "jsonb_populate_record",
        ] {
            assert_eq!(lookup(name), None, "{name}");
        }
    }

    #[test]
    fn s4_65_functions_that_change_between_calls_are_marked() {
        for name in ["now", "random", "gen_random_uuid", "current_date", "age"] {
            assert!(lookup(name).unwrap().volatile, "{name}");
        }
        assert!(!lookup("lower").unwrap().volatile);
    }
}
