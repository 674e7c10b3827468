//! JSON arrays as PostgreSQL array literals: `[1,null,"a"]` becomes `{1,NULL,"a"}`.
//!
//! The JSON is checked as a whole first, then walked token by token, so that digits are passed on as they
//! were written and no number goes through a float.

use serde::de::IgnoredAny;

use super::{fit, oid};

/// Arrays of PostgreSQL have at most six dimensions.
const MAX_DEPTH: usize = 6;

/// Why a JSON text is not an array of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    NotJson,
    NotAnArray,
    TooDeep,
    Object,
    NotWhole,
    ZeroByte,
}

impl Problem {
    pub(super) const fn describe(self) -> &'static str {
        match self {
            Self::NotJson => "not valid json",
            Self::NotAnArray => "json other than an array",
            Self::TooDeep => "an array of more than six dimensions",
            Self::Object => "an array with an object",
            Self::NotWhole => "an array with a number that is not whole",
            Self::ZeroByte => "an array with a zero byte",
        }
    }
}

/// The array literal for elements of type `element`.
pub(super) fn literal(json: &str, element: u32) -> Result<String, Problem> {
    serde_json::from_str::<IgnoredAny>(json).map_err(|_| Problem::NotJson)?;
    let json = json.trim_matches(is_space);
    if !json.starts_with('[') {
        return Err(Problem::NotAnArray);
    }
    let mut out = String::with_capacity(json.len() + 8);
    array(json, element, 1, &mut out)?;
    Ok(out)
}

fn array(json: &str, element: u32, depth: usize, out: &mut String) -> Result<(), Problem> {
    if depth > MAX_DEPTH {
        return Err(Problem::TooDeep);
    }
    out.push('{');
    let mut rest = json.strip_prefix('[').ok_or(Problem::NotJson)?.trim_start_matches(is_space);
    let mut first = true;
    while !rest.starts_with(']') {
        if !first {
            rest = rest.strip_prefix(',').ok_or(Problem::NotJson)?.trim_start_matches(is_space);
            out.push(',');
        }
        first = false;
        let (item, after) = rest.split_at_checked(token_length(rest)).ok_or(Problem::NotJson)?;
        value(item, element, depth, out)?;
        rest = after.trim_start_matches(is_space);
    }
    out.push('}');
    Ok(())
}

fn value(item: &str, element: u32, depth: usize, out: &mut String) -> Result<(), Problem> {
    let is_json = matches!(element, oid::JSON | oid::JSONB);
    match item.bytes().next() {
        Some(b'n') => out.push_str("NULL"),
        // Elements of json[] are any json: an array there is a value, not a dimension.
        Some(_) if is_json => quote(item, out)?,
        Some(b'[') => array(item, element, depth + 1, out)?,
        Some(b'{') => return Err(Problem::Object),
        Some(b'"') => {
            let text: String = serde_json::from_str(item).map_err(|_| Problem::NotJson)?;
            quote(&text, out)?;
        }
        Some(b't' | b'f') => out.push_str(item),
        Some(_) if matches!(element, oid::INT2 | oid::INT4 | oid::INT8) => whole_number(item, out)?,
        Some(_) => out.push_str(item),
        None => return Err(Problem::NotJson),
    }
    Ok(())
}

/// `3.0` and `1e2` are integers too.
fn whole_number(item: &str, out: &mut String) -> Result<(), Problem> {
    if item.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()) {
        out.push_str(item);
        return Ok(());
    }
    let number = item.parse().ok().and_then(fit::whole).ok_or(Problem::NotWhole)?;
    out.push_str(&number.to_string());
    Ok(())
}

fn quote(text: &str, out: &mut String) -> Result<(), Problem> {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '\0' => return Err(Problem::ZeroByte),
            '"' | '\\' => out.extend(['\\', letter]),
            letter => out.push(letter),
        }
    }
    out.push('"');
    Ok(())
}

/// How many bytes the first value of valid JSON has.
fn token_length(json: &str) -> usize {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in json.bytes().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            if !in_string && depth == 0 {
                return at + 1;
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth == 0 => return at,
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' if depth == 0 => return at,
            byte if depth == 0 && is_space(char::from(byte)) => return at,
            _ => {}
        }
    }
    json.len()
}

const fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_1_json_arrays_become_array_literals() {
        for (json, element, expected) in [
            ("[]", oid::INT4, "{}"),
            (" [ 1 , 2.0,1e2 , null ] ", oid::INT4, "{1,2,100,NULL}"),
            ("[[1,2],[3,4]]", oid::INT8, "{{1,2},{3,4}}"),
            ("[\"a,b\",\"q\\\"x\\\\\",\"NULL\",null]", oid::TEXT, "{\"a,b\",\"q\\\"x\\\\\",\"NULL\",NULL}"),
            ("[12345678901234567890.123]", oid::NUMERIC, "{12345678901234567890.123}"),
            ("[true,false]", oid::BOOL, "{true,false}"),
            (
                "[{\"a\":[1,\"]\"]},null,[1],\"s\"]",
                oid::JSONB,
                "{\"{\\\"a\\\":[1,\\\"]\\\"]}\",NULL,\"[1]\",\"\\\"s\\\"\"}",
            ),
            ("[\"\\u007d{\"]", oid::TEXT, "{\"}{\"}"),
        ] {
            assert_eq!(literal(json, element).as_deref(), Ok(expected), "{json}");
        }
    }

    #[test]
    fn s4_1_what_is_no_array_of_the_type_is_refused() {
        assert_eq!(literal("[1", oid::INT4), Err(Problem::NotJson));
        assert_eq!(literal("1", oid::INT4), Err(Problem::NotAnArray));
        assert_eq!(literal("[1.5]", oid::INT4), Err(Problem::NotWhole));
        assert_eq!(literal("[{}]", oid::TEXT), Err(Problem::Object));
        assert_eq!(literal("[\"\\u0000\"]", oid::TEXT), Err(Problem::ZeroByte));
        assert_eq!(literal("[[[[[[[1]]]]]]]", oid::INT4), Err(Problem::TooDeep));
    }
}
