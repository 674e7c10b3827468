//! Rows as they come in, written into one buffer while they are read, under the caps.

use applet_types::{Encoding, ErrorCode, Failure, PackedWriter, RowSet};

use super::error::WireError;
use super::prepared::Prepared;
use crate::values::{Cursor, Damaged, Unpacked};

/// What to do with the rows of a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetch {
    /// The form that the guest asked for.
    pub(crate) encoding: Encoding,
    /// Rows handed out. A read is truncated there; a write that returns more is refused and undone.
    pub(crate) rows: u32,
    /// Whether more rows are left out (a read) or refused (a write).
    pub(crate) truncate: bool,
    /// Bytes of one row, as the server sends it.
    pub(crate) row_bytes: usize,
    /// Bytes of the whole result, as the guest gets it.
    pub(crate) result_bytes: usize,
}

/// What a statement gave.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) rows: RowSet,
    /// From the command tag: rows changed or returned.
    pub(crate) affected: u64,
}

enum Sink {
    Packed(PackedWriter),
    Json(Vec<u8>),
}

/// Collects the rows of one statement.
pub(super) struct Collector<'a> {
    prepared: &'a Prepared,
    fetch: Fetch,
    sink: Sink,
    count: u32,
    truncated: bool,
}

impl<'a> Collector<'a> {
    pub(super) fn new(prepared: &'a Prepared, fetch: Fetch) -> Self {
        let sink = match fetch.encoding {
            Encoding::Packed => Sink::Packed(PackedWriter::default()),
            Encoding::Json => Sink::Json(vec![b'[']),
        };
        Self { prepared, fetch, sink, count: 0, truncated: false }
    }

    /// The largest DataRow message that is worth waiting for.
    pub(super) const fn row_bytes(&self) -> usize {
        self.fetch.row_bytes
    }

    /// Takes one row: the body of a DataRow message.
    pub(super) fn row(&mut self, body: &[u8]) -> Result<(), WireError> {
        if self.count >= self.fetch.rows {
            if !self.fetch.truncate {
                let message =
                    format!("a write may return at most {} rows; nothing was changed", self.fetch.rows);
                return Err(Failure::new(ErrorCode::TooManyRowsChanged, message).into());
            }
            self.truncated = true;
            return Ok(());
        }
        let written = match &mut self.sink {
            Sink::Packed(out) => pack_row(self.prepared, body, out).map(|()| out.len()),
            Sink::Json(out) => {
                if self.count > 0 {
                    out.push(b',');
                }
                json_row(self.prepared, body, out).map(|()| out.len() + 1).map_err(Unpacked::from)
            }
        };
        let written = written.map_err(unreadable)?;
        if written > self.fetch.result_bytes {
            return Err(too_large(format!("a result may have at most {} bytes", self.fetch.result_bytes)));
        }
        self.count += 1;
        Ok(())
    }

    pub(super) fn finish(self, affected: u64) -> Fetched {
        let data = match self.sink {
            Sink::Packed(out) => out.finish(),
            Sink::Json(mut out) => {
                out.push(b']');
                out
            }
        };
        let rows = RowSet {
            columns: self.prepared.columns.clone(),
            count: self.count,
            truncated: self.truncated,
            data,
        };
        // A truncated read asked for one row more than it hands out.
        let affected = if self.fetch.truncate { affected.min(self.count.into()) } else { affected };
        Fetched { rows, affected }
    }
}

/// The refusal of a row or result beyond its cap.
pub(super) fn too_large(message: String) -> WireError {
    Failure::new(ErrorCode::ResultTooLarge, message)
        .hint("select fewer columns or rows, or fetch them in pages")
        .into()
}

fn unreadable(why: Unpacked) -> WireError {
    match why {
        Unpacked::Damaged => WireError::Protocol("a field is not what its type promises"),
        Unpacked::TooFar => Failure::new(
            ErrorCode::OutOfRange,
            "a timestamp is too far in the future to be counted in microseconds since 1970",
        )
        .hint("read it as text: `column::text`")
        .into(),
    }
}

fn fields<'a>(prepared: &Prepared, body: &'a [u8]) -> Result<Cursor<'a>, Damaged> {
    let mut cursor = Cursor::new(body);
    let count = usize::from(cursor.i16()?.cast_unsigned());
    if count == prepared.decoders.len() { Ok(cursor) } else { Err(Damaged) }
}

fn pack_row(prepared: &Prepared, body: &[u8], out: &mut PackedWriter) -> Result<(), Unpacked> {
    let mut cursor = fields(prepared, body)?;
    for decoder in &prepared.decoders {
        match cursor.field()? {
            Some(bytes) => decoder.pack(bytes, out)?,
            None => out.null(),
        }
    }
    Ok(())
}

fn json_row(prepared: &Prepared, body: &[u8], out: &mut Vec<u8>) -> Result<(), Damaged> {
    let mut cursor = fields(prepared, body)?;
    out.push(b'[');
    for (index, decoder) in prepared.decoders.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match cursor.field()? {
            Some(bytes) => decoder.json(bytes, out)?,
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b']');
    Ok(())
}
