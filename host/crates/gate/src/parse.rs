//! Pass 2, parsing. Assumes checked tokens. Guarantees one syntax tree. Rejects what is no SQL, what nests
//! too deeply, and more than one statement.

use applet_types::ErrorCode;
use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, TokenWithSpan};

use crate::reject::{Gate, reject, syntax, too_large};
use crate::span::Text;

/// The parser's own recursion limit. It counts finer than [`applet_types::StatementLimits::depth`], which
/// the lowering holds; this one only has to end runaway recursion.
const RECURSION: usize = 150;

/// Parses the tokens. To be called on a large stack, and the tree to be dropped there.
pub(crate) fn parse(tokens: Vec<TokenWithSpan>, text: &Text<'_>) -> Gate<Statement> {
    let dialect = PostgreSqlDialect {};
    let mut parser = Parser::new(&dialect).with_recursion_limit(RECURSION).with_tokens_with_locations(tokens);
    let mut statements = parser.parse_statements().map_err(|error| failure(&error, text))?;
    let first = statements.pop();
    match (first, statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (None, _) => Err(syntax(None, "the statement is empty")),
        (Some(_), false) => Err(reject(
            ErrorCode::MultiStatement,
            "one-statement",
            None,
            "only one statement can be sent at a time",
        )),
    }
}

fn failure(error: &ParserError, text: &Text<'_>) -> applet_types::Failure {
    match error {
        ParserError::RecursionLimitExceeded => too_large("depth", None, "statement is nested too deeply"),
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            let span = location(message).and_then(|at| text.span(Span::new(at, at)));
            let found = span.and_then(|span| text.sql().get(span.start..)).and_then(|rest| {
                rest.split(|c: char| c.is_whitespace() || c == '(' || c == ',' || c == ';').next()
            });
            let Some(word) = found.filter(|word| !word.is_empty()) else {
                return syntax(span, "syntax error");
            };
            let word: String = word.chars().take(40).collect();
            let span =
                span.map(|span| applet_types::Span { start: span.start, end: span.start + word.len() });
            if word == "?" {
                let message = "`?` is not a parameter: write `$1`, `$2` and so on";
                return reject(ErrorCode::BadParameter, "parameter-form", span, message);
            }
            syntax(span, format!("syntax error near `{word}`"))
        }
    }
}

/// Where the parser says it stopped: its message ends with `at Line: 1, Column: 8`.
fn location(message: &str) -> Option<Location> {
    let (_, place) = message.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    Some(Location { line: line.parse().ok()?, column: column.trim().parse().ok()? })
}
