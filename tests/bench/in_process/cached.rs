//! The read cache beside the same read without it: in memory, in Redis, and over two hosts.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use applet_proxy::{Proxy, RedisServers};
use applet_types::{CacheLimits, Database as _, Encoding, HostLimits, Statement, Value};
use tempfile::TempDir;

use crate::measure::{Arm, compare, line};
use crate::setup::{Bench, TENANT};
use crate::{HUNDRED, INSERT};

/// A Redis of its own on a Unix socket, which ends with this process.
struct Redis {
    child: Child,
    directory: TempDir,
}

impl Redis {
    fn start(bench: &Bench) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("redis.sock");
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let redis = Self { child, directory };
        let servers = RedisServers::parse(&redis.url(), None, false).unwrap();
        while bench.tokio.block_on(servers.version()).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        redis
    }

    fn url(&self) -> String {
        format!("redis+unix://{}", self.directory.path().join("redis.sock").display())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A read of 100 rows each way, and one after another host has written.
pub(crate) fn part(bench: &Bench) {
    let redis = Redis::start(bench);
    let plain = proxy_without(bench);
    let memory = bench.caching(None, HostLimits::default());
    let [kept, fresh] = compare([read(bench, &memory), read(bench, &plain)]);
    line("cached read, 100 rows: memory / not cached", kept, Some(fresh), "<= x0.15");
    bench.tokio.block_on(memory.close());

    // With Redis, the two hosts of this part; with a memory of its own, a host asks Redis for stamps alone.
    let nothing_in_memory = HostLimits { cache_bytes: 0, ..HostLimits::default() };
    let one = bench.caching(Some(redis.url()), HostLimits::default());
    let two = bench.caching(Some(redis.url()), nothing_in_memory);
    let [near, far, fresh] = compare([read(bench, &one), read(bench, &two), read(bench, &plain)]);
    line("cached read, 100 rows: Redis / not cached", far, Some(fresh), "<= x0.15");
    line("  stamps from Redis, rows from memory", near, Some(fresh), "");

    let other = proxy_without(bench);
    let (mut write, mut ask) = (write(bench, &two), read(bench, &one));
    let (mut write_plain, mut ask_plain) = (self::write(bench, &other), read(bench, &plain));
    let [told, untold] = compare([
        Box::new(move || {
            write();
            ask();
        }),
        Box::new(move || {
            write_plain();
            ask_plain();
        }),
    ]);
    line("two hosts: one writes, the other reads / not cached", told, Some(untold), "");
    for proxy in [one, two, plain, other] {
        bench.tokio.block_on(proxy.close());
    }
}

fn proxy_without(bench: &Bench) -> Proxy {
    let _inside = bench.tokio.enter();
    Proxy::new(bench.proxy_config())
}

fn read<'a>(bench: &'a Bench, proxy: &'a Proxy) -> Arm<'a> {
    statement(bench, proxy, HUNDRED, Vec::new())
}

fn write<'a>(bench: &'a Bench, proxy: &'a Proxy) -> Arm<'a> {
    let texts = ["Ada", "Lovelace", "1"].map(|text| Value::Text(text.to_owned()));
    statement(bench, proxy, INSERT, texts.to_vec())
}

fn statement<'a>(bench: &'a Bench, proxy: &'a Proxy, sql: &str, parameters: Vec<Value>) -> Arm<'a> {
    let statement = Statement { sql: sql.to_owned(), parameters };
    Box::new(move || {
        let mut call = bench.call_of(TENANT);
        Arc::make_mut(&mut call.limits).cache = Some(CacheLimits::MAXIMUM);
        drop(bench.tokio.block_on(proxy.query(&call, &statement, Encoding::Packed)).unwrap());
    })
}
