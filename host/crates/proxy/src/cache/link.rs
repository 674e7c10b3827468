//! The connection to Redis: one server or a cluster, with a time limit, a breaker and a proof that an answer
//! belongs to its question.
//!
//! *Invariant:* a call gives the answer to its own commands or nothing. Every call is one transaction whose
//! first command echoes a number that was never sent before; an answer without it means that answers have
//! come to stand beside the wrong questions, and the connection is thrown away.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::{Pipeline, Value};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::breaker::Breaker;
use super::counters::Counters;
use super::servers::{CONNECT, Connection, RedisServers};

/// How long a call may take.
const CALL: Duration = Duration::from_millis(20);
/// How often a lost connection is tried again, and a server that failed is probed.
const RETRY: Duration = Duration::from_millis(100);

/// Why there is no answer. What exactly happened is in the log and the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Down {
    /// Nothing was sent.
    Unsent,
    /// It was sent, and may yet happen.
    Unanswered,
}

struct Shared {
    servers: RedisServers,
    connection: Mutex<Option<Connection>>,
    breaker: Mutex<Breaker>,
    counters: Arc<Counters>,
    number: AtomicU64,
    /// Wakes the task that keeps the connection.
    lost: Notify,
    closed: AtomicBool,
}

/// A connection that is kept up in the background.
#[derive(Clone)]
pub(super) struct Link {
    shared: Arc<Shared>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    /// Connects in the background.
    pub(super) fn open(servers: RedisServers, counters: Arc<Counters>) -> Self {
        let shared = Arc::new(Shared {
            servers,
            connection: Mutex::default(),
            breaker: Mutex::default(),
            counters,
            number: AtomicU64::new(rand::random()),
            lost: Notify::new(),
            closed: AtomicBool::new(false),
        });
        tokio::spawn(Shared::keep(Arc::clone(&shared)));
        Self { shared }
    }

    /// Whether calls are sent at the moment.
    pub(super) fn is_up(&self) -> bool {
        lock(&self.shared.breaker).is_closed() && lock(&self.shared.connection).is_some()
    }

    /// Runs the commands in one round trip, as one transaction, and gives an answer for each.
    pub(super) async fn call(&self, add: impl FnOnce(&mut Pipeline)) -> Result<Vec<Value>, Down> {
        if !lock(&self.shared.breaker).is_closed() {
            return Err(Down::Unsent);
        }
        self.shared.call(add).await
    }

    /// Lets go of the connection.
    pub(super) fn close(&self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        *lock(&self.shared.connection) = None;
        self.shared.lost.notify_one();
    }
}

impl Shared {
    async fn call(&self, add: impl FnOnce(&mut Pipeline)) -> Result<Vec<Value>, Down> {
        let Some(connection) = lock(&self.connection).clone() else {
            self.failed();
            return Err(Down::Unsent);
        };
        let number = self.number.fetch_add(1, Ordering::Relaxed).to_string();
        let mut pipeline = Pipeline::new();
        pipeline.atomic().cmd("ECHO").arg(&number);
        add(&mut pipeline);
        let asked = async {
            match connection {
                Connection::Single(mut connection) => {
                    pipeline.query_async::<Vec<Value>>(&mut connection).await
                }
                Connection::Cluster(mut connection) => {
                    pipeline.query_async::<Vec<Value>>(&mut connection).await
                }
            }
        };
        match timeout(CALL, asked).await {
            Ok(Ok(mut answers)) => {
                if matches!(answers.first(), Some(Value::BulkString(echo)) if echo == number.as_bytes()) {
                    answers.remove(0);
                    lock(&self.breaker).succeeded();
                    return Ok(answers);
                }
                self.out_of_step("an answer belongs to another question");
            }
            Ok(Err(error)) if is_out_of_step(&error) => self.out_of_step("an answer has the wrong form"),
            Ok(Err(error)) => {
                tracing::debug!(kind = ?error.kind(), "redis has refused a call");
                Counters::add(&self.counters.errors);
                if error.is_connection_dropped() || error.is_io_error() {
                    self.lose();
                }
            }
            Err(_) => Counters::add(&self.counters.timeouts),
        }
        self.failed();
        Err(Down::Unanswered)
    }

    fn failed(&self) {
        if lock(&self.breaker).failed(Instant::now()) {
            tracing::warn!("redis does not answer: applets go on without the shared cache");
            self.lost.notify_one();
        }
    }

    fn lose(&self) {
        *lock(&self.connection) = None;
        self.lost.notify_one();
    }

    fn out_of_step(&self, what: &'static str) {
        tracing::error!(what, "answers of redis are out of step; the connection is thrown away");
        Counters::add(&self.counters.out_of_step);
        self.lose();
    }

    /// Keeps the connection up, and tries a server that failed until it answers.
    async fn keep(self: Arc<Self>) {
        while !self.closed.load(Ordering::Relaxed) {
            let connected = lock(&self.connection).is_some();
            if !connected {
                match timeout(CONNECT, self.servers.connect()).await {
                    Ok(Ok(connection)) => *lock(&self.connection) = Some(connection),
                    Ok(Err(error)) => tracing::debug!(kind = ?error.kind(), "redis cannot be reached"),
                    Err(_) => tracing::debug!("redis does not accept a connection"),
                }
            }
            let (connected, closed) = (lock(&self.connection).is_some(), lock(&self.breaker).is_closed());
            match (connected, closed) {
                (true, true) => self.lost.notified().await,
                (true, false) => {
                    let may = lock(&self.breaker).may_probe(Instant::now());
                    if may && self.probe().await {
                        tracing::info!("redis answers again");
                        continue;
                    }
                    if may {
                        // It may be the connection that is dead.
                        *lock(&self.connection) = None;
                    }
                    sleep(RETRY).await;
                }
                (false, _) => {
                    // The breaker is for callers: they go on without, at once.
                    self.failed();
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Whether the server takes what we write: one that only reads, is full or is loading does not.
    async fn probe(&self) -> bool {
        self.call(|pipeline| {
            pipeline.cmd("SET").arg("{applet}:applet:probe").arg(1).arg("PX").arg(1_000);
        })
        .await
        .is_ok()
    }
}

/// Whether the error says that an answer is not one to our question, rather than that there is none.
fn is_out_of_step(error: &redis::RedisError) -> bool {
    matches!(error.kind(), redis::ErrorKind::UnexpectedReturnType | redis::ErrorKind::Parse)
}
