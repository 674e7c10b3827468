//! `reference-wit.md`: the interfaces, as they are.

use std::fmt::Write;

use applet_tests::host::repository;

use super::super::chapter::read;

const BEGINNING: &str = "# Interfaces (WIT)\n\nWhat an applet imports and exports, from `wit/applet-host@0.1.0`. SDKs wrap these; \
    another language can be used wherever its tools make a component of this world. A released version never changes. \
    Made by `make regen`.\n";

/// What stands in each file; the world first, as it names the others.
const FILES: [(&str, &str); 6] = [
    ("world.wit", "The world"),
    ("db.wit", "The database"),
    ("types.wit", "Values, rows and errors"),
    ("context.wit", "Who is calling"),
    ("log.wit", "The log"),
    ("hooks.wit", "Hooks"),
];

/// Spec: S4x.8
#[test]
fn every_interface_is_in_the_reference() {
    let folder = repository().join("wit/applet-host@0.1.0");
    assert_eq!(
        std::fs::read_dir(&folder).unwrap().count(),
        FILES.len(),
        "a file of WIT has no place in the book"
    );
    let mut text = BEGINNING.to_owned();
    for (file, title) in FILES {
        write!(text, "\n## {title}\n\n```wit\n{}```\n", read(&folder.join(file))).unwrap();
    }
    super::chapter("reference-wit.md", &text);
}
