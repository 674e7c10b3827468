//! A host, served by the real program in a data directory of its own, used as its users would: by
//! command line and over HTTP.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken test set-up should stop the test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::applet;

/// A tenant of the demo data, and its workspace.
#[derive(Debug, Clone, Copy)]
pub struct Tenant {
    /// The tenant's id.
    pub id: &'static str,
    /// Its workspace's id.
    pub workspace: &'static str,
}

/// Alder Dental, with three clients whose names begin with A.
pub const ALDER: Tenant =
    Tenant { id: "11111111-1111-4111-8111-111111111111", workspace: "11111111-0000-4000-8000-000000000001" };

/// Birch Realty, with two clients whose names begin with B.
pub const BIRCH: Tenant =
    Tenant { id: "22222222-2222-4222-8222-222222222222", workspace: "22222222-0000-4000-8000-000000000001" };

/// The repository.
///
/// # Panics
///
/// Never: this package is a folder of it.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The sample applet's component.
pub fn ai_chat() -> PathBuf {
    repository().join("sample-applets/target/wasm32-wasip2/release/ai_chat.wasm")
}

/// A component of the test guests.
pub fn guest(name: &str) -> PathBuf {
    repository().join(format!("tests/guests/target/wasm32-wasip2/release/{name}.wasm"))
}

/// The lines that applets wrote, of a log in JSON: their level in lower case, and their text.
pub fn applet_lines(log: &str) -> Vec<(String, String)> {
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let text = |event: &Value, place: &str| event.pointer(place).and_then(Value::as_str).map(str::to_owned);
    events
        .filter(|event| text(event, "/target").as_deref() == Some("applet"))
        .filter_map(|event| Some((text(&event, "/level")?.to_lowercase(), text(&event, "/fields/message")?)))
        .collect()
}

/// A data directory in which hosts can be started, one after the other.
#[derive(Debug)]
pub struct HostDirectory {
    folder: TempDir,
    database: Option<String>,
    settings: Vec<(String, String)>,
    keeps_log: bool,
}

impl Default for HostDirectory {
    fn default() -> Self {
        Self::new()
    }
}

impl HostDirectory {
    /// A new, empty one.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("applet-e2e-").tempdir().unwrap();
        // As root, the private PostgreSQL runs as another user, who has to get through.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        Self { folder, database: None, settings: Vec::new(), keeps_log: false }
    }

    /// A new one for hosts on this database instead of a private PostgreSQL.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn on(url: &str) -> Self {
        Self { database: Some(url.to_owned()), ..Self::new() }
    }

    /// With this limit (`rate.writes_per_second`), for every command: what is raised reaches an installation by
    /// its approval.
    #[must_use]
    pub fn with_limit(mut self, limit: &str, value: u64) -> Self {
        let name = format!("APPLET_LIMITS_{}", limit.replace('.', "_")).to_ascii_uppercase();
        self.settings.push((name, value.to_string()));
        self
    }

    /// With all that applets write to their logs: by hosts that serve in [`log`](Self::log), by other commands on
    /// their standard error. [`applet_lines`] finds it there.
    #[must_use]
    pub fn keeping_logs(mut self) -> Self {
        self.settings.push(("APPLET_LOG".to_owned(), "warn,applet=debug".to_owned()));
        self.settings.push(("APPLET_LOG_JSON".to_owned(), "true".to_owned()));
        self.keeps_log = true;
        self
    }

    /// The log of hosts that served here.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("host.log")
    }

    fn errors(&self) -> Stdio {
        if !self.keeps_log {
            return Stdio::inherit();
        }
        std::fs::OpenOptions::new().create(true).append(true).open(self.log()).unwrap().into()
    }

    /// With this variable of the environment, for every command.
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With rates and budgets that no test reaches: for tests that put a host under load on purpose.
    #[must_use]
    pub fn under_load(self) -> Self {
        self.with_limit("rate.invocations_per_second", 10_000)
            .with_limit("rate.queries_per_minute", 6_000_000)
            .with_limit("rate.writes_per_second", 10_000)
            .with_limit("tenant.cpu_ms_per_minute", 3_840_000)
            .with_limit("tenant.database_ms_per_minute", 24_000_000)
            .with_limit("tenant.statements_per_minute", 60_000_000)
    }

    /// The folder for files of a test.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The program, pointed at this directory.
    pub fn command(&self) -> Command {
        let mut command = Command::new(applet());
        command
            .env("APPLET_DATA", self.folder.path().join("host"))
            .env("APPLET_ALLOW_UNPATCHED", "true")
            .env_remove("DATABASE_URL")
            .env_remove("APPLET_TOKEN");
        if let Some(url) = &self.database {
            command.env("DATABASE_URL", url);
        }
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts a host and waits until it listens; adopts the database, if it is not a private one.
    ///
    /// # Panics
    ///
    /// When it ends instead.
    pub fn serve(&self) -> Host<'_> {
        let host = self.serve_unadopted();
        if self.database.is_some() {
            host.ok(self.command().args(["adopt", "--yes"]));
        }
        host
    }

    /// Starts a host and waits until it listens, whatever it may see.
    ///
    /// # Panics
    ///
    /// When it ends instead.
    pub fn serve_unadopted(&self) -> Host<'_> {
        let mut child = self
            .command()
            .args(["serve", "--demo-data", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(self.errors())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let Some(line) = lines.next() else { panic!("the host ended: {:?}", child.wait()) };
            if let Some(address) = line.unwrap().strip_prefix("listening on http://") {
                break address.to_owned();
            }
        };
        // Whoever writes must not be stopped by a full pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Host { directory: self, child, address }
    }
}

/// A served host.
#[derive(Debug)]
pub struct Host<'a> {
    directory: &'a HostDirectory,
    child: Child,
    address: String,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The head, for looking at headers.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }
}

impl Host<'_> {
    /// A token of a tenant.
    pub fn token(&self, tenant: &Tenant, role: &str) -> String {
        self.ok(self.directory.command().args(["token", "--tenant", tenant.id, "--role", role]))
    }

    /// Runs a command as an admin of a tenant; gives what it printed as JSON.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn admin(&self, tenant: &Tenant, arguments: &[&str]) -> Value {
        let output = self.try_admin(tenant, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs a command as an admin of a tenant, whatever comes of it.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn try_admin(&self, tenant: &Tenant, arguments: &[&str]) -> Output {
        let token = self.token(tenant, "admin");
        self.directory.command().arg("--json").args(arguments).env("APPLET_TOKEN", token).output().unwrap()
    }

    fn ok(&self, command: &mut Command) -> String {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Packs a manifest and a component, and submits the package.
    ///
    /// # Panics
    ///
    /// When either is refused.
    pub fn submit(&self, manifest: &Path, component: &Path) {
        let package = self.directory.path().join("package.applet");
        self.ok(self
            .directory
            .command()
            .arg("package")
            .arg("--manifest")
            .arg(manifest)
            .arg("--component")
            .arg(component)
            .arg("-o")
            .arg(&package));
        self.admin(&ALDER, &["submit", package.to_str().unwrap()]);
    }

    /// Plans, approves and installs; gives the installation's report.
    pub fn install(&self, tenant: &Tenant, applet: &str) -> Value {
        self.admin(tenant, &["plan", applet, "--workspace", tenant.workspace]);
        self.admin(tenant, &["approve", applet, "--workspace", tenant.workspace]);
        self.admin(tenant, &["install", applet, "--workspace", tenant.workspace])
    }

    /// Calls a hook over HTTP with a token of `caller`, in the workspace of `of`.
    ///
    /// # Panics
    ///
    /// When the host does not answer at all.
    pub fn hook(&self, caller: &Tenant, of: &Tenant, applet: &str, hook: &str, body: &str) -> Answer {
        let token = self.token(caller, "platform");
        self.hook_with(&token, of, applet, hook, body)
    }

    /// Calls a hook over HTTP with this token.
    ///
    /// # Panics
    ///
    /// When the host does not answer at all.
    pub fn hook_with(&self, token: &str, of: &Tenant, applet: &str, hook: &str, body: &str) -> Answer {
        let path = format!("/api/v2/workspaces/{}/applets/{applet}/hooks/{hook}", of.workspace);
        self.request("POST", &path, &[("Authorization", &format!("Bearer {token}"))], body)
    }

    /// Sends a request.
    ///
    /// # Panics
    ///
    /// When the host does not answer at all.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.try_request(method, path, headers, body).unwrap()
    }

    /// Calls a hook over HTTP with this token, on a host that may be gone or stopped.
    ///
    /// # Errors
    ///
    /// When there is no answer, or half of one.
    pub fn try_hook_with(
        &self,
        token: &str,
        of: &Tenant,
        applet: &str,
        hook: &str,
        body: &str,
    ) -> std::io::Result<Answer> {
        let path = format!("/api/v2/workspaces/{}/applets/{applet}/hooks/{hook}", of.workspace);
        self.try_request("POST", &path, &[("Authorization", &format!("Bearer {token}"))], body)
    }

    fn try_request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: host\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(cut)?;
        Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
    }

    /// Sends the process a signal: stopped and continued, it is a host that was away for a while.
    ///
    /// # Panics
    ///
    /// When it is gone.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Asks the host to stop, and waits until it has.
    ///
    /// # Panics
    ///
    /// When it does not stop cleanly within half a minute.
    pub fn stop(mut self) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(since.elapsed() < Duration::from_secs(30), "the host does not stop");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}");
    }

    /// Kills the host as a crash would.
    ///
    /// # Panics
    ///
    /// When it is gone already.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        // A test that failed half-way leaves no host behind; one that was stopped is gone already.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
