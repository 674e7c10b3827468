use super::*;

fn rows(columns: &[(&str, ColumnType)], cells: &[Option<&[u8]>]) -> Rows {
    let mut data = Vec::new();
    for cell in cells {
        match cell {
            None => data.extend_from_slice(&NULL.to_le_bytes()),
            Some(bytes) => {
                data.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
                data.extend_from_slice(bytes);
            }
        }
    }
    let columns: Vec<_> =
        columns.iter().map(|(name, kind)| Column { name: (*name).to_owned(), kind: *kind }).collect();
    Rows { count: cells.len() / columns.len(), columns, data, truncated: false, affected: 0 }
}

#[test]
fn s4_70_rows_decode_by_name_by_place_and_as_structs() {
    crate::from_row! {
        #[derive(Debug, PartialEq)]
        struct Client { id: i64, name: Option<String> }
    }
    let rows = rows(
        &[("id", ColumnType::Int64), ("name", ColumnType::Text)],
        &[Some(&7_i64.to_le_bytes()), Some("Ada".as_bytes()), Some(&8_i64.to_le_bytes()), None],
    );
    assert_eq!(rows.decode::<(i64, Option<String>)>().unwrap(), [(7, Some("Ada".to_owned())), (8, None)]);
    assert_eq!(rows.first::<Client>().unwrap(), Some(Client { id: 7, name: Some("Ada".to_owned()) }));
    let second = rows.iter().nth(1).unwrap().unwrap();
    assert_eq!(second.get::<i64>("id"), Ok(8));
    assert!(second.get::<String>("name").unwrap_err().message.contains("is null"));
    assert!(second.get::<i64>("nmae").unwrap_err().message.contains("`nmae`"));
}

#[test]
fn s4_70_a_number_that_does_not_fit_is_an_error_that_names_the_column() {
    let rows = rows(&[("total", ColumnType::Int64)], &[Some(&i64::MAX.to_le_bytes())]);
    assert!(rows.scalar::<i32>().unwrap_err().message.contains("`total`"));
    assert_eq!(rows.to_json().unwrap(), serde_json::json!([{ "total": i64::MAX.to_string() }]));
}

#[test]
fn s4_70_every_kind_of_cell_is_read() {
    let interval = [1_i32.to_le_bytes().as_slice(), &2_i32.to_le_bytes(), &3_i64.to_le_bytes()].concat();
    let rows = rows(
        &[
            ("b", ColumnType::Boolean),
            ("i", ColumnType::Int16),
            ("f", ColumnType::Float32),
            ("n", ColumnType::Numeric),
            ("y", ColumnType::Bytes),
            ("u", ColumnType::Uuid),
            ("d", ColumnType::Date),
            ("t", ColumnType::Timestamptz),
            ("v", ColumnType::Interval),
            ("j", ColumnType::Array),
        ],
        &[
            Some(&[1]),
            Some(&(-3_i16).to_le_bytes()),
            Some(&1.5_f32.to_le_bytes()),
            Some(b"0.70"),
            Some(&[0xff, 0]),
            Some(&[7; 16]),
            Some(&1_i32.to_le_bytes()),
            Some(&0_i64.to_le_bytes()),
            Some(&interval),
            Some(b"[1,2]"),
        ],
    );
    let row = rows.iter().next().unwrap().unwrap();
    assert_eq!(row.get::<bool>("b"), Ok(true));
    assert_eq!(row.get::<i32>("i"), Ok(-3));
    assert_eq!(row.get::<f64>("f"), Ok(1.5));
    assert_eq!(row.get::<Decimal>("n"), Ok(Decimal("0.70".to_owned())));
    assert_eq!(row.get::<Vec<u8>>("y"), Ok(vec![0xff, 0]));
    assert_eq!(row.get::<Uuid>("u"), Ok(Uuid([7; 16])));
    assert_eq!(row.get::<Date>("d"), Ok(Date(1)));
    assert_eq!(row.get::<Timestamp>("t"), Ok(Timestamp(0)));
    assert_eq!(row.get::<Interval>("v"), Ok(Interval { months: 1, days: 2, micros: 3 }));
    assert_eq!(row.get::<Json<Vec<i64>>>("j"), Ok(Json(vec![1, 2])));
}

#[test]
fn s4_70_a_damaged_buffer_is_an_error_once() {
    let mut rows = rows(&[("id", ColumnType::Int64)], &[Some(&[1, 2])]);
    assert!(rows.iter().next().unwrap().is_err());
    rows.data.clear();
    assert_eq!(rows.iter().filter(Result::is_err).count(), 1);
}
