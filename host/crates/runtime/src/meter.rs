//! How much CPU an invocation has used: that of the thread while its future is being polled. Time spent
//! waiting, for the database above all, is between two polls and costs nothing; time spent preempted by
//! other processes costs nothing either.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use applet_types::AppletId;
use rustix::time::{ClockId, clock_gettime};
use tokio::time::{Sleep, sleep};

use crate::back_room::BackRoom;
use crate::cpu::Tally;

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

    /// Ends a poll, and gives what it used.
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

/// Where an invocation's future is.
enum Place<T> {
    /// Polled by whoever polls the invocation.
    Here(Work<T>),
    /// It waits for its turn in the back room, or to be entitled to go on in front again: while the machine
    /// is busy, the back room's turn may come later than that.
    Queued { work: Work<T>, waker: Waker, entitled: Pin<Box<Sleep>> },
    /// It is being polled there. `asked` is whom to wake, if the invocation was polled meanwhile.
    Away { asked: Option<Waker> },
    /// It is over.
    Done(Result<T, Panic>),
    /// Nobody waits for it, or the answer was taken.
    Gone,
}

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Told after each poll what it has used.
pub(crate) type Count = Box<dyn Fn(Duration) + Send + Sync>;

struct Shared<T> {
    meter: Arc<Meter>,
    tally: Arc<Tally>,
    count: Count,
    place: Mutex<Place<T>>,
}

/// A future whose CPU is counted, which goes to the back room when its applet has used more than its part,
/// and whose panic ends it and nobody else.
pub(crate) struct Metered<T> {
    shared: Arc<Shared<T>>,
    room: Arc<BackRoom>,
    applet: AppletId,
}

impl<T: Send + 'static> Metered<T> {
    pub(crate) fn new(
        meter: Arc<Meter>,
        tally: Arc<Tally>,
        room: Arc<BackRoom>,
        applet: AppletId,
        count: Count,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        let place = Mutex::new(Place::Here(Box::pin(future)));
        Self { shared: Arc::new(Shared { meter, tally, count, place }), room, applet }
    }
}

impl<T> Shared<T> {
    fn place(&self) -> MutexGuard<'_, Place<T>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(&self, work: &mut Work<T>, context: &mut Context<'_>) -> Poll<Result<T, Panic>> {
        self.meter.begin();
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        let spent = self.meter.end();
        self.tally.charge(spent);
        (self.count)(spent);
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }

    /// One poll in the back room.
    fn poll_away(&self) {
        let (mut work, waker) = {
            let mut place = self.place();
            match std::mem::replace(&mut *place, Place::Away { asked: None }) {
                Place::Queued { work, waker, .. } => (work, waker),
                // It was dropped while it waited.
                other => {
                    *place = other;
                    return;
                }
            }
        };
        let polled = self.poll(&mut work, &mut Context::from_waker(&waker));
        let mut place = self.place();
        let (next, wake) = match (std::mem::replace(&mut *place, Place::Gone), polled) {
            (Place::Away { asked }, Poll::Ready(result)) => {
                (Place::Done(result), Some(asked.unwrap_or(waker)))
            }
            // Whoever was woken by the work itself, and came too early, is woken again.
            (Place::Away { asked }, Poll::Pending) => (Place::Here(work), asked),
            (_, polled) => {
                drop(place);
                drop((work, polled));
                return;
            }
        };
        *place = next;
        drop(place);
        if let Some(waker) = wake {
            waker.wake();
        }
    }
}

impl<T: Send + 'static> Metered<T> {
    /// Nobody else has the work: it is neither queued nor away.
    fn poll_here(&self, mut work: Work<T>, context: &mut Context<'_>) -> Poll<Result<T, Panic>> {
        let polled = self.shared.poll(&mut work, context);
        if polled.is_pending() {
            *self.shared.place() = Place::Here(work);
        }
        polled
    }

    /// Lines the work up for the back room.
    fn send_away(&self, work: Work<T>, context: &mut Context<'_>) {
        let mut entitled = Box::pin(sleep(self.shared.tally.over_for()));
        if entitled.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
        *self.shared.place() = Place::Queued { work, waker: context.waker().clone(), entitled };
        let shared = Arc::clone(&self.shared);
        self.room.push(&self.applet, Box::new(move || shared.poll_away()));
    }
}

impl<T: Send + 'static> Future for Metered<T> {
    type Output = Result<T, Panic>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut place = self.shared.place();
        match std::mem::replace(&mut *place, Place::Gone) {
            Place::Here(work) => {
                drop(place);
                if !self.shared.tally.is_over() {
                    return self.poll_here(work, context);
                }
                if let Some(_staying) = self.shared.tally.stay() {
                    return self.poll_here(work, context);
                }
                self.send_away(work, context);
                Poll::Pending
            }
            Place::Queued { work, mut entitled, .. } => {
                if entitled.as_mut().poll(context).is_ready() {
                    drop(place);
                    return self.poll_here(work, context);
                }
                *place = Place::Queued { work, waker: context.waker().clone(), entitled };
                Poll::Pending
            }
            Place::Away { .. } => {
                *place = Place::Away { asked: Some(context.waker().clone()) };
                Poll::Pending
            }
            Place::Done(result) => Poll::Ready(result),
            Place::Gone => Poll::Pending,
        }
    }
}

impl<T> Drop for Metered<T> {
    fn drop(&mut self) {
        let gone = std::mem::replace(&mut *self.shared.place(), Place::Gone);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Tallies;

    struct Bench {
        meter: Arc<Meter>,
        tally: Arc<Tally>,
        room: Arc<BackRoom>,
        /// Nanoseconds that were told.
        told: Arc<AtomicU64>,
    }

    impl Bench {
        fn new() -> Self {
            let tallies = Tallies::new();
            let tally = tallies.of(&"applet".parse().unwrap());
            // Who is alone stays in front.
            drop(tallies.of(&"neighbour".parse().unwrap()));
            Self {
                meter: Arc::default(),
                tally,
                room: Arc::new(BackRoom::open(1).unwrap()),
                told: Arc::default(),
            }
        }

        /// One whose applet has used far more than its part.
        fn heavy() -> Self {
            let bench = Self::new();
            bench.tally.charge(Duration::from_secs(60));
            bench
        }

        fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Metered<T> {
            let (meter, tally, room) =
                (Arc::clone(&self.meter), Arc::clone(&self.tally), Arc::clone(&self.room));
            let told = Arc::clone(&self.told);
            let count = Box::new(move |spent: Duration| {
                told.fetch_add(u64::try_from(spent.as_nanos()).unwrap(), Ordering::Relaxed);
            });
            Metered::new(meter, tally, room, "applet".parse().unwrap(), count, work)
        }

        fn used(&self) -> u64 {
            self.meter.used.load(Ordering::Relaxed)
        }
    }

    fn spin(milliseconds: u64) {
        let begin = thread_cpu();
        while thread_cpu() - begin < milliseconds * 1_000_000 {
            std::hint::spin_loop();
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn s4_waiting_costs_no_cpu_and_working_does() {
        let bench = Bench::new();
        bench.run(tokio::time::sleep(Duration::from_millis(30))).await.unwrap();
        let waiting = bench.used();
        bench.run(async { spin(20) }).await.unwrap();
        let working = bench.used() - waiting;
        assert_eq!(bench.told.load(Ordering::Relaxed), working + waiting, "poll by poll");
        assert!(working >= 20_000_000, "{working}");
        assert!(waiting < working, "{waiting} {working}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn s4_a_panic_ends_one_future_only() {
        for bench in [Bench::new(), Bench::heavy()] {
            let outcome = bench.run(async { panic!("on purpose") }).await;
            assert!(outcome.is_err());
        }
    }

    fn thread_name() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn g09_who_used_too_much_goes_on_in_the_back_room_and_others_do_not() {
        let light = Bench::new().run(async { thread_name() }).await.unwrap();
        assert!(!light.starts_with("back-room"), "{light}");
        let bench = Bench::heavy();
        let heavy = bench
            .run(async {
                let mut names = Vec::new();
                for _ in 0..20 {
                    spin(1);
                    names.push(thread_name());
                    tokio::task::yield_now().await;
                }
                // Timers and tasks of the host's runtime are there as anywhere.
                tokio::time::sleep(Duration::from_millis(5)).await;
                names.push(tokio::spawn(async { thread_name() }).await.unwrap());
                names
            })
            .await
            .unwrap();
        let (spawned, polled) = heavy.split_last().unwrap();
        assert!(!spawned.starts_with("back-room"), "{spawned}");
        assert!(polled.iter().any(|name| name.starts_with("back-room")), "{polled:?}");
        assert!(bench.used() >= 20_000_000, "CPU counts there as well");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn g09_who_is_entitled_again_does_not_wait_for_the_back_room() {
        let bench = Bench::heavy();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let others = "others".parse().unwrap();
        bench.room.push(&others, Box::new(move || held.recv().unwrap_or_default()));
        let name = bench.run(async { thread_name() }).await.unwrap();
        assert!(!name.starts_with("back-room"), "{name}");
        drop(release);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn g13_what_nobody_waits_for_is_dropped_wherever_it_is() {
        let bench = Bench::heavy();
        let held = Arc::new(());
        for times in 0..200 {
            let kept = Arc::clone(&held);
            let work = bench.run(async move {
                let _kept = kept;
                loop {
                    tokio::task::yield_now().await;
                }
            });
            bench.tally.charge(Duration::from_secs(60));
            let patience = Duration::from_micros(times * 10);
            assert!(tokio::time::timeout(patience, work).await.is_err(), "it never ends");
        }
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
