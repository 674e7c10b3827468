//! The thread that starts the server and lives exactly as long as it.
//!
//! The server asks the kernel for a signal when its parent dies, and to the kernel the parent is the
//! *thread* that forked it: started from a thread that comes and goes, it would be shut down at random.

use std::io;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// A running server.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    pid: Pid,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether the server has ended and was reaped. As long as it is false, its number cannot belong to
    /// another process.
    ended: Mutex<bool>,
    changed: Condvar,
}

impl Keeper {
    /// Starts the command in a thread of its own.
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (tell, told) = mpsc::channel();
        let kept = Arc::clone(&shared);
        std::thread::Builder::new().name("postgres-keeper".to_owned()).spawn(move || {
            let started = command.spawn();
            match started {
                Ok(mut child) => {
                    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                    // Whoever started us may have given up; the server is kept all the same.
                    let _ =
                        tell.send(pid.ok_or_else(|| io::Error::other("the server has no process number")));
                    if let Some(pid) = pid {
                        await_end(pid);
                    }
                    let mut ended = kept.lock();
                    if let Err(error) = child.wait() {
                        tracing::warn!(%error, "the end of PostgreSQL could not be awaited");
                    }
                    *ended = true;
                    kept.changed.notify_all();
                }
                Err(error) => {
                    let _ = tell.send(Err(error));
                }
            }
        })?;
        let pid = told.recv().map_err(|_| io::Error::other("the keeper ended"))??;
        Ok(Self { pid, shared })
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    pub(super) fn has_ended(&self) -> bool {
        *self.shared.lock()
    }

    /// Sends a signal, unless the server has ended.
    pub(super) fn signal(&self, signal: Signal) {
        let ended = self.shared.lock();
        if !*ended && let Err(error) = kill_process(self.pid, signal) {
            tracing::warn!(%error, "PostgreSQL could not be signalled");
        }
    }

    /// Waits for the end; `false` when it did not come in time.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), patience, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the process has ended, without reaping it.
fn await_end(pid: Pid) {
    while let Err(rustix::io::Errno::INTR) =
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
    {}
}
