//! What guests write: capped, escaped, and handed on line by line.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use applet_types::Invocation;

/// How important a guest finds its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GuestLogLevel {
    /// Details for the developer.
    Debug,
    /// What happens normally; standard output.
    Info,
    /// Worth a look; standard error.
    Warn,
    /// Something failed.
    Error,
}

/// Takes the lines that guests write.
pub trait GuestLog: Send + Sync {
    /// A line: control characters are escaped, and the lines of one invocation have at most as many bytes
    /// as its limits say.
    fn line(&self, call: &Invocation, level: GuestLogLevel, text: &str);
}

/// Hands guests' lines to `tracing`, under the target `applet`.
#[derive(Debug, Default)]
pub struct TracingLog;

impl GuestLog for TracingLog {
    fn line(&self, call: &Invocation, level: GuestLogLevel, text: &str) {
        let (request, applet, tenant) = (call.request, &call.applet, call.tenant);
        match level {
            GuestLogLevel::Debug => tracing::debug!(target: "applet", %request, %applet, %tenant, "{text}"),
            GuestLogLevel::Info => tracing::info!(target: "applet", %request, %applet, %tenant, "{text}"),
            GuestLogLevel::Warn => tracing::warn!(target: "applet", %request, %applet, %tenant, "{text}"),
            GuestLogLevel::Error => tracing::error!(target: "applet", %request, %applet, %tenant, "{text}"),
        }
    }
}

/// The longest line of standard output that is waited for; what is longer is cut into several.
const LONGEST_LINE: usize = 4 << 10;

/// One invocation's log.
#[derive(Clone)]
pub(crate) struct CappedLog {
    shared: Arc<Mutex<State>>,
}

struct State {
    call: Arc<Invocation>,
    sink: Arc<dyn GuestLog>,
    left: usize,
    cut: bool,
    output: Vec<u8>,
    errors: Vec<u8>,
}

/// Which of the two standard streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Output,
    Errors,
}

impl CappedLog {
    pub(crate) fn new(call: Arc<Invocation>, sink: Arc<dyn GuestLog>) -> Self {
        let left = call.limits.execution.log_bytes;
        let state = State { call, sink, left, cut: false, output: Vec::new(), errors: Vec::new() };
        Self { shared: Arc::new(Mutex::new(state)) }
    }

    /// Begins anew for another invocation of the same instance.
    pub(crate) fn turn_to(&self, call: &Arc<Invocation>) {
        let mut state = self.lock();
        state.call = Arc::clone(call);
        state.left = call.limits.execution.log_bytes;
        state.cut = false;
        state.output.clear();
        state.errors.clear();
    }

    /// A whole line.
    pub(crate) fn line(&self, level: GuestLogLevel, text: &str) {
        self.lock().line(level, text);
    }

    /// Bytes of a standard stream, which become lines where they have line ends.
    pub(crate) fn bytes(&self, stream: Stream, bytes: &[u8]) {
        let mut state = self.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if state.cut {
                return;
            }
            let partial = state.partial(stream);
            partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || partial.len() >= LONGEST_LINE {
                state.end_line(stream);
            }
        }
    }

    /// Hands on what had no line end.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        state.end_line(Stream::Output);
        state.end_line(Stream::Errors);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn partial(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Output => &mut self.output,
            Stream::Errors => &mut self.errors,
        }
    }

    fn end_line(&mut self, stream: Stream) {
        let bytes = mem::take(self.partial(stream));
        if bytes.is_empty() {
            return;
        }
        let level = match stream {
            Stream::Output => GuestLogLevel::Info,
            Stream::Errors => GuestLogLevel::Warn,
        };
        self.line(level, String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']));
    }

    fn line(&mut self, level: GuestLogLevel, text: &str) {
        if self.cut {
            return;
        }
        let mut kept = String::new();
        for character in text.chars() {
            let before = kept.len();
            push_escaped(&mut kept, character);
            if kept.len() > self.left {
                kept.truncate(before);
                self.cut = true;
                break;
            }
        }
        self.left -= kept.len().min(self.left);
        self.sink.line(&self.call, level, &kept);
        if self.cut {
            self.sink.line(&self.call, GuestLogLevel::Warn, "log limit reached, the rest is left out");
        }
    }
}

/// Control characters, and those that turn the direction of text around, would let a guest write lines
/// that look like ours.
fn push_escaped(text: &mut String, character: char) {
    let turns =
        matches!(character, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if character.is_control() || turns {
        text.extend(character.escape_default());
    } else {
        text.push(character);
    }
}
