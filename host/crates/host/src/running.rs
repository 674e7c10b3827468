//! A host while it runs: threads of its own, who is inside, and how it ends.
//!
//! *Invariants:* everything that the host does runs on its own threads, which have the stack that the gate and
//! the runtime count on, and whatever executor the platform uses. Nobody gets in after the host was told to
//! close, and it lets go of the database only when the last who is inside has left.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use applet_wiring::{HostError, Serving};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Stack of the host's threads.
const STACK_BYTES: usize = 4 << 20;

/// How long the end of a host that was dropped, and then of its threads, is waited for.
const LAST: Duration = Duration::from_secs(10);

/// The host's threads. They end when this is dropped, wherever that is.
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    /// So many for work; as many as the machine has cores when nothing is said.
    pub(crate) fn start(workers: Option<usize>) -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.enable_all().thread_name("applet-host").thread_stack_size(STACK_BYTES);
        if let Some(workers) = workers {
            builder.worker_threads(workers);
        }
        Ok(Self(Some(builder.build()?)))
    }

    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.0.as_ref().map(Runtime::handle)
    }

    /// Ends them, after `last`. A thread of a runtime may not wait for another one's end, and the platform may
    /// be on one: so that is done on a thread of its own. Gives that.
    fn end(&mut self, last: impl FnOnce(&Runtime) + Send + 'static) -> Option<thread::JoinHandle<()>> {
        let parts = Arc::new(Mutex::new(Some((self.0.take()?, last))));
        let kept = Arc::clone(&parts);
        let thread = thread::Builder::new().name("applet-host-end".to_owned()).spawn(move || {
            if let Some((runtime, last)) = taken(&parts) {
                last(&runtime);
                runtime.shutdown_timeout(LAST);
            }
        });
        thread
            .inspect_err(|error| {
                tracing::warn!(%error, "the end of the host's threads is not waited for");
                if let Some((runtime, _)) = taken(&kept) {
                    runtime.shutdown_background();
                }
            })
            .ok()
    }
}

fn taken<T>(parts: &Mutex<Option<T>>) -> Option<T> {
    parts.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Nobody waits: there is nothing to wait for, or it has ended.
        drop(self.end(|_| ()));
    }
}

/// A host that runs.
pub(crate) struct Running {
    /// None when it is closed.
    serving: RwLock<Option<Arc<Serving>>>,
    threads: Mutex<Threads>,
    handle: Handle,
    inside: TaskTracker,
    over: CancellationToken,
    drain: Duration,
}

/// Somebody who is inside. The host waits for them when it closes.
pub(crate) struct Entered {
    // Before the token: when that is gone, so is this.
    serving: Arc<Serving>,
    _token: TaskTrackerToken,
}

impl Entered {
    pub(crate) fn serving(&self) -> &Serving {
        &self.serving
    }
}

impl Running {
    /// A host that serves on these threads. When it closes, whoever is inside has `drain` to leave.
    pub(crate) fn new(threads: Threads, handle: Handle, serving: Serving, drain: Duration) -> Self {
        Self {
            serving: RwLock::new(Some(Arc::new(serving))),
            threads: Mutex::new(threads),
            handle,
            inside: TaskTracker::new(),
            over: CancellationToken::new(),
            drain,
        }
    }

    /// The host's threads.
    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Lets somebody in. `None` when the host is closed.
    pub(crate) fn enter(&self) -> Option<Entered> {
        // Both under one lock: who closes takes the one and then waits for the other.
        let serving = self.serving.read().unwrap_or_else(PoisonError::into_inner);
        serving.as_ref().map(|serving| Entered { serving: Arc::clone(serving), _token: self.inside.token() })
    }

    /// Told when whoever is inside has to leave at once.
    pub(crate) const fn over(&self) -> &CancellationToken {
        &self.over
    }

    fn take(&self) -> Option<Arc<Serving>> {
        self.serving.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Lets nobody in any more, waits for those who are inside, and ends. The second who closes waits for
    /// nothing.
    pub(crate) async fn close(&self) -> Option<Result<(), HostError>> {
        let closing = self.handle.spawn(self.ending(self.drain)?);
        let closed = closing.await;
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        // They have nothing to do any more, and end on their own.
        drop(threads.end(|_| ()));
        Some(closed.unwrap_or_else(|error| Err(HostError::usage(format!("closing has failed: {error}")))))
    }

    /// The end, unless it was begun before.
    fn ending(&self, drain: Duration) -> Option<impl Future<Output = Result<(), HostError>> + Send + use<>> {
        let serving = self.take()?;
        self.inside.close();
        let (inside, over) = (self.inside.clone(), self.over.clone());
        Some(async move {
            if timeout(drain, inside.wait()).await.is_err() {
                over.cancel();
                inside.wait().await;
            }
            match Arc::into_inner(serving) {
                Some(serving) => serving.close().await,
                // Who was inside has left; nobody else has it.
                None => Ok(()),
            }
        })
    }
}

impl Drop for Running {
    /// Not closed: nobody is given time, and the end is waited for here, as nobody else can.
    fn drop(&mut self) {
        let Some(ending) = self.ending(Duration::ZERO) else { return };
        tracing::warn!("a host was dropped and not closed");
        let threads = self.threads.get_mut().unwrap_or_else(PoisonError::into_inner);
        let ended =
            threads.end(move |runtime| match runtime.block_on(async { timeout(LAST, ending).await }) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a host that was dropped has not closed cleanly"),
                Err(_) => tracing::warn!("a host that was dropped has not closed in time"),
            });
        // Whether it has panicked or not, it is over.
        let _over = ended.map(thread::JoinHandle::join);
    }
}
