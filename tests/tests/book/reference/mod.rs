//! The chapters that are made from the code. `make regen` writes them; a test says when they are out of date.

mod configuration;
mod errors;
pub(crate) mod help;
mod manifest;
mod wit;

use std::path::Path;

use applet_tests::host::repository;

use super::chapter::read;

/// Compares a chapter with what the code says now, or writes it.
fn chapter(name: &str, text: &str) {
    let path = repository().join("host/docs").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "{name} is out of date: run `make regen`");
}

/// A text in a cell of a table. Where the specification says so is for those who change the code.
fn cell(text: &str) -> String {
    let mut plain = text.replace('|', "\\|").replace(['\n', '\r'], " ");
    while let Some((before, rest)) = plain.split_once(" (SPEC ") {
        let after = rest.split_once(')').map_or("", |(_, after)| after);
        plain = format!("{before}{after}");
    }
    plain.trim().to_owned()
}

/// The doc comment before each line of a source, with that line.
fn documented(source: &Path) -> Vec<(String, String)> {
    let (mut comment, mut found) = (String::new(), Vec::new());
    let mut is_attribute = false;
    for line in read(source).lines().map(str::trim) {
        is_attribute |= line.starts_with("#[");
        if is_attribute {
            is_attribute = !line.ends_with(']');
        } else if let Some(words) = line.strip_prefix("///") {
            comment.push_str(words);
        } else if !line.is_empty() {
            if !comment.is_empty() {
                found.push((comment.trim().to_owned(), line.to_owned()));
            }
            comment.clear();
        }
    }
    found
}
