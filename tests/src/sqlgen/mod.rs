//! Statements from a seeded grammar, for properties that hold for every statement: what an applet may write
//! against the schema of the SQL corpus, in every clause and quoting form, and attacks on it.
//!
//! The same seed gives the same statements. What is not hostile has one right answer, whatever plan the
//! database takes: no row limit without a total order, no ordered aggregate without an order, no clock.
//!
//! Start at [`Generator::statement`].

mod expression;
mod hostile;
mod query;
mod random;
mod schema;
mod write;

use serde_json::Value;

use self::random::Random;
pub use self::schema::USER_COLUMNS;
use self::schema::{Kind, Source};

/// A statement and its parameters.
#[derive(Debug, Clone)]
pub struct Generated {
    /// The text.
    pub sql: String,
    /// `$1`, `$2`, …
    pub params: Vec<Value>,
    /// Whether it was mutated into something that is probably not allowed.
    pub hostile: bool,
}

/// A source of statements.
#[derive(Debug)]
pub struct Generator {
    random: Random,
}

impl Generator {
    /// One that gives the statements of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { random: Random::new(seed) }
    }

    /// The next statement.
    pub fn statement(&mut self) -> Generated {
        let mut draft = Draft::new(Random::new(self.random.next()));
        let sql = match draft.random.below(100) {
            0..62 => draft.top_select(),
            62..77 => draft.insert(),
            77..92 => draft.update(),
            _ => draft.delete(),
        };
        let hostile = draft.random.percent(45);
        let sql = if hostile { draft.mutate(sql) } else { sql };
        Generated { sql, params: draft.params, hostile }
    }
}

/// A statement being written: what is used up of its limits, and the names visible at this place.
#[derive(Debug)]
struct Draft {
    random: Random,
    params: Vec<Value>,
    joins: usize,
    queries: usize,
    aliases: usize,
    /// Visible FROM items, those of outer queries included.
    scope: Vec<Source>,
    /// Common table expressions that may be named.
    ctes: Vec<Source>,
}

impl Draft {
    const fn new(mut random: Random) -> Self {
        // Now and then one more than the limits allow.
        let generous = random.below(40) == 0;
        Self {
            random,
            params: Vec::new(),
            joins: if generous { 5 } else { 3 },
            queries: if generous { 4 } else { 2 },
            aliases: 0,
            scope: Vec::new(),
            ctes: Vec::new(),
        }
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        let letter = self.random.pick(&["c", "h", "m", "u", "x", "t"]);
        format!("{letter}{}", self.aliases)
    }

    /// An identifier in one of the spellings that mean the same.
    fn name(&mut self, name: &str) -> String {
        match self.random.below(20) {
            0 => name.to_uppercase(),
            1..3 => format!("\"{name}\""),
            _ => name.to_owned(),
        }
    }

    /// White space, or a comment in its place.
    fn space(&mut self) -> &'static str {
        match self.random.below(60) {
            0 => " /* note */ ",
            1 => " -- it's a note\n",
            2 => "\n\t",
            3 => " /* outer /* inner */ ' */ ",
            _ => " ",
        }
    }

    /// A text literal in one of its quoting forms.
    fn text(&mut self, text: &str) -> String {
        let doubled = text.replace('\'', "''");
        match self.random.below(12) {
            0 => format!("E'{}'", doubled.replace('\\', "\\\\")),
            1 if !text.contains('$') => format!("$${text}$$"),
            2 if !text.contains('$') => format!("$q${text}$q$"),
            _ => format!("'{doubled}'"),
        }
    }

    /// A value as a parameter, with the cast that gives it its type.
    fn parameter(&mut self, value: Value, kind: Kind) -> String {
        self.params.push(value);
        format!("${}::{}", self.params.len(), kind.sql())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_statements() {
        let take = |seed| {
            let mut generator = Generator::new(seed);
            (0..50).map(|_| generator.statement().sql).collect::<Vec<_>>()
        };
        assert_eq!(take(7), take(7));
        assert_ne!(take(7), take(8));
    }

    #[test]
    fn parameters_are_numbered_without_gaps() {
        let mut generator = Generator::new(1);
        for generated in (0..500).map(|_| generator.statement()).filter(|generated| !generated.hostile) {
            for number in 1..=generated.params.len() {
                assert!(generated.sql.contains(&format!("${number}")), "{}", generated.sql);
            }
        }
    }
}
