//! Embeds what `applet new` and builds unpack: templates, samples, SDKs and interfaces. So an installed
//! program makes projects without a checkout of this repository.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What is embedded: the name it gets, and where it is.
const TREES: [(&str, &str); 8] = [
    ("templates", "templates"),
    ("samples", "../sample-applets"),
    ("wit", "../wit"),
    ("sdk/rust", "../sdk/rust"),
    ("sdk/typescript", "../sdk/typescript"),
    ("sdk/python", "../sdk/python"),
    ("sdk/c", "../sdk/c"),
    ("sdk/go", "../sdk/go"),
];

/// Folders that tools make.
const MADE: [&str; 6] = ["target", "node_modules", "__pycache__", "venv", "build", "dist"];

/// Folders of an SDK that nobody builds an applet from.
const BESIDE: [&str; 3] = ["test", "tests", "examples"];

/// A larger file is none that somebody wrote.
const LARGEST: u64 = 1 << 20;

fn main() -> io::Result<()> {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let mut list = String::from("pub(super) const FILES: &[(&str, &[u8])] = &[\n");
    for (name, place) in TREES {
        let folder = here.join(place);
        let mut files = Vec::new();
        collect(&folder, &mut files, name.starts_with("sdk/"))?;
        files.sort();
        for file in files {
            println!("cargo::rerun-if-changed={}", file.display());
            let inside = file.strip_prefix(&folder).unwrap_or(&file);
            // Writing into a string cannot fail.
            let _written = writeln!(
                list,
                "    ({:?}, include_bytes!({file:?})),",
                format!("{name}/{}", inside.display())
            );
        }
    }
    list.push_str("];\n");
    println!("cargo::rerun-if-changed=build.rs");
    fs::write(Path::new(&variable("OUT_DIR")?).join("embedded.rs"), list)
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>, is_sdk: bool) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let (path, about) = (entry.path(), entry.metadata()?);
        if name.starts_with('.') {
            continue;
        }
        if about.is_dir() {
            let beside = is_sdk && BESIDE.contains(&name.as_str());
            if !(beside || MADE.contains(&name.as_str()) || name.ends_with(".egg-info")) {
                collect(&path, files, is_sdk)?;
            }
        } else if about.len() <= LARGEST && !name.ends_with(".wasm") && !name.ends_with(".pyc") {
            files.push(path);
        }
    }
    Ok(())
}
