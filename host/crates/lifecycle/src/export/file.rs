//! A file of an export: written at its end, read from its beginning, gone on with after a kill.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use applet_datasource::own_rows::Content;
use applet_plan::ExportFormat;
use sha2::{Digest as _, Sha256};

use super::{Layout, Record, csv, jsonl};

/// Why a file is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("record {0} cannot be read")]
    Record(u64),
    #[error("it ends in the middle of a record")]
    Cut,
    #[error("it has other columns")]
    Columns,
}

/// Writes records to `FILE.part`, which gets its name when it is complete and on the disk.
pub(crate) struct Writer<'a> {
    out: BufWriter<File>,
    layout: &'a Layout,
    begun: PathBuf,
    path: PathBuf,
    rows: u64,
    last_key: Option<String>,
    text: Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Begins a file, or goes on after the last whole record of one that was begun.
    pub(crate) fn go_on(path: &Path, layout: &'a Layout) -> Result<Self, Problem> {
        let begun = path.with_added_extension("part");
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&begun)?;
        let mut reader = Reader::new(&file, layout);
        let (mut rows, mut last_key) = (0, None);
        let whole = match reader.header() {
            Ok(()) => loop {
                match reader.next() {
                    Ok(Some(record)) => {
                        rows += 1;
                        last_key = record.into_iter().nth(layout.key).flatten();
                    }
                    Ok(None) | Err(Problem::Cut | Problem::Record(_)) => break reader.whole,
                    Err(problem) => return Err(problem),
                }
            },
            Err(Problem::Cut | Problem::Columns) => 0,
            Err(problem) => return Err(problem),
        };
        file.set_len(whole)?;
        let mut out = BufWriter::new(file);
        out.seek(SeekFrom::Start(whole))?;
        if whole == 0 && layout.format == ExportFormat::Csv {
            out.write_all(csv::header(&layout.columns).as_bytes())?;
        }
        Ok(Self { out, layout, begun, path: path.to_owned(), rows, last_key, text: Vec::new() })
    }

    /// The key of the last record that is there.
    pub(crate) fn last_key(&self) -> Option<&str> {
        self.last_key.as_deref()
    }

    /// How many records there are.
    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn write(&mut self, record: &Record) -> Result<(), Problem> {
        self.text.clear();
        match self.layout.format {
            ExportFormat::Csv => csv::write(record, &self.layout.kinds, &mut self.text),
            ExportFormat::Jsonl => {
                jsonl::write(record, &self.layout.columns, &self.layout.kinds, &mut self.text);
            }
        }
        self.out.write_all(&self.text)?;
        self.rows += 1;
        Ok(())
    }

    /// Brings everything to the disk and gives the file its name.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&self.begun, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// Reads a whole file: what is in it, and the digest of its bytes. Anything that does not fit is an error.
pub(crate) fn read_whole(path: &Path, layout: &Layout) -> Result<(Content, String), Problem> {
    let file = File::open(path)?;
    let mut reader = Reader::new(Hashing { file, hash: Sha256::new() }, layout);
    reader.header()?;
    let mut content = Content::default();
    while let Some(record) = reader.next()? {
        content.add(&record);
    }
    Ok((content, hex::encode(reader.into_inner().hash.finalize())))
}

/// Digests what is read through it.
struct Hashing {
    file: File,
    hash: Sha256,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// Reads records one by one.
struct Reader<'a, R> {
    from: BufReader<R>,
    layout: &'a Layout,
    /// How many bytes whole records take so far, the header included.
    whole: u64,
    records: u64,
}

impl<'a, R: Read> Reader<'a, R> {
    fn new(from: R, layout: &'a Layout) -> Self {
        Self { from: BufReader::new(from), layout, whole: 0, records: 0 }
    }

    fn into_inner(self) -> R {
        self.from.into_inner()
    }

    fn header(&mut self) -> Result<(), Problem> {
        if self.layout.format == ExportFormat::Jsonl {
            return Ok(());
        }
        let expected = csv::header(&self.layout.columns);
        let mut found = vec![0; expected.len()];
        match self.from.read_exact(&mut found) {
            Ok(()) if found == expected.as_bytes() => {
                self.whole = expected.len() as u64;
                Ok(())
            }
            Ok(()) => Err(Problem::Columns),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Problem::Cut),
            Err(error) => Err(error.into()),
        }
    }

    fn next(&mut self) -> Result<Option<Record>, Problem> {
        let Some(text) = self.text()? else { return Ok(None) };
        let record = match self.layout.format {
            ExportFormat::Csv => csv::read(&text),
            ExportFormat::Jsonl => jsonl::read(&text, &self.layout.columns, &self.layout.kinds),
        };
        let record = record.filter(|record| record.len() == self.layout.columns.len());
        let record = record.ok_or(Problem::Record(self.records + 1))?;
        self.records += 1;
        self.whole += text.len() as u64;
        Ok(Some(record))
    }

    /// The bytes of the next record with the end of its line. In CSV a line may end within quotes.
    fn text(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        let mut text = Vec::new();
        let mut quotes = 0;
        loop {
            let before = text.len();
            if self.from.read_until(b'\n', &mut text)? == 0 {
                return if before == 0 { Ok(None) } else { Err(Problem::Cut) };
            }
            if !text.ends_with(b"\n") {
                return Err(Problem::Cut);
            }
            if self.layout.format == ExportFormat::Csv {
                quotes += text.iter().skip(before).filter(|byte| **byte == b'"').count();
            }
            if quotes % 2 == 0 {
                return Ok(Some(text));
            }
        }
    }
}
