//! `reference-errors.md`: every code, what it means, and who can make it go away.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use applet_manifest::ViolationCode;
use applet_tests::host::repository;
use applet_types::{Blame, ErrorCode};

use super::super::chapter::read;
use super::{cell, documented};

const BEGINNING: &str = "# Error codes\n\nA code never changes once it is released; texts do. Made by `make regen`.\n\n\
    With `--json`, commands print `{\"ok\": false, \"error\": {\"code\": …, \"message\": …}}` to standard error. Over HTTP, an error is a \
    problem document (RFC 9457) with the code in it. A guest gets a variant of `error` in `wit/applet-host@0.1.0/types.wit`, \
    and SDKs make an exception or error of their language of it, with `code`, `message`, `span` and `hint`.\n\n\
    ## Statements and calls\n\n";

/// Sources whose errors have codes of their own: the title, and the file of the type that gives them.
const OTHERS: [(&str, &str); 7] = [
    ("Plans that cannot be made", "host/crates/plan/src/refusal.rs"),
    ("Approvals", "host/crates/store/src/approvals.rs"),
    ("Submitting, installing, upgrading, uninstalling", "host/crates/lifecycle/src/error.rs"),
    ("Package files", "host/crates/package/src/fault.rs"),
    ("The operator's policy for packages", "host/crates/package/src/policy.rs"),
    ("Registries", "host/crates/registry/src/error.rs"),
    ("The way to the database", "host/crates/proxy/src/wire/transport.rs"),
];

fn source(file: &str) -> PathBuf {
    repository().join(file)
}

/// What the doc comment says before `Variant = "code"`.
fn meanings(file: &str) -> BTreeMap<String, String> {
    let lines = documented(&source(file)).into_iter();
    let coded = lines.filter_map(|(comment, line)| Some((line.split('"').nth(1)?.to_owned(), comment)));
    coded.filter(|(code, _)| !code.is_empty()).collect()
}

fn serialized(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

const fn who(blame: Blame) -> &'static str {
    match blame {
        Blame::Guest => "developer",
        Blame::Admin => "admin",
        Blame::Host => "operator",
    }
}

/// Code and meaning of each arm of `fn code`, by the variants' doc comments.
fn arms(file: &str) -> Vec<(String, String)> {
    let variants: BTreeMap<String, String> = documented(&source(file))
        .into_iter()
        .map(|(comment, line)| {
            let name: String = line.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
            (name, comment)
        })
        .collect();
    let text = read(&source(file));
    let start =
        [" stable code.\n    pub const fn", " stable code.\n    pub fn", " stable text.\n    pub const fn"]
            .into_iter()
            .find_map(|mark| text.find(mark))
            .unwrap();
    let body = text.get(start..).unwrap().split("\n    }\n").next().unwrap();
    let mut found: Vec<(String, String)> = Vec::new();
    for arm in body.split("Self::").skip(1).collect::<Vec<_>>().join("\u{1}").split_inclusive("\",") {
        let Some((patterns, code)) = arm.rsplit_once("=> \"") else { continue };
        let code = code.trim_end_matches("\",").to_owned();
        // Arms that pass on somebody else's code stand before this one in the same piece.
        let last = patterns.rsplit("=>").next().unwrap_or(patterns);
        for pattern in last.split('\u{1}') {
            let name: String = pattern.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
            if let Some(meaning) = variants.get(&name) {
                found.push((code.clone(), meaning.clone()));
            }
        }
    }
    found
}

/// What commands refuse by themselves: `refused("code", …)` in the sources of the program and of what it is wired from.
fn own_codes() -> BTreeSet<String> {
    let mut files = vec![source("host/src"), source("host/crates/wiring/src")];
    let mut codes = BTreeSet::from(["usage".to_owned()]);
    while let Some(file) = files.pop() {
        if file.is_dir() {
            files.extend(std::fs::read_dir(&file).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = read(&file);
        let calls = text.split("refused(").skip(1).map(str::trim_start);
        let coded = calls.filter_map(|call| call.strip_prefix('"')?.split('"').next());
        let is_code = |code: &&str| code.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        codes.extend(coded.filter(is_code).map(str::to_owned));
        // Errors of a crate that a command gives codes to: `Error::InUse(_) => "in-use",`.
        let arms = text.lines().map(str::trim).filter_map(|line| line.strip_prefix("Error::"));
        let coded = arms.filter_map(|arm| arm.split_once("=> \"")?.1.split('"').next());
        codes.extend(coded.filter(is_code).map(str::to_owned));
    }
    codes
}

/// Spec: F3
#[test]
fn every_code_is_in_the_reference() {
    let mut text = BEGINNING.to_owned();
    text.push_str("| code | means | group | HTTP | whose doing | try again |\n|---|---|---|---|---|---|\n");
    let known = meanings("host/crates/types/src/error.rs");
    for code in ErrorCode::ALL {
        let meaning = known.get(code.as_str()).unwrap_or_else(|| panic!("`{code}` has no doc comment"));
        let again = if code.retryable() { "yes" } else { "" };
        let (group, status, who) = (serialized(&code.group()), code.http_status(), who(code.blame()));
        writeln!(text, "| `{code}` | {} | {group} | {status} | {who} | {again} |", cell(meaning)).unwrap();
    }
    text.push_str("\n## Manifests\n\nWhat `applet check` finds, each with its place and its line.\n\n| code | means |\n|---|---|\n");
    let known = meanings("host/crates/manifest/src/violation.rs");
    for code in ViolationCode::ALL {
        let meaning = known.get(code.as_str()).unwrap_or_else(|| panic!("`{}` has no doc", code.as_str()));
        writeln!(text, "| `{}` | {} |", code.as_str(), cell(meaning)).unwrap();
    }
    for (title, file) in OTHERS {
        let mut by_code: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (code, meaning) in arms(file) {
            by_code.entry(code).or_default().push(meaning);
        }
        assert!(by_code.len() > 3, "{file}: {by_code:?}");
        write!(text, "\n## {title}\n\n| code | means |\n|---|---|\n").unwrap();
        for (code, meanings) in by_code {
            writeln!(text, "| `{code}` | {} |", cell(&meanings.join(" "))).unwrap();
        }
    }
    let codes: Vec<String> = own_codes().into_iter().map(|code| format!("`{code}`")).collect();
    write!(
        text,
        "\n## Other refusals of commands\n\nWith a message that says what to do: {}.\n",
        codes.join(", ")
    )
    .unwrap();
    super::chapter("reference-errors.md", &text);
}
