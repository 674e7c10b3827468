//! The program that compiles components, in a process of its own that can be killed: this one, started again
//! with a hidden argument, or another one that knows it.
//!
//! *Invariant:* the child has to be bounded before it does anything else, so it is handled first of all in
//! `main`. Who has a [`Compiler`] has done so, or has named a program that does.

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use applet_runtime::CompilerProgram;
use tokio::process::Command;
use tokio::time::timeout;

use crate::HostError;

/// The argument under which a program compiles. No program has a command of this name by chance.
const COMPILE: &str = "applet-host:compile";
/// What it is asked with, in the place of a file: whether it would compile.
const ASKED: &str = "?";
/// How it answers. Code is used by the version that compiled it.
const ANSWER: &str = concat!("applet-host compiler ", env!("CARGO_PKG_VERSION"), "\n");
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that compiles components.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// None is this program.
    program: Option<PathBuf>,
}

impl Compiler {
    /// This program. To be called first of all in `main`, before any thread is started: when the program was
    /// started to compile a component, that is done now.
    ///
    /// # Errors
    ///
    /// The code to end the process with, when it was started to compile a component. Nothing has gone wrong.
    pub fn this_program() -> Result<Self, ExitCode> {
        let mut arguments = std::env::args_os().skip(1).peekable();
        if arguments.next().is_none_or(|first| first != COMPILE) {
            return Ok(Self { program: None });
        }
        if arguments.peek().is_some_and(|asked| asked == ASKED) {
            let told = std::io::stdout().write_all(ANSWER.as_bytes());
            return Err(told.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS));
        }
        Err(applet_runtime::compile_child_main(arguments))
    }

    /// Another program whose `main` begins with [`Compiler::this_program`], of the same version of this crate:
    /// the program `applet` does. For who has no say in their own `main`.
    pub fn program(path: impl Into<PathBuf>) -> Self {
        Self { program: Some(path.into()) }
    }

    fn path(&self) -> Result<PathBuf, HostError> {
        self.program.clone().map_or_else(std::env::current_exe, Ok).map_err(|error| {
            HostError::refused("compiler", format!("it is not known which program this is: {error}"))
        })
    }

    pub(crate) fn command(&self) -> Result<CompilerProgram, HostError> {
        Ok(CompilerProgram { program: self.path()?, arguments: vec![COMPILE.into()] })
    }

    /// Asks the program whether it compiles.
    ///
    /// # Errors
    ///
    /// When it cannot be started, is another version, or does something else.
    pub async fn check(&self) -> Result<(), HostError> {
        let path = self.path()?;
        let refused = |why: &str| {
            HostError::refused(
                "compiler",
                format!(
                    "`{}` does not compile components: {why}; begin its `main` with `Compiler::this_program()`, \
                     or name the program `applet` of this version with `Compiler::program(…)`",
                    path.display()
                ),
            )
        };
        let child = Command::new(&path)
            .args([OsStr::new(COMPILE), OsStr::new(ASKED)])
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .output();
        match timeout(PATIENCE, child).await {
            Ok(Ok(ended)) if ended.stdout == ANSWER.as_bytes() && ended.status.success() => Ok(()),
            Ok(Ok(_)) => Err(refused("it answers something else, or is another version")),
            Ok(Err(error)) => Err(refused(&format!("it cannot be started: {error}"))),
            Err(_) => Err(refused(&format!("it does not answer within {} s", PATIENCE.as_secs()))),
        }
    }
}
