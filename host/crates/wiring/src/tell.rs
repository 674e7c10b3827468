//! What a host has to say to whoever runs it, beside its results and its log.

use std::fmt;
use std::sync::Arc;

use applet_lifecycle::Progress;

/// One thing to say, in plain words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice<'a> {
    /// What is going on, for anything that takes longer than a moment.
    Progress(&'a str),
    /// Something to know, and to do something about.
    Warning(&'a str),
}

/// Takes notices. Cheap to clone.
#[derive(Clone)]
pub struct Teller(Arc<dyn Fn(Notice<'_>) + Send + Sync>);

impl Teller {
    /// Somebody who listens. They are called on the host's threads, and keep it waiting.
    pub fn new(listener: impl Fn(Notice<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    /// Says what is going on.
    pub fn progress(&self, text: impl fmt::Display) {
        (self.0)(Notice::Progress(&text.to_string()));
    }

    /// Says something to know.
    pub fn warning(&self, text: impl fmt::Display) {
        (self.0)(Notice::Warning(&text.to_string()));
    }
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Teller")
    }
}

impl Progress for Teller {
    fn step(&self, step: u32, of: u32, what: &str) {
        self.progress(format_args!("[{step}/{of}] {what}"));
    }
}
