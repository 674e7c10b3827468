//! The SQL cases of `tests/sql-corpus`, whose README says what each key means.
//!
//! [`cases`] loads them, [`fixture`] is their schema for tests of the gate alone, [`program`] speaks to
//! `applet sql --jsonl`, [`database`] keeps copies of the fixture and compares contents, [`oracle`] judges.

pub mod database;
pub mod fixture;
pub mod literal;
pub mod oracle;
pub mod program;

use std::collections::BTreeSet;
use std::path::PathBuf;

use applet_types::ErrorCode;
use serde::Deserialize;
use serde_json::Value;

/// Tenant A, as whom every case runs.
pub const TENANT_A: &str = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
/// Tenant B, nothing of whom may ever be seen or changed.
pub const TENANT_B: &str = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";
/// What the texts of rows carry that tenant A must never see.
pub const MARKERS: [&str; 2] = ["TENANT-B", "FORBIDDEN"];

/// One file: the cases of a category.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Category {
    category: String,
    about: String,
    cases: Vec<RawCase>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    id: String,
    why: String,
    #[serde(default, rename = "incident")]
    _incident: Option<String>,
    sql: Option<String>,
    repeat: Option<Repeat>,
    #[serde(default)]
    params: Vec<Value>,
    #[serde(default)]
    manifest: Manifest,
    #[serde(default)]
    rejection_is_fine: bool,
    #[serde(default)]
    running_is_fine: bool,
    #[serde(default, rename = "only_wording")]
    _only_wording: bool,
    expect: Expect,
}

/// A statement that is too long to write down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    prefix: String,
    part: String,
    times: usize,
    suffix: String,
}

/// The manifest that a case runs under.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manifest {
    /// Reads and writes of the CRM's tables, an own table.
    #[default]
    Default,
    /// The same and hard delete of messages and of the own table.
    WithDelete,
    /// Reads of clients and chats.
    ReadOnly,
}

impl Manifest {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Default, Self::WithDelete, Self::ReadOnly];

    /// Where it is.
    pub fn path(self) -> PathBuf {
        let name = match self {
            Self::Default => "default",
            Self::WithDelete => "with_delete",
            Self::ReadOnly => "read_only",
        };
        directory().join("manifests").join(format!("{name}.yaml"))
    }
}

/// Who has to refuse a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The gate, before PostgreSQL sees it.
    Gate,
    /// The gate or PostgreSQL.
    Any,
}

/// What a case has to give.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Expect {
    /// An error.
    Rejected {
        /// Whose.
        by: Layer,
        /// Which.
        code: Option<ErrorCode>,
        /// What its message must not hold.
        hides: Option<Vec<String>>,
    },
    /// The rows of another statement.
    Rows {
        /// That statement, for a superuser, `$T` being the tenant.
        of: String,
        /// Its parameters, when they are not those of the case.
        params: Option<Vec<Value>>,
        /// Whether the order counts.
        #[serde(default)]
        ordered: bool,
        /// Exactly so many of its rows.
        capped: Option<usize>,
    },
    /// The changes of another statement.
    Effect {
        /// That statement, for a superuser, `$T` being the tenant.
        of: String,
        /// Its parameters, when they are not those of the case.
        params: Option<Vec<Value>>,
    },
    /// An answer within bounds.
    Bounded {
        /// At most so many rows.
        rows: usize,
        /// Within so many milliseconds.
        ms: u64,
        /// Whether an error is an answer.
        #[serde(default)]
        may_fail: bool,
        /// Exactly so many rows.
        exact_rows: Option<usize>,
    },
    /// Success, and nothing of tenant B in it.
    NoForeignRows,
    /// Nothing of tenant B is changed.
    ForeignRowsUnchanged,
}

/// A case, ready to run.
#[derive(Debug, Clone)]
pub struct Case {
    /// The category it belongs to.
    pub category: String,
    /// Its name.
    pub id: String,
    /// What it is about.
    pub why: String,
    /// The statement.
    pub sql: String,
    /// Its parameters.
    pub params: Vec<Value>,
    /// The manifest it runs under.
    pub manifest: Manifest,
    /// Whether a clean rejection is right as well.
    pub rejection_is_fine: bool,
    /// Whether running it, correctly scoped, is right as well.
    pub running_is_fine: bool,
    /// What it has to give.
    pub expect: Expect,
}

impl Case {
    /// Whether running it as it should be may change rows.
    pub fn writes(&self) -> bool {
        let starts = |word: &str| {
            self.sql.trim_start().get(..word.len()).is_some_and(|s| s.eq_ignore_ascii_case(word))
        };
        match self.expect {
            Expect::Effect { .. } | Expect::ForeignRowsUnchanged => true,
            Expect::Rejected { .. } | Expect::Rows { .. } => false,
            Expect::Bounded { .. } | Expect::NoForeignRows => {
                starts("insert") || starts("update") || starts("delete")
            }
        }
    }
}

/// Where the cases are.
pub fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sql-corpus")
}

/// All cases, by category and in the order of the files.
///
/// # Panics
///
/// When a file cannot be read, or two cases have the same id.
pub fn cases() -> Vec<Case> {
    let mut files: Vec<_> = std::fs::read_dir(directory())
        .expect("the corpus is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    let mut ids = BTreeSet::new();
    let mut cases = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).expect("readable");
        let file: Category =
            serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!file.about.is_empty(), "{} says nothing about itself", path.display());
        for raw in file.cases {
            assert!(ids.insert(raw.id.clone()), "two cases are named {}", raw.id);
            assert!(raw.id.starts_with(&file.category), "{} is in {}", raw.id, file.category);
            cases.push(case(&file.category, raw));
        }
    }
    cases
}

fn case(category: &str, raw: RawCase) -> Case {
    let sql = match (raw.sql, raw.repeat) {
        (Some(sql), None) => sql,
        (None, Some(repeat)) => {
            format!("{}{}{}", repeat.prefix, repeat.part.repeat(repeat.times), repeat.suffix)
        }
        (Some(_), Some(_)) | (None, None) => panic!("{} needs either sql or repeat", raw.id),
    };
    Case {
        category: category.to_owned(),
        id: raw.id,
        why: raw.why,
        sql,
        params: raw.params,
        manifest: raw.manifest,
        rejection_is_fine: raw.rejection_is_fine,
        running_is_fine: raw.running_is_fine,
        expect: raw.expect,
    }
}
