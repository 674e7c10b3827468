//! PostgreSQL's binary `numeric` as decimal text, digit for digit as the server prints it.

use super::decode::{Cursor, Damaged};

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const POSITIVE_INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// Appends the number. On the wire it is groups of four decimal digits, the first of which counts
/// 10000^weight, and the number of digits to show after the point.
pub(super) fn write(bytes: &[u8], out: &mut String) -> Result<(), Damaged> {
    let mut cursor = Cursor::new(bytes);
    // The largest numbers have more groups than a signed number of this size counts.
    let count = cursor.i16()?.cast_unsigned();
    let weight = i32::from(cursor.i16()?);
    let sign = cursor.i16()?.cast_unsigned();
    let scale = usize::try_from(cursor.i16()?).map_err(|_| Damaged)?;
    match sign {
        POSITIVE => {}
        NEGATIVE => out.push('-'),
        NAN => return special("NaN", out),
        POSITIVE_INFINITY => return special("Infinity", out),
        NEGATIVE_INFINITY => return special("-Infinity", out),
        _ => return Err(Damaged),
    }
    let mut groups = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        groups.push(u16::try_from(cursor.i16()?).map_err(|_| Damaged)?);
    }
    let group = |position: i32| -> u16 {
        usize::try_from(weight - position).ok().and_then(|index| groups.get(index)).copied().unwrap_or(0)
    };
    if weight < 0 {
        out.push('0');
    } else {
        out.push_str(&group(weight).to_string());
        for position in (0..weight).rev() {
            push_group(group(position), out);
        }
    }
    if scale > 0 {
        out.push('.');
        let end = out.len() + scale;
        let mut position = -1;
        while out.len() < end {
            push_group(group(position), out);
            position -= 1;
        }
        out.truncate(end);
    }
    Ok(())
}

fn special(text: &str, out: &mut String) -> Result<(), Damaged> {
    out.push_str(text);
    Ok(())
}

fn push_group(group: u16, out: &mut String) {
    for divisor in [1000, 100, 10, 1] {
        out.push(char::from(b'0' + u8::try_from(group / divisor % 10).unwrap_or(0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_70_numbers_of_the_most_digits_are_read() {
        let group = 9_999_u16.to_be_bytes();
        let mut bytes = [36_864_u16, 32_767, POSITIVE, 16_383].map(u16::to_be_bytes).concat();
        bytes.extend(group.repeat(36_864));
        let mut text = String::new();
        write(&bytes, &mut text).unwrap();
        assert_eq!(text, format!("{}.{}", "9".repeat(131_072), "9".repeat(16_383)));
    }
}
