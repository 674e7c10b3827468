//! Names of what a plan makes, and how names stand in DDL.

use applet_manifest::is_sql_word;
use applet_types::{MAX_IDENTIFIER_BYTES, SqlName};
use sha2::{Digest, Sha256};

/// A name as DDL writes it: quoted when it is a reserved word, which names of tables we did not make can be.
pub(crate) fn ident(name: &SqlName) -> String {
    if is_sql_word(name) { format!("\"{name}\"") } else { name.to_string() }
}

/// Several names, separated by commas.
pub(crate) fn idents<'a>(names: impl IntoIterator<Item = &'a SqlName>) -> String {
    names.into_iter().map(ident).collect::<Vec<_>>().join(", ")
}

/// The name of an index or a constraint: `{table}_{columns}_{kind}`. One that does not fit is cut and ends
/// in a digest of the whole, so that it stays unique and is the same every time.
pub(crate) fn object_name<'a>(
    table: &SqlName,
    columns: impl IntoIterator<Item = &'a SqlName>,
    kind: &str,
) -> String {
    const DIGEST_DIGITS: usize = 10;
    let mut full = table.to_string();
    for column in columns {
        full = format!("{full}_{column}");
    }
    full = format!("{full}_{kind}");
    if full.len() <= MAX_IDENTIFIER_BYTES {
        return full;
    }
    let digest: String = hex::encode(Sha256::digest(&full)).chars().take(DIGEST_DIGITS).collect();
    let kept = MAX_IDENTIFIER_BYTES - DIGEST_DIGITS - kind.len() - 2;
    let start: String = full.chars().take(kept).collect();
    format!("{start}_{digest}_{kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SqlName {
        text.parse().unwrap()
    }

    #[test]
    fn s4_20_names_of_indexes_fit_and_stay_apart() {
        let table = name(&"t".repeat(54));
        let long = |column: &str| object_name(&table, [&name(column)], "idx");
        assert_eq!(long("first_column").len(), 63);
        assert_ne!(long("first_column"), long("other_column"));
        assert_eq!(long("first_column"), long("first_column"));
        assert_eq!(object_name(&name("t"), [&name("a"), &name("b")], "key"), "t_a_b_key");
    }

    #[test]
    fn s4_28_names_that_are_words_of_sql_are_quoted() {
        assert_eq!(idents([&name("user"), &name("id")]), "\"user\", id");
    }
}
