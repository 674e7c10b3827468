//! `reference-configuration.md`: every key of the operator's configuration.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::Command;

use applet_tests::applet;
use applet_tests::host::repository;
use serde_json::Value;

use super::{cell, documented};

const BEGINNING: &str = "# Configuration\n\nOne YAML file, named by `--config` or `APPLET_CONFIG`. What counts, strongest first: flags, \
    environment variables, the file, the defaults. A key that does not exist, or a value beyond its maximum, stops the \
    program. `applet config` prints what is in force, as a file to start from. A file with a password in it has to be \
    readable by its owner alone. Made by `make regen`.\n\n\
    | key | default | what |\n|---|---|---|\n";

const END: &str = "\n## Limits\n\nEach limit of [Limits](limits.md) is a key as well: `limits.host.sessions` in the file, \
    `APPLET_LIMITS_HOST_SESSIONS` in the environment.\n\n## In other words\n\nWithout a file and without variables, \
    `applet config` prints:\n\n";

/// The sections, each with the source that says what its keys mean.
const SECTIONS: [(&str, &str); 5] = [
    ("place", "host/crates/wiring/src/config/place.rs"),
    ("serve", "host/crates/wiring/src/config/serve.rs"),
    ("security", "host/crates/wiring/src/config/security.rs"),
    ("audit", "host/crates/wiring/src/config/audit.rs"),
    ("packages", "host/crates/wiring/src/config/packages.rs"),
];

fn config(arguments: &[&str]) -> String {
    let output = Command::new(applet()).args(arguments).arg("config").env_clear().output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// What the doc comment of a field says.
fn fields(file: &str) -> BTreeMap<String, String> {
    let lines = documented(&repository().join(file)).into_iter();
    let fields = lines.filter_map(|(comment, line)| {
        let (name, _) = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ").split_once(':')?;
        Some((name.to_owned(), comment))
    });
    fields.collect()
}

/// Spec: S4.60
#[test]
fn every_key_is_in_the_reference() {
    let value: Value = serde_json::from_str(&config(&["--json"])).unwrap();
    let all = value["config"].as_object().unwrap();
    let known: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).chain(["limits"]).collect();
    assert!(all.keys().all(|section| known.contains(&section.as_str())), "{:?}", all.keys());
    let mut text = BEGINNING.to_owned();
    for (section, file) in SECTIONS {
        let meanings = fields(file);
        for (key, default) in all[section].as_object().unwrap() {
            let meaning = meanings.get(key).unwrap_or_else(|| panic!("`{section}.{key}` has no doc comment"));
            let default = if default.is_null() { String::new() } else { format!("`{default}`") };
            writeln!(text, "| `{section}.{key}` | {default} | {} |", cell(meaning)).unwrap();
        }
    }
    let printed = config(&[]);
    let (sections, _) = printed.split_once("limits:").unwrap();
    write!(text, "{END}```yaml\n{sections}```\n\nand the section `limits`, each limit with what it means.\n")
        .unwrap();
    super::chapter("reference-configuration.md", &text);
}
