//! The child's side of compiling: limit oneself, read one file, write one file, say what it is.
//!
//! *Invariant:* the component is hostile until the host has seen the verdict. Nothing here looks at it
//! before the limits are in place.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{fs, io};

use rustix::process::{Resource, Rlimit, nice, setrlimit};
use wasmparser::{Encoding, Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::compile::{Interfaces, Verdict};
use crate::engine;
use crate::interfaces::refusal;

/// How much less urgent than the host the child is.
const NICENESS: i32 = 10;
/// Bytes of compiled code that may be written.
const MAX_CODE_BYTES: u64 = 512 << 20;
/// Characters of a reason, some of which comes out of the component.
const MAX_REASON: usize = 1_000;

struct Arguments {
    input: PathBuf,
    output: PathBuf,
    functions: u32,
    cpu_seconds: u64,
    memory_bytes: u64,
}

/// Compiles one component and says what it found, as JSON on standard output.
///
/// The binary calls this, with the arguments that follow its hidden subcommand, before it starts any
/// thread; the process ends with the returned code.
pub fn compile_child_main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match read_arguments(arguments).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn read_arguments(arguments: impl IntoIterator<Item = OsString>) -> io::Result<Arguments> {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().ok_or_else(|| io::Error::other("an argument is missing"));
    let (input, output) = (next()?.into(), next()?.into());
    let mut number = || -> io::Result<u64> {
        next()?.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| io::Error::other("not a number"))
    };
    Ok(Arguments {
        input,
        output,
        functions: u32::try_from(number()?).map_err(io::Error::other)?,
        cpu_seconds: number()?,
        memory_bytes: number()?,
    })
}

fn run(arguments: &Arguments) -> io::Result<()> {
    limit(Resource::Core, 0)?;
    // At the soft limit the kernel says why (SIGXCPU), at the hard one it just kills.
    let cpu = Rlimit {
        current: Some(arguments.cpu_seconds),
        maximum: Some(arguments.cpu_seconds.saturating_add(1)),
    };
    setrlimit(Resource::Cpu, cpu)?;
    limit(Resource::Data, arguments.memory_bytes)?;
    limit(Resource::Fsize, MAX_CODE_BYTES)?;
    nice(NICENESS)?;
    let component = fs::read(&arguments.input)?;
    let verdict = match compile(&component, arguments.functions) {
        Ok((interfaces, code)) => {
            fs::write(&arguments.output, code)?;
            Verdict::Accepted(interfaces)
        }
        Err(reason) => Verdict::Refused(printable(&reason)),
    };
    serde_json::to_writer(io::stdout().lock(), &verdict).map_err(io::Error::other)
}

/// Part of a reason may come out of the component.
fn printable(reason: &str) -> String {
    let mut text = String::with_capacity(reason.len());
    for letter in reason.chars().take(MAX_REASON) {
        match letter {
            '\'' | '"' => text.push(letter),
            letter => text.extend(letter.escape_debug()),
        }
    }
    text
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(io::Error::from)
}

fn compile(bytes: &[u8], functions: u32) -> Result<(Interfaces, Vec<u8>), String> {
    check_shape(bytes, functions)?;
    // Before it is validated: what comes with interfaces that are not served, async functions above all, is not
    // valid here, and the name of the interface tells more than that.
    let (imports, exports) = outer_names(bytes)?;
    if let Some(reason) = refusal(&imports, &exports) {
        return Err(reason);
    }
    let broken = |error: wasmtime::Error| format!("the component is not valid: {error:#}");
    let engine = Engine::new(&engine::compiling()).map_err(broken)?;
    let component = Component::new(&engine, bytes).map_err(broken)?;
    let kind = component.component_type();
    let imports: Vec<_> = kind.imports(&engine).map(|(name, _)| name.to_owned()).collect();
    let exports: Vec<_> = kind.exports(&engine).map(|(name, _)| name.to_owned()).collect();
    if let Some(reason) = refusal(&imports, &exports) {
        return Err(reason);
    }
    let code = component.serialize().map_err(broken)?;
    Ok((Interfaces { imports, exports }, code))
}

/// What the component itself imports and exports, by name; not what is nested in it.
fn outer_names(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), String> {
    let (mut imports, mut exports, mut depth) = (Vec::new(), Vec::new(), 0_u32);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| broken_binary(&error))? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    imports.push(import.map_err(|error| broken_binary(&error))?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    exports.push(export.map_err(|error| broken_binary(&error))?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

fn broken_binary(error: &wasmparser::BinaryReaderError) -> String {
    format!("not WebAssembly: {}", error.message())
}

/// Cheap checks before the compiler sees it: a component, with not too many functions.
fn check_shape(bytes: &[u8], most: u32) -> Result<(), String> {
    let mut functions = 0_u32;
    let mut outermost = None;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| broken_binary(&error))? {
            Payload::Version { encoding, .. } => drop(outermost.get_or_insert(encoding)),
            Payload::FunctionSection(section) => functions = functions.saturating_add(section.count()),
            _ => {}
        }
    }
    if outermost != Some(Encoding::Component) {
        return Err("this is a core module, not a component; `applet package` makes one of it".to_owned());
    }
    if functions > most {
        return Err(format!("the component has {functions} functions, more than the {most} allowed"));
    }
    Ok(())
}
