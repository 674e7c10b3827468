//! Reads every statement of a plan once more before anybody can run it (SPEC S4.28).
//!
//! *Invariant:* knows nothing of how statements are printed. It accepts a dozen forms, each on one of the
//! plan's own tables; every word outside a literal is a fixed keyword or a name that the plan declares;
//! there is no second statement and no comment. Whatever else the printer might once produce is refused.

use std::collections::BTreeSet;

use applet_catalog::Catalog;
use applet_manifest::{ColumnType, OwnTable};
use applet_types::SqlName;

use crate::ddl::{Home, POLICIES, ResolvedKey, TENANT_ID};
use crate::names::object_name;
use crate::plan::Step;
use crate::refusal::PlanRefusal;

/// Words that may stand in a statement besides names.
const KEYWORDS: &[&str] = &[
    "ADD",
    "ALL",
    "ALTER",
    "ALWAYS",
    "AS",
    "CASCADE",
    "CHECK",
    "COLUMN",
    "CONCURRENTLY",
    "CONSTRAINT",
    "CREATE",
    "DEFAULT",
    "DELETE",
    "DROP",
    "ENABLE",
    "EXISTS",
    "FOR",
    "FORCE",
    "FOREIGN",
    "GENERATED",
    "IDENTITY",
    "IF",
    "INDEX",
    "KEY",
    "LEVEL",
    "NO",
    "ACTION",
    "NOT",
    "NULL",
    "ON",
    "PERMISSIVE",
    "POLICY",
    "PRIMARY",
    "REFERENCES",
    "RESTRICT",
    "RESTRICTIVE",
    "ROW",
    "SECURITY",
    "SELECT",
    "SET",
    "TABLE",
    "TO",
    "TYPE",
    "UNIQUE",
    "USING",
    "VALID",
    "VALIDATE",
    "WITH",
    "applet_guest",
    "applet_host",
    "current_setting",
    "gen_random_uuid",
    "now",
    "nullif",
    "pg_catalog",
    "tenant",
    "tenants",
    "true",
    "false",
    "id",
    TENANT_ID,
];

/// Checks all statements of all steps.
pub(crate) fn steps(
    steps: &[Step],
    tables: &[&OwnTable],
    keys: &[ResolvedKey],
    home: &Home,
    catalog: &Catalog,
) -> Result<(), PlanRefusal> {
    let vocabulary = Vocabulary::of(tables, keys, home, catalog);
    for step in steps {
        for statement in step.statements() {
            vocabulary
                .check(statement.sql())
                .map_err(|reason| PlanRefusal::unvetted(step.summary(), reason))?;
        }
    }
    Ok(())
}

struct Vocabulary {
    schema: String,
    own: BTreeSet<String>,
    words: BTreeSet<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Literal,
    Number,
    Symbol(char),
}

impl Vocabulary {
    fn of(tables: &[&OwnTable], keys: &[ResolvedKey], home: &Home, catalog: &Catalog) -> Self {
        let own: BTreeSet<String> = tables.iter().map(|table| table.physical().to_string()).collect();
        let mut words: BTreeSet<String> = KEYWORDS.iter().map(|&word| word.to_owned()).collect();
        // `character varying`, `timestamp with time zone`: the words of types, without their numbers.
        let types = ColumnType::EXAMPLES.map(|kind| kind.mapping().postgres);
        words.extend(types.iter().flat_map(|name| name.split(' ')).map(str::to_owned));
        words.insert(home.schema.to_string());
        words.extend(own.iter().cloned());
        for table in tables {
            let physical = table.physical().name();
            words.extend(table.columns().iter().map(|column| column.name().to_string()));
            // Columns of other versions can be made nullable.
            let there = catalog.table(physical).into_iter().flat_map(|table| &table.columns);
            words.extend(there.map(|column| column.name.to_string()));
            words.insert(object_name(physical, [], "pkey"));
            words.insert(format!("{physical}_{TENANT_ID}_fkey"));
            words.insert(object_name(physical, [], "tenant_fkey"));
            for index in table.indexes() {
                words.extend(["key", "idx"].map(|kind| object_name(physical, index.columns(), kind)));
            }
        }
        for key in keys {
            let names = [&key.target_schema, &key.target, &key.target_tenant, &key.target_column];
            words.extend(names.map(SqlName::to_string));
            words.insert(key.name());
        }
        Self { schema: home.schema.to_string(), own, words }
    }

    fn check(&self, sql: &str) -> Result<(), &'static str> {
        let tokens = tokens(sql)?;
        one_change(&tokens)?;
        self.form(&tokens)?;
        let known = |token: &Token<'_>| match token {
            Token::Word(word) => self.words.contains(*word) || POLICIES.iter().any(|(name, _)| name == word),
            Token::Literal | Token::Number | Token::Symbol(_) => true,
        };
        if tokens.iter().all(known) && balanced(&tokens) {
            Ok(())
        } else {
            Err("a word that the plan does not declare, or parentheses that do not match")
        }
    }

    /// The beginning says what is done and to which table; some forms are fixed to their end.
    fn form(&self, tokens: &[Token<'_>]) -> Result<(), &'static str> {
        const UNKNOWN: &str = "not one of the known forms";
        let (words, table, rest) = self.split_at_table(tokens).ok_or("no table of the plan's own")?;
        if !self.own.contains(table) {
            return Err("another table than the plan's own");
        }
        let policy = |name: &str| POLICIES.iter().any(|(known, _)| *known == name);
        match (words.as_slice(), rest) {
            (["CREATE", "TABLE", "IF", "NOT", "EXISTS"], [Token::Symbol('('), ..])
            | (["CREATE", "INDEX", "IF", "NOT", "EXISTS", _, "ON"], [Token::Symbol('('), ..])
            | (["CREATE", "UNIQUE", "INDEX", "IF", "NOT", "EXISTS", _, "ON"], [Token::Symbol('('), ..])
            | (
                ["CREATE", "INDEX", "CONCURRENTLY", "IF", "NOT", "EXISTS", _, "ON"],
                [Token::Symbol('('), ..],
            )
            | (
                ["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", "IF", "NOT", "EXISTS", _, "ON"],
                [Token::Symbol('('), ..],
            )
            | (
                ["ALTER", "TABLE"],
                [
                    Token::Word("ADD"),
                    Token::Word("CONSTRAINT"),
                    Token::Word(_),
                    Token::Word("FOREIGN"),
                    Token::Word("KEY"),
                    ..,
                ]
                | [
                    Token::Word("ADD"),
                    Token::Word("COLUMN"),
                    Token::Word("IF"),
                    Token::Word("NOT"),
                    Token::Word("EXISTS"),
                    Token::Word(_),
                    ..,
                ]
                | [Token::Word("VALIDATE"), Token::Word("CONSTRAINT"), Token::Word(_)]
                | [
                    Token::Word("ENABLE" | "FORCE"),
                    Token::Word("ROW"),
                    Token::Word("LEVEL"),
                    Token::Word("SECURITY"),
                ],
            ) => Ok(()),
            (
                ["ALTER", "TABLE"],
                [
                    Token::Word("ALTER"),
                    Token::Word("COLUMN"),
                    Token::Word(_),
                    Token::Word("DROP"),
                    Token::Word("NOT"),
                    Token::Word("NULL"),
                ]
                | [
                    Token::Word("ALTER"),
                    Token::Word("COLUMN"),
                    Token::Word(_),
                    Token::Word("SET"),
                    Token::Word("DEFAULT"),
                    ..,
                ]
                | [
                    Token::Word("ALTER"),
                    Token::Word("COLUMN"),
                    Token::Word(_),
                    Token::Word("TYPE"),
                    Token::Word(_),
                    ..,
                ],
            ) => Ok(()),
            (["DROP", "POLICY", "IF", "EXISTS", name, "ON"], []) if policy(name) => Ok(()),
            (["CREATE", "POLICY", name, "ON"], [Token::Word("AS"), ..]) if policy(name) => Ok(()),
            _ => Err(UNKNOWN),
        }
    }

    /// The words before the first `schema.table`, the table, and what follows it.
    fn split_at_table<'t>(
        &self,
        tokens: &'t [Token<'t>],
    ) -> Option<(Vec<&'t str>, &'t str, &'t [Token<'t>])> {
        let start = tokens.windows(2).position(
            |pair| matches!(pair, [Token::Word(schema), Token::Symbol('.')] if *schema == self.schema),
        )?;
        let (before, after) = tokens.split_at_checked(start)?;
        let words = before.iter().map(|token| match token {
            Token::Word(word) => Some(*word),
            Token::Literal | Token::Number | Token::Symbol(_) => None,
        });
        match after {
            [_, _, Token::Word(table), rest @ ..] => Some((words.collect::<Option<Vec<_>>>()?, table, rest)),
            _ => None,
        }
    }
}

/// A statement changes one thing: a comma outside of parentheses would begin another.
fn one_change(tokens: &[Token<'_>]) -> Result<(), &'static str> {
    let mut depth = 0_i32;
    for token in tokens {
        match token {
            Token::Symbol('(') => depth += 1,
            Token::Symbol(')') => depth -= 1,
            Token::Symbol(',') if depth == 0 => return Err("more than one change of a table"),
            Token::Word(_) | Token::Literal | Token::Number | Token::Symbol(_) => {}
        }
    }
    Ok(())
}

fn balanced(tokens: &[Token<'_>]) -> bool {
    let mut depth = 0_i32;
    for token in tokens {
        match token {
            Token::Symbol('(') => depth += 1,
            Token::Symbol(')') => depth -= 1,
            Token::Word(_) | Token::Literal | Token::Number | Token::Symbol(_) => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

/// Splits a statement. A semicolon, a comment, or any sign that our statements do not use is an error.
fn tokens(sql: &str) -> Result<Vec<Token<'_>>, &'static str> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ' ' | '\n' => 1,
            '\'' => literal(rest, false)?,
            'E' if rest.starts_with("E'") => 1 + literal(rest.get(1..).unwrap_or_default(), true)?,
            '"' => {
                let inner = rest.get(1..).unwrap_or_default();
                let end = inner.find('"').ok_or("a quoted name without end")?;
                tokens.push(Token::Word(inner.get(..end).unwrap_or_default()));
                end + 2
            }
            '0'..='9' => rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len()),
            'a'..='z' | 'A'..='Z' | '_' => {
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            '-' if rest.get(1..).is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit())) => 1,
            '(' | ')' | ',' | '.' | '=' | ':' => 1,
            _ => return Err("a sign that no statement of a plan has"),
        };
        let (token, after) = rest.split_at_checked(length).ok_or("a cut sign")?;
        match first {
            ' ' | '\n' | '"' => {}
            '\'' => tokens.push(Token::Literal),
            'E' if token.starts_with("E'") => tokens.push(Token::Literal),
            '0'..='9' => tokens.push(Token::Number),
            'a'..='z' | 'A'..='Z' | '_' => tokens.push(Token::Word(token)),
            other => tokens.push(Token::Symbol(other)),
        }
        rest = after;
    }
    Ok(tokens)
}

/// The length of the literal that begins here. A backslash only stands where the literal says so.
fn literal(text: &str, escapes: bool) -> Result<usize, &'static str> {
    let mut signs = text.char_indices().skip(1).peekable();
    while let Some((position, sign)) = signs.next() {
        match sign {
            '\\' if escapes => {
                signs.next();
            }
            '\\' => return Err("a backslash in a plain literal"),
            '\'' if signs.next_if(|(_, next)| *next == '\'').is_none() => return Ok(position + 1),
            _ => {}
        }
    }
    Err("a literal without end")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary() -> Vocabulary {
        Vocabulary {
            schema: "public".to_owned(),
            own: BTreeSet::from(["applet_a_t".to_owned()]),
            words: KEYWORDS
                .iter()
                .copied()
                .chain(["public", "applet_a_t", "x", "text"])
                .map(str::to_owned)
                .collect(),
        }
    }

    #[test]
    fn s4_28_statements_of_the_known_forms_on_own_tables_pass() {
        for sql in [
            "CREATE TABLE IF NOT EXISTS public.applet_a_t (x text DEFAULT E'a\\\\'';b' NOT NULL)",
            "CREATE UNIQUE INDEX IF NOT EXISTS x ON public.applet_a_t (tenant_id, x)",
            "ALTER TABLE public.applet_a_t FORCE ROW LEVEL SECURITY",
            "DROP POLICY IF EXISTS tenant_rows ON public.applet_a_t",
            "ALTER TABLE public.applet_a_t ADD COLUMN IF NOT EXISTS x text DEFAULT 'a'::text NOT NULL",
            "ALTER TABLE public.applet_a_t ALTER COLUMN x DROP NOT NULL",
            "ALTER TABLE public.applet_a_t ALTER COLUMN x TYPE text",
            "ALTER TABLE public.applet_a_t VALIDATE CONSTRAINT x",
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS x ON public.applet_a_t (tenant_id, x)",
        ] {
            assert_eq!(vocabulary().check(sql), Ok(()), "{sql}");
        }
    }

    #[test]
    fn s4_28_nothing_else_passes() {
        for sql in [
            "DROP TABLE public.applet_a_t",
            "ALTER TABLE public.applet_a_t DROP COLUMN x",
            "ALTER TABLE public.applet_a_t ADD COLUMN x text",
            "ALTER TABLE public.applet_a_t ADD COLUMN IF NOT EXISTS x text, DROP COLUMN x",
            "ALTER TABLE public.applet_a_t ALTER COLUMN x DROP NOT NULL, DROP CONSTRAINT x",
            "ALTER TABLE public.applet_a_t ALTER COLUMN x SET NOT NULL",
            "ALTER TABLE public.applet_a_t ALTER COLUMN x TYPE text, FORCE ROW LEVEL SECURITY",
            "DROP INDEX CONCURRENTLY public.applet_a_t",
            "ALTER TABLE public.applet_a_t DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE public.applet_a_t FORCE ROW LEVEL SECURITY CASCADE",
            "ALTER TABLE public.applet_a_t ENABLE ROW LEVEL SECURITY; DROP TABLE clients",
            "CREATE TABLE IF NOT EXISTS public.clients (x text)",
            "CREATE TABLE IF NOT EXISTS public.applet_a_t (x text) -- more",
            "CREATE TABLE IF NOT EXISTS public.applet_a_t (x text /* */)",
            "CREATE TABLE IF NOT EXISTS public.applet_a_t (x text DEFAULT 'a\\'; --')",
            "CREATE TABLE IF NOT EXISTS public.applet_a_t (x text DEFAULT pg_sleep(9))",
            "CREATE TABLE IF NOT EXISTS public.applet_a_t (x text",
            "CREATE TABLE IF NOT EXISTS public.applet_a_t (x text) ON (x",
            "CREATE TABLE IF NOT EXISTS public.applet_a_t (x text DEFAULT $$a$$)",
            "DROP POLICY IF EXISTS other_roles ON public.applet_a_t",
            "GRANT ALL ON public.applet_a_t TO applet_guest",
            "",
        ] {
            assert!(vocabulary().check(sql).is_err(), "{sql}");
        }
    }
}
