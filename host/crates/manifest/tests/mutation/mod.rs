//! Manifests made from real ones by small edits.

use std::path::PathBuf;

use proptest::prelude::*;

/// Real manifests, and one that is wrong in many ways.
fn seeds() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/invalid"));
    let examples = folder.join("../../../../../manifests");
    let valid = ["ai-chat.yaml", "support-desk.yaml"].map(|file| examples.join(file));
    let invalid = ["unknown-keys.yaml", "invalid-foreign-key.yaml"].map(|file| folder.join(file));
    valid.iter().chain(&invalid).map(|path| std::fs::read(path).unwrap()).collect()
}

/// Replaces, removes and repeats pieces of a text.
pub(crate) fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[-&*!|>%@`?:,{}\\[\\]#'\"\\\\ \n\t\r]{1,4}".prop_map(String::into_bytes),
        "(null|true|~|<<|---|\\.\\.\\.|!!str|\\?|- |: |#|'|\")".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 1..4),
    ];
    let edit = (any::<prop::sample::Index>(), 0_usize..40, piece);
    let edits = proptest::collection::vec(edit, 1..6);
    (proptest::sample::select(seeds()), edits).prop_map(|(mut bytes, edits)| {
        for (at, removed, piece) in edits {
            let start = at.index(bytes.len().max(1)).min(bytes.len());
            let end = (start + removed).min(bytes.len());
            bytes.splice(start..end, piece);
        }
        bytes
    })
}

/// `PROPTEST_CASES` asks for more (`make test-long`).
pub(crate) fn cases() -> u32 {
    std::env::var_os("PROPTEST_CASES").map_or(500, |_| ProptestConfig::default().cases)
}
