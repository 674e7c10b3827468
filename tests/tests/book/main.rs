//! The book (`host/docs`, with the READMEs of the repository): every block of code in it is tested.
//!
//! What a block is, its fence says: `sh` is typed into a shell, in the order of the chapter, in a folder like a fresh
//! clone of this repository; `text` is what that printed, where `…` stands for anything. `file=PATH` makes the block
//! that file, `part=PATH` has to stand in it. `terminal=2` is typed into another shell, and not waited for until its
//! output is shown. All other kinds are in `checks.rs`; a kind without a check fails. What cannot be run here says so
//! to its reader, in a paragraph before it that begins with `Not run here:`, and is listed by the test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

mod chapter;
mod checks;
mod links;
mod reference;
mod terminal;
mod walk;

use std::collections::BTreeSet;

use applet_tests::Database;
use applet_tests::host::repository;
use tokio::runtime::Runtime;

use walk::Skipped;

/// Goes through a chapter; one that is promised and not there yet is told of.
fn read_through(chapter: &str) {
    if links::PROMISED.contains(&chapter) && !repository().join(chapter).is_file() {
        println!("{chapter}: not written yet");
    } else if let Err(Skipped(reason)) = walk::walk(chapter, Vec::new()) {
        println!("skipped: {chapter}: {reason}");
    }
}

/// Goes through a chapter about a database of somebody else's: it is in `DATABASE_URL`, with the demo's tables.
fn read_through_with_tables(chapter: &str) {
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(Database::empty());
    for script in ["schema", "data"] {
        let file = repository().join(format!("host/demo/{script}.sql"));
        runtime.block_on(database.run(&chapter::read(&file)));
    }
    let walked = walk::walk(chapter, vec![("DATABASE_URL", database.url())]);
    assert!(walked.is_ok(), "{chapter} needs no toolchain");
}

/// Goes through a chapter that loads rows into a database of the reader's: it is in `YOURS`, and empty.
fn read_through_with_an_empty_database(chapter: &str) {
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(Database::empty());
    let walked = walk::walk(chapter, vec![("YOURS", database.url())]);
    assert!(walked.is_ok(), "{chapter} needs no toolchain");
}

macro_rules! chapters {
    ($($(#[$doc:meta])* $name:ident: $path:literal $how:ident;)*) => {
        const CHAPTERS: &[&str] = &[$($path),*];

        mod chapters {
            $($(#[$doc])* #[test] fn $name() { super::$how($path); })*
        }
    };
}

chapters! {
    /// Spec: S4x.8
    readme: "README.md" read_through;
    tutorial: "host/docs/tutorial.md" read_through;
    /// Spec: F13, S4.39
    tutorial_typescript: "host/docs/tutorial-typescript.md" read_through;
    /// Spec: F13
    tutorial_rust: "host/docs/tutorial-rust.md" read_through;
    /// Spec: F13
    tutorial_python: "host/docs/tutorial-python.md" read_through;
    /// Spec: F13
    tutorial_go: "host/docs/tutorial-go.md" read_through;
    tutorial_c: "host/docs/tutorial-c.md" read_through;
    developer: "host/docs/developer.md" read_through;
    /// Spec: S4.18
    admin: "host/docs/admin.md" read_through;
    platform: "host/docs/platform.md" read_through;
    embedding: "host/docs/embedding.md" read_through;
    /// Spec: F15
    existing_components: "host/docs/existing-components.md" read_through;
    /// Spec: F10
    replay: "host/docs/replay.md" read_through;
    uninstall: "host/docs/uninstall.md" read_through_with_an_empty_database;
    operations: "host/docs/operations.md" read_through;
    /// Spec: D1
    adopt: "host/docs/adopt.md" read_through_with_tables;
    managed_postgresql: "host/docs/managed-postgresql.md" read_through;
    transport: "host/docs/transport.md" read_through;
    packages: "host/docs/packages.md" read_through;
    security: "host/docs/security.md" read_through;
    manifests: "manifests/README.md" read_through;
    sdk_rust: "sdk/rust/README.md" read_through;
    /// Spec: S4.39, S4.70, S4x.8
    sdk_typescript: "sdk/typescript/README.md" read_through;
    sdk_python: "sdk/python/README.md" read_through;
    sdk_go: "sdk/go/README.md" read_through;
    sdk_c: "sdk/c/README.md" read_through;
    limits: "host/docs/limits.md" read_through;
    reference_cli: "host/docs/reference-cli.md" read_through;
    reference_configuration: "host/docs/reference-configuration.md" read_through;
    reference_errors: "host/docs/reference-errors.md" read_through;
    reference_manifest: "host/docs/reference-manifest.md" read_through;
    reference_wit: "host/docs/reference-wit.md" read_through;
    architecture: "host/ARCHITECTURE.md" read_through;
    decisions: "host/DECISIONS.md" read_through;
    benchmarks: "host/BENCHMARKS.md" read_through;
    changelog: "host/CHANGELOG.md" read_through;
    contributing: "host/CONTRIBUTING.md" read_through;
    ledger: "tests/LEDGER.md" read_through;
}

#[test]
fn every_chapter_is_tested() {
    let tested: BTreeSet<String> = CHAPTERS.iter().map(|chapter| (*chapter).to_owned()).collect();
    let listed: BTreeSet<String> = links::contents().into_iter().collect();
    assert_eq!(tested, listed, "tested, and listed in SUMMARY.md");
}
