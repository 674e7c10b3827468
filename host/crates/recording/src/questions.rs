//! What makes two questions the same.

use std::mem::Discriminant;

use applet_types::{Encoding, Value};

use crate::judged::Verdict;
use crate::recording::Asked;
use crate::written::WrittenValue;

/// The first word: INSERT, UPDATE or DELETE.
pub(crate) fn kind(canonical: &str) -> &str {
    canonical.split_whitespace().next().unwrap_or_default()
}

/// What makes two questions the same to the database.
pub(crate) fn key(asked: &Asked, verdicts: &[Verdict]) -> String {
    let texts = verdicts.iter().zip(&asked.statements).map(|(verdict, statement)| match verdict {
        Verdict::Passed(judged) => judged.canonical.as_str(),
        Verdict::Refused(_) => statement.sql.as_str(),
    });
    question(asked, texts)
}

/// What makes them the same word for word.
pub(crate) fn raw(asked: &Asked) -> String {
    question(asked, asked.statements.iter().map(|statement| statement.sql.as_str()))
}

/// A statement's text, and the kinds of its parameters.
type Kinds<'a> = (&'a str, Vec<Discriminant<Value>>);

/// What is alike in two questions whatever their values are.
pub(crate) fn kinds(asked: &Asked) -> (Encoding, bool, Vec<Kinds<'_>>) {
    let each = asked.statements.iter().map(|statement| {
        (statement.sql.as_str(), statement.parameters.iter().map(std::mem::discriminant).collect())
    });
    (asked.encoding, asked.batch, each.collect())
}

fn question<'a>(asked: &Asked, texts: impl Iterator<Item = &'a str>) -> String {
    let parameters = asked.statements.iter().map(|statement| {
        let parameters: Vec<_> = statement.parameters.iter().map(WrittenValue::of).collect();
        // Strings and booleans only: it always has a JSON form.
        serde_json::to_string(&parameters).unwrap_or_default()
    });
    let each: Vec<_> = texts.zip(parameters).collect();
    format!("{:?} {} {each:?}", asked.encoding, asked.batch)
}
