//! Headers.

/// The most headers, and the most bytes of all names and values together.
const MOST: usize = 100;
const MOST_BYTES: usize = 16 << 10;

/// Why a header is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Syntax,
    Immutable,
    TooMany,
}

/// Names in lower case, and values, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    entries: Vec<(String, Vec<u8>)>,
    immutable: bool,
}

impl Fields {
    pub(super) fn entries(&self) -> &[(String, Vec<u8>)] {
        &self.entries
    }

    /// From now on nobody changes them.
    pub(super) fn freeze(mut self) -> Self {
        self.immutable = true;
        self
    }

    /// A copy that may be changed.
    pub(super) fn thawed(&self) -> Self {
        Self { entries: self.entries.clone(), immutable: false }
    }

    pub(super) fn get<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let name = name.to_ascii_lowercase();
        self.entries.iter().filter(move |(own, _)| *own == name).map(|(_, value)| value.as_slice())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).next().is_some()
    }

    pub(super) fn append(&mut self, name: &str, value: Vec<u8>) -> Result<(), Refused> {
        self.may_change()?;
        if !is_token(name) || !is_value(&value) {
            return Err(Refused::Syntax);
        }
        let bytes: usize = self.entries.iter().map(|(name, value)| name.len() + value.len()).sum();
        if self.entries.len() >= MOST || bytes.saturating_add(name.len() + value.len()) > MOST_BYTES {
            return Err(Refused::TooMany);
        }
        self.entries.push((name.to_ascii_lowercase(), value));
        Ok(())
    }

    pub(super) fn delete(&mut self, name: &str) -> Result<(), Refused> {
        self.may_change()?;
        if !is_token(name) {
            return Err(Refused::Syntax);
        }
        let name = name.to_ascii_lowercase();
        self.entries.retain(|(own, _)| *own != name);
        Ok(())
    }

    fn may_change(&self) -> Result<(), Refused> {
        if self.immutable { Err(Refused::Immutable) } else { Ok(()) }
    }
}

/// A token of RFC 9110.
pub(super) fn is_token(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(letter)
}

/// No control characters but the tab: a line end would begin another header wherever this is printed.
fn is_value(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec: F15
    #[test]
    fn f15_headers_are_bounded_and_hold_no_line_ends() {
        let mut fields = Fields::default();
        fields.append("X-One", b"1".to_vec()).unwrap();
        assert_eq!(fields.get("x-ONE").collect::<Vec<_>>(), [b"1"]);
        for (name, value) in [("", "a"), ("a b", "a"), ("a:", "a"), ("a", "b\r\nc: d"), ("a", "\0")] {
            assert_eq!(fields.append(name, value.into()), Err(Refused::Syntax), "{name:?}: {value:?}");
        }
        assert_eq!(fields.append("big", vec![b'a'; MOST_BYTES]), Err(Refused::TooMany));
        for _ in 1..MOST {
            fields.append("many", Vec::new()).unwrap();
        }
        assert_eq!(fields.append("many", Vec::new()), Err(Refused::TooMany));
        let mut frozen = fields.freeze();
        assert_eq!(frozen.delete("x-one"), Err(Refused::Immutable));
        assert_eq!(frozen.thawed().delete("x-one"), Ok(()));
    }
}
