//! The floor plan of `host/ARCHITECTURE.md`, and other rules of the house, held over the real thing.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which of our crates each of our crates may use, tests aside.
const FLOOR_PLAN: &[(&str, &[&str])] = &[
    ("applet-types", &[]),
    ("applet-accounts", &["applet-types"]),
    ("applet-catalog", &["applet-types"]),
    ("applet-manifest", &["applet-types"]),
    ("applet-gate", &["applet-types", "applet-catalog"]),
    ("applet-package", &["applet-types"]),
    ("applet-plan", &["applet-types", "applet-catalog", "applet-manifest"]),
    ("applet-bindings", &["applet-types"]),
    ("applet-registry", &["applet-types", "applet-package"]),
    ("applet-store", &["applet-types", "applet-package"]),
    ("applet-datasource", &["applet-types", "applet-catalog"]),
    // Nobody's dependency but of tests.
    ("applet-testing", &["applet-datasource"]),
    ("applet-proxy", &["applet-types", "applet-catalog", "applet-gate"]),
    ("applet-runtime", &["applet-types", "applet-bindings"]),
    (
        "applet-lifecycle",
        &[
            "applet-types",
            "applet-catalog",
            "applet-manifest",
            "applet-package",
            "applet-plan",
            "applet-store",
            "applet-datasource",
        ],
    ),
    ("applet-api", &["applet-types"]),
    (
        "applet-wiring",
        &[
            "applet-types",
            "applet-accounts",
            "applet-catalog",
            "applet-manifest",
            "applet-package",
            "applet-store",
            "applet-datasource",
            "applet-proxy",
            "applet-runtime",
            "applet-lifecycle",
        ],
    ),
    // No door for HTTP: whoever has the host in their own process has one.
    (
        "applet-host",
        &[
            "applet-types",
            "applet-package",
            "applet-plan",
            "applet-store",
            "applet-lifecycle",
            "applet-wiring",
        ],
    ),
];

/// One heavy dependency, its owners. The tests' own packages may use what they like.
const OWNERS: &[(&str, &[&str])] = &[
    ("saphyr-parser", &["applet-manifest"]),
    ("serde_yaml", &["applet-cli", "applet-wiring"]),
    ("sqlparser", &["applet-gate"]),
    ("pg_query", &["applet-gate"]),
    ("wasmtime", &["applet-bindings", "applet-runtime"]),
    ("wasmtime-wasi", &["applet-bindings", "applet-runtime"]),
    ("sqlx", &["applet-store", "applet-datasource"]),
    ("redis", &["applet-proxy"]),
    ("tokio-rustls", &["applet-proxy", "applet-registry"]),
    ("rustls-native-certs", &["applet-proxy", "applet-registry"]),
    ("hyper", &["applet-registry"]),
    ("axum", &["applet-api", "applet-cli"]),
    ("clap", &["applet-cli"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Package name to the names of its direct dependencies (build and development ones left out).
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let names = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| dependency["name"].as_str().unwrap().to_owned());
            (package["name"].as_str().unwrap().to_owned(), names.collect())
        })
        .collect()
}

/// Spec: DESIGN "A `tidy` test over `cargo metadata` holds the floor plan".
#[test]
fn floor_plan_is_held() {
    let dependencies = dependencies();
    let planned: BTreeMap<_, _> = FLOOR_PLAN.iter().copied().collect();
    for (package, names) in &dependencies {
        if package == "applet-cli" || package == "applet-tests" {
            continue;
        }
        let allowed = planned.get(package.as_str()).unwrap_or_else(|| panic!("{package} is on no floor"));
        for name in names.iter().filter(|name| name.starts_with("applet-")) {
            assert!(allowed.contains(&name.as_str()), "{package} must not use {name}");
        }
    }
}

#[test]
fn heavy_dependencies_have_their_owners_only() {
    let dependencies = dependencies();
    for (heavy, owners) in OWNERS {
        for (package, names) in &dependencies {
            if names.contains(*heavy) && !["applet-tests", "applet-testing"].contains(&package.as_str()) {
                assert!(owners.contains(&package.as_str()), "{package} must not use {heavy}");
            }
        }
    }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn modules_begin_with_what_they_are() {
    let mut files = Vec::new();
    rust_files(&root().join("host"), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//!"), "{} has no module doc", file.display());
    }
}
