//! Manifests that must be refused, with everything that is said about each: `tests/invalid/*.yaml` and the
//! `.err` beside it. `UPDATE_GOLDEN=1` writes the latter.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod mutation;

use std::collections::BTreeSet;
use std::path::PathBuf;

use applet_manifest::{ViolationCode, Violations, load};
use mutation::{cases, mutated};
use proptest::prelude::*;

const HEADER: &str = "manifestVersion: '1.0'\nid: notes\nversion: 1.0.0\nname: Notes\n";

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/invalid"))
}

fn files(extension: &str) -> BTreeSet<PathBuf> {
    let paths = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn refused(text: &str) -> Violations {
    load(text.as_bytes()).err().unwrap()
}

fn codes(violations: &Violations) -> Vec<&'static str> {
    violations.iter().map(|violation| violation.code.as_str()).collect()
}

#[test]
fn s4_77_every_violation_is_told_with_code_path_and_line() {
    for path in files("yaml") {
        let violations = load(&std::fs::read(&path).unwrap()).err();
        let said = violations.map_or_else(|| "loads\n".to_owned(), |violations| format!("{violations}\n"));
        let golden = path.with_extension("err");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(said, expected, "{}", path.display());
        assert_ne!(said, "loads\n", "{}", path.display());
    }
    for golden in files("err") {
        assert!(golden.with_extension("yaml").exists(), "{} belongs to no manifest", golden.display());
    }
}

#[test]
fn s4_77_every_code_is_met_by_some_manifest() {
    let mut met: BTreeSet<ViolationCode> = BTreeSet::new();
    for path in files("yaml") {
        met.extend(load(&std::fs::read(&path).unwrap()).unwrap_err().iter().map(|violation| violation.code));
    }
    let bombs = [ViolationCode::TooLarge, ViolationCode::InvalidText, ViolationCode::TooDeep];
    let bombs = bombs.into_iter().chain([ViolationCode::TooManyNodes, ViolationCode::TooMany]);
    met.extend(bombs);
    let missed: Vec<_> = ViolationCode::ALL.iter().filter(|code| !met.contains(code)).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

/// Spec: S4.72-76
#[test]
fn s4_72_the_codes_of_the_specification_are_there() {
    for (code, file) in [
        ("missing-primary-key", "missing-primary-key"),
        ("missing-tenant-id", "missing-tenant-id"),
        ("invalid-type", "invalid-type"),
        ("invalid-foreign-key", "invalid-foreign-key"),
        ("reserved-name", "reserved-name"),
    ] {
        let text = std::fs::read_to_string(folder().join(file).with_extension("yaml")).unwrap();
        assert!(codes(&refused(&text)).contains(&code), "{code}");
    }
}

#[test]
fn s4x_11_too_many_bytes_are_refused_before_anything_is_parsed() {
    let text = format!("{HEADER}# {}", "x".repeat(256 << 10));
    assert_eq!(codes(&refused(&text)), ["too-large"]);
}

#[test]
fn s4x_11_text_that_is_not_text_is_refused() {
    assert_eq!(codes(&load(b"id: \xff\xfe").err().unwrap()), ["invalid-text"]);
    assert_eq!(codes(&refused(&format!("{HEADER}description: a\0b"))), ["invalid-text"]);
    assert_eq!(codes(&refused(&format!("{HEADER}description: \"a\u{1b}[2J\""))), ["invalid-text"]);
}

#[test]
fn s4x_11_deep_nesting_is_refused_in_every_notation() {
    let flow = format!("{HEADER}x: {}{}", "[".repeat(20_000), "]".repeat(20_000));
    let maps = format!("{HEADER}x: {}1{}", "{a: ".repeat(20_000), "}".repeat(20_000));
    let block = format!("{HEADER}x:\n  {}1", "- ".repeat(20_000));
    let unclosed = format!("{HEADER}x: {}", "[".repeat(100_000));
    for text in [flow, maps, block, unclosed] {
        let found = codes(&refused(&text));
        assert!(found == ["too-deep"] || found == ["yaml-syntax"], "{found:?}");
    }
}

#[test]
fn s4x_11_many_nodes_are_refused() {
    let list = format!("{HEADER}x: [{}]", "a,".repeat(20_000));
    assert_eq!(codes(&refused(&list)), ["too-many-nodes"]);
    let keys: String = (0..15_000).map(|key| format!("k{key}: 1\n")).collect();
    assert_eq!(codes(&refused(&format!("{HEADER}{keys}"))), ["too-many-nodes"]);
}

#[test]
fn s4x_11_the_billion_laughs_are_refused_at_the_first_anchor() {
    let text = format!(
        "{HEADER}a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
    );
    let violations = refused(&text);
    let violation = violations.iter().next().unwrap();
    assert_eq!((violation.code, violation.line), (ViolationCode::AliasNotAllowed, Some(5)));
}

#[test]
fn s4x_11_ampersands_and_asterisks_inside_texts_are_no_aliases() {
    for description in [
        "Tom & Jerry",
        "a *b* &c",
        "'&not an anchor'",
        "\"*nor an alias\"",
        "|\n  &anchor\n  *alias\n  - *a",
        ">-\n  &folded *text",
    ] {
        let text = format!("{HEADER}description: {description}\n");
        assert!(load(text.as_bytes()).is_ok(), "{description}");
    }
    for description in ["&anchor text", "*alias", "[ &a x ]", "{ &a x: 1 }", "{ ? *a : 1 }"] {
        let found = codes(&refused(&format!("{HEADER}description: {description}\n")));
        assert!(found == ["alias-not-allowed"] || found == ["yaml-syntax"], "{description}: {found:?}");
    }
}

#[test]
fn s4x_11_more_than_allowed_of_anything_is_refused() {
    let column = |name: &str| format!("      - {{ name: {name}, type: text }}\n");
    let keys =
        "      - { name: id, type: bigserial, primary: true }\n      - { name: tenant_id, type: uuid }\n";
    let table = |name: &str, more: &str| format!("  - name: {name}\n    columns:\n{keys}{more}");
    let asked = format!("{HEADER}permissions: {{ database: {{ createTables: true }} }}\ntables:\n");
    let many = |count: usize, each: &dyn Fn(usize) -> String| (0..count).map(each).collect::<String>();
    let tables = many(21, &|number| table(&format!("t{number}"), ""));
    assert_eq!(codes(&refused(&format!("{asked}{tables}"))), ["too-many"]);
    let columns = many(60, &|number| column(&format!("c{number}")));
    assert_eq!(codes(&refused(&format!("{asked}{}", table("t", &columns)))), ["too-many"]);
    let indexed = many(9, &|number| format!("      - {{ name: c{number}, type: text, index: true }}\n"));
    assert_eq!(codes(&refused(&format!("{asked}{}", table("t", &indexed)))), ["too-many"]);
    let tied = many(5, &|number| {
        format!("      - {{ name: c{number}, type: bigint, foreignKey: {{ table: clients }} }}\n")
    });
    assert_eq!(codes(&refused(&format!("{asked}{}", table("t", &tied)))), ["too-many"]);
}

#[test]
fn s4x_11_a_flood_of_violations_stays_readable() {
    let text = format!("{HEADER}permissions: {{ database: {{ read: [{}] }} }}", "Clients,".repeat(9_000));
    let violations = refused(&text);
    assert_eq!(violations.iter().count(), 501);
    assert!(violations.to_string().contains("8501 more violations are not listed"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s4x_11_no_mutation_of_a_manifest_panics_and_what_loads_loads_again(bytes in mutated()) {
        match load(&bytes) {
            Ok(manifest) => {
                let again = load(manifest.canonical().as_bytes());
                prop_assert_eq!(again.map(|again| again.digest()).ok(), Some(manifest.digest()));
            }
            Err(violations) => prop_assert!(violations.iter().count() > 0),
        }
    }
}
