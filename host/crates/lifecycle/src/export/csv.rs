//! Comma-separated values that no spreadsheet takes for formulas, and from which every value can be had back
//! exactly. RFC 4180 with these additions:
//!
//! - No value (NULL) is an empty field; an empty text is `""`. So `COPY … FROM … (FORMAT csv)` tells them apart.
//! - Numbers and truth values stand as they are; every other value is quoted, and a quote in it is doubled.
//! - A text that begins with `=`, `+`, `-`, `@`, their full-width forms, a space, a tab, a line break, or `'`
//!   gets a `'` before it. So does what follows a tab, a line break, `;` or `|` within a text, if that begins
//!   with one of the signs or with `'`: a program that splits there sees no formula either.
//!
//! To read: unquote, then drop one `'` at the beginning of the text and one after each tab, line break, `;`
//! or `|`, wherever there is one.

use applet_types::SqlName;

use super::{Kind, Record};

/// Signs that begin a formula in one spreadsheet or another, and `'`, which marks a text.
const fn begins_formula(sign: char) -> bool {
    matches!(sign, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '\'')
}

/// What some program takes for the beginning of another cell.
const fn separates(sign: char) -> bool {
    matches!(sign, '\t' | '\n' | '\r' | ';' | '|')
}

/// The first line.
pub(crate) fn header(columns: &[SqlName]) -> String {
    // Names of columns have no character that would have to be quoted.
    let names: Vec<_> = columns.iter().map(SqlName::as_str).collect();
    format!("{}\r\n", names.join(","))
}

/// Adds a line.
pub(crate) fn write(record: &Record, kinds: &[Kind], out: &mut Vec<u8>) {
    for (position, value) in record.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        let kind = kinds.get(position).copied().unwrap_or(Kind::Text);
        match value {
            None => {}
            Some(text) if stands_alone(text, kind) => out.extend_from_slice(text.as_bytes()),
            Some(text) => {
                out.push(b'"');
                out.extend_from_slice(guarded(text).replace('"', "\"\"").as_bytes());
                out.push(b'"');
            }
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether a value can mean nothing but itself in a spreadsheet: a number in digits, true or false.
fn stands_alone(text: &str, kind: Kind) -> bool {
    match kind {
        Kind::Integer | Kind::Number => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
            let all = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            all(whole) && all(part)
        }
        Kind::Boolean => matches!(text, "true" | "false"),
        Kind::Text => false,
    }
}

/// Puts a `'` wherever a formula could begin.
fn guarded(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 2);
    let mut before = None;
    for sign in text.chars() {
        let guard = match before {
            None => begins_formula(sign) || separates(sign) || sign.is_whitespace(),
            Some(before) => separates(before) && begins_formula(sign),
        };
        if guard {
            safe.push('\'');
        }
        safe.push(sign);
        before = Some(sign);
    }
    safe
}

/// Takes back what [`guarded`] did.
fn unguarded(safe: &str) -> String {
    let mut text = String::with_capacity(safe.len());
    let mut guards = true;
    for sign in safe.chars() {
        if guards && sign == '\'' {
            guards = false;
        } else {
            text.push(sign);
            guards = separates(sign);
        }
    }
    text
}

/// Reads one line with its end. `None` when it was not written by [`write`].
pub(crate) fn read(line: &[u8]) -> Option<Record> {
    let mut rest = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let mut record = Vec::new();
    loop {
        let (value, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (text, after) = unquoted(quoted)?;
                (Some(unguarded(&text)), after)
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (text, after) = rest.split_at_checked(end)?;
                if text.contains(['"', '\r', '\n']) {
                    return None;
                }
                ((!text.is_empty()).then(|| text.to_owned()), after)
            }
        };
        record.push(value);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None if after.is_empty() => return Some(record),
            None => return None,
        }
    }
}

/// The text up to the closing quote, and what follows it.
fn unquoted(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut rest = quoted;
    loop {
        let (before, after) = rest.split_once('"')?;
        text.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                text.push('"');
                rest = more;
            }
            None => return Some((text, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(values: &[Option<&str>], kinds: &[Kind]) -> String {
        let record: Record = values.iter().map(|value| value.map(str::to_owned)).collect();
        let mut out = Vec::new();
        write(&record, kinds, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn s4_38_values_are_written_as_documented() {
        let text = |value| line(&[Some(value)], &[Kind::Text]);
        for (value, expected) in [
            ("plain", "\"plain\"\r\n"),
            ("", "\"\"\r\n"),
            ("say \"hi\"", "\"say \"\"hi\"\"\"\r\n"),
            ("a,b\r\nc", "\"a,b\r\nc\"\r\n"),
            ("=1+1", "\"'=1+1\"\r\n"),
            ("+1", "\"'+1\"\r\n"),
            ("-1", "\"'-1\"\r\n"),
            ("@SUM(A1)", "\"'@SUM(A1)\"\r\n"),
            ("\t=1", "\"'\t'=1\"\r\n"),
            ("\r\n", "\"'\r\n\"\r\n"),
            (" =1", "\"' =1\"\r\n"),
            ("'quoted'", "\"''quoted'\"\r\n"),
            ("a;=1", "\"a;'=1\"\r\n"),
            ("a\n-b", "\"a\n'-b\"\r\n"),
            ("a;'b", "\"a;''b\"\r\n"),
            ("a=b", "\"a=b\"\r\n"),
            ("＝1", "\"'＝1\"\r\n"),
        ] {
            assert_eq!(text(value), expected, "{value:?}");
        }
        assert_eq!(
            line(&[None, Some("-5"), Some("true")], &[Kind::Text, Kind::Integer, Kind::Boolean]),
            ",-5,true\r\n"
        );
        assert_eq!(
            line(&[Some("-0.50"), Some("NaN"), Some("-Infinity")], &[Kind::Number; 3]),
            "-0.50,\"NaN\",\"'-Infinity\"\r\n"
        );
        // A number in a text is a text: it may be a telephone's.
        assert_eq!(line(&[Some("-5")], &[Kind::Text]), "\"'-5\"\r\n");
    }

    #[test]
    fn s4_38_what_was_not_written_here_is_not_read() {
        for text in ["a", "\"a\r\n", "a\"b\r\n", "\"a\"b\r\n", "\"a\nb\r\n", "a\rb\r\n", "\u{0}\""] {
            assert_eq!(read(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(read(b"\xff\r\n"), None);
    }

    /// Texts that are likely to go wrong.
    fn nasty() -> impl Strategy<Value = String> {
        let signs = prop::sample::select(vec![
            "=", "+", "-", "@", "\t", "\r", "\n", "'", "\"", ",", ";", "|", " ", "＝", "＠", "\u{a0}", "\\",
            "a", "é", "😀", "\\x00ff", "1", ".", "null", "\u{202e}",
        ]);
        prop_oneof![prop::collection::vec(signs, 0..12).prop_map(|parts| parts.concat()), any::<String>()]
    }

    fn record() -> impl Strategy<Value = (Record, Vec<Kind>)> {
        let kinds = prop::sample::select(vec![Kind::Integer, Kind::Number, Kind::Boolean, Kind::Text]);
        prop::collection::vec((prop::option::of(nasty()), kinds), 1..6)
            .prop_map(|cells| cells.into_iter().unzip())
    }

    proptest! {
        #[test]
        fn s4_38_csv_reads_back_exactly_what_was_written((record, kinds) in record()) {
            let mut out = Vec::new();
            write(&record, &kinds, &mut out);
            prop_assert_eq!(read(&out), Some(record));
        }

        #[test]
        fn s4_38_no_cell_begins_with_a_formula_however_it_is_split(text in nasty()) {
            let safe = guarded(&text);
            for cell in safe.split(['\t', '\n', '\r', ';', '|']) {
                prop_assert!(
                    !cell.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']),
                    "{:?} of {:?}", cell, safe
                );
            }
            prop_assert!(!safe.starts_with(char::is_whitespace));
            prop_assert_eq!(unguarded(&safe), text);
        }
    }
}
