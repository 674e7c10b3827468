//! Compiling, in a child process that can be killed.
//!
//! Compile time and memory are not part of wasmtime's security promise, and a hostile component of a few
//! megabytes can use minutes of both. So the host starts its own program again with a hidden subcommand,
//! which limits itself ([`compile_child_main`]), compiles one file and ends.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{fs, io, thread};

use applet_types::{ErrorCode, Failure};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::fault;
use crate::limits::RuntimeLimits;

pub use crate::compile_child::compile_child_main;

/// Threads that compiling may use; more would starve the host.
const MAX_THREADS: usize = 4;

/// Wall clock for one CPU second: on a busy machine the child waits a lot.
const PATIENCE: u64 = 10;

/// What a Rust program exits with when it panics: the compiler met something it did not expect.
const EXIT_PANIC: i32 = 101;

/// SIGXCPU: the kernel's answer to a process that has used up its CPU seconds.
const SIGNAL_CPU_TIME: i32 = 24;

/// The program that compiles: usually the host's own, and the arguments that select its hidden subcommand.
#[derive(Debug, Clone)]
pub struct CompilerProgram {
    /// The program.
    pub program: PathBuf,
    /// Arguments before those of [`compile_child_main`].
    pub arguments: Vec<OsString>,
}

/// What the child found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// It is compiled.
    Accepted(Interfaces),
    /// It cannot be used, with the reason for its developer.
    Refused(String),
}

/// Names of interfaces, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interfaces {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

/// Machine code, and what it was made from.
pub(crate) struct Compiled {
    pub(crate) interfaces: Interfaces,
    pub(crate) code: Vec<u8>,
}

/// Starts children, one at a time: compiling may wait, invocations may not.
pub(crate) struct Compiler {
    program: CompilerProgram,
    limits: RuntimeLimits,
    one: Semaphore,
}

impl Compiler {
    pub(crate) fn new(program: CompilerProgram, limits: RuntimeLimits) -> Self {
        Self { program, limits, one: Semaphore::new(1) }
    }

    /// Compiles a component, with its files in a directory of its own below `directory`.
    pub(crate) async fn compile(&self, directory: &Path, component: &[u8]) -> Result<Compiled, Failure> {
        if component.len() > self.limits.component_bytes {
            return Err(refused(format!(
                "the component has {} bytes, more than the {} allowed",
                component.len(),
                self.limits.component_bytes
            )));
        }
        let _turn = self.one.acquire().await.map_err(|error| fault::internal("compile.turn", &error))?;
        let work = tempfile::Builder::new()
            .prefix("compile-")
            .tempdir_in(directory)
            .map_err(|error| fault::internal("compile.files", &error))?;
        let (input, output) = (work.path().join("component.wasm"), work.path().join("code"));
        fs::write(&input, component).map_err(|error| fault::internal("compile.files", &error))?;
        let interfaces = match self.run(&input, &output).await? {
            Verdict::Accepted(interfaces) => interfaces,
            Verdict::Refused(reason) => return Err(refused(reason)),
        };
        let code = fs::read(&output).map_err(|error| fault::internal("compile.files", &error))?;
        Ok(Compiled { interfaces, code })
    }

    async fn run(&self, input: &Path, output: &Path) -> Result<Verdict, Failure> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        let child = Command::new(&self.program.program)
            .args(&self.program.arguments)
            .args([input, output])
            .arg(self.limits.functions.to_string())
            .arg(self.limits.compile_cpu_seconds.to_string())
            .arg(self.limits.compile_memory_bytes.to_string())
            .env_clear()
            .env("RAYON_NUM_THREADS", threads.to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .output();
        let wall = Duration::from_secs(self.limits.compile_cpu_seconds.saturating_mul(PATIENCE));
        let Ok(ended) = timeout(wall, child).await else {
            return Err(refused(format!("the component took more than {} s to compile", wall.as_secs())));
        };
        let ended = ended.map_err(|error| fault::internal("compile.start", &error))?;
        if !ended.status.success() {
            return Err(self.explain(ended.status));
        }
        serde_json::from_slice(&ended.stdout).map_err(|error| fault::internal("compile.answer", &error))
    }

    /// What ends the child before it has answered is one of its limits, or the compiler's own surprise.
    fn explain(&self, status: ExitStatus) -> Failure {
        match (status.signal(), status.code()) {
            (Some(SIGNAL_CPU_TIME), _) => refused(format!(
                "the component took more than {} s of CPU to compile",
                self.limits.compile_cpu_seconds
            )),
            (Some(_), _) | (None, Some(EXIT_PANIC)) => refused(format!(
                "the component took more than {} MiB of memory to compile, or broke the compiler",
                self.limits.compile_memory_bytes >> 20
            )),
            (None, _) => fault::internal("compile.exit", &io::Error::other(status.to_string())),
        }
    }
}

fn refused(reason: String) -> Failure {
    Failure::new(ErrorCode::ManifestInvalid, reason)
}
