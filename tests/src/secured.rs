//! A PostgreSQL on TCP that proves itself by a certificate of the tests' own authority.

#![expect(clippy::unwrap_used, reason = "a broken test set-up should stop the test")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// A server that ends with this process. Its superuser is `postgres`, whose password is [`PASSWORD`].
#[derive(Debug)]
pub struct SecuredPostgres {
    folder: TempDir,
    child: Child,
    port: u16,
}

/// The superuser's password.
pub const PASSWORD: &str = "s3cret";

impl SecuredPostgres {
    /// One that is `localhost`, and takes no session in plain text.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("applet-tls").tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        write_certificates(folder.path());
        fs::write(folder.path().join("password"), PASSWORD).unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        if is_root() {
            let owned = ["data", "server.key", "password"].map(|name| folder.path().join(name));
            assert!(Command::new("chown").arg("postgres:postgres").args(owned).status().unwrap().success());
        }
        let password = format!("--pwfile={}", folder.path().join("password").display());
        let made = as_postgres("initdb")
            .args(["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
            .args([&password, "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        fs::write(data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n").unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let child = serve(folder.path(), port);
        let patience = Instant::now() + Duration::from_secs(30);
        while !fs::read_to_string(data.join("postmaster.pid")).is_ok_and(|text| text.contains("ready")) {
            assert!(Instant::now() < patience, "the server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { folder, child, port }
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// A superuser's URL with this behind its question mark.
    pub fn url(&self, host: &str, parameters: &str) -> String {
        format!("postgres://postgres:{PASSWORD}@{host}:{}/postgres?{parameters}", self.port)
    }
}

impl Drop for SecuredPostgres {
    fn drop(&mut self) {
        // A child of `setpriv`, which has become the server itself.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

pub(crate) fn write_certificates(folder: &Path) {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    fs::write(folder.join("ca.crt"), parameters.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(parameters, key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    fs::write(folder.join("server.crt"), server.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    fs::set_permissions(folder.join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
}

/// The server is told to end when the thread that started it does, so that one never ends.
fn serve(folder: &Path, port: u16) -> Child {
    let mut command = as_postgres("postgres");
    command.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string()]);
    let file = |name: &str, file: &str| format!("{name}={}", folder.join(file).display());
    for setting in [
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        "fsync=off".to_owned(),
        "ssl=on".to_owned(),
        file("ssl_cert_file", "server.crt"),
        file("ssl_key_file", "server.key"),
    ] {
        command.args(["-c", &setting]);
    }
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        sender.send(command.stderr(Stdio::null()).spawn()).unwrap();
        loop {
            std::thread::park();
        }
    });
    receiver.recv().unwrap().unwrap()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// PostgreSQL refuses to run as root; and it must not outlive us.
fn as_postgres(program: &str) -> Command {
    let versions = fs::read_dir("/usr/lib/postgresql").unwrap();
    let newest = versions.map(|entry| entry.unwrap().path()).max().unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "SIGQUIT"]);
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg(newest.join("bin").join(program));
    command
}
