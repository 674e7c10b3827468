//! What this program carries along for projects (made by `build.rs`): templates, samples, SDKs, interfaces.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The files of a folder, by their path inside it.
pub(super) fn folder(name: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    FILES.iter().filter_map(move |(path, bytes)| {
        let inside = path.strip_prefix(name)?.strip_prefix('/')?;
        Some((inside, *bytes))
    })
}

/// The folders inside a folder, in order.
pub(super) fn folders(name: &str) -> Vec<&'static str> {
    let mut found: Vec<&str> = folder(name).filter_map(|(path, _)| Some(path.split_once('/')?.0)).collect();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f13_the_program_carries_sdk_interfaces_and_templates() {
        for (tree, file) in [
            ("sdk/rust", "src/lib.rs"),
            ("wit", "applet-host@0.1.0/world.wit"),
            ("templates", "rust/src/lib.rs"),
            ("samples", "ai-chat/manifest.yaml"),
        ] {
            assert!(folder(tree).any(|(path, bytes)| path == file && !bytes.is_empty()), "{tree}/{file}");
        }
        assert!(!FILES.iter().any(|(path, _)| path.contains("/target/")));
    }
}
