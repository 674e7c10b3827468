//! Packages from a developer's folder to an installation, by the program: files, signatures, a real registry,
//! and what an operator lets in.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use applet_tests::host::{ALDER, HostDirectory, ai_chat, repository};
use applet_tests::registry::{DockerRegistry, Manner, USER};
use serde_json::{Value, json};

/// A developer at work in a folder of their own.
struct Desk {
    directory: HostDirectory,
}

impl Desk {
    fn new() -> Self {
        Self { directory: HostDirectory::new() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.directory
            .command()
            .arg("--json")
            .args(arguments)
            .env("HOME", self.directory.path())
            .env_remove("DOCKER_CONFIG")
            .output()
            .unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The code with which a command refuses.
    fn code(&self, arguments: &[&str]) -> String {
        code(&self.run(arguments))
    }

    /// The sample, packed; gives its digest.
    fn pack(&self, name: &str) -> String {
        let manifest = repository().join("sample-applets/ai-chat/manifest.yaml");
        self.pack_as(&manifest, name)["digest"].as_str().unwrap().to_owned()
    }

    fn pack_as(&self, manifest: &Path, name: &str) -> Value {
        let component = ai_chat().display().to_string();
        let manifest = manifest.display().to_string();
        self.ok(&["package", "--manifest", &manifest, "--component", &component, "-o", &self.text(name)])
    }
}

fn code(output: &Output) -> String {
    assert!(!output.status.success(), "this should have been refused");
    let said = String::from_utf8_lossy(&output.stderr);
    let error: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    error["error"]["code"].as_str().unwrap().to_owned()
}

/// Spec: S4x.10
#[test]
fn s4x_10_a_package_is_signed_and_checked_by_whoever_has_the_public_key() {
    let desk = Desk::new();
    let digest = desk.pack("a.applet");
    assert_eq!(desk.pack("again.applet"), digest);
    assert_eq!(fs::read(desk.file("a.applet")).unwrap(), fs::read(desk.file("again.applet")).unwrap());
    let (package, key) = (desk.text("a.applet"), desk.text("acme.key"));
    let made = desk.ok(&["keygen", "--out", &key]);
    assert_eq!(desk.code(&["keygen", "--out", &key]), "usage", "a key is not overwritten");
    assert_eq!(desk.code(&["verify", &package]), "package-unsigned");

    let signed = desk.ok(&["sign", &package, "--key", &key]);
    assert_eq!((&signed["digest"], &signed["signer"]), (&json!(digest), &made["public"]));
    let public = desk.text("acme.key.pub");
    let checked = desk.ok(&["verify", &package, "--signer", &public, "--digest", &digest]);
    assert_eq!(checked["signers"], json!([made["public"]]));
    let other = desk.ok(&["keygen", "--out", &desk.text("other.key")]);
    let other = other["public"].as_str().unwrap();
    assert_eq!(desk.code(&["verify", &package, "--signer", other]), "signer-not-trusted");
    let wrong = format!("sha256:{}", "0".repeat(64));
    assert_eq!(desk.code(&["verify", &package, "--digest", &wrong]), "digest-mismatch");

    // One byte of the component changed, after it was signed.
    let mut bytes = fs::read(desk.file("a.applet")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(desk.file("a.applet"), &bytes).unwrap();
    for arguments in [
        &["verify", &package][..],
        &["sign", &package, "--key", &key],
        &["push", &package, "localhost:1/a:1"],
    ] {
        assert_eq!(desk.code(arguments), "signature-invalid", "{arguments:?}");
    }
}

/// Spec: S4x.11
#[test]
fn s4x_11_files_that_the_manifest_lists_travel_in_the_package() {
    let desk = Desk::new();
    let sample = fs::read_to_string(repository().join("sample-applets/ai-chat/manifest.yaml")).unwrap();
    let manifest = desk.file("manifest.yaml");
    fs::write(&manifest, format!("{sample}\nassets: [images/logo.svg]\n")).unwrap();
    let component = ai_chat().display().to_string();
    let (manifest_text, package) = (manifest.display().to_string(), desk.text("x.applet"));
    let pack = ["package", "--manifest", &manifest_text, "--component", &component, "-o", &package];
    assert_eq!(desk.code(&pack), "usage", "it is not there");
    fs::create_dir(desk.file("images")).unwrap();
    // A link to something of whoever packs it.
    std::os::unix::fs::symlink("/etc/hostname", desk.file("images/logo.svg")).unwrap();
    assert_eq!(desk.code(&pack), "usage");
    fs::remove_file(desk.file("images/logo.svg")).unwrap();
    fs::write(desk.file("images/logo.svg"), "<svg/>").unwrap();
    let first = desk.ok(&pack)["digest"].clone();
    assert_ne!(first, json!(desk.pack("without.applet")));
    desk.ok(&["keygen", "--out", &desk.text("k")]);
    desk.ok(&["sign", &package, "--key", &desk.text("k")]);
    let held = desk.ok(&["verify", &package]);
    assert_eq!(held["assets"][0]["path"], "images/logo.svg");

    let host = desk.directory.serve();
    let submitted = host.admin(&ALDER, &["submit", &package]);
    assert_eq!(json!(format!("sha256:{}", submitted["digest"].as_str().unwrap())), first);
    host.install(&ALDER, "ai-chat");
    host.stop();
}

/// Spec: S4x.10
#[test]
fn s4x_10_a_package_goes_to_a_registry_and_comes_back_as_it_was() {
    let (desk, registry) = (Desk::new(), DockerRegistry::start(Manner::Open));
    let digest = desk.pack("a.applet");
    let package = desk.text("a.applet");
    let tagged = registry.reference("acme/ai-chat:1.0.0");
    let pushed = desk.ok(&["push", &package, &tagged]);
    assert_eq!((&pushed["digest"], &pushed["known"]), (&json!(digest), &json!(false)));
    let again = desk.ok(&["push", &package, &tagged]);
    assert_eq!((&again["reference"], &again["known"]), (&pushed["reference"], &json!(true)));

    let back = desk.text("back.applet");
    let pulled = desk.ok(&["pull", &tagged, "-o", &back]);
    assert_eq!(pulled["digest"], json!(digest));
    assert_eq!(fs::read(&back).unwrap(), fs::read(&package).unwrap());
    let pinned = pushed["reference"].as_str().unwrap();
    desk.ok(&["pull", pinned.trim_start_matches("oci://"), "-o", &back]);
    assert_eq!(
        desk.code(&["pull", &registry.reference("acme/ai-chat:2"), "-o", &back]),
        "registry-not-found"
    );
    let unknown = registry.reference(&format!("acme/ai-chat@sha256:{}", "0".repeat(64)));
    assert_eq!(desk.code(&["pull", &unknown, "-o", &back]), "registry-not-found");

    let host = desk.directory.serve();
    let wrong = format!("sha256:{}", "0".repeat(64));
    for refused in [
        vec!["submit", pinned, "--digest", &wrong],
        vec!["submit", &package, "--digest", &wrong],
        vec!["submit", &format!("{package}@{wrong}")],
    ] {
        assert_eq!(code(&host.try_admin(&ALDER, &refused)), "digest-mismatch", "{refused:?}");
    }
    let submitted = host.admin(&ALDER, &["submit", pinned, "--digest", &digest]);
    assert_eq!(submitted["source"], json!(pinned));
    host.install(&ALDER, "ai-chat");
    assert_eq!(host.hook(&ALDER, &ALDER, "ai-chat", "summary", "null").status, 200);

    // Somebody with a hand in the registry's storage.
    let layer = pushed["manifest"].as_str().unwrap();
    let manifest: Value = serde_json::from_slice(&fs::read(registry.blob(layer)).unwrap()).unwrap();
    let blob = registry.blob(manifest["layers"][0]["digest"].as_str().unwrap());
    let mut bytes = fs::read(&blob).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&blob, bytes).unwrap();
    assert_eq!(desk.code(&["pull", &tagged, "-o", &desk.text("bad.applet")]), "digest-mismatch");
    assert!(!desk.file("bad.applet").exists(), "nothing of it is kept");
    assert_eq!(code(&host.try_admin(&ALDER, &["submit", pinned])), "digest-mismatch");
    host.stop();
}

/// Spec: S4x.10
#[test]
fn s4x_10_a_registry_that_wants_a_login_gets_one_that_was_said_or_written_down() {
    let (desk, registry) = (Desk::new(), DockerRegistry::start(Manner::Login));
    desk.pack("a.applet");
    let (package, tagged) = (desk.text("a.applet"), registry.reference("acme/ai-chat:1.0.0"));
    assert_eq!(desk.code(&["push", &package, &tagged]), "registry-unauthorized");
    let with_password = |password: &str| {
        let mut child = desk
            .directory
            .command()
            .args(["--json", "push", &package, &tagged, "--username", USER.0, "--password-stdin"])
            .env("HOME", desk.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let refused = with_password("wrong\n");
    assert_eq!(code(&refused), "registry-unauthorized");
    assert!(!String::from_utf8_lossy(&refused.stderr).contains("wrong"));
    assert!(with_password(&format!("{}\n", USER.1)).status.success());

    let host = tagged.split_once('/').unwrap().0;
    // "ann:s3cret", as other tools write it.
    let logins = json!({ "auths": { host: { "auth": "YW5uOnMzY3JldA==" } } });
    fs::create_dir(desk.file(".docker")).unwrap();
    fs::write(desk.file(".docker/config.json"), logins.to_string()).unwrap();
    desk.ok(&["pull", &tagged, "-o", &desk.text("back.applet")]);
}

/// Spec: S4x.10, G44
#[test]
fn s4x_10_a_registry_proves_its_name_by_tls() {
    let (desk, registry) = (Desk::new(), DockerRegistry::start(Manner::Tls));
    let others = DockerRegistry::start(Manner::Tls);
    desk.pack("a.applet");
    let (package, tagged) = (desk.text("a.applet"), registry.reference("ai-chat:1.0.0"));
    let (authority, other) =
        (registry.authority().display().to_string(), others.authority().display().to_string());
    desk.ok(&["push", &package, &tagged, "--root-cert", &authority]);
    let back = desk.text("back.applet");
    desk.ok(&["pull", &tagged, "-o", &back, "--root-cert", &authority]);
    assert_eq!(desk.code(&["pull", &tagged, "-o", &back, "--root-cert", &other]), "tls-certificate");
    let renamed = tagged.replace("localhost", "127.0.0.1");
    assert_eq!(desk.code(&["pull", &renamed, "-o", &back, "--root-cert", &authority]), "tls-certificate");
}

fn write_policy(desk: &Desk, name: &str, policy: &str) -> String {
    fs::write(desk.file(name), format!("packages:\n{policy}\n")).unwrap();
    desk.text(name)
}

/// Spec: S4x.10
#[test]
fn s4x_10_an_operators_policy_is_asked_at_submit_at_install_and_at_every_call() {
    let desk = Desk::new();
    desk.pack("a.applet");
    let package = desk.text("a.applet");
    let made = desk.ok(&["keygen", "--out", &desk.text("acme.key")]);
    let key = made["public"].as_str().unwrap();
    let strict =
        write_policy(&desk, "strict.yaml", &format!("  allow_unsigned: false\n  signers: ['{key}']"));
    let blocking = write_policy(&desk, "blocking.yaml", "  blocked: [ai-chat]");
    let host = desk.directory.serve();
    let workspace = ["--workspace", ALDER.workspace];
    let under = |policy: &str, arguments: &[&str]| {
        host.try_admin(&ALDER, &[&["--config", policy], arguments].concat())
    };
    assert_eq!(code(&under(&strict, &["submit", &package])), "package-unsigned");
    assert_eq!(code(&under(&blocking, &["submit", &package])), "applet-blocked");
    desk.ok(&["sign", &package, "--key", &desk.text("acme.key")]);
    assert!(under(&strict, &["submit", &package]).status.success());
    let shown: Value = serde_json::from_slice(&under(&strict, &["config"]).stdout).unwrap();
    assert_eq!(shown["config"]["packages"]["signers"], json!([key]));

    host.admin(&ALDER, &["plan", "ai-chat", workspace[0], workspace[1]]);
    host.admin(&ALDER, &["approve", "ai-chat", workspace[0], workspace[1]]);
    let install = ["install", "ai-chat", workspace[0], workspace[1]];
    assert_eq!(code(&under(&blocking, &install)), "applet-blocked");
    assert!(under(&strict, &install).status.success(), "the approval was not spent");
    assert_eq!(host.hook(&ALDER, &ALDER, "ai-chat", "summary", "null").status, 200);

    let trail = host.admin(&ALDER, &["audit", "list", "--denied"]);
    let entries = trail.as_array().or_else(|| trail["entries"].as_array()).unwrap().clone();
    let said: Vec<&str> = entries.iter().filter_map(|entry| entry["error"].as_str()).collect();
    for code in ["package-unsigned", "applet-blocked"] {
        assert!(said.contains(&code), "{said:?}");
    }
    host.stop();

    // A host that blocks it calls nothing of it any more.
    let desk = Desk { directory: desk.directory.with_setting("APPLET_CONFIG", &blocking) };
    let host = desk.directory.serve();
    let answer = host.hook(&ALDER, &ALDER, "ai-chat", "summary", "null");
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.body.contains("packages.blocked"), "{}", answer.body);
    host.stop();
}

/// Spec: S4x.10, G30
#[test]
fn g30_what_is_no_package_leaves_nothing_behind() {
    let desk = Desk::new();
    let host = desk.directory.serve();
    desk.pack("a.applet");
    let good = fs::read(desk.file("a.applet")).unwrap();
    let before: Vec<_> = listing(desk.directory.path());
    for (name, bytes, refused) in [
        ("empty", Vec::new(), "not-a-package"),
        ("zip", [b"PK\x03\x04".as_slice(), &[0; 64]].concat(), "not-a-package"),
        ("cut", good[..good.len() - 1].to_vec(), "package-truncated"),
        ("longer", [good.as_slice(), b"x"].concat(), "package-trailing-bytes"),
        ("old", b"APPLET1\nxxxxxxxxxxxxxxxx".to_vec(), "package-old"),
    ] {
        fs::write(desk.file(name), bytes).unwrap();
        assert_eq!(code(&host.try_admin(&ALDER, &["submit", &desk.text(name)])), refused);
        fs::remove_file(desk.file(name)).unwrap();
    }
    assert_eq!(code(&host.try_admin(&ALDER, &["submit", "/dev/zero"])), "package-too-large");
    assert_eq!(listing(desk.directory.path()), before);
    host.stop();
}

fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}
