//! The program `applet`: commands, configuration and wiring. What it does is in the crates it wires up.

mod audit;
mod cli;
mod config;
mod demo_data;
mod dev;
mod endpoint;
mod housekeeping;
mod lifecycle_hooks;
mod logs;
mod output;
mod packages;
mod project;
mod record;
mod replay;
mod seen;
mod service;
mod shutdown;
mod socket;
mod sql;
mod telemetry;
mod top;
mod trial;
mod typescript;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

/// Stack of the threads that run statements: the gate bounds its own recursion within it.
const STACK_BYTES: usize = 4 << 20;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == cli::COMPILE_COMMAND) {
        return applet_runtime::compile_child_main(arguments);
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
