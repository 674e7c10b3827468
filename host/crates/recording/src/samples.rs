//! Recordings for tests.

use std::sync::Arc;

use applet_catalog::Catalog;
use applet_types::{
    Column, ColumnType, ComponentDigest, Encoding, ErrorCode, Failure, Grants, InstallationId, Limits,
    Outcome, PackedWriter, RequestId, RowSet, Statement, TenantId, Usage, Value, WorkspaceId,
};
use chrono::DateTime;
use uuid::Uuid;

use crate::*;

pub(crate) fn head() -> Head {
    Head {
        host: "0.1.0".to_owned(),
        recorded_at: DateTime::UNIX_EPOCH,
        expires_at: None,
        recorded_by: None,
        redacted: false,
        applet: "notes".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        component: ComponentDigest::of(b"component"),
        package: "ab".to_owned(),
        tenant: TenantId::new(Uuid::from_u128(1)),
        workspace: WorkspaceId::new(Uuid::from_u128(2)),
        installation: InstallationId::new(Uuid::from_u128(3)),
        request: RequestId::new(Uuid::from_u128(4)),
        user: None,
        locale: "en".to_owned(),
        variables: applet_types::Variables::default(),
        hook: "list".parse().unwrap(),
        payload: r#"{"name":"Anna Alder","id":41}"#.to_owned(),
        grants: Grants::builder().build(),
        limits: Limits::default(),
        catalog: Catalog::default(),
        seed: Seed([7; 32]),
    }
}

pub(crate) fn recording(events: Vec<Event>) -> Recording {
    Recording {
        head: head(),
        events,
        readings: Readings { wall: vec![(1_700_000_000_000, 2)], monotonic: vec![(1_000_000, 1)] },
        ending: Ending::Answer(r#"{"name":"Anna Alder"}"#.to_owned()),
        usage: Usage { statements: 1, ..Usage::default() },
    }
}

pub(crate) fn statement(sql: &str, parameters: &[Value]) -> Statement {
    Statement { sql: sql.to_owned(), parameters: parameters.to_vec() }
}

/// One row with one text.
pub(crate) fn rows(text: &str) -> Outcome {
    let mut writer = PackedWriter::default();
    writer.cell(text.as_bytes());
    let columns: Arc<[Column]> =
        Arc::from([Column { name: "name".to_owned(), kind: ColumnType::Text, element: None }]);
    Outcome { rows: RowSet { columns, count: 1, truncated: false, data: writer.finish() }, affected: 1 }
}

pub(crate) fn changed(rows: u64) -> Outcome {
    Outcome { rows: RowSet::empty(), affected: rows }
}

pub(crate) fn asked(sql: &str, parameters: &[Value], outcome: Outcome) -> Event {
    Event::Asked(Asked {
        transaction: None,
        statements: vec![statement(sql, parameters)],
        batch: false,
        encoding: Encoding::Packed,
        answer: Some(Ok(vec![outcome])),
    })
}

pub(crate) fn line(text: &str) -> Event {
    Event::Line(Line { level: Level::Info, text: text.to_owned() })
}

pub(crate) fn failed() -> Failure {
    Failure::new(ErrorCode::Unique, "a unique key exists already").hint("choose another")
}

/// The gate, as far as these tests need one: statements are told apart by their first word, and the table is the
/// word after FROM, INTO or UPDATE.
pub(crate) fn judge(sql: &str) -> Verdict {
    let canonical = sql.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase();
    let words: Vec<_> = canonical.split(' ').collect();
    if words.contains(&"SECRETS") {
        return Verdict::Refused(Failure::new(ErrorCode::TableNotAllowed, "`secrets` is not granted"));
    }
    let at = words.iter().position(|word| ["FROM", "INTO", "UPDATE"].contains(word)).unwrap();
    let writes = words[0] != "SELECT";
    Verdict::Passed(Judged {
        writes,
        returns_rows: !writes || canonical.contains("RETURNING"),
        parameters: 0,
        tables: vec![words[at + 1].to_lowercase().parse().unwrap()],
        canonical: canonical.clone(),
    })
}
