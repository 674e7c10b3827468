//! Dates, times and intervals as PostgreSQL prints them (DateStyle ISO, IntervalStyle postgres).

use std::fmt::Write;

/// Days from 1970-01-01 to PostgreSQL's epoch, 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;
const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// Microseconds from 1970-01-01 to PostgreSQL's epoch.
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * MICROS_PER_DAY;

/// Days since 1970 from the wire's days since 2000; the infinities stay the smallest and largest.
pub(super) const fn unix_days(days: i32) -> i32 {
    match days {
        i32::MIN | i32::MAX => days,
        _ => days.saturating_add(EPOCH_DAYS),
    }
}

/// Microseconds since 1970 from the wire's microseconds since 2000; infinities as for days. `None` for what is
/// too far in the future to be counted from there, or would be read as infinity.
pub(super) fn unix_micros(micros: i64) -> Option<i64> {
    match micros {
        i64::MIN | i64::MAX => Some(micros),
        _ => micros.checked_add(EPOCH_MICROS).filter(|moved| *moved != i64::MAX),
    }
}

/// What follows the time of a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    None,
    Utc,
}

/// The wire's date.
pub(super) fn date(days: i32) -> String {
    match days {
        i32::MIN => return "-infinity".to_owned(),
        i32::MAX => return "infinity".to_owned(),
        _ => {}
    }
    let (year, month, day) = civil(i64::from(days) + i64::from(EPOCH_DAYS));
    let mut out = String::with_capacity(10);
    push(&mut out, format_args!("{:04}-{month:02}-{day:02}", shown_year(year)));
    out.push_str(era(year));
    out
}

/// The wire's time of day.
pub(super) fn time(micros: i64) -> String {
    let mut out = String::with_capacity(15);
    push_time(&mut out, micros);
    out
}

/// The wire's timestamp, as RFC 3339 writes it: `T` between date and time.
pub(super) fn timestamp(micros: i64, zone: Zone) -> String {
    match micros {
        i64::MIN => return "-infinity".to_owned(),
        i64::MAX => return "infinity".to_owned(),
        _ => {}
    }
    let (year, month, day) = civil(micros.div_euclid(MICROS_PER_DAY) + i64::from(EPOCH_DAYS));
    let mut out = String::with_capacity(32);
    push(&mut out, format_args!("{:04}-{month:02}-{day:02}T", shown_year(year)));
    push_time(&mut out, micros.rem_euclid(MICROS_PER_DAY));
    if zone == Zone::Utc {
        out.push('Z');
    }
    out.push_str(era(year));
    out
}

/// The wire's interval.
pub(super) fn interval(months: i32, days: i32, micros: i64) -> String {
    match (months, days, micros) {
        (i32::MIN, i32::MIN, i64::MIN) => return "-infinity".to_owned(),
        (i32::MAX, i32::MAX, i64::MAX) => return "infinity".to_owned(),
        _ => {}
    }
    let mut out = String::with_capacity(32);
    let mut before_was_negative = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        let space = if out.is_empty() { "" } else { " " };
        let sign = if before_was_negative && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        push(&mut out, format_args!("{space}{sign}{value} {unit}{plural}"));
        before_was_negative = value < 0;
    }
    if micros != 0 || out.is_empty() {
        if !out.is_empty() {
            out.push(' ');
        }
        if micros < 0 {
            out.push('-');
        } else if before_was_negative {
            out.push('+');
        }
        push_time(&mut out, micros);
    }
    out
}

/// `hh:mm:ss[.ffffff]` of the magnitude, without trailing zeros.
fn push_time(out: &mut String, micros: i64) {
    let micros = micros.unsigned_abs();
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    push(out, format_args!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        push(out, format_args!(".{}", digits.trim_end_matches('0')));
    }
}

fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = out.write_fmt(arguments);
}

/// There is no year 0: 1 BC is followed by 1 AD.
const fn shown_year(year: i64) -> i64 {
    if year > 0 { year } else { 1 - year }
}

const fn era(year: i64) -> &'static str {
    if year > 0 { "" } else { " BC" }
}

/// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar; year 0
/// is 1 BC. Counts in eras of 400 years that begin on the 1st of March.
const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_70_dates_print_as_postgresql_prints_them() {
        assert_eq!(date(0), "2000-01-01");
        assert_eq!(date(-1), "1999-12-31");
        assert_eq!(date(59), "2000-02-29");
        assert_eq!(date(-730_119), "0001-01-01");
        assert_eq!(date(-730_120), "0001-12-31 BC");
        assert_eq!(date(i32::MAX), "infinity");
        assert_eq!(time(86_400_000_000), "24:00:00");
        assert_eq!(time(1_500_000), "00:00:01.5");
        assert_eq!(timestamp(-1, Zone::Utc), "1999-12-31T23:59:59.999999Z");
        assert_eq!(timestamp(0, Zone::None), "2000-01-01T00:00:00");
    }

    #[test]
    fn s4_70_no_moment_is_taken_for_infinity() {
        assert_eq!(unix_micros(i64::MAX), Some(i64::MAX));
        assert_eq!(unix_micros(i64::MAX - EPOCH_MICROS - 1), Some(i64::MAX - 1));
        assert_eq!(unix_micros(i64::MAX - EPOCH_MICROS), None);
        assert_eq!(unix_micros(i64::MAX - 1), None);
    }

    #[test]
    fn s4_70_intervals_print_as_postgresql_prints_them() {
        assert_eq!(interval(0, 0, 0), "00:00:00");
        assert_eq!(interval(14, 3, 14_706_789_000), "1 year 2 mons 3 days 04:05:06.789");
        assert_eq!(interval(-14, 3, -1_000_000), "-1 years -2 mons +3 days -00:00:01");
        assert_eq!(interval(0, -1, 1_000_000), "-1 days +00:00:01");
        assert_eq!(interval(0, 0, -360_000_000_000), "-100:00:00");
        assert_eq!(interval(1, 1, 0), "1 mon 1 day");
    }
}
