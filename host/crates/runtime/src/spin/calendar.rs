//! Days and times as tuples, and as PostgreSQL writes them.

/// Year, month, day.
pub(super) type Date = (i32, u8, u8);
/// Hour, minute, second, nanosecond.
pub(super) type Time = (u8, u8, u8, u32);
/// A date and a time, in UTC.
pub(super) type DateTime = (i32, u8, u8, u8, u8, u8, u32);

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// Days of 400 years, after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;

/// The day, by days since 1970; `None` for the infinities.
pub(super) fn date(days: i32) -> Option<Date> {
    if days == i32::MIN || days == i32::MAX { None } else { civil(days.into()) }
}

/// The time of day; `None` for 24:00, which is none of theirs.
pub(super) fn time(micros: i64) -> Option<Time> {
    if !(0..MICROS_PER_DAY).contains(&micros) {
        return None;
    }
    let seconds = micros / MICROS_PER_SECOND;
    Some((
        u8::try_from(seconds / 3_600).ok()?,
        u8::try_from(seconds / 60 % 60).ok()?,
        u8::try_from(seconds % 60).ok()?,
        u32::try_from(micros % MICROS_PER_SECOND * 1_000).ok()?,
    ))
}

/// The moment, by microseconds since 1970; `None` for the infinities.
pub(super) fn date_time(micros: i64) -> Option<DateTime> {
    if micros == i64::MIN || micros == i64::MAX {
        return None;
    }
    let (year, month, day) = civil(micros.div_euclid(MICROS_PER_DAY))?;
    let (hour, minute, second, nanos) = time(micros.rem_euclid(MICROS_PER_DAY))?;
    Some((year, month, day, hour, minute, second, nanos))
}

/// The proleptic Gregorian calendar, where the year before 1 is 0. Counted in eras that begin on 1 March, so that
/// a leap day is the last of its year.
fn civil(days: i64) -> Option<Date> {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / (DAYS_PER_ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Some((i32::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?))
}

/// The day as PostgreSQL reads it; `None` when there is no such day.
pub(super) fn date_text((year, month, day): Date) -> Option<String> {
    let days = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    let (shown, era) = if year > 0 { (i64::from(year), "") } else { (1 - i64::from(year), " BC") };
    (1..=days).contains(&day).then(|| format!("{shown:04}-{month:02}-{day:02}{era}"))
}

/// The time as PostgreSQL reads it, which knows microseconds; `None` when there is no such time.
pub(super) fn time_text((hour, minute, second, nanos): Time) -> Option<String> {
    let there_is = hour < 24 && minute < 60 && second < 60 && nanos < 1_000_000_000;
    there_is.then(|| format!("{hour:02}:{minute:02}:{second:02}.{:06}", nanos / 1_000))
}

/// The moment as PostgreSQL reads it, with the era at the end; `None` when there is no such moment.
pub(super) fn date_time_text((year, month, day, hour, minute, second, nanos): DateTime) -> Option<String> {
    let (date, time) = (date_text((year, month, day))?, time_text((hour, minute, second, nanos))?);
    Some(match date.strip_suffix(" BC") {
        Some(date) => format!("{date} {time}+00 BC"),
        None => format!("{date} {time}+00"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec: F15
    #[test]
    fn f15_days_and_times_are_those_of_postgresql_at_their_edges() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (19_782, (2024, 2, 29)),
            (-719_162, (1, 1, 1)),
            (-719_163, (0, 12, 31)),
            // 4714-11-24 BC and 5874897-12-31, the first and last day of PostgreSQL.
            (-2_440_588, (-4713, 11, 24)),
            (2_145_042_905, (5_874_897, 12, 31)),
        ] {
            assert_eq!(date(days), Some(expected), "{days}");
        }
        assert_eq!((date(i32::MIN), date(i32::MAX)), (None, None));
        assert_eq!(date_time(-1), Some((1969, 12, 31, 23, 59, 59, 999_999_000)));
        assert_eq!((date_time(i64::MIN), date_time(i64::MAX)), (None, None));
        assert_eq!((time(0), time(MICROS_PER_DAY)), (Some((0, 0, 0, 0)), None));
    }

    /// Spec: F15
    #[test]
    fn f15_what_is_no_day_or_time_is_not_written() {
        assert_eq!(date_text((2024, 2, 29)).as_deref(), Some("2024-02-29"));
        assert_eq!(date_text((0, 2, 29)).as_deref(), Some("0001-02-29 BC"));
        for no_day in [(2023, 2, 29), (1900, 2, 29), (2024, 13, 1), (2024, 0, 1), (2024, 4, 31), (2024, 1, 0)]
        {
            assert_eq!(date_text(no_day), None, "{no_day:?}");
        }
        assert_eq!(time_text((23, 59, 59, 999_999_999)).as_deref(), Some("23:59:59.999999"));
        for no_time in [(24, 0, 0, 0), (0, 60, 0, 0), (0, 0, 60, 0), (0, 0, 0, 1_000_000_000)] {
            assert_eq!(time_text(no_time), None, "{no_time:?}");
        }
        let moment = date_time_text((-4712, 11, 24, 1, 2, 3, 4_000));
        assert_eq!(moment.as_deref(), Some("4713-11-24 01:02:03.000004+00 BC"));
    }
}
