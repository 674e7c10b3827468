//! Types that Rust's standard library lacks.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for Uuid {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || crate::Error::decode(format!("`{text}` is not a UUID"));
        let digits: Vec<u32> = text
            .chars()
            .filter(|character| *character != '-')
            .map(|character| character.to_digit(16).ok_or_else(wrong))
            .collect::<Result<_, _>>()?;
        let mut bytes = [0; 16];
        if digits.len() != 32 {
            return Err(wrong());
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().fold(0, |sum, digit| (sum << 4) | u8::try_from(*digit).unwrap_or(0));
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Uuid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An exact decimal number, as text: it never loses a digit. Also `NaN`, `Infinity` and `-Infinity`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Decimal(pub String);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// JSON of a known shape; also for arrays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Json<T>(pub T);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_70_uuids_read_back_as_written() {
        let text = "01234567-89ab-cdef-0123-456789abcdef";
        assert_eq!(text.parse::<Uuid>().unwrap().to_string(), text);
        assert!("01234567".parse::<Uuid>().is_err());
        assert!("g1234567-89ab-cdef-0123-456789abcdef".parse::<Uuid>().is_err());
    }
}
