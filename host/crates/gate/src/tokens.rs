//! Pass 1, tokens. Assumes a bounded text. Guarantees tokens that the parser and PostgreSQL cut alike, flat
//! chains that cannot overflow a stack, parameters `$1…$n` without gaps, one statement. Rejects the tokens
//! that the two lexers are known to read differently.

use std::collections::BTreeSet;

use applet_types::{ErrorCode, Span, StatementLimits};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace, Word};

use crate::reject::{Gate, reject, syntax, too_large, unsupported};
use crate::span::Text;

/// What the parser is given.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// How many parameters the guest uses.
    pub(crate) parameters: u16,
}

/// Cuts the text into tokens and checks them.
pub(crate) fn tokenize(text: &Text<'_>, limits: &StatementLimits) -> Gate<Tokens> {
    let dialect = PostgreSqlDialect {};
    let mut tokens = Tokenizer::new(&dialect, text.sql()).tokenize_with_location().map_err(|error| {
        let span = text.span(sqlparser::tokenizer::Span::new(error.location, error.location));
        syntax(span, "a literal, identifier or comment is not closed or not valid")
    })?;
    tokens = tokens.into_iter().flat_map(signs_apart).collect();
    let significant = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).count();
    if significant > limits.tokens {
        let message = format!("statement has {significant} tokens, at most {} are allowed", limits.tokens);
        return Err(too_large("tokens", None, message));
    }
    let mut check = Check { text, previous: None, adjacent: None, numbers: BTreeSet::new() };
    for token in &tokens {
        check.token(token)?;
    }
    chains(&tokens, text, limits)?;
    let parameters = parameters(&check.numbers, limits)?;
    one_statement(&mut tokens, text)?;
    statement_word(&tokens, text)?;
    Ok(Tokens { tokens, parameters })
}

/// `x >-1` compares with a negative number: an operator of PostgreSQL ends before such a sign, the parser's
/// does not.
fn signs_apart(found: TokenWithSpan) -> Vec<TokenWithSpan> {
    let TokenWithSpan { token, span } = found;
    let apart = match &token {
        Token::CustomBinaryOperator(text) => {
            let (base, sign) = match (text.strip_suffix('-'), text.strip_suffix('+')) {
                (Some(base), _) => (base, Token::Minus),
                (None, Some(base)) => (base, Token::Plus),
                (None, None) => ("", Token::EOF),
            };
            let base = match base {
                "<" => Some(Token::Lt),
                ">" => Some(Token::Gt),
                "<=" => Some(Token::LtEq),
                ">=" => Some(Token::GtEq),
                "<>" => Some(Token::Neq),
                "->" => Some(Token::Arrow),
                "->>" => Some(Token::LongArrow),
                _ => None,
            };
            base.map(|base| vec![TokenWithSpan { token: base, span }, TokenWithSpan { token: sign, span }])
        }
        _ => None,
    };
    apart.unwrap_or_else(|| vec![TokenWithSpan { token, span }])
}

struct Check<'t, 'a> {
    text: &'t Text<'a>,
    /// The last token that is no white space.
    previous: Option<&'t Token>,
    /// The token right before, if nothing stands between.
    adjacent: Option<&'t Token>,
    numbers: BTreeSet<u16>,
}

impl<'t> Check<'t, '_> {
    fn token(&mut self, found: &'t TokenWithSpan) -> Gate<()> {
        let span = self.text.span(found.span);
        match &found.token {
            Token::Whitespace(white) => {
                self.adjacent = None;
                return white_space(white, self.text, span);
            }
            Token::Word(word) => self.word(word, span)?,
            Token::Number(number, _) => number_token(number, span)?,
            Token::Placeholder(text) => {
                let number = placeholder(text, span)?;
                self.numbers.insert(number);
            }
            // PostgreSQL joins two strings on two lines into one, the parser reads the second as an alias.
            Token::SingleQuotedString(_) if self.previous.is_some_and(is_string) => {
                return Err(syntax(span, "two string literals follow each other"));
            }
            other => plain_token(other, span)?,
        }
        self.previous = Some(&found.token);
        self.adjacent = Some(&found.token);
        Ok(())
    }

    fn word(&self, word: &Word, span: Option<Span>) -> Gate<()> {
        match word.quote_style {
            // `U&"x"` is one identifier for PostgreSQL and an operator between two names for the parser.
            Some('"') if matches!(self.adjacent, Some(Token::Ampersand)) => {
                Err(syntax(span, "a quoted identifier follows `&`"))
            }
            Some('"') => Ok(()),
            Some(_) => Err(syntax(span, "identifiers are quoted with double quotes only")),
            None if !word.value.is_ascii() => Err(reject(
                ErrorCode::Syntax,
                "ascii",
                span,
                "only literals and quoted aliases may hold non-ASCII characters",
            )),
            None if matches!(self.adjacent, Some(Token::Number(..) | Token::Placeholder(_))) => {
                Err(syntax(span, format!("`{}` follows a number without a blank", word.value)))
            }
            None => Ok(()),
        }
    }
}

const fn is_string(token: &Token) -> bool {
    matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::DollarQuotedString(_)
    )
}

fn white_space(white: &Whitespace, text: &Text<'_>, span: Option<Span>) -> Gate<()> {
    let source = span.map(|span| text.slice(span)).unwrap_or_default();
    let comment = match white {
        Whitespace::Space | Whitespace::Newline | Whitespace::Tab => {
            // U+00A0 and the like are blanks for the parser and part of a name for PostgreSQL.
            return if source.is_ascii() {
                Ok(())
            } else {
                Err(reject(ErrorCode::Syntax, "ascii", span, "a blank that is not an ASCII character"))
            };
        }
        Whitespace::SingleLineComment { comment, prefix } => {
            if prefix != "--" {
                return Err(syntax(span, "comments start with `--` or `/*`"));
            }
            // A lone carriage return ends the comment for PostgreSQL only.
            if comment.trim_end_matches(['\r', '\n']).contains('\r') {
                return Err(syntax(span, "a carriage return inside a comment"));
            }
            comment
        }
        Whitespace::MultiLineComment(comment) => comment,
    };
    if comment.starts_with('+') {
        return Err(unsupported("hint", span, "an optimizer hint"));
    }
    Ok(())
}

fn number_token(number: &str, span: Option<Span>) -> Gate<()> {
    if is_number(number) { Ok(()) } else { Err(syntax(span, format!("`{number}` is not a decimal number"))) }
}

/// Digits with an optional fraction and exponent, as every version of PostgreSQL reads them.
pub(crate) fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_fits
}

fn placeholder(text: &str, span: Option<Span>) -> Gate<u16> {
    let digits =
        text.strip_prefix('$').filter(|d| !d.starts_with('0') && d.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        let message = format!("`{text}` is not a parameter: write `$1`, `$2` and so on");
        reject(ErrorCode::BadParameter, "parameter-form", span, message)
    })
}

fn plain_token(token: &Token, span: Option<Span>) -> Gate<()> {
    match token {
        // Runs of operator characters that the parser takes for one operator may hide a comment.
        Token::CustomBinaryOperator(operator) => Err(reject(
            ErrorCode::OperatorNotAllowed,
            "operator",
            span,
            format!("operator `{operator}` cannot be used"),
        )),
        Token::DoubleEq => Err(reject(
            ErrorCode::OperatorNotAllowed,
            "operator",
            span,
            "operator `==` cannot be used, write `=`",
        )),
        Token::NationalStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::SingleQuotedByteStringLiteral(_)
        | Token::DoubleQuotedByteStringLiteral(_)
        | Token::TripleSingleQuotedByteStringLiteral(_)
        | Token::TripleDoubleQuotedByteStringLiteral(_)
        | Token::SingleQuotedRawStringLiteral(_)
        | Token::DoubleQuotedRawStringLiteral(_)
        | Token::TripleSingleQuotedRawStringLiteral(_)
        | Token::TripleDoubleQuotedRawStringLiteral(_)
        | Token::TripleSingleQuotedString(_)
        | Token::TripleDoubleQuotedString(_)
        | Token::QuoteDelimitedStringLiteral(_)
        | Token::NationalQuoteDelimitedStringLiteral(_)
        | Token::DoubleQuotedString(_) => Err(unsupported("literal-kind", span, "this kind of literal")),
        Token::Backslash | Token::Char(_) | Token::LBrace | Token::RBrace => {
            Err(syntax(span, "a character that does not belong into a statement"))
        }
        _ => Ok(()),
    }
}

/// Bounds flat chains: the parser reads them in a loop, but the tree it builds is as deep as they are long.
fn chains(tokens: &[TokenWithSpan], text: &Text<'_>, limits: &StatementLimits) -> Gate<()> {
    let mut open = vec![0_usize];
    for found in tokens {
        match &found.token {
            Token::LParen | Token::LBracket => open.push(0),
            Token::RParen | Token::RBracket => {
                open.pop();
                if open.is_empty() {
                    return Err(syntax(text.span(found.span), "a bracket is closed that was not opened"));
                }
            }
            Token::Comma => {
                if let Some(length) = open.last_mut() {
                    *length = 0;
                }
            }
            token if links(token) => {
                let Some(length) = open.last_mut() else { continue };
                *length += 1;
                if *length > limits.operator_chain {
                    let message = format!("more than {} operators in one chain", limits.operator_chain);
                    return Err(too_large("operator-chain", text.span(found.span), message));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a token lengthens a chain: any operator, and the words that work as one.
const fn links(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::NOTNULL
                | Keyword::IN
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::SIMILAR
                | Keyword::BETWEEN
                | Keyword::COLLATE
                | Keyword::AT
                | Keyword::UNION
                | Keyword::INTERSECT
                | Keyword::EXCEPT
        ),
        Token::EOF
        | Token::Whitespace(_)
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::Placeholder(_)
        | Token::Comma
        | Token::Period
        | Token::SemiColon => false,
        _ => true,
    }
}

fn parameters(numbers: &BTreeSet<u16>, limits: &StatementLimits) -> Gate<u16> {
    let Some(&highest) = numbers.last() else { return Ok(0) };
    if usize::from(highest) > limits.parameters {
        let message = format!("parameter `${highest}`: at most {} are allowed", limits.parameters);
        return Err(reject(ErrorCode::BadParameter, "parameter-count", None, message));
    }
    match (1..=highest).find(|number| !numbers.contains(number)) {
        None => Ok(highest),
        Some(missing) => {
            let message = format!("parameter `${missing}` is missing: they are numbered without gaps");
            Err(reject(ErrorCode::BadParameter, "parameter-gap", None, message))
        }
    }
}

/// Takes away one `;` at the end; any other separates statements.
fn one_statement(tokens: &mut Vec<TokenWithSpan>, text: &Text<'_>) -> Gate<()> {
    tokens.retain(|t| {
        !matches!(
            t.token,
            Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_))
        )
    });
    let last = tokens.iter().rposition(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF));
    if let Some(last) = last
        && tokens.get(last).is_some_and(|t| t.token == Token::SemiColon)
    {
        tokens.truncate(last);
    }
    match tokens.iter().find(|t| t.token == Token::SemiColon) {
        None => Ok(()),
        Some(found) => Err(reject(
            ErrorCode::MultiStatement,
            "one-statement",
            text.span(found.span),
            "only one statement can be sent at a time",
        )),
    }
}

/// Names the kind of a statement that applets cannot use, before the parser trips over its grammar.
fn statement_word(tokens: &[TokenWithSpan], text: &Text<'_>) -> Gate<()> {
    let first = tokens.iter().find(|t| !matches!(t.token, Token::Whitespace(_)));
    let Some(first) = first else { return Err(syntax(None, "the statement is empty")) };
    let span = text.span(first.span);
    match &first.token {
        Token::LParen => Ok(()),
        Token::Word(word) => match word.keyword {
            // VALUES is told apart later, so that a UNION behind it is called by its name.
            Keyword::SELECT
            | Keyword::INSERT
            | Keyword::UPDATE
            | Keyword::DELETE
            | Keyword::WITH
            | Keyword::VALUES => Ok(()),
            _ => {
                let what = format!("`{}`", word.value);
                Err(unsupported("statement-kind", span, &what)
                    .hint("applets use SELECT, INSERT, UPDATE and DELETE"))
            }
        },
        _ => Err(syntax(span, "a statement starts with a word")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_9_numbers_are_what_every_postgresql_reads_alike() {
        for good in ["1", "1.", ".5", "1.5e10", "2E-3", "007"] {
            assert!(is_number(good), "{good}");
        }
        for bad in ["", ".", "1_000", "0x1F", "1e", "1e+", "1.2.3", "e5"] {
            assert!(!is_number(bad), "{bad}");
        }
    }
}
