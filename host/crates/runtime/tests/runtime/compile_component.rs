//! The compile child on its own, for tests of this crate; `applet compile-component` does the same.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    applet_runtime::compile_child_main(env::args_os().skip(1))
}
