//! From the parser's lines and columns, counted in characters, to byte offsets into the guest's text.

use applet_types::Span;
use sqlparser::tokenizer::{Location, Span as ParserSpan};

/// The guest's text and where its lines start.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    sql: &'a str,
    lines: Vec<usize>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(sql: &'a str) -> Self {
        let after_breaks = sql.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { sql, lines: std::iter::once(0).chain(after_breaks).collect() }
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
        let start = *self.lines.get(line)?;
        let rest = self.sql.get(start..)?;
        let within = rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at);
        Some(start + within)
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
