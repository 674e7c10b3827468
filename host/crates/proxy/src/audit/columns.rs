//! A batch of records as one array per column, in the binary form that PostgreSQL copies instead of parsing.

use applet_types::{ErrorCode, UserId};
use bytes::{BufMut, BytesMut};
use uuid::Uuid;

use super::queue::Entry;
use super::{array, integer, kept_sql, micros};
use crate::values::oid;

/// The first parameters of the statement that writes a batch, in order.
pub(super) fn columns(batch: &[Entry]) -> Vec<BytesMut> {
    let records = || batch.iter().map(|entry| &entry.record);
    vec![
        numbers(batch.iter().map(|entry| entry.at)),
        ids(records().map(|record| Some(record.request.as_uuid()))),
        ids(records().map(|record| Some(record.tenant.as_uuid()))),
        ids(records().map(|record| Some(record.workspace.as_uuid()))),
        texts(records().map(|record| Some(record.applet.as_str()))),
        ids(records().map(|record| Some(record.installation.as_uuid()))),
        ids(records().map(|record| record.user.map(UserId::as_uuid))),
        texts(records().map(|record| Some(record.operation.as_str()))),
        // Arrays of arrays must be rectangular, so a record's tables travel as the text of an array.
        texts(records().map(|record| Some(array(record.tables.iter().map(String::as_str))))),
        texts(records().map(|record| Some(kept_sql(&record.sql)))),
        numbers(records().map(|record| integer(record.rows))),
        numbers(records().map(|record| micros(record.duration))),
        texts(records().map(|record| record.error.map(ErrorCode::as_str))),
        numbers(batch.iter().map(|entry| entry.number)),
    ]
}

fn numbers(items: impl ExactSizeIterator<Item = i64>) -> BytesMut {
    let mut out = start(oid::INT8, items.len());
    for item in items {
        out.put_i32(8);
        out.put_i64(item);
    }
    out
}

fn ids(items: impl ExactSizeIterator<Item = Option<Uuid>>) -> BytesMut {
    let mut out = start(oid::UUID, items.len());
    for item in items {
        put(&mut out, item.as_ref().map(|id| id.as_bytes().as_slice()));
    }
    out
}

fn texts<T: AsRef<str>>(items: impl ExactSizeIterator<Item = Option<T>>) -> BytesMut {
    let mut out = start(oid::TEXT, items.len());
    for item in items {
        // No text in PostgreSQL has a zero byte, and a guest's statement that has one must not keep the
        // records of others from being written.
        match item.as_ref().map(AsRef::as_ref) {
            Some(text) if text.contains('\0') => put(&mut out, Some(text.replace('\0', "").as_bytes())),
            text => put(&mut out, text.map(str::as_bytes)),
        }
    }
    out
}

/// One dimension, nulls possible, counted from one.
fn start(element: u32, items: usize) -> BytesMut {
    let mut out = BytesMut::with_capacity(20 + items * 24);
    out.put_i32(1);
    out.put_i32(1);
    out.put_u32(element);
    out.put_i32(length(items));
    out.put_i32(1);
    out
}

fn put(out: &mut BytesMut, item: Option<&[u8]>) {
    match item {
        Some(bytes) => {
            out.put_i32(length(bytes.len()));
            out.put_slice(bytes);
        }
        None => out.put_i32(-1),
    }
}

/// A batch has at most some hundred records of some KiB each.
fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}
