//! What an invocation has used, in a header of its answer: a dictionary as RFC 9651 has it, so that a reader
//! for structured fields takes it apart.

use applet_types::Usage;
use axum::http::{HeaderName, HeaderValue};

/// The header.
pub(crate) const NAME: HeaderName = HeaderName::from_static("applet-usage");

/// Its value: numbers only, so there always is one.
pub(crate) fn header(usage: &Usage) -> Option<HeaderValue> {
    let Usage { wall_us, cpu_us, database_us, memory_bytes, statements, rows, bytes, host_calls } = usage;
    let text = format!(
        "wall-us={wall_us}, cpu-us={cpu_us}, database-us={database_us}, memory-bytes={memory_bytes}, \
         statements={statements}, rows={rows}, bytes={bytes}, host-calls={host_calls}"
    );
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f4_the_header_has_every_number() {
        let usage = Usage {
            wall_us: 1,
            cpu_us: 2,
            database_us: 3,
            memory_bytes: 4,
            statements: 5,
            rows: 6,
            bytes: 7,
            host_calls: 8,
        };
        assert_eq!(
            header(&usage).unwrap(),
            "wall-us=1, cpu-us=2, database-us=3, memory-bytes=4, statements=5, rows=6, bytes=7, host-calls=8"
        );
    }
}
