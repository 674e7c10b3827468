//! A registry: Debian's `docker-registry`, in a folder of its own, gone with the value.

#![expect(clippy::unwrap_used, reason = "a broken test set-up should stop the test")]

use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::secured::write_certificates;

/// The one user of a registry that wants to know who asks, and the password.
pub const USER: (&str, &str) = ("ann", "s3cret");

/// What `htpasswd` makes of [`USER`].
const USERS: &str = "ann:$2b$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

/// A registry that ends with this value.
#[derive(Debug)]
pub struct DockerRegistry {
    folder: TempDir,
    child: Child,
    port: u16,
}

/// What a registry asks of whoever comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Nothing.
    Open,
    /// A name and a password.
    Login,
    /// To speak TLS; it is `localhost`.
    Tls,
}

impl DockerRegistry {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// When it does not start: `host/setup.sh` installs it.
    pub fn start(manner: Manner) -> Self {
        let folder = tempfile::Builder::new().prefix("applet-registry-").tempdir().unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let file = folder.path().join("config.yml");
        fs::write(&file, configuration(folder.path(), port, manner)).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("docker-registry: {error}: run host/setup.sh"));
        let registry = Self { folder, child, port };
        let patience = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || fs::read_to_string(registry.folder.path().join("log"));
            assert!(Instant::now() < patience, "the registry does not start: {:?}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    /// The name of something in it.
    pub fn reference(&self, rest: &str) -> String {
        format!("localhost:{}/{rest}", self.port)
    }

    /// The certificate of the authority that it proves itself by.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// The file in which it keeps a blob.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let digits = digest.trim_start_matches("sha256:");
        let folder = digits.get(..2).unwrap();
        self.folder
            .path()
            .join("store/docker/registry/v2/blobs/sha256")
            .join(folder)
            .join(digits)
            .join("data")
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn configuration(folder: &Path, port: u16, manner: Manner) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let mut text = format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
         storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp:\n  addr: 127.0.0.1:{port}\n",
        at("store")
    );
    match manner {
        Manner::Open => {}
        Manner::Login => {
            fs::write(folder.join("users"), USERS).unwrap();
            writeln!(text, "auth: {{htpasswd: {{realm: tests, path: {}}}}}", at("users")).unwrap();
        }
        Manner::Tls => {
            write_certificates(folder);
            let (certificate, key) = (at("server.crt"), at("server.key"));
            writeln!(text, "  tls: {{certificate: {certificate}, key: {key}}}").unwrap();
        }
    }
    text
}
