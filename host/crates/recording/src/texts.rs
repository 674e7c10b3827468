//! Words for people, in which nothing can steer a terminal.

use applet_types::Failure;
use serde_json::Value as Json;

use crate::paths::AnswerChange;
use crate::recording::Ending;

/// Characters of a value that a person wants to see.
const ENOUGH: usize = 120;

/// One line, without control characters and those that turn the direction of text around, and cut.
pub(crate) fn one_line(text: &str) -> String {
    let mut kept = String::new();
    let mut blank = false;
    for letter in text.chars() {
        let turns =
            matches!(letter, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if letter.is_whitespace() || letter.is_control() || turns {
            blank = !kept.is_empty();
            continue;
        }
        if std::mem::take(&mut blank) {
            kept.push(' ');
        }
        kept.push(letter);
    }
    kept
}

pub(crate) fn shortened(text: &str) -> String {
    let line = one_line(text);
    match line.char_indices().nth(ENOUGH) {
        Some((cut, _)) => format!("{}…", line.get(..cut).unwrap_or_default()),
        None => line,
    }
}

/// A parameter as files have it, as a person reads it.
pub(crate) fn parameter(value: &Json) -> String {
    let Some((kind, value)) = value.as_object().and_then(|object| object.iter().next()) else {
        return shortened(&value.to_string());
    };
    match (kind.as_str(), value.as_str()) {
        ("null", _) => "null".to_owned(),
        ("text", Some(_)) => shortened(&value.to_string()),
        ("bytes", Some(hex)) => shortened(&format!("bytes {hex}")),
        (_, Some(text)) => shortened(text),
        (_, None) => shortened(&value.to_string()),
    }
}

pub(crate) fn failure(failure: &Failure) -> String {
    shortened(&failure.to_string())
}

pub(crate) fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Answer(answer) => format!("answered {}", shortened(answer)),
        Ending::Refused { code, message } => {
            let message = message.strip_prefix(&format!("{code}: ")).unwrap_or(message);
            format!("the applet's error {}: {}", shortened(code), shortened(message))
        }
        Ending::NoSuchHook => "there is no such hook".to_owned(),
        Ending::Host(reason) => format!("ended by the host: {}", failure(reason)),
    }
}

/// Of a recording without values, two values of one kind tell nothing.
pub(crate) fn is_comparable_only_in_kind(change: &AnswerChange) -> bool {
    let kind = |value: &Json| std::mem::discriminant(value);
    match (&change.recorded, &change.replayed) {
        (Some(Json::Array(_) | Json::Object(_)), _) | (None, _) | (_, None) => false,
        (Some(recorded), Some(replayed)) => kind(recorded) == kind(replayed),
    }
}
