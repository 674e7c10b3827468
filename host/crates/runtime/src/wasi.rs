//! The WASI that a standard library needs, with nothing behind it (SPEC Decision 19): no arguments, no
//! directories, no sockets, and in the environment only what the applet's own manifest sets; standard input is
//! closed, output goes to the capped log.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use applet_types::Variables;
use bytes::Bytes;
use tokio::io::{AsyncWrite, sink};
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream, WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiView};

use crate::log::{CappedLog, Stream};
use crate::nature::{self, Given};

/// The most random bytes that one call may ask for.
const RANDOM_BYTES: u64 = 64 << 10;
/// The most bytes that one write may have.
const WRITE_BYTES: usize = 64 << 10;
/// Clocks tell no more than this, so that they are of little use to measure other tenants with.
const CLOCK_GRAIN: Duration = Duration::from_millis(1);

/// A context with nothing in it but clocks, randomness and the log.
pub(crate) fn context(log: &CappedLog, variables: &Variables, given: Option<&Given>) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    for (name, text) in variables.iter() {
        builder.env(name, text);
    }
    builder
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(RANDOM_BYTES)
        .wall_clock(CoarseClock::new())
        .monotonic_clock(CoarseClock::new())
        .stdout(LogStream { log: log.clone(), stream: Stream::Output })
        .stderr(LogStream { log: log.clone(), stream: Stream::Errors });
    if let Some(given) = given {
        nature::give(&mut builder, given, CoarseClock::new(), CoarseClock::new());
    }
    builder.build()
}

/// Serves the interfaces of [`crate::interfaces`] that are WASI's.
pub(crate) fn add_to_linker<T: WasiView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    use wasmtime_wasi::p2::bindings::io;

    io::error::add_to_linker::<T, Table>(linker, |guest| guest.ctx().table)?;
    io::poll::add_to_linker::<T, Table>(linker, |guest| guest.ctx().table)?;
    io::streams::add_to_linker::<T, Table>(linker, |guest| guest.ctx().table)?;
    clocks::wall_clock::add_to_linker::<T, WasiClocks>(linker, T::clocks)?;
    clocks::monotonic_clock::add_to_linker::<T, WasiClocks>(linker, T::clocks)?;
    filesystem::types::add_to_linker::<T, WasiFilesystem>(linker, T::filesystem)?;
    filesystem::preopens::add_to_linker::<T, WasiFilesystem>(linker, T::filesystem)?;
    random::random::add_to_linker::<T, WasiRandom>(linker, T::random)?;
    random::insecure::add_to_linker::<T, WasiRandom>(linker, T::random)?;
    random::insecure_seed::add_to_linker::<T, WasiRandom>(linker, T::random)?;
    cli::environment::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::exit::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::stdin::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::stdout::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::stderr::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_input::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_output::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stdin::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stdout::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    cli::terminal_stderr::add_to_linker::<T, WasiCli>(linker, T::cli)?;
    Ok(())
}

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

struct CoarseClock {
    start: Instant,
}

impl CoarseClock {
    fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl HostWallClock for CoarseClock {
    fn resolution(&self) -> Duration {
        CLOCK_GRAIN
    }

    fn now(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }
}

impl HostMonotonicClock for CoarseClock {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    /// Never zero: Go takes that for a clock that does not work.
    fn now(&self) -> u64 {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        elapsed.saturating_add(1).saturating_mul(1_000_000)
    }
}

/// A standard stream that ends in the log.
#[derive(Clone)]
struct LogStream {
    log: CappedLog,
    stream: Stream,
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    /// Only preview 3 asks for this, which we do not serve.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.bytes(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}
