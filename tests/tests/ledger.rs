//! `tests/LEDGER.md`: which test proves which behaviour. Made from the tests' names and `Spec:` lines.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && name != "node_modules" {
                sources(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// `s4_12_update…` is S4.12, `s4x_8_…` is S4x.8, `f3_…` is F3; `s4_27_28_…` and `s4_44_s4_45_…` name two.
fn ids_of_name(name: &str) -> Vec<String> {
    let mut family = None;
    let mut ids = Vec::new();
    for part in name.split('_') {
        if matches!(part, "s0" | "s1" | "s2" | "s3" | "s4" | "s4x") {
            family = part.strip_prefix('s');
        } else if let (Some(family), Ok(number)) = (family, part.parse::<u8>()) {
            ids.push(format!("S{family}.{number}"));
        } else if let Some(Ok(number)) = part.strip_prefix('f').map(str::parse::<u8>)
            && ids.is_empty()
        {
            ids.push(format!("F{number}"));
        } else {
            break;
        }
    }
    ids
}

/// `S4.27-31, F2` names S4.27 to S4.31 and F2.
fn ids_of_line(line: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for word in line.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty()) {
        let Some((family, numbers)) = word.split_once('.') else {
            ids.push(word.to_owned());
            continue;
        };
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        if let (Ok(first), Ok(last)) = (first.parse::<u8>(), last.parse::<u8>()) {
            ids.extend((first..=last).map(|number| format!("{family}.{number}")));
        }
    }
    ids
}

fn tests_by_id() -> BTreeMap<String, BTreeSet<String>> {
    let mut files = Vec::new();
    for folder in ["host", "tests", "sdk"] {
        sources(&root().join(folder), &mut files);
    }
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let place = file.strip_prefix(root()).unwrap().display().to_string();
        let mut is_test = false;
        let mut named = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(ids) = line.strip_prefix("/// Spec: ") {
                named.extend(ids_of_line(ids));
            } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some((before, rest)) = line.split_once("fn ") {
                if is_test && (before.is_empty() || before == "async ") {
                    let name = rest.split(['(', '<']).next().unwrap();
                    for id in ids_of_name(name).into_iter().chain(named.drain(..)) {
                        found.entry(id).or_default().insert(format!("`{name}` ({place})"));
                    }
                }
                named.clear();
                is_test = false;
            }
        }
    }
    found
}

fn ids() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("tests/spec/ids.yaml")).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let (id, what) = line.split_once(": ").unwrap();
            (id.to_owned(), what.to_owned())
        })
        .collect()
}

fn ledger() -> String {
    let tests = tests_by_id();
    let mut text = String::from(
        "# Ledger\n\nEvery behaviour that is built, and the tests that prove it. Made by `make regen`.\n\n\
         | id | behaviour | tests |\n|---|---|---|\n",
    );
    for (id, what) in ids() {
        let proofs = tests
            .get(&id)
            .map_or_else(String::new, |tests| tests.iter().cloned().collect::<Vec<_>>().join("<br>"));
        writeln!(text, "| {id} | {} | {proofs} |", what.replace('|', "\\|")).unwrap();
    }
    text
}

#[test]
fn every_behaviour_has_a_test() {
    let tests = tests_by_id();
    let missing: Vec<_> = ids().into_iter().map(|(id, _)| id).filter(|id| !tests.contains_key(id)).collect();
    assert!(missing.is_empty(), "no test names {missing:?}");
}

#[test]
fn ledger_is_up_to_date() {
    let path = root().join("tests/LEDGER.md");
    let made = ledger();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "tests/LEDGER.md is out of date: run `make regen`");
}
