//! Every type both ways, at its edges.

use applet_types::{CellRef, Encoding, Value};

use super::{free, json, read};
use crate::testing::{A, Cluster};

/// What the server's text of a type is as JSON.
const JSON_FORMS: &[(&str, &str)] = &[
    ("true", "true"),
    ("false", "false"),
    ("NULL::int", "null"),
    ("(-32768)::smallint", "-32768"),
    ("2147483647", "2147483647"),
    ("9007199254740992::bigint", "9007199254740992"),
    ("9007199254740993::bigint", "\"9007199254740993\""),
    ("(-9223372036854775808)::bigint", "\"-9223372036854775808\""),
    ("4294967295::oid", "4294967295"),
    ("0.1::real", "0.1"),
    ("1e300::float8", "1e+300"),
    ("'NaN'::float8", "\"NaN\""),
    ("'-Infinity'::real", "\"-Infinity\""),
    ("0::numeric", "\"0\""),
    ("0.000::numeric", "\"0.000\""),
    ("-12345678901234567890.00100::numeric", "\"-12345678901234567890.00100\""),
    ("10000::numeric", "\"10000\""),
    ("0.00001234::numeric", "\"0.00001234\""),
    ("1e20::numeric", "\"100000000000000000000\""),
    ("1.5::numeric(10,4)", "\"1.5000\""),
    ("'NaN'::numeric", "\"NaN\""),
    ("'-Infinity'::numeric", "\"-Infinity\""),
    ("E'a\"\\\\b\\n\\u00e9'::text", "\"a\\\"\\\\b\\né\""),
    ("'ab'::char(4)", "\"ab  \""),
    ("'x'::\"char\"", "\"x\""),
    ("'\\x00ff'::bytea", "\"\\\\x00ff\""),
    ("''::bytea", "\"\\\\x\""),
    ("'01234567-89ab-cdef-0123-456789abcdef'::uuid", "\"01234567-89ab-cdef-0123-456789abcdef\""),
    ("'2024-02-29'::date", "\"2024-02-29\""),
    ("'4713-01-01 BC'::date", "\"4713-01-01 BC\""),
    ("'5874897-12-31'::date", "\"5874897-12-31\""),
    ("'infinity'::date", "\"infinity\""),
    ("'24:00'::time", "\"24:00:00\""),
    ("'01:02:03.4'::time", "\"01:02:03.4\""),
    ("'01:02:03+02'::timetz", "\"01:02:03+02\""),
    ("'2024-01-02 03:04:05.000006'::timestamp", "\"2024-01-02T03:04:05.000006\""),
    ("'2024-01-02 03:04:05+02'::timestamptz", "\"2024-01-02T01:04:05Z\""),
    ("'1969-12-31 23:59:59.9+00'::timestamptz", "\"1969-12-31T23:59:59.9Z\""),
    ("'-infinity'::timestamptz", "\"-infinity\""),
    ("'1 year 2 mons 3 days 04:05:06.7'::interval", "\"1 year 2 mons 3 days 04:05:06.7\""),
    ("'-1 day +1 sec'::interval", "\"-1 days +00:00:01\""),
    ("'{\"a\": [1, null]}'::json", "{\"a\": [1, null]}"),
    ("'{\"a\":1e2}'::jsonb", "{\"a\": 100}"),
    ("ARRAY[1, NULL, 3]", "[1,null,3]"),
    ("ARRAY[[1,2],[3,4]]::bigint[]", "[[1,2],[3,4]]"),
    ("'{}'::int[]", "[]"),
    ("'[0:1]={1,2}'::int[]", "[1,2]"),
    ("ARRAY['a,b', 'NULL', NULL]", "[\"a,b\",\"NULL\",null]"),
    ("ARRAY['{\"k\":1}'::jsonb]", "[{\"k\": 1}]"),
    ("ARRAY[1.50, 'NaN']::numeric[]", "[\"1.50\",\"NaN\"]"),
    ("ARRAY['2024-01-02 03:04:05+00'::timestamptz]", "[\"2024-01-02T03:04:05Z\"]"),
    ("ARRAY['\\x01'::bytea]", "[\"\\\\x01\"]"),
    ("ARRAY[true, false]", "[true,false]"),
    ("ARRAY['1 day'::interval]", "[\"1 day\"]"),
    ("'(1,2)'::point", "\"(1,2)\""),
    ("'192.168.0.1/24'::inet", "\"192.168.0.1/24\""),
    ("'[1,5)'::int4range", "\"[1,5)\""),
];

#[tokio::test]
async fn s4_70_every_type_comes_out_as_json() {
    let database = Cluster::shared().database();
    let mut session = database.session().await;
    for (expression, expected) in JSON_FORMS {
        let text = format!("SELECT {expression}");
        let outcome = read(&mut session, free(&text), &[], A, Encoding::Json).await.unwrap();
        let data = String::from_utf8(outcome.rows.data.clone()).unwrap();
        assert_eq!(data, format!("[[{expected}]]"), "{expression}");
        json(&outcome);
    }
}

#[tokio::test]
async fn s4_70_every_type_comes_out_packed() {
    let database = Cluster::shared().database();
    let mut session = database.session().await;
    for (expression, expected) in [
        ("NULL::text", CellRef::Null),
        ("true", CellRef::Boolean(true)),
        ("(-7)::smallint", CellRef::Integer(-7)),
        ("(-7)::int", CellRef::Integer(-7)),
        ("'-9223372036854775808'::bigint", CellRef::Integer(i64::MIN)),
        ("4294967295::oid", CellRef::Integer(4_294_967_295)),
        ("0.5::real", CellRef::Float(0.5)),
        ("'-Infinity'::float8", CellRef::Float(f64::NEG_INFINITY)),
        ("-0.0100::numeric", CellRef::Numeric("-0.0100")),
        ("'é'::text", CellRef::Text("é")),
        ("'\\x00ff'::bytea", CellRef::Bytes(&[0, 255])),
        ("'00000000-0000-0000-0000-000000000001'::uuid", CellRef::Uuid(1_u128.to_be_bytes())),
        ("'1970-01-02'::date", CellRef::Date(1)),
        ("'infinity'::date", CellRef::Date(i32::MAX)),
        ("'-infinity'::date", CellRef::Date(i32::MIN)),
        ("'00:00:01'::time", CellRef::Time(1_000_000)),
        ("'1970-01-01 00:00:01'::timestamp", CellRef::Timestamp(1_000_000)),
        ("'1969-12-31 23:59:59+00'::timestamptz", CellRef::TimestampTz(-1_000_000)),
        ("'infinity'::timestamptz", CellRef::TimestampTz(i64::MAX)),
        ("'1 mon -2 days 00:00:03'::interval", CellRef::Interval(1, -2, 3_000_000)),
        ("'{\"a\":1}'::jsonb", CellRef::Json("{\"a\": 1}")),
        ("'{\"a\":1}'::json", CellRef::Json("{\"a\":1}")),
        ("ARRAY[1,NULL]", CellRef::Array("[1,null]")),
    ] {
        let text = format!("SELECT {expression}");
        let outcome = read(&mut session, free(&text), &[], A, Encoding::Packed).await.unwrap();
        let mut reader = outcome.rows.packed();
        assert_eq!(reader.next_row().unwrap().unwrap(), vec![expected], "{expression}");
        assert_eq!(reader.next_row(), Ok(None));
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn document(text: &str) -> Value {
    Value::Json(text.to_owned())
}

#[tokio::test]
async fn s4_70_every_type_goes_in() {
    let database = Cluster::shared().database();
    let mut session = database.session().await;
    for (type_name, value, expected) in [
        ("boolean", Value::Boolean(true), "true"),
        ("boolean", text("off"), "false"),
        ("boolean", Value::Null, "null"),
        ("smallint", Value::Integer(-32_768), "-32768"),
        ("integer", Value::Float(3.0), "3"),
        ("bigint", Value::Integer(i64::MAX), "\"9223372036854775807\""),
        ("bigint", text("42"), "42"),
        ("real", Value::Float(0.1), "0.1"),
        ("double precision", Value::Float(f64::NAN), "\"NaN\""),
        ("double precision", Value::Integer(3), "3.0"),
        ("numeric", Value::Float(0.1), "\"0.1\""),
        ("numeric", Value::Float(1e25), "\"10000000000000000000000000\""),
        ("numeric", Value::Integer(i64::MIN), "\"-9223372036854775808\""),
        ("numeric", text("123456789012345678901234567890.5"), "\"123456789012345678901234567890.5\""),
        ("text", Value::Integer(7), "\"7\""),
        ("text", text("naïve 'quote' \\ \"x\""), "\"naïve 'quote' \\\\ \\\"x\\\"\""),
        ("varchar", text(""), "\"\""),
        ("bytea", Value::Bytes(vec![0, 1, 255]), "\"\\\\x0001ff\""),
        ("bytea", text("\\x0a"), "\"\\\\x0a\""),
        ("uuid", text("AAAAAAAA-AAAA-4AAA-8AAA-AAAAAAAAAAAA"), "\"aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa\""),
        ("date", text("2024-02-29"), "\"2024-02-29\""),
        ("time", text("23:59:59.999999"), "\"23:59:59.999999\""),
        ("timestamp", text("2024-01-02T03:04:05"), "\"2024-01-02T03:04:05\""),
        ("timestamptz", text("2024-01-02T03:04:05.5Z"), "\"2024-01-02T03:04:05.5Z\""),
        ("interval", text("90 minutes"), "\"01:30:00\""),
        ("jsonb", document("{\"b\":[1,2]}"), "{\"b\": [1, 2]}"),
        ("jsonb", Value::Integer(5), "5"),
        ("jsonb", Value::Boolean(false), "false"),
        ("json", document("[1]"), "[1]"),
        ("integer[]", document("[1,null,3]"), "[1,null,3]"),
        ("integer[]", document("[[1,2],[3,4]]"), "[[1,2],[3,4]]"),
        (
            "text[]",
            document("[\"a,b\",null,\"NULL\",\"\",\"\\\"\\\\\"]"),
            "[\"a,b\",null,\"NULL\",\"\",\"\\\"\\\\\"]",
        ),
        ("text[]", text("{x,y}"), "[\"x\",\"y\"]"),
        ("jsonb[]", document("[{\"a\":1},null]"), "[{\"a\": 1},null]"),
        ("uuid[]", document("[]"), "[]"),
        ("numeric[]", document("[1.10,12345678901234567890]"), "[\"1.10\",\"12345678901234567890\"]"),
    ] {
        let statement = format!("SELECT $1::{type_name}");
        let values = [value];
        let outcome = read(&mut session, free(&statement), &values, A, Encoding::Json).await;
        let outcome = outcome.unwrap_or_else(|error| panic!("{type_name} {values:?}: {error:?}"));
        let data = String::from_utf8(outcome.rows.data).unwrap();
        assert_eq!(data, format!("[[{expected}]]"), "{type_name} {values:?}");
    }
}

#[tokio::test]
async fn s4_70_types_made_by_users_come_as_their_text() {
    let database = Cluster::shared().database();
    database.sql(
        "CREATE TYPE public.mood AS ENUM ('happy', 'sad'); CREATE DOMAIN public.age AS int CHECK (VALUE > 0)",
    );
    let mut session = database.session().await;
    for (expression, value, expected) in [
        ("$1::public.mood", text("sad"), "\"sad\""),
        ("$1::public.age", Value::Integer(5), "5"),
        ("$1::public.mood[]", document("[\"sad\",\"happy\"]"), "\"{sad,happy}\""),
    ] {
        let statement = format!("SELECT {expression}");
        let outcome = read(&mut session, free(&statement), &[value], A, Encoding::Json).await.unwrap();
        assert_eq!(String::from_utf8(outcome.rows.data).unwrap(), format!("[[{expected}]]"), "{expression}");
    }
}
