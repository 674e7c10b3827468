//! A test for each chapter. What each of them does is in the chapter.

use super::{read_through, read_through_with_an_empty_database, read_through_with_tables};

/// Spec: S4x.8
#[test]
fn readme() {
    read_through("README.md");
}

#[test]
fn tutorial() {
    read_through("host/docs/tutorial.md");
}

/// Spec: F13, S4.39
#[test]
fn tutorial_typescript() {
    read_through("host/docs/tutorial-typescript.md");
}

/// Spec: F13
#[test]
fn tutorial_rust() {
    read_through("host/docs/tutorial-rust.md");
}

/// Spec: F13
#[test]
fn tutorial_python() {
    read_through("host/docs/tutorial-python.md");
}

/// Spec: F13
#[test]
fn tutorial_go() {
    read_through("host/docs/tutorial-go.md");
}

#[test]
fn tutorial_c() {
    read_through("host/docs/tutorial-c.md");
}

#[test]
fn developer() {
    read_through("host/docs/developer.md");
}

/// Spec: S4.18
#[test]
fn admin() {
    read_through("host/docs/admin.md");
}

#[test]
fn platform() {
    read_through("host/docs/platform.md");
}

#[test]
fn embedding() {
    read_through("host/docs/embedding.md");
}

/// Spec: F15
#[test]
fn existing_components() {
    read_through("host/docs/existing-components.md");
}

/// Spec: F10
#[test]
fn replay() {
    read_through("host/docs/replay.md");
}

#[test]
fn uninstall() {
    read_through_with_an_empty_database("host/docs/uninstall.md");
}

#[test]
fn operations() {
    read_through("host/docs/operations.md");
}

/// Spec: D1
#[test]
fn adopt() {
    read_through_with_tables("host/docs/adopt.md");
}

#[test]
fn managed_postgresql() {
    read_through("host/docs/managed-postgresql.md");
}

#[test]
fn transport() {
    read_through("host/docs/transport.md");
}

#[test]
fn packages() {
    read_through("host/docs/packages.md");
}

#[test]
fn security() {
    read_through("host/docs/security.md");
}

#[test]
fn manifests() {
    read_through("manifests/README.md");
}

#[test]
fn sdk_rust() {
    read_through("sdk/rust/README.md");
}

/// Spec: S4.39, S4.70, S4x.8
#[test]
fn sdk_typescript() {
    read_through("sdk/typescript/README.md");
}

#[test]
fn sdk_python() {
    read_through("sdk/python/README.md");
}

#[test]
fn sdk_go() {
    read_through("sdk/go/README.md");
}

#[test]
fn sdk_c() {
    read_through("sdk/c/README.md");
}

#[test]
fn limits() {
    read_through("host/docs/limits.md");
}

#[test]
fn reference_cli() {
    read_through("host/docs/reference-cli.md");
}

#[test]
fn reference_configuration() {
    read_through("host/docs/reference-configuration.md");
}

#[test]
fn reference_errors() {
    read_through("host/docs/reference-errors.md");
}

#[test]
fn reference_manifest() {
    read_through("host/docs/reference-manifest.md");
}

#[test]
fn reference_wit() {
    read_through("host/docs/reference-wit.md");
}

#[test]
fn architecture() {
    read_through("host/ARCHITECTURE.md");
}

#[test]
fn decisions() {
    read_through("host/DECISIONS.md");
}

#[test]
fn benchmarks() {
    read_through("host/BENCHMARKS.md");
}

#[test]
fn changelog() {
    read_through("host/CHANGELOG.md");
}

#[test]
fn contributing() {
    read_through("host/CONTRIBUTING.md");
}

#[test]
fn ledger() {
    read_through("tests/LEDGER.md");
}
