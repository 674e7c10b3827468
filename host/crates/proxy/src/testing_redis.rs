//! Private Redis servers for this crate's tests, and a relay that puts their answers out of step.

use std::fs;
use std::net::TcpListener as StdListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

use crate::testing_tls::Authority;

/// A server on a Unix socket that ends with this process.
pub(crate) struct Redis {
    directory: TempDir,
    child: Mutex<Option<Child>>,
}

/// A child must not outlive us; the server is told when the thread that started it ends, so one never does.
fn spawn(arguments: Vec<String>) -> Child {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "SIGKILL", "redis-server"]).args(arguments);
        sender.send(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()).unwrap();
        loop {
            std::thread::park();
        }
    });
    receiver.recv().unwrap().unwrap()
}

fn cli(arguments: &[&str]) -> std::process::Output {
    Command::new("redis-cli").args(arguments).output().unwrap()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < patience, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Redis {
    pub(crate) fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("proxy-redis").tempdir_in("/tmp").unwrap();
        let redis = Self { directory, child: Mutex::default() };
        redis.boot();
        redis
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Starts it again after [`Redis::kill`].
    pub(crate) fn boot(&self) {
        let _ = fs::remove_file(self.socket());
        let socket = self.socket().display().to_string();
        let directory = self.directory.path().display().to_string();
        let arguments = ["--port", "0", "--unixsocket", &socket, "--save", "", "--dir", &directory];
        *self.child.lock().unwrap() = Some(spawn(arguments.map(str::to_owned).to_vec()));
        until("redis starts", || self.cli(&["PING"]) == "PONG");
    }

    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.lock().unwrap().as_ref().unwrap(), name);
    }

    /// What redis-cli prints.
    pub(crate) fn cli(&self, command: &[&str]) -> String {
        let socket = self.socket().display().to_string();
        let output = cli(&[&["-s", &socket], command].concat());
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A client with full rights, as an attacker has it.
    pub(crate) async fn client(&self) -> redis::aio::MultiplexedConnection {
        redis::Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three servers that are one cluster.
pub(crate) struct RedisCluster {
    ports: Vec<u16>,
    children: Vec<Child>,
    /// What redis-cli needs to get in.
    tls: Vec<String>,
    _directory: TempDir,
}

impl RedisCluster {
    pub(crate) fn start() -> Self {
        Self::with(None)
    }

    /// Three servers that speak TLS only, to each other as well.
    pub(crate) fn start_in_tls(authority: &Authority) -> Self {
        Self::with(Some(authority))
    }

    fn with(authority: Option<&Authority>) -> Self {
        let directory = tempfile::Builder::new().prefix("proxy-cluster").tempdir_in("/tmp").unwrap();
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let identity = authority.map(|authority| tls_options(authority, &["127.0.0.1"], directory.path()));
        let children = ports.iter().map(|port| {
            let mut arguments = node(directory.path(), *port);
            if let Some(options) = &identity {
                arguments[0] = "--tls-port".to_owned();
                arguments.extend(["--port", "0", "--tls-cluster", "yes"].map(str::to_owned));
                arguments.extend(options.iter().cloned());
            }
            spawn(arguments)
        });
        let children = children.collect();
        let tls = authority.map_or_else(Vec::new, |authority| {
            ["--tls", "--cacert", authority.file().to_str().unwrap()].map(str::to_owned).to_vec()
        });
        let cli = |arguments: &[&str]| {
            let tls: Vec<&str> = tls.iter().map(String::as_str).collect();
            self::cli(&[&tls, arguments].concat())
        };
        for port in &ports {
            until("a node starts", || cli(&["-p", &port.to_string(), "PING"]).stdout.starts_with(b"PONG"));
        }
        let nodes: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let mut command = vec!["--cluster", "create"];
        command.extend(nodes.iter().map(String::as_str));
        command.push("--cluster-yes");
        let made = cli(&command);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        for port in &ports {
            until("the cluster is one", || {
                let info = cli(&["-p", &port.to_string(), "CLUSTER", "INFO"]).stdout;
                String::from_utf8_lossy(&info).contains("cluster_state:ok")
            });
        }
        Self { ports, children, tls, _directory: directory }
    }

    /// One node is enough to find the others.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_empty() { "redis" } else { "rediss" };
        format!("{scheme}://127.0.0.1:{}", self.ports[0])
    }

    /// Keys on each node.
    pub(crate) fn sizes(&self) -> Vec<u32> {
        let tls: Vec<&str> = self.tls.iter().map(String::as_str).collect();
        let size = |port: &u16| cli(&[&tls[..], &["-p", &port.to_string(), "DBSIZE"]].concat()).stdout;
        self.ports.iter().map(|port| String::from_utf8(size(port)).unwrap().trim().parse().unwrap()).collect()
    }
}

impl Drop for RedisCluster {
    fn drop(&mut self) {
        for child in &mut self.children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// What makes a server prove itself under these names.
fn tls_options(authority: &Authority, names: &[&str], folder: &Path) -> Vec<String> {
    let (certificate, key) = authority.issue(names).write(folder);
    let options = [
        ("--tls-cert-file", certificate.as_path()),
        ("--tls-key-file", key.as_path()),
        ("--tls-ca-cert-file", authority.file()),
        ("--tls-auth-clients", Path::new("no")),
    ];
    options.iter().flat_map(|(name, value)| [(*name).to_owned(), value.display().to_string()]).collect()
}

/// A server on TCP, in TLS, that ends with this process.
pub(crate) struct RedisInTls {
    port: u16,
    child: Child,
    _directory: TempDir,
}

impl RedisInTls {
    pub(crate) fn start(authority: &Authority) -> Self {
        let directory = tempfile::Builder::new().prefix("proxy-redis").tempdir_in("/tmp").unwrap();
        let port = free_port();
        let folder = directory.path().display().to_string();
        let listen =
            ["--port", "0", "--tls-port", &port.to_string(), "--bind", "127.0.0.1"].map(str::to_owned);
        let rest = ["--save", "", "--dir", &folder, "--requirepass", "s3cret"].map(str::to_owned);
        let child = spawn(
            [listen.to_vec(), rest.to_vec(), tls_options(authority, &["localhost"], directory.path())]
                .concat(),
        );
        let authority = authority.file().to_str().unwrap();
        let ping = [
            "--tls",
            "--cacert",
            authority,
            "-a",
            "s3cret",
            "--no-auth-warning",
            "-p",
            &port.to_string(),
            "PING",
        ];
        until("redis starts", || cli(&ping).stdout.starts_with(b"PONG"));
        Self { port, child, _directory: directory }
    }

    pub(crate) fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://:s3cret@{host}:{}", self.port)
    }
}

impl Drop for RedisInTls {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A port whose bus port, ten thousand above, exists.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = 20_000 + (std::process::id() * 7 + NEXT.fetch_add(1, Ordering::Relaxed) * 131) % 12_000;
    let is_free = |port: &u16| {
        [*port, port + 10_000].into_iter().all(|port| StdListener::bind(("127.0.0.1", port)).is_ok())
    };
    (first..32_000).map(|port| u16::try_from(port).unwrap()).find(is_free).unwrap()
}

fn node(directory: &Path, port: u16) -> Vec<String> {
    let (port, directory) = (port.to_string(), directory.display().to_string());
    let config = format!("nodes-{port}.conf");
    let arguments = [
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
        "--cluster-enabled",
        "yes",
        "--cluster-config-file",
        &config,
        "--cluster-node-timeout",
        "2000",
        "--save",
        "",
        "--dir",
        &directory,
    ];
    arguments.map(str::to_owned).to_vec()
}

/// Stands between a host and its Redis, and on demand repeats some of the last answers, so that from then on
/// every answer stands beside a later question.
pub(crate) struct Relay {
    port: u16,
    repeat: Arc<AtomicU32>,
}

impl Relay {
    pub(crate) async fn start(redis: &Redis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let repeat = Arc::new(AtomicU32::new(0));
        let (socket, repeats) = (redis.socket(), Arc::clone(&repeat));
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                // Small answers must not wait for each other.
                client.set_nodelay(true).unwrap();
                let Ok(server) = UnixStream::connect(&socket).await else { continue };
                let (mut client_reads, client_writes) = client.into_split();
                let (server_reads, mut server_writes) = server.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut client_reads, &mut server_writes).await });
                tokio::spawn(answers(server_reads, client_writes, Arc::clone(&repeats)));
            }
        });
        Self { port, repeat }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The next connection that answers repeats this many of its last answers.
    pub(crate) fn shift(&self, by: u32) {
        self.repeat.store(by, Ordering::Relaxed);
    }
}

async fn answers(
    mut from: tokio::net::unix::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    repeat: Arc<AtomicU32>,
) {
    let (mut buffer, mut last) = (Vec::new(), Vec::<Vec<u8>>::new());
    loop {
        while let Some(length) = frame(&buffer) {
            let answer: Vec<u8> = buffer.drain(..length).collect();
            if to.write_all(&answer).await.is_err() {
                return;
            }
            last.push(answer);
            // After an EXEC: the handshake is left alone.
            let by =
                if last.last().unwrap().starts_with(b"*") { repeat.swap(0, Ordering::Relaxed) } else { 0 };
            let first = last.len().saturating_sub(by.try_into().unwrap());
            for again in last.get(first..).unwrap_or_default() {
                if to.write_all(again).await.is_err() {
                    return;
                }
            }
            if last.len() > 64 {
                last.drain(..32);
            }
        }
        if from.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
            continue;
        }
        return;
    }
}

/// The length of the first whole answer.
fn frame(buffer: &[u8]) -> Option<usize> {
    let end = buffer.windows(2).position(|two| two == b"\r\n")?;
    let number = || String::from_utf8_lossy(&buffer[1..end]).parse::<i64>().unwrap();
    match buffer[0] {
        b'$' if number() >= 0 => {
            let whole = end + 2 + usize::try_from(number()).unwrap() + 2;
            (buffer.len() >= whole).then_some(whole)
        }
        b'*' | b'%' => {
            let items = number().max(0) * if buffer[0] == b'%' { 2 } else { 1 };
            let mut at = end + 2;
            for _ in 0..items {
                at += frame(&buffer[at..])?;
            }
            Some(at)
        }
        _ => Some(end + 2),
    }
}
