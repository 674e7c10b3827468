//! The operator's policy: asked when a package comes in, and again whenever anything of it is to run.

use applet_lifecycle::{
    Asset, Fault, FaultPoint, Faults, InstallPolicy, LifecycleError, Package, Silent, Source,
};
use applet_package::{PolicyTexts, PrivateKey};
use applet_store::State;

use super::host::{COMPONENT, Database, Host, MANIFEST, Recording, admin, applet, workspace};

fn policy(allow_unsigned: bool, signers: &[String], blocked: &[&str], registries: &[&str]) -> InstallPolicy {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let (blocked, registries) = (owned(blocked), owned(registries));
    let texts = PolicyTexts { allow_unsigned, signers, blocked: &blocked, registries: &registries };
    InstallPolicy::read(&texts).unwrap()
}

fn blocking() -> InstallPolicy {
    policy(true, &[], &["ai-chat"], &[])
}

fn signed_only() -> InstallPolicy {
    policy(false, &[key().public().to_string()], &[], &[])
}

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[1; 32])
}

async fn under(policy: InstallPolicy, url: &str) -> Host {
    Host::under(policy, url, Faults::default(), Recording::default()).await
}

async fn refusals(database: &Database) -> Vec<String> {
    let sql = "SELECT concat_ws(' ', operation, applet, error, tenant) FROM applet_host.audit
                WHERE error IS NOT NULL ORDER BY id";
    database.texts(sql).await
}

/// Spec: S4x.10
#[tokio::test]
async fn s4x_10_a_package_that_nobody_trusted_has_signed_is_not_taken_and_the_trail_says_so() {
    let database = Database::new().await;
    // What is installed already goes on; and the trail is there.
    Host::on(&database.url).await.installed(1).await;
    let host = under(signed_only(), &database.url).await;
    let manifest = MANIFEST.replace("version: 1.0.0", "version: 1.0.1");
    let mut package = Package::new(&manifest, COMPONENT);
    let refused = host.lifecycle.submit(&admin(1), &package, &Source::File).await.unwrap_err();
    assert_eq!(refused.code(), "package-unsigned");
    package.sign(&PrivateKey::from_seed(&[2; 32])).unwrap();
    let refused = host.lifecycle.submit(&admin(1), &package, &Source::File).await.unwrap_err();
    assert_eq!(refused.code(), "signer-not-trusted");
    assert!(refused.to_string().contains("packages.signers"), "{refused}");
    assert!(host.store.latest_applet(&applet("ai-chat"), None).await.unwrap().unwrap().version.patch == 0);

    package.sign(&key()).unwrap();
    let report = host.lifecycle.submit(&admin(1), &package, &Source::File).await.unwrap();
    assert_eq!(report.signers.len(), 2);
    let said = refusals(&database).await;
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("submit ai-chat package-unsigned"), "{said:?}");
    assert!(said[1].starts_with("submit ai-chat signer-not-trusted"), "{said:?}");
}

/// Spec: S4x.10
#[tokio::test]
async fn s4x_10_a_policy_that_changes_between_submit_and_install_is_the_one_that_counts() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    for (policy, code) in [
        (blocking(), "applet-blocked"),
        (policy(true, &[], &[&format!("sha256:{}", planned.record.applet_digest)], &[]), "applet-blocked"),
        (signed_only(), "package-unsigned"),
        (policy(true, &[], &[], &["ghcr.io/acme"]), "source-not-allowed"),
    ] {
        let later = under(policy, &database.url).await;
        assert_eq!(later.install(1).await.unwrap_err().code(), code);
        assert_eq!(later.plan_of(1, "ai-chat").await.unwrap_err().code(), code);
        assert_eq!(host.state(1).await, State::Approved, "the approval is not spent");
    }
    host.install(1).await.unwrap();
}

/// Signatures that came later, with the same content, count; and one that was changed in the database does not.
///
/// Spec: S4x.10
#[tokio::test]
async fn s4x_10_signatures_are_checked_again_from_what_was_kept() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    let strict = under(signed_only(), &database.url).await;
    assert_eq!(strict.install(1).await.unwrap_err().code(), "package-unsigned");
    let mut package = Package::new(MANIFEST, COMPONENT);
    package.sign(&key()).unwrap();
    strict.lifecycle.submit(&admin(1), &package, &Source::File).await.unwrap();
    let forge = "UPDATE applet_host.applet_signatures SET signature = set_byte(signature, 95, 1)";
    database.run(forge).await;
    assert_eq!(strict.install(1).await.unwrap_err().code(), "signature-invalid");
    assert_eq!(
        host.install(1).await.unwrap_err().code(),
        "signature-invalid",
        "also where none is asked for"
    );
    database.run("TRUNCATE applet_host.applet_signatures").await;
    strict.lifecycle.submit(&admin(1), &package, &Source::File).await.unwrap();
    strict.install(1).await.unwrap();
}

/// Spec: S4x.10, S4.30
#[tokio::test]
async fn s4x_10_an_install_that_was_interrupted_is_not_resumed_against_the_policy() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    let faults = Faults::armed(FaultPoint::WallRaised, Fault::Error);
    let broken = Host::with(&database.url, faults, Recording::default()).await;
    assert!(broken.install(1).await.is_err());

    let later = under(blocking(), &database.url).await;
    let refused = later.install(1).await.unwrap_err();
    assert_eq!(refused.code(), "applet-blocked");
    assert!(matches!(later.state(1).await, State::Failed { resumable: false, .. }));
    assert!(later.applets.called().is_empty(), "its hook was called");
    assert!(refusals(&database).await.iter().any(|said| said.starts_with("apply ai-chat applet-blocked")));
    // A host that starts finds nothing to go on with.
    assert!(later.lifecycle.resume(admin(1).request, &Silent).await.unwrap().is_empty());
}

/// Spec: S4x.10, S4x.7
#[tokio::test]
async fn s4x_10_what_is_blocked_is_not_switched_on_and_can_be_taken_away() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    let report = host.installed(1).await;
    assert_eq!(report.version.to_string(), "1.0.0");
    let later = under(blocking(), &database.url).await;
    let at = (workspace(1), applet("ai-chat"));
    later.lifecycle.disable(&admin(1), at.0, &at.1).await.unwrap();
    let refused = later.lifecycle.enable(&admin(1), at.0, &at.1).await.unwrap_err();
    assert_eq!(refused.code(), "applet-blocked");
    assert_eq!(later.state(1).await, State::Disabled);
    assert!(later.applets.called().is_empty());
    host.lifecycle.enable(&admin(1), at.0, &at.1).await.unwrap();
}

/// Spec: S4x.11
#[tokio::test]
async fn s4x_11_the_files_in_a_package_are_those_that_the_manifest_lists() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    let manifest = format!("{MANIFEST}assets: [images/logo.svg, terms.md]\n");
    let asset = |path: &str, bytes: &'static [u8]| Asset { path: path.parse().unwrap(), bytes };
    let (logo, terms, more) =
        (asset("images/logo.svg", b"<svg/>"), asset("terms.md", b"# Terms"), asset("more.txt", b""));
    let submit = async |assets: &[&Asset<'static>]| {
        let assets = assets.iter().map(|asset| (*asset).clone()).collect();
        let package = Package::with_assets(&manifest, COMPONENT, assets).unwrap();
        host.lifecycle.submit(&admin(1), &package, &Source::File).await
    };
    let LifecycleError::Assets { missing, unlisted } = submit(&[&logo, &more]).await.unwrap_err() else {
        panic!("another error")
    };
    assert_eq!((missing, unlisted), (vec!["terms.md".to_owned()], vec!["more.txt".to_owned()]));
    let first = submit(&[&logo, &terms]).await.unwrap();
    assert_eq!(submit(&[&terms, &logo]).await.unwrap().digest, first.digest);
    let kept = host.store.applet(first.digest).await.unwrap().unwrap();
    assert_eq!(kept.assets.len(), 2);
    assert_eq!(
        database.texts("SELECT encode(bytes, 'escape') FROM applet_host.assets ORDER BY 1").await,
        ["# Terms", "<svg/>"]
    );
    let changed = submit(&[&logo, &asset("terms.md", b"# Other terms")]).await.unwrap();
    assert_ne!(changed.digest, first.digest);
    // What is in the database is what was approved, files included.
    database.run("UPDATE applet_host.applets SET assets = '[]'").await;
    assert!(host.store.applet(first.digest).await.is_err());
}
