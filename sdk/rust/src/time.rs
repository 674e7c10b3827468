//! Dates and times as PostgreSQL has them, without a calendar library. The text forms are PostgreSQL's own
//! input forms, so a value read can be handed back as a parameter.

use std::fmt;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// A calendar day: days since 1970-01-01. The smallest and largest number are -infinity and infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i32);

/// A time of day: microseconds since midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// A moment (`timestamptz`) or a date and time without zone (`timestamp`): microseconds since
/// 1970-01-01T00:00. The smallest and largest number are -infinity and infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A span of time, in the three parts that PostgreSQL keeps apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

impl Timestamp {
    /// Now, to the millisecond, which is all the host's clock tells.
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_micros()).unwrap_or(i64::MAX - 1))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            i32::MIN => f.write_str("-infinity"),
            i32::MAX => f.write_str("infinity"),
            days => day(f, days.into()),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        clock(f, self.0)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            i64::MIN => f.write_str("-infinity"),
            i64::MAX => f.write_str("infinity"),
            micros => {
                day(f, micros.div_euclid(MICROS_PER_DAY))?;
                f.write_str("T")?;
                clock(f, micros.rem_euclid(MICROS_PER_DAY))?;
                f.write_str("Z")
            }
        }
    }
}

impl fmt::Display for Interval {
    /// PostgreSQL reads this form whatever its settings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} months {} days {} microseconds", self.months, self.days, self.micros)
    }
}

/// The proleptic Gregorian day, by era of 400 years.
fn day(f: &mut fmt::Formatter<'_>, days_since_1970: i64) -> fmt::Result {
    let days = days_since_1970 + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    write!(f, "{year:04}-{month:02}-{day:02}")
}

fn clock(f: &mut fmt::Formatter<'_>, micros: i64) -> fmt::Result {
    let (seconds, fraction) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
    write!(f, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)?;
    if fraction == 0 { Ok(()) } else { write!(f, ".{fraction:06}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_70_days_and_moments_are_written_as_postgresql_reads_them() {
        for (days, text) in
            [(0, "1970-01-01"), (-1, "1969-12-31"), (11_016, "2000-02-29"), (19_783, "2024-03-01")]
        {
            assert_eq!(Date(days).to_string(), text);
        }
        assert_eq!(Date(i32::MAX).to_string(), "infinity");
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999999Z");
        assert_eq!(Timestamp(1_700_000_000_123_000).to_string(), "2023-11-14T22:13:20.123000Z");
        assert_eq!(Timestamp(i64::MIN).to_string(), "-infinity");
        assert_eq!(Time(3_661_000_001).to_string(), "01:01:01.000001");
    }
}
