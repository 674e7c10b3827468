//! How much CPU an invocation has used: that of the thread while its future is being polled. Time spent
//! waiting, for the database above all, is between two polls and costs nothing; time spent preempted by
//! other processes costs nothing either.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU used so far. Shared between the future that counts and the epoch callback that asks.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Nanoseconds used in polls that are over.
    used: AtomicU64,
    /// The thread's clock when the present poll began.
    since: AtomicU64,
}

impl Meter {
    fn begin(&self) {
        self.since.store(thread_cpu(), Ordering::Relaxed);
    }

    /// Ends a poll, and says how much it has used.
    fn end(&self) -> Duration {
        let spent = self.spent_ns();
        Duration::from_nanos(spent.saturating_sub(self.used.swap(spent, Ordering::Relaxed)))
    }

    /// CPU used. To be asked from within a poll.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_ns())
    }

    fn spent_ns(&self) -> u64 {
        let now = thread_cpu().saturating_sub(self.since.load(Ordering::Relaxed));
        self.used.load(Ordering::Relaxed).saturating_add(now)
    }
}

fn thread_cpu() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// A panic, as it was thrown.
pub(crate) type Panic = Box<dyn Any + Send>;

/// A future whose CPU is counted, poll by poll, and whose panic ends it and nobody else.
pub(crate) struct Metered<F, C> {
    future: Pin<Box<F>>,
    meter: Arc<Meter>,
    count: C,
}

impl<F, C: Fn(Duration)> Metered<F, C> {
    /// Tells `count` after each poll what it has used.
    pub(crate) fn new(meter: Arc<Meter>, count: C, future: F) -> Self {
        Self { future: Box::pin(future), meter, count }
    }
}

impl<F: Future, C: Fn(Duration) + Unpin> Future for Metered<F, C> {
    type Output = Result<F::Output, Panic>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.meter.begin();
        let polled = catch_unwind(AssertUnwindSafe(|| this.future.as_mut().poll(context)));
        (this.count)(this.meter.end());
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn s4_waiting_costs_no_cpu_and_working_does() {
        let meter = Arc::new(Meter::default());
        let told = AtomicU64::default();
        let count = |spent: Duration| {
            told.fetch_add(u64::try_from(spent.as_nanos()).unwrap(), Ordering::Relaxed);
        };
        let sleep = tokio::time::sleep(Duration::from_millis(30));
        Metered::new(Arc::clone(&meter), count, sleep).await.unwrap();
        let waiting = meter.used.load(Ordering::Relaxed);
        let work = async {
            let begin = thread_cpu();
            while thread_cpu() - begin < 20_000_000 {
                std::hint::spin_loop();
            }
        };
        Metered::new(Arc::clone(&meter), count, work).await.unwrap();
        let working = meter.used.load(Ordering::Relaxed) - waiting;
        assert_eq!(told.load(Ordering::Relaxed), working + waiting, "poll by poll");
        assert!(working >= 20_000_000, "{working}");
        assert!(waiting < working, "{waiting} {working}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn s4_a_panic_ends_one_future_only() {
        let outcome = Metered::new(Arc::default(), |_| {}, async { panic!("on purpose") }).await;
        assert!(outcome.is_err());
    }
}
