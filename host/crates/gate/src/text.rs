//! Pass 0, text. Assumes nothing. Guarantees a bounded text without characters that two parsers read
//! differently. Rejects texts that are too long, and control characters.

use applet_types::{ErrorCode, Span, StatementLimits};

use crate::reject::{Gate, reject, too_large};

/// Checks the raw text.
pub(crate) fn check(sql: &str, limits: &StatementLimits) -> Gate<()> {
    if sql.len() > limits.sql_bytes {
        let message = format!("statement has {} bytes, at most {} are allowed", sql.len(), limits.sql_bytes);
        return Err(too_large("sql-bytes", None, message));
    }
    // A NUL ends the text for the server and not for us; other controls hide text from whoever reads logs.
    match sql.char_indices().find(|(_, c)| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        None => Ok(()),
        Some((start, c)) => {
            let span = Span { start, end: start + c.len_utf8() };
            let message = format!("control character U+{:04X} in the statement", u32::from(c));
            Err(reject(ErrorCode::Syntax, "control-character", Some(span), message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_9_control_characters_are_refused_where_they_stand() {
        let limits = StatementLimits::default();
        let failure = check("SELECT\t'é\0'", &limits).unwrap_err();
        assert_eq!(failure.span, Some(Span { start: 10, end: 11 }));
        assert_eq!(check("SELECT\r\n\t1", &limits), Ok(()));
    }

    #[test]
    fn s4_60_text_over_the_limit_is_refused() {
        let limits = StatementLimits { sql_bytes: 8, ..StatementLimits::default() };
        assert_eq!(check("SELECT 12", &limits).unwrap_err().code, ErrorCode::StatementTooLarge);
        assert_eq!(check("SELECT 1", &limits), Ok(()));
    }
}
