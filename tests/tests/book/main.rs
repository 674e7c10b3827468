//! The book (`host/docs`, with the READMEs of the repository): every block of code in it is tested.
//!
//! What a block is, its fence says: `sh` is typed into a shell, in the order of the chapter, in a folder like a fresh
//! clone of this repository; `text` is what that printed, where `…` stands for anything. `file=PATH` makes the block
//! that file, `part=PATH` has to stand in it. `terminal=2` is typed into another shell, and not waited for until its
//! output is shown. All other kinds are in `checks.rs`; a kind without a check fails. What cannot be run here says so
//! to its reader, in a paragraph before it that begins with `Not run here:`, and is listed by the test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod chapter;
mod chapters;
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

/// Goes through a chapter; one whose toolchain cannot be had is told of.
fn read_through(chapter: &str) {
    if let Err(Skipped(reason)) = walk::walk(chapter, Vec::new()) {
        println!("skipped: {chapter}: {reason}");
    }
}

/// Goes through a chapter about a database of somebody else's: it is in `DATABASE_URL`, with the demo's tables,
/// on a server without the roles of other tests, for it shows who keeps which rights.
fn read_through_with_tables(chapter: &str) {
    let runtime = Runtime::new().unwrap();
    let database = runtime.block_on(Database::alone());
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

#[test]
fn every_chapter_is_tested() {
    // The paths in the calls of `read_through`.
    let calls = include_str!("chapters.rs").split("(\"").skip(1);
    let tested: BTreeSet<&str> = calls.filter_map(|call| call.split('"').next()).collect();
    let listed = links::contents();
    let listed: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    assert_eq!(tested, listed, "tested, and listed in SUMMARY.md");
}
