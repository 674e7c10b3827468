//! Where guests go on that have used more CPU than their part: threads of their own with a lower priority,
//! so that the threads that answer calls are free for everybody else. As many as there are cores: what nobody
//! else wants of them is theirs. Applets take turns, a tick of the epoch each.
//!
//! *Invariant:* a guest is polled in one place at a time; where that is changes nothing of what it may do,
//! nor of how its CPU is counted. One that nobody waits for any more is dropped at once, or after its tick.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use applet_types::{AppletId, Turns};
use tokio::runtime::Handle;

/// Steps below the priority of everything else of the host.
const NICER: i32 = 10;
/// Like the threads that answer calls.
const STACK_BYTES: usize = 4 << 20;

/// A piece of work, done once.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The threads and what they are to do.
pub(crate) struct BackRoom {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    jobs: Mutex<Jobs>,
    more: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: Turns<AppletId, (Handle, Job)>,
    closed: bool,
}

impl BackRoom {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// When one cannot be started.
    pub(crate) fn open(threads: usize) -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        for number in 0..threads.max(1) {
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(format!("back-room-{number}"))
                .stack_size(STACK_BYTES)
                .spawn(move || queue.work())?;
        }
        Ok(Self { queue })
    }

    /// Has a job done for an applet, behind what others have waiting. Must be called inside a tokio runtime,
    /// which the job finds there as well.
    pub(crate) fn push(&self, applet: &AppletId, job: Job) {
        self.queue.jobs().waiting.push(applet.clone(), (Handle::current(), job));
        self.queue.more.notify_one();
    }
}

impl Drop for BackRoom {
    fn drop(&mut self) {
        self.queue.jobs().closed = true;
        self.queue.more.notify_all();
    }
}

impl Queue {
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        // Of this thread alone. If it is not allowed, guests still take turns here.
        if let Err(error) = rustix::process::nice(NICER) {
            tracing::warn!(target: "runtime.back-room", %error, "the back room runs at normal priority");
        }
        while let Some((runtime, job)) = self.next() {
            let _inside = runtime.enter();
            job();
        }
    }

    fn next(&self) -> Option<(Handle, Job)> {
        let mut jobs = self.jobs();
        loop {
            if let Some(job) = jobs.waiting.take(0) {
                return Some(job);
            }
            if jobs.closed {
                return None;
            }
            jobs = self.more.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
