//! What a manifest says, read twice: with our reader, and with serde_yaml, whose tree is written out as JSON
//! (which is YAML with every text quoted) and loaded again. Where the two would differ, a manifest that an
//! admin reviews with other tools is not the one that is installed; so it has to be refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod mutation;

use std::path::{Path, PathBuf};

use applet_manifest::load;
use mutation::{cases, mutated};
use proptest::prelude::*;
use serde_json::Value;

/// Whether the manifest loads, or how the two readings differ.
fn agrees(bytes: &[u8]) -> Result<bool, String> {
    let Ok(ours) = load(bytes) else { return Ok(false) };
    let theirs: serde_yaml::Value =
        serde_yaml::from_slice(bytes).map_err(|error| format!("serde_yaml refuses it: {error}"))?;
    let json = serde_json::to_string(&theirs).map_err(|error| format!("not JSON: {error}"))?;
    let again = load(json.as_bytes()).map_err(|violations| format!("{json}\n{violations}"))?;
    let [one, other] =
        [&ours, &again].map(|manifest| serde_json::from_str(manifest.canonical()).unwrap_or_default());
    if same(&one, &other) {
        Ok(true)
    } else {
        Err(format!("ours   {}\ntheirs {}", ours.canonical(), again.canonical()))
    }
}

/// Equal, but for the spelling of decimal numbers: ours is as written, theirs went through a float
/// (host/DECISIONS.md).
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => {
            one == other || decimal(one).is_some_and(|number| decimal(other) == Some(number))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

fn decimal(text: &str) -> Option<f64> {
    text.parse().ok()
}

fn manifests(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "target" | "node_modules" | ".git") {
            manifests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn s4x_11_both_readers_agree_on_every_manifest_of_this_repository() {
    let mut found = Vec::new();
    manifests(&PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../..")), &mut found);
    let loaded = found.iter().filter(|path| {
        let agreed = agrees(&std::fs::read(path).unwrap());
        agreed.unwrap_or_else(|difference| unreachable!("{}: {difference}", path.display()))
    });
    assert!(loaded.count() >= 8, "manifests were found and load");
}

/// Scalars that readers of YAML are known to take differently, and ordinary ones.
const SCALARS: &[&str] = &[
    "text",
    "'text'",
    "\"text\"",
    "\"\\u0041\\n\"",
    "'it''s'",
    "yes",
    "no",
    "on",
    "off",
    "y",
    "n",
    "true",
    "True",
    "TRUE",
    "'true'",
    "~",
    "null",
    "Null",
    "NULL",
    "''",
    "\"\"",
    "0",
    "-0",
    "+1",
    "01",
    "007",
    "0o17",
    "0x1F",
    "0b11",
    "1_000",
    "1e3",
    "1E3",
    "1.0",
    "1.50",
    "0.7",
    ".5",
    "5.",
    "-.5",
    ".inf",
    "-.inf",
    ".nan",
    ".NaN",
    "1:30",
    "1:30:45",
    "12345678901234567890",
    "123456789012345678901234567890",
    "0.1000000000000000000001",
    "1e400",
    "2026-11-21",
    "2026-11-21T10:00:00Z",
    "=",
    "<<",
    "a: b",
    "a:b",
    "a #b",
    "a#b",
    "- a",
    "?a",
    "%a",
    "@a",
    "`a`",
    "a,b",
    "[a]",
    "{a: b}",
    "|\n      block\n      text\n",
    ">\n      folded\n      text\n",
    "|-\n      kept\n",
    ">+\n      kept\n\n",
    "plain\n      over lines",
    "\"quoted\n      over lines\"",
    "\"a\\\n      b\"",
    "now()",
    "gen_random_uuid()",
    "\t",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "é",
    "'\u{1f600}'",
    "&a b",
    "*a",
    "!!str 1",
    "!a b",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: cases() / 5, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s4x_11_both_readers_agree_on_every_scalar_wherever_it_stands(
        scalars in proptest::collection::vec(proptest::sample::select(SCALARS), 7),
        kinds in proptest::collection::vec(
            proptest::sample::select(&["text", "integer", "bigint", "boolean", "decimal(9,2)", "varchar(40)", "date", "timestamptz", "jsonb"][..]), 2),
    ) {
        let [name, description, left, right, required, rows, version] = scalars.as_slice() else { unreachable!() };
        let text = format!(
            "manifestVersion: '1.0'\nid: notes\nversion: 1.0.0\nname: Notes\n\
             permissions: {{ database: {{ createTables: true }} }}\n\
             tables:\n  - name: notes\n    description: first\n    columns:\n\
             \x20     - {{ name: id, type: bigserial, primary: true }}\n\
             \x20     - {{ name: tenant_id, type: uuid, required: true }}\n\
             \x20     - name: one\n        type: {}\n        default: {left}\n\
             \x20     - name: two\n        type: {}\n        default: {right}\n",
            kinds[0], kinds[1],
        );
        // One odd place at a time, or nothing would load.
        for (from, to) in [
            ("name: Notes", format!("name: {name}")),
            ("description: first", format!("description: {description}")),
            ("primary: true", format!("primary: {required}")),
            ("required: true", format!("required: {required}")),
            ("version: 1.0.0", format!("version: {version}")),
            ("id: notes", format!("id: notes\nlimits: {{ rows: {rows} }}")),
            ("default: ", "default: ".to_owned()),
        ] {
            let changed = text.replacen(from, &to, 1);
            for without in [changed.clone(), changed.replace(&format!("        default: {left}\n"), ""),
                changed.replace(&format!("        default: {right}\n"), ""),
                changed.replace(&format!("        default: {left}\n"), "").replace(&format!("        default: {right}\n"), "")] {
                let agreed = agrees(without.as_bytes());
                prop_assert!(agreed.is_ok(), "{}\n{without}", agreed.unwrap_err());
            }
        }
    }

    #[test]
    fn s4x_11_both_readers_agree_on_what_is_left_of_a_manifest_after_edits(bytes in mutated()) {
        let agreed = agrees(&bytes);
        prop_assert!(agreed.is_ok(), "{}\n{}", agreed.unwrap_err(), String::from_utf8_lossy(&bytes));
    }
}

/// Found by the comparison; each was once read in two ways.
#[test]
fn s4x_11_what_readers_take_differently_is_refused() {
    let header = "manifestVersion: '1.0'\nid: notes\nversion: 1.0.0\nname: Notes\n";
    for (more, code) in [
        // To a reader of YAML 1.1 the comment ends here, and a key follows.
        ("# harmless\u{2028}description: hidden\n", "invalid-text"),
        ("description: True\n", "wrong-kind"),
        ("description: 0x1F\n", "wrong-kind"),
        ("description: 1e3\n", "wrong-kind"),
        ("description: 123456789012345678901234567890\n", "wrong-kind"),
        ("limits: { rows: 01 }\n", "wrong-kind"),
        ("limits: { rows: +1 }\n", "wrong-kind"),
    ] {
        let violations = load(format!("{header}{more}").as_bytes()).unwrap_err();
        let codes: Vec<_> = violations.iter().map(|violation| violation.code.as_str()).collect();
        assert_eq!(codes, [code], "{more}");
    }
    for more in ["description: 'True'\n", "description: 1.50\n", "description: \"0x1F\"\n", "# \u{e9}\n"] {
        assert_eq!(agrees(format!("{header}{more}").as_bytes()), Ok(true), "{more}");
    }
}

/// The generator above is worth something only if much of what it makes loads.
#[test]
fn s4x_11_the_scalars_are_not_all_refused() {
    let loads = |scalar: &&&str| {
        let text = format!(
            "manifestVersion: '1.0'\nid: notes\nversion: 1.0.0\nname: Notes\ndescription: {scalar}\n"
        );
        agrees(text.as_bytes()).unwrap()
    };
    let count = SCALARS.iter().filter(loads).count();
    assert!(count >= 30, "{count} of {}", SCALARS.len());
}
