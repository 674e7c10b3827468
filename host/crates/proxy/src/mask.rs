//! A refused statement for the audit trail: its text without literals and comments.
//!
//! What passed the gate is printed by the gate, with `?` for every literal. What did not pass may not even
//! parse, so it is only cut into tokens here, by PostgreSQL's rules. *Invariant:* where a token does not
//! end, nothing of the rest is kept.

use std::iter::Peekable;
use std::str::CharIndices;

/// The text with `?` for each string and number, at most `limit` bytes.
pub fn masked(sql: &str, limit: usize) -> String {
    let mut out = String::with_capacity(sql.len().min(limit));
    let mut letters = sql.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if out.len() >= limit {
            break;
        }
        let rest = sql.get(at..).unwrap_or_default();
        if rest.starts_with("--") {
            skip_to(&mut letters, at + rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            skip_to(&mut letters, at + block_comment(rest));
        } else if letter == '\'' {
            out.push('?');
            skip_to(&mut letters, at + quoted(rest, ends_with_escape_mark(sql, at)));
        } else if let Some(length) = dollar_quoted(rest) {
            out.push('?');
            skip_to(&mut letters, at + length);
        } else if letter == '"' {
            let Some(name) = quoted_name(rest) else { break };
            out.push_str(name);
            skip_to(&mut letters, at + name.len());
        } else if letter.is_ascii_digit() {
            out.push('?');
            skip_while(&mut letters, |next| next.is_ascii_alphanumeric() || next == '.' || next == '_');
        } else if is_name(letter) || letter == '$' {
            out.push(letter);
            while let Some((_, next)) =
                letters.next_if(|(_, next)| is_name(*next) || next.is_ascii_digit() || *next == '$')
            {
                out.push(next);
            }
        } else {
            out.push(letter);
        }
    }
    let end = out.floor_char_boundary(limit);
    out.truncate(end);
    out
}

fn is_name(letter: char) -> bool {
    letter == '_' || letter.is_alphabetic() || !letter.is_ascii()
}

fn skip_to(letters: &mut Peekable<CharIndices<'_>>, end: usize) {
    while letters.next_if(|(at, _)| *at < end).is_some() {}
}

fn skip_while(letters: &mut Peekable<CharIndices<'_>>, belongs: impl Fn(char) -> bool) {
    while letters.next_if(|(_, next)| belongs(*next)).is_some() {}
}

/// Whether the quote at `at` belongs to an `E'…'`, in which a backslash escapes.
fn ends_with_escape_mark(sql: &str, at: usize) -> bool {
    let mut before = sql.get(..at).unwrap_or_default().chars().rev();
    matches!(before.next(), Some('e' | 'E'))
        && !before.next().is_some_and(|letter| is_name(letter) || letter.is_ascii_digit())
}

/// The length of the string literal at the start of `text`; all of it if the literal does not end.
fn quoted(text: &str, escapes: bool) -> usize {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if escapes => {
                letters.next();
            }
            '\'' if letters.next_if(|(_, next)| *next == '\'').is_none() => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The quoted name at the start of `text`, if it ends.
fn quoted_name(text: &str) -> Option<&str> {
    let end = text.get(1..)?.find('"')?;
    text.get(..end + 2)
}

/// The length of `$tag$…$tag$` at the start of `text`, if that is what stands there.
fn dollar_quoted(text: &str) -> Option<usize> {
    let tag_end = text.strip_prefix('$')?.find('$')? + 2;
    let tag = text.get(..tag_end)?;
    let inner = tag.trim_matches('$');
    let is_tag = !inner.starts_with(|letter: char| letter.is_ascii_digit())
        && inner.chars().all(|letter| is_name(letter) || letter.is_ascii_digit());
    if !is_tag {
        return None;
    }
    let body = text.get(tag_end..)?;
    Some(body.find(tag).map_or(text.len(), |end| tag_end + end + tag.len()))
}

/// The length of the comment at the start of `text`; comments nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let next = bytes.peek().map(|(_, next)| *next);
        match (byte, next) {
            (b'/', Some(b'*')) => {
                depth += 1;
                bytes.next();
            }
            (b'*', Some(b'/')) => {
                depth = depth.saturating_sub(1);
                bytes.next();
                if depth == 0 {
                    return at + 2;
                }
            }
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_69_no_literal_and_no_comment_of_a_refused_statement_is_kept() {
        for (sql, expected) in [
            ("SELECT a1 FROM t WHERE x = 'it''s' AND y > 1.5e10", "SELECT a1 FROM t WHERE x = ? AND y > ?"),
            ("SELECT $1, $tag$secret$tag$, $$x$$", "SELECT $1, ?, ?"),
            ("SELECT E'a\\'secret' , name'secret'", "SELECT E? , name?"),
            ("SELECT 1 -- secret\n, 2 /* a /* secret */ b */ x", "SELECT ? \n, ?  x"),
            ("SELECT 'secret", "SELECT ?"),
            ("SELECT $a$secret", "SELECT ?"),
            ("SELECT \"na me\", \"unfinished secret", "SELECT \"na me\", "),
            ("SELECT /* secret", "SELECT "),
            ("SELECT 'é', é", "SELECT ?, é"),
        ] {
            assert_eq!(masked(sql, 2_048), expected, "{sql}");
        }
        assert_eq!(masked(&"é".repeat(100), 7), "ééé");
    }
}
