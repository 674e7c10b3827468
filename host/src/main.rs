//! The program `applet`: commands, configuration and wiring. What it does is in the crates it wires up.

mod cli;
mod demo_data;
mod dev;
mod opening;
mod output;
mod packages;
mod project;
mod seen;
mod shutdown;
mod sql;
mod telemetry;
mod top;
mod trial;
mod typescript;

use std::process::ExitCode;

use applet_wiring::{Compiler, audit, config, endpoint, logs, service, socket};
use clap::Parser;

/// Stack of the threads that run statements: the gate bounds its own recursion within it.
const STACK_BYTES: usize = 4 << 20;

fn main() -> ExitCode {
    if let Err(compiled) = Compiler::this_program() {
        return compiled;
    }
    let cli = cli::Cli::parse();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
    match runtime {
        Ok(runtime) => {
            telemetry::start();
            runtime.block_on(cli.run())
        }
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            ExitCode::from(2)
        }
    }
}
