//! From the parser's lines and columns, counted in characters, to byte offsets into the guest's text.

use applet_types::Span;
use sqlparser::tokenizer::{Location, Span as ParserSpan};

/// The guest's text, and where each character and each line starts: looked up for every token, so that a
/// long line must not cost its length each time.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    sql: &'a str,
    /// The byte at which each character starts.
    characters: Vec<usize>,
    /// The number of the first character of each line.
    lines: Vec<usize>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(sql: &'a str) -> Self {
        let characters = sql.char_indices().map(|(at, _)| at).collect();
        let breaks = sql.chars().enumerate().filter(|(_, c)| *c == '\n').map(|(number, _)| number + 1);
        Self { sql, characters, lines: std::iter::once(0).chain(breaks).collect() }
    }

    pub(crate) const fn sql(&self) -> &'a str {
        self.sql
    }

    /// The bytes that a parser's span means; `None` for the parser's empty span.
    pub(crate) fn span(&self, span: ParserSpan) -> Option<Span> {
        let start = self.offset(span.start)?;
        let end = self.offset(span.end)?;
        (start <= end).then_some(Span { start, end })
    }

    /// The text under a span.
    pub(crate) fn slice(&self, span: Span) -> &'a str {
        self.sql.get(span.start..span.end).unwrap_or_default()
    }

    fn offset(&self, location: Location) -> Option<usize> {
        let line = usize::try_from(location.line).ok()?.checked_sub(1)?;
        let column = usize::try_from(location.column).ok()?.checked_sub(1)?;
        let number = self.lines.get(line)?.checked_add(column)?;
        Some(self.characters.get(number).copied().unwrap_or(self.sql.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u64, column: u64) -> Location {
        Location { line, column }
    }

    #[test]
    fn f3_spans_are_byte_offsets_after_tabs_and_characters_of_several_bytes() {
        let sql = "SELECT\t'é👋',\r\n  naïve, x";
        let text = Text::new(sql);
        let span = text.span(ParserSpan::new(at(2, 3), at(2, 8))).unwrap();
        assert_eq!(text.slice(span), "naïve");
        let span = text.span(ParserSpan::new(at(1, 8), at(1, 12))).unwrap();
        assert_eq!(text.slice(span), "'é👋'");
        assert_eq!(text.span(ParserSpan::empty()), None);
    }

    #[test]
    fn f3_a_span_past_the_end_of_the_text_stops_there() {
        let text = Text::new("SELECT");
        let span = text.span(ParserSpan::new(at(1, 7), at(1, 9))).unwrap();
        assert_eq!((span.start, span.end), (6, 6));
    }
}
