//! How one column type stands to another, as PostgreSQL prints them.

/// What going from one type to another takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: they are the same.
    Same,
    /// Every value fits and no row is written: PostgreSQL changes its catalogue only.
    Widens,
    /// The other way round it would widen.
    Narrows,
    /// Every value fits, but PostgreSQL writes every row anew while everybody waits.
    Rewrites,
    /// Values do not carry over.
    Other,
}

/// What going from `from` to `to` takes.
pub(crate) fn step(from: &str, to: &str) -> Step {
    if from == to {
        Step::Same
    } else if widens(from, to) {
        Step::Widens
    } else if widens(to, from) {
        Step::Narrows
    } else if rewrites(from, to) {
        Step::Rewrites
    } else {
        Step::Other
    }
}

fn widens(from: &str, to: &str) -> bool {
    match (from, to) {
        (from, "text" | "character varying") => from.starts_with("character varying"),
        _ => match (arguments(from, "character varying"), arguments(to, "character varying")) {
            (Some([from, 0]), Some([to, 0])) => from < to,
            _ => match (arguments(from, "numeric"), arguments(to, "numeric")) {
                (Some([from, from_scale]), Some([to, to_scale])) => from < to && from_scale == to_scale,
                _ => false,
            },
        },
    }
}

fn rewrites(from: &str, to: &str) -> bool {
    match (arguments(from, "numeric"), arguments(to, "numeric")) {
        (Some([from, from_scale]), Some([to, to_scale])) => {
            // As many digits before the point and after it.
            to_scale >= from_scale && to.saturating_sub(to_scale) >= from.saturating_sub(from_scale)
        }
        _ => matches!((from, to), ("integer", "bigint")),
    }
}

/// The numbers in parentheses after this name: one or two, the second 0 if it is not there.
fn arguments(text: &str, name: &str) -> Option<[u32; 2]> {
    let inner = text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')?;
    let mut numbers = inner.split(',').map(str::parse::<u32>);
    let first = numbers.next()?.ok()?;
    let second = numbers.next().unwrap_or(Ok(0)).ok()?;
    numbers.next().is_none().then_some([first, second])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_33_only_what_postgresql_does_without_writing_rows_widens() {
        for (from, to, expected) in [
            ("character varying(100)", "character varying(200)", Step::Widens),
            ("character varying(200)", "character varying(100)", Step::Narrows),
            ("character varying(200)", "text", Step::Widens),
            ("text", "character varying(200)", Step::Narrows),
            ("numeric(3,2)", "numeric(8,2)", Step::Widens),
            ("numeric(8,2)", "numeric(3,2)", Step::Narrows),
            ("numeric(3,2)", "numeric(8,4)", Step::Rewrites),
            ("numeric(8,4)", "numeric(8,2)", Step::Other),
            ("integer", "bigint", Step::Rewrites),
            ("bigint", "integer", Step::Other),
            ("integer", "text", Step::Other),
            ("uuid", "uuid", Step::Same),
        ] {
            assert_eq!(step(from, to), expected, "{from} to {to}");
        }
    }
}
