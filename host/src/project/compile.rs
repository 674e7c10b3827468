//! From a project's source to a component, by the language's own tools.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use applet_manifest::ValidatedManifest;
use serde_json::Value;
use tokio::process::Command;

use super::Project;
use super::language::Language;
use super::{sdk, toolchain};
use crate::output::{CommandError, Output};

/// The code of a build script whose toolchain cannot be had.
const NO_TOOLCHAIN: i32 = 3;

/// A component, fresh from its source.
pub(crate) struct Compiled {
    pub(crate) component: Vec<u8>,
    /// How long that took.
    pub(crate) took: Duration,
    /// What the tools had to say, such as warnings.
    pub(crate) remarks: String,
}

/// Builds a project's component. What the tools say is in the error when they fail.
pub(crate) async fn compile(
    project: &Project,
    manifest: &ValidatedManifest,
    output: Output,
) -> Result<Compiled, CommandError> {
    let began = Instant::now();
    sdk::provide(project)?;
    let made = match project.language() {
        Language::Rust => cargo(project).await,
        Language::TypeScript => npm(project, manifest, output).await,
        Language::Python | Language::C | Language::Go => script(project, manifest).await,
    };
    // Asking each tool takes longer than a small build, so nobody asks before one has failed.
    let (file, remarks) = made.or_else(|error| toolchain::check(project.language()).and(Err(error)))?;
    let name = file.display();
    let bytes = fs::read(&file)
        .map_err(|error| CommandError::usage(format!("cannot read the component `{name}`: {error}")))?;
    let component = applet_runtime::package::componentize(bytes)
        .map_err(|error| CommandError::refused("not-a-component", format!("`{name}`: {error}")))?;
    Ok(Compiled { component, took: began.elapsed(), remarks })
}

async fn cargo(project: &Project) -> Result<(PathBuf, String), CommandError> {
    let arguments = [
        "build",
        "--release",
        "--target",
        toolchain::RUST_TARGET,
        "--quiet",
        "--message-format=json-render-diagnostics",
    ];
    let ran = run(project, "cargo", &arguments).await?;
    let own = fs::canonicalize(project.root().join("Cargo.toml")).map_err(crate::opening::told)?;
    let component = ran.stdout.lines().filter_map(|line| artifact(line, &own)).next_back();
    let component = component.ok_or_else(|| {
        CommandError::refused(
            "build-failed",
            "cargo made no component: `Cargo.toml` needs a [lib] with crate-type = [\"cdylib\"]",
        )
    })?;
    Ok((component, ran.stderr))
}

/// The component that a line of cargo's says was made of this package.
fn artifact(line: &str, manifest: &Path) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_own = message.get("manifest_path")?.as_str().is_some_and(|path| Path::new(path) == manifest);
    if message.get("reason")?.as_str()? != "compiler-artifact" || !is_own {
        return None;
    }
    let files = message.get("filenames")?.as_array()?.iter().filter_map(Value::as_str);
    files.map(PathBuf::from).find(|file| file.extension() == Some(OsStr::new("wasm")))
}

async fn npm(
    project: &Project,
    manifest: &ValidatedManifest,
    output: Output,
) -> Result<(PathBuf, String), CommandError> {
    if !project.root().join("node_modules").is_dir() {
        let how = if project.root().join("package-lock.json").is_file() { "ci" } else { "install" };
        output.progress(format_args!("installing what the project needs (npm {how}, once)"));
        run(project, "npm", &[how, "--no-audit", "--no-fund", "--loglevel=error"]).await?;
    }
    let ran = run(project, "npm", &["run", "--silent", "build"]).await?;
    Ok((made(project, manifest)?, ran.stderr))
}

async fn script(project: &Project, manifest: &ValidatedManifest) -> Result<(PathBuf, String), CommandError> {
    let ran = if project.root().join("build.sh").is_file() {
        run(project, "sh", &["build.sh"]).await?
    } else if project.root().join("Makefile").is_file() {
        run(project, "make", &["--silent"]).await?
    } else {
        let reason = "there is neither a `build.sh` nor a `Makefile` that makes a component";
        return Err(CommandError::usage(reason));
    };
    Ok((made(project, manifest)?, ran.stderr))
}

/// The component that a build has left: where the manifest says, where templates put it, or the newest of
/// what is where tools put theirs.
fn made(project: &Project, manifest: &ValidatedManifest) -> Result<PathBuf, CommandError> {
    let root = project.root();
    let usual = Path::new(project.language().output()).join(format!("{}.wasm", manifest.id()));
    let named = manifest.component().map(Path::new).into_iter().chain([usual.as_path()]);
    if let Some(file) = named.map(|file| root.join(file)).find(|file| file.is_file()) {
        return Ok(file);
    }
    let folders = ["dist", "target", "build"].map(|folder| root.join(folder));
    newest(&folders).ok_or_else(|| {
        CommandError::refused(
            "build-failed",
            format!("the build left no component: it belongs in `{}`", usual.display()),
        )
    })
}

fn newest(folders: &[PathBuf]) -> Option<PathBuf> {
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let files = entries.map(|entry| entry.path()).filter(|path| path.extension() == Some(OsStr::new("wasm")));
    let written = |path: &PathBuf| fs::metadata(path).and_then(|about| about.modified()).ok();
    files.max_by_key(|path| written(path).unwrap_or(SystemTime::UNIX_EPOCH))
}

struct Ran {
    stdout: String,
    stderr: String,
}

/// Runs a tool in the project. Dropped, it is ended: nobody waits for the build of a stopped `dev`.
async fn run(project: &Project, program: &str, arguments: &[&str]) -> Result<Ran, CommandError> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(project.root()).stdin(Stdio::null()).kill_on_drop(true);
    // Where the SDK and the interfaces are, for build scripts.
    command.env("APPLET_SDK_DIR", sdk::folder(project));
    let output = command.output().await.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            CommandError::refused("toolchain-missing", format!("`{program}` is not installed"))
        }
        _ => CommandError::usage(format!("cannot run `{program}`: {error}")),
    })?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    if output.status.success() {
        return Ok(Ran { stdout, stderr });
    }
    let called = format!("{program} {}", arguments.join(" "));
    if output.status.code() == Some(NO_TOOLCHAIN) {
        return Err(CommandError::refused("toolchain-missing", stderr.trim()));
    }
    // Cargo's standard output is for programs.
    let said = if program == "cargo" { stderr } else { format!("{stdout}{stderr}") };
    Err(CommandError::refused("build-failed", format!("`{called}` failed\n{}", said.trim_end())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f13_the_component_is_the_projects_own_and_no_dependencys() {
        let manifest = Path::new("/p/Cargo.toml");
        let line = |path: &str, file: &str| {
            format!(r#"{{"reason":"compiler-artifact","manifest_path":"{path}","filenames":["{file}"]}}"#)
        };
        let own = artifact(&line("/p/Cargo.toml", "/t/notes.wasm"), manifest);
        assert_eq!(own, Some(PathBuf::from("/t/notes.wasm")));
        assert_eq!(artifact(&line("/other/Cargo.toml", "/t/x.wasm"), manifest), None);
        assert_eq!(artifact(&line("/p/Cargo.toml", "/t/libnotes.rlib"), manifest), None);
        assert_eq!(artifact("warning: not JSON", manifest), None);
    }
}
