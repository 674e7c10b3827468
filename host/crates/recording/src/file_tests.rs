//! Files, as they are written, damaged, and made up.

use applet_types::{Column, ColumnType, Encoding, Outcome, PackedWriter, RowSet, Value};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::samples::{asked, changed, failed, line, recording, rows, statement};
use crate::{Asked, Begun, Ended, Ending, Event, Fault, Recording};

fn everything() -> Recording {
    let batch = Asked {
        transaction: None,
        statements: vec![statement("SELECT 1", &[]), statement("SELECT 2", &[])],
        batch: true,
        encoding: Encoding::Json,
        answer: Some(Err(failed())),
    };
    let values = [
        Value::Null,
        Value::Boolean(true),
        Value::Integer(i64::MIN),
        Value::Float(-0.0),
        Value::Text("naïve \u{0} \n".to_owned()),
        Value::Bytes(vec![0, 255]),
        Value::Json("[1]".to_owned()),
    ];
    recording(vec![
        Event::Begun(Begun { transaction: 1, answer: Some(Ok(())) }),
        asked("SELECT $1", &values, rows("row")),
        Event::Asked(batch),
        line("a line"),
        Event::Ended(Ended { transaction: 1, commit: false, answer: None }),
        asked("DELETE", &[], changed(2)),
    ])
}

fn bytes(recording: &Recording) -> Vec<u8> {
    recording.to_bytes().unwrap()
}

fn code(bytes: &[u8]) -> &'static str {
    Recording::from_bytes(bytes).unwrap_err().code()
}

/// A file with other lines and the checksum that fits them.
fn resealed(edit: impl Fn(&str) -> String) -> Vec<u8> {
    let text = String::from_utf8(bytes(&everything())).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.pop();
    let body = edit(&(lines.join("\n") + "\n"));
    let seal = format!(
        "{{\"lines\":{},\"sha256\":\"{}\"}}\n",
        body.matches('\n').count(),
        hex::encode(Sha256::digest(&body))
    );
    (body + &seal).into_bytes()
}

/// Spec: F10
#[test]
fn f10_a_recording_reads_back_as_it_was_written() {
    let mut recording = everything();
    for ending in [
        Ending::Answer("{}".to_owned()),
        Ending::Refused { code: "crashed".to_owned(), message: "why".to_owned() },
        Ending::NoSuchHook,
        Ending::Host(Box::new(failed())),
    ] {
        recording.ending = ending;
        assert_eq!(Recording::from_bytes(&bytes(&recording)), Ok(recording.clone()));
    }
    let text = String::from_utf8(bytes(&recording)).unwrap();
    assert!(text.contains(r#"{"integer":"-9223372036854775808"},{"float":"-0"}"#), "{text}");
}

/// Spec: F10
#[test]
fn f10_damaged_and_foreign_files_are_told_apart() {
    let good = bytes(&everything());
    let last = good.len() - 1;
    assert_eq!(code(&good[..last]), "recording-truncated");
    let shorter = good[..last].iter().rposition(|byte| *byte == b'\n').unwrap();
    assert_eq!(code(&good[..=shorter]), "recording-truncated");
    let mut changed = good.clone();
    let at = changed.windows(4).position(|part| part == b"Anna").unwrap();
    changed[at] = b'H';
    assert_eq!(code(&changed), "recording-damaged");
    assert_eq!(code(b""), "not-a-recording");
    assert_eq!(code(b"{}\n"), "not-a-recording");
    assert_eq!(code(b"\x7fELF\0\n"), "not-a-recording");
    let next = String::from_utf8(good).unwrap().replace("\"recording\":1", "\"recording\":2");
    assert_eq!(Recording::from_bytes(next.as_bytes()), Err(Fault::Version(2)));
}

/// Spec: F10
#[test]
fn f10_hostile_files_with_the_right_checksum_are_refused_with_the_line() {
    for (from, to, line, reason) in [
        ("\"sql\":\"SELECT $1\"", "\"sql\":\"SELECT $1\",\"more\":1", 3, "unknown field `more`"),
        ("\"count\":1", "\"count\":4294967295", 3, "4294967295 rows are claimed and 1 are there"),
        ("\"text\"]]", "\"texts\"]]", 3, "a column has a type that there is not"),
        ("{\"transaction\":1", "{\"transaction\":9", 6, "a transaction is used that was not begun"),
        ("{\"bytes\":\"00ff\"}", "{\"bytes\":\"0\"}", 3, "bytes are not hexadecimal"),
        ("{\"integer\":\"-9", "{\"integer\":\"-99999", 3, "an integer is none"),
    ] {
        let hostile = resealed(|body| match line {
            6 => {
                let at = body.find("{\"rollback\"").unwrap();
                let (before, after) = body.split_at(at);
                format!("{before}{}", after.replacen(from, to, 1))
            }
            _ => body.replacen(from, to, 1),
        });
        match Recording::from_bytes(&hostile) {
            Err(Fault::Malformed { line: found, reason: found_reason }) => {
                assert_eq!(found, line, "{from}");
                assert!(found_reason.contains(reason), "{found_reason}");
            }
            other => panic!("{from}: {other:?}"),
        }
    }
    let deep = resealed(|body| {
        body.replacen("[[\"row\"]]", &format!("[[{}1{}]]", "[".repeat(5_000), "]".repeat(5_000)), 1)
    });
    assert_eq!(code(&deep), "recording-malformed");
    assert_eq!(code(&vec![b'x'; crate::MOST_BYTES + 1]), "recording-too-large");
    let after = resealed(|body| body.to_owned() + "{\"log\":{\"level\":\"info\",\"text\":\"late\"}}\n");
    assert_eq!(code(&after), "recording-malformed");
}

/// Spec: F10
#[test]
fn f10_limits_of_a_file_are_no_higher_than_any_host_allows() {
    let text = resealed(|body| {
        let at = body.find("\"cpu_ms\":").unwrap();
        let (before, after) = body.split_at(at);
        let rest = after.split_once(',').unwrap().1;
        format!("{before}\"cpu_ms\":18446744073709551615,{rest}")
    });
    let recording = Recording::from_bytes(&text).unwrap();
    let most = applet_types::Limits::MAXIMUM.execution.cpu_ms;
    assert_eq!(recording.head.limits.execution.cpu_ms, most);
}

/// Spec: F10
#[test]
fn f10_a_redacted_recording_holds_no_value_and_finds_the_same_again() {
    let anna = Value::Text("Anna Alder".to_owned());
    let mut recording = recording(vec![
        asked("SELECT name FROM clients WHERE id = 4711 AND city = 'Potsdam'", &[], rows("Anna Alder")),
        asked("SELECT $1", &[anna, Value::Integer(987_654_321)], changed(1)),
        line("wrote to Anna Alder"),
    ]);
    recording.ending =
        Ending::Answer(r#"{"greeting":"Dear Anna Alder","total":1234.5,"id":987654321}"#.to_owned());
    let literals = |sql: &str| sql.replace("4711", "?").replace("'Potsdam'", "?");
    let redacted = recording.clone().redacted([3; 32], literals);
    let text = String::from_utf8(redacted.to_bytes().unwrap()).unwrap();
    for value in ["Anna", "Alder", "Potsdam", "4711", "987654321", "1234.5", &hex::encode([7; 32])] {
        assert!(!text.contains(value), "{value} is in {text}");
    }
    // Equal values stay equal, with their lengths and kinds.
    let [Event::Asked(first), Event::Asked(second), _] = redacted.events.as_slice() else { panic!() };
    let Some(Ok(outcomes)) = &first.answer else { panic!() };
    let mut reader = outcomes[0].rows.packed();
    let row = reader.next_row().unwrap().unwrap();
    let applet_types::CellRef::Text(name) = row[0] else { panic!() };
    assert_eq!(second.statements[0].parameters[0], Value::Text(name.to_owned()));
    assert_eq!(name.len(), "Anna Alder".len());
    assert!(matches!(second.statements[0].parameters[1], Value::Integer(100_000_000..1_000_000_000)));
    assert_eq!(Recording::from_bytes(text.as_bytes()).unwrap(), redacted);
    assert_ne!(
        recording.redacted([4; 32], literals).events,
        redacted.events,
        "the key is not the same twice"
    );
}

fn cell() -> impl Strategy<Value = (ColumnType, Vec<u8>)> {
    let fixed = |kind, length: usize| {
        proptest::collection::vec(any::<u8>(), length).prop_map(move |bytes| (kind, bytes))
    };
    let text = |kind| any::<String>().prop_map(move |text| (kind, text.into_bytes()));
    prop_oneof![
        any::<bool>().prop_map(|value| (ColumnType::Boolean, vec![u8::from(value)])),
        fixed(ColumnType::Int16, 2),
        fixed(ColumnType::Int32, 4),
        fixed(ColumnType::Int64, 8),
        fixed(ColumnType::Float32, 4),
        fixed(ColumnType::Float64, 8),
        fixed(ColumnType::Uuid, 16),
        fixed(ColumnType::Date, 4),
        fixed(ColumnType::Time, 8),
        fixed(ColumnType::Timestamp, 8),
        fixed(ColumnType::TimestampTz, 8),
        fixed(ColumnType::Interval, 16),
        text(ColumnType::Numeric),
        text(ColumnType::Text),
        text(ColumnType::Json),
        text(ColumnType::Array),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| (ColumnType::Bytes, bytes)),
    ]
}

proptest! {
    /// Spec: F10. Every value reads back to the same bytes: bits of floats, moments, numbers, bytes.
    #[test]
    fn f10_cells_read_back_to_the_byte(cells in proptest::collection::vec(proptest::option::of(cell()), 1..8)) {
        let mut writer = PackedWriter::default();
        let mut columns = Vec::new();
        for cell in &cells {
            let kind = cell.as_ref().map_or(ColumnType::Text, |(kind, _)| *kind);
            columns.push(Column { name: "c".to_owned(), kind, element: (kind == ColumnType::Array).then_some(ColumnType::Uuid) });
            match cell {
                Some((_, bytes)) => writer.cell(bytes),
                None => writer.null(),
            }
        }
        let rows = RowSet { columns: columns.into(), count: 1, truncated: false, data: writer.finish() };
        let outcome = Outcome { rows, affected: 1 };
        let mut expected = recording(vec![asked("SELECT", &[], outcome)]);
        // A signalling NaN becomes a quiet one on the way through f64: no PostgreSQL sends one.
        let read = Recording::from_bytes(&expected.to_bytes().unwrap()).unwrap();
        prop_assert_eq!(&read.to_bytes().unwrap(), &expected.to_bytes().unwrap());
        if cells.iter().flatten().all(|(kind, bytes)| *kind != ColumnType::Float32 || quiet(bytes)) {
            expected.head = read.head.clone();
            prop_assert_eq!(read, expected);
        }
    }

    /// Spec: F10
    #[test]
    fn f10_no_bytes_make_the_reader_panic(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        length in any::<prop::sample::Index>(),
    ) {
        let mut text = resealed(str::to_owned);
        let place = at.index(text.len());
        text[place] = byte;
        let _read = Recording::from_bytes(&text);
        text.truncate(length.index(text.len()));
        let _read = Recording::from_bytes(&text);
        let broken = String::from_utf8_lossy(&text).into_owned();
        let _read = Recording::from_bytes(&resealed(|_| broken.clone()));
    }
}

fn quiet(bytes: &[u8]) -> bool {
    let bits = u32::from_le_bytes(bytes.try_into().unwrap());
    !f32::from_bits(bits).is_nan() || bits & 0x0040_0000 != 0
}
