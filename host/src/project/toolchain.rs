//! What has to be installed to build in a language, and how to get it.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;

use super::language::Language;
use crate::output::CommandError;

/// What Rust is compiled for.
pub(crate) const RUST_TARGET: &str = "wasm32-wasip2";

/// One thing that a language's builds need.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Tool {
    /// What it is.
    pub(crate) name: &'static str,
    /// What it says of itself, if it is there.
    pub(crate) version: Option<String>,
    /// How to get it.
    pub(crate) install: &'static str,
}

/// Everything that builds of a language need, and whether it is there.
pub(crate) fn tools(language: Language) -> Vec<Tool> {
    let tool = |name, version, install| Tool { name, version, install };
    match language {
        Language::Rust => vec![
            tool("cargo", said("cargo", &["--version"]), "https://rustup.rs"),
            tool("wasm32-wasip2", rust_target(), "rustup target add wasm32-wasip2"),
        ],
        Language::TypeScript => vec![
            tool("node", said("node", &["--version"]), "https://nodejs.org, version 20 or later"),
            tool("npm", said("npm", &["--version"]), "it comes with Node.js"),
        ],
        Language::Python => vec![tool(
            "python3",
            said("python3", &["--version"]),
            "https://www.python.org, version 3.11 or later, with venv",
        )],
        Language::C => vec![tool(
            "clang",
            clang(),
            "apt-get install clang-16 lld-16 libclang-rt-16-dev-wasm32 wasi-libc",
        )],
        Language::Go => {
            // As the template's build does.
            let program = std::env::var("GO").unwrap_or_else(|_| "go".to_owned());
            vec![tool("go", said(&program, &["version"]), "https://go.dev/dl, version 1.24 or later")]
        }
    }
}

/// Refuses when something is missing, with how to get it.
pub(crate) fn check(language: Language) -> Result<(), CommandError> {
    let missing: Vec<String> = tools(language)
        .into_iter()
        .filter(|tool| tool.version.is_none())
        .map(|tool| format!("`{}` is not installed: {}", tool.name, tool.install))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(CommandError::refused("toolchain-missing", missing.join("; ")))
    }
}

fn clang() -> Option<String> {
    said("clang-16", &["--version"]).or_else(|| said("clang", &["--version"]))
}

fn rust_target() -> Option<String> {
    let folder = said("rustc", &["--print", "target-libdir", "--target", RUST_TARGET])?;
    Path::new(&folder).is_dir().then(|| "installed".to_owned())
}

/// The first line that a program says; `None` when it is not there or fails.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}
