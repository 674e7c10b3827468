//! Exporting a tenant's rows before they are deleted (SPEC S4.38): a folder with a file per table and
//! `export.json`, which says what is in them.
//!
//! *Invariants:* a file counts only after it was written to the disk, read again and found to be what the
//! database gave; what is deleted is compared with what was read. A kill at any point leaves a file that is
//! gone on with, and the folder of another export is never touched.
//!
//! Start at [`Export::open`]; the two formats are `csv.rs` and `jsonl.rs`.

mod csv;
mod file;
mod jsonl;

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use applet_datasource::Admin;
use applet_datasource::own_rows::{self, Content};
use applet_plan::ExportFormat;
use applet_types::{AppletId, OperationId, SqlName, TenantId, Version};
use serde::{Deserialize, Serialize};

use crate::uninstall::Standing;
use crate::{FaultPoint, Lifecycle, LifecycleError, Progress};
use file::Writer;

/// Says what the folder is.
const MARK: &str = "export.json";

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportReport {
    /// The folder.
    pub folder: PathBuf,
    /// How the files are written.
    pub format: ExportFormat,
    /// Table by table.
    pub tables: Vec<ExportedTable>,
}

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedTable {
    /// The table.
    pub table: SqlName,
    /// The file's name in the folder.
    pub file: String,
    /// The columns, in order.
    pub columns: Vec<ExportedColumn>,
    /// How many rows, counted when the file was read again.
    pub rows: u64,
    /// The exclusive or of the SHA-256 of each row, read from the file, in hexadecimal.
    pub rows_sha256: String,
    /// The SHA-256 of the file, in hexadecimal.
    pub file_sha256: String,
}

/// A column of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedColumn {
    /// Its name.
    pub name: SqlName,
    /// Its type, as PostgreSQL prints it.
    #[serde(rename = "type")]
    pub sql_type: String,
}

/// How a value of a column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number of at most 64 bits.
    Integer,
    /// A number with any number of digits.
    Number,
    /// True or false.
    Boolean,
    /// Everything else, as PostgreSQL prints it.
    Text,
}

impl Kind {
    fn of(sql_type: &str) -> Self {
        match sql_type {
            "smallint" | "integer" | "bigint" => Self::Integer,
            "boolean" => Self::Boolean,
            other if other.starts_with("numeric") => Self::Number,
            _ => Self::Text,
        }
    }
}

/// A row, as the texts of its values.
pub(crate) type Record = Vec<Option<String>>;

/// What the folder holds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    format: String,
    operation: OperationId,
    tenant: TenantId,
    applet: AppletId,
    version: Version,
    complete: bool,
    tables: Vec<ExportedTable>,
}

/// A folder that this operation may write to.
#[derive(Debug)]
pub(crate) struct Export {
    folder: PathBuf,
    format: ExportFormat,
    mark: Mark,
}

impl Export {
    /// Takes a folder: a new one, an empty one, or the one that this very operation has begun with.
    pub(crate) fn open(
        folder: &Path,
        operation: OperationId,
        tenant: TenantId,
        (applet, version): (&AppletId, &Version),
        format: ExportFormat,
    ) -> Result<Self, LifecycleError> {
        let mark = Mark {
            format: "applet-export/1".to_owned(),
            operation,
            tenant,
            applet: applet.clone(),
            version: version.clone(),
            complete: false,
            tables: Vec::new(),
        };
        if !folder.is_dir() {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| unusable(folder, &error))?;
        }
        let folder = folder.canonicalize().map_err(|error| unusable(folder, &error))?;
        let export = Self { folder, format, mark };
        match read_mark(&export.folder)? {
            Some(known) if known == operation => {}
            Some(_) => return Err(unusable(&export.folder, &"it holds another export")),
            None => {
                let mut entries =
                    fs::read_dir(&export.folder).map_err(|error| unusable(&export.folder, &error))?;
                if entries.next().is_some() {
                    return Err(unusable(&export.folder, &"it is not empty"));
                }
                export.write_mark(&export.mark)?;
            }
        }
        Ok(export)
    }

    /// Removes the files of an export that came to nothing; those of any other are left alone.
    pub(crate) fn discard(folder: &Path, operation: OperationId) -> Result<(), LifecycleError> {
        if read_mark(folder)? != Some(operation) {
            return Ok(());
        }
        for entry in fs::read_dir(folder).map_err(|error| unusable(folder, &error))? {
            let entry = entry.map_err(|error| unusable(folder, &error))?;
            if entry.file_name() != MARK {
                fs::remove_file(entry.path()).map_err(|error| unusable(folder, &error))?;
            }
        }
        Ok(())
    }

    /// Writes a file per table, or goes on with those that were begun; then reads all of them again.
    pub(crate) async fn write(
        mut self,
        lifecycle: &Lifecycle,
        admin: &mut Admin,
        tables: &[Standing],
        progress: &dyn Progress,
    ) -> Result<ExportReport, LifecycleError> {
        let mut written = Vec::new();
        for table in tables {
            let file = format!("{}.{}", table.table, self.format.as_str());
            self.table(lifecycle, admin, table, &file, progress).await?;
            written.push((table, file));
        }
        lifecycle.pass(FaultPoint::ExportWritten)?;
        for (table, file) in written {
            let exported = self.read_again(table, file)?;
            self.mark.tables.push(exported);
        }
        self.mark.complete = true;
        self.write_mark(&self.mark)?;
        Ok(ExportReport { folder: self.folder, format: self.format, tables: self.mark.tables })
    }

    async fn table(
        &self,
        lifecycle: &Lifecycle,
        admin: &mut Admin,
        table: &Standing,
        file: &str,
        progress: &dyn Progress,
    ) -> Result<(), LifecycleError> {
        let layout = Layout::of(table, self.format);
        let path = self.folder.join(file);
        let failed = |error: &dyn std::fmt::Display| unusable(&path, error);
        if path.exists() {
            return Ok(());
        }
        let mut writer = Writer::go_on(&path, &layout).map_err(|error| failed(&error))?;
        let tenant = self.mark.tenant;
        let (mut problem, mut fault) = (None, None);
        let after = writer.last_key().map(str::to_owned);
        own_rows::read_all(admin, &table.found.rows, tenant, after.as_deref(), &mut |record| {
            problem = writer.write(&record).err();
            if problem.is_none() && fault.is_none() {
                fault = lifecycle.pass(FaultPoint::ExportBegun).err();
            }
            progress.rows(table.table.as_str(), writer.rows(), table.rows);
            problem.is_none() && fault.is_none()
        })
        .await?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        match problem {
            Some(problem) => Err(failed(&problem)),
            None => writer.finish().map_err(|error| failed(&error)),
        }
    }

    /// Reads a file from the disk, to its end.
    fn read_again(&self, table: &Standing, file: String) -> Result<ExportedTable, LifecycleError> {
        let layout = Layout::of(table, self.format);
        let path = self.folder.join(&file);
        let (content, file_sha256) = file::read_whole(&path, &layout).map_err(|problem| {
            // It is ours, and the next try writes it anew; if it cannot be removed either, that fails too.
            let _removed = fs::remove_file(&path);
            LifecycleError::ExportDamaged(format!("`{file}`: {problem}"))
        })?;
        let types = &table.found.types;
        let columns = table.found.rows.columns.iter().zip(types);
        Ok(ExportedTable {
            table: table.table.clone(),
            file,
            columns: columns
                .map(|(name, sql_type)| ExportedColumn { name: name.clone(), sql_type: sql_type.clone() })
                .collect(),
            rows: content.rows,
            rows_sha256: hex::encode(content.fingerprint),
            file_sha256,
        })
    }

    /// Replaces the mark as a whole, so that a kill leaves the one before.
    fn write_mark(&self, mark: &Mark) -> Result<(), LifecycleError> {
        let path = self.folder.join(MARK);
        let begun = self.folder.join(".export.json.part");
        let text = serde_json::to_string_pretty(mark).unwrap_or_default();
        let write = || {
            use std::io::Write as _;
            let mut options = fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&begun)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&begun, &path)?;
            fs::File::open(&self.folder)?.sync_all()
        };
        write().map_err(|error| unusable(&path, &error))
    }
}

impl ExportReport {
    /// Whether exactly these tables and rows were read from the files.
    pub(crate) fn is_of<'a>(&self, tables: impl Iterator<Item = &'a SqlName>, contents: &[Content]) -> bool {
        let deleted = tables.zip(contents);
        let same = |((table, content), file): ((&SqlName, &Content), &ExportedTable)| {
            file.table == *table
                && file.rows == content.rows
                && file.rows_sha256 == hex::encode(content.fingerprint)
        };
        contents.len() == self.tables.len() && deleted.zip(&self.tables).all(same)
    }
}

/// How a table's rows are written.
pub(crate) struct Layout {
    format: ExportFormat,
    columns: Vec<SqlName>,
    kinds: Vec<Kind>,
    /// Which column the rows are in the order of.
    key: usize,
}

impl Layout {
    fn of(table: &Standing, format: ExportFormat) -> Self {
        let rows = &table.found.rows;
        Self {
            format,
            columns: rows.columns.clone(),
            kinds: table.found.types.iter().map(|sql_type| Kind::of(sql_type)).collect(),
            key: rows.columns.iter().position(|column| *column == rows.key).unwrap_or_default(),
        }
    }
}

fn read_mark(folder: &Path) -> Result<Option<OperationId>, LifecycleError> {
    #[derive(Deserialize)]
    struct Known {
        operation: OperationId,
    }
    let path = folder.join(MARK);
    match fs::read(&path) {
        Ok(text) => match serde_json::from_slice::<Known>(&text) {
            Ok(known) => Ok(Some(known.operation)),
            Err(_) => Err(unusable(folder, &"its `export.json` is not one of an export")),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(&path, &error)),
    }
}

fn unusable(folder: &Path, reason: &dyn std::fmt::Display) -> LifecycleError {
    LifecycleError::ExportFolder { folder: folder.display().to_string(), reason: reason.to_string() }
}
