//! The applet's own hooks on its way, and switching it off and on.

use applet_lifecycle::{Faults, HookOutcome, LifecycleError, Package, Silent, Source};
use applet_store::State;
use applet_types::{HookCall, HookError};

use super::host::{COMPONENT, Database, Host, MANIFEST, Recording, admin, applet, workspace};

/// Spec: S4x.8, S4x.11
#[tokio::test]
async fn s4x_8_a_hook_that_is_listed_and_not_exported_is_refused_at_submit() {
    let database = Database::new().await;
    let host = Host::with(&database.url, Faults::default(), Recording::without("on-upgrade")).await;
    let manifest = MANIFEST.replace("[on-install]", "[on-install, on-upgrade]\n  named: [summarise]");
    let package = Package::new(&manifest, COMPONENT);
    let refused = host.lifecycle.submit(&admin(1), &package, &Source::File).await;
    let LifecycleError::HooksMissing(missing) = refused.unwrap_err() else { panic!("another error") };
    assert_eq!(missing, ["on-upgrade", "summarise"]);
}

#[tokio::test]
async fn s4x_8_an_install_whose_hook_fails_is_over_and_can_be_planned_again() {
    let database = Database::new().await;
    let failing = HookError::Applet { code: "no-model".to_owned(), message: "no model is set".to_owned() };
    let host = Host::with(&database.url, Faults::default(), Recording::failing(failing)).await;
    host.submit(MANIFEST).await;
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    let refused = host.install(1).await.unwrap_err();
    assert_eq!(refused.code(), "hook-failed");
    assert!(matches!(host.state(1).await, State::Failed { resumable: false, .. }));
    assert!(!host.is_active(1).await);

    let host = Host::on(&database.url).await;
    assert!(host.lifecycle.resume(admin(1).request, &Silent).await.unwrap().is_empty());
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    host.install(1).await.unwrap();
}

#[tokio::test]
async fn s4x_7_disabled_means_no_more_calls_and_everything_kept() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.installed(1).await;
    let chat = applet("ai-chat");
    let report = host.lifecycle.disable(&admin(1), workspace(1), &chat).await.unwrap();
    assert_eq!((report.state, report.hook), (State::Disabled, HookOutcome::None));
    assert!(!host.is_active(1).await);
    let again = host.lifecycle.disable(&admin(1), workspace(1), &chat).await.unwrap_err();
    assert_eq!(again.code(), "illegal-transition");
    host.lifecycle.enable(&admin(1), workspace(1), &chat).await.unwrap();
    assert!(host.is_active(1).await);
}

#[tokio::test]
async fn s4x_8_listed_hooks_are_called_when_the_applet_is_disabled_and_enabled() {
    let database = Database::new().await;
    let host = Host::on(&database.url).await;
    host.submit(&MANIFEST.replace("[on-install]", "[on-enable, on-disable]")).await;
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    assert_eq!(host.install(1).await.unwrap().hook, HookOutcome::None);
    let chat = applet("ai-chat");
    let report = host.lifecycle.disable(&admin(1), workspace(1), &chat).await.unwrap();
    assert_eq!(report.hook, HookOutcome::Called);
    let report = host.lifecycle.enable(&admin(1), workspace(1), &chat).await.unwrap();
    assert_eq!(report.hook, HookOutcome::Called);
    assert_eq!(host.applets.called(), [HookCall::Disable, HookCall::Enable]);
}

#[tokio::test]
async fn s4x_8_a_failing_hook_does_not_keep_an_applet_from_being_disabled() {
    let database = Database::new().await;
    let failing = HookError::Applet { code: "stubborn".to_owned(), message: "not now".to_owned() };
    let host = Host::with(&database.url, Faults::default(), Recording::failing(failing)).await;
    host.submit(&MANIFEST.replace("[on-install]", "[on-disable]")).await;
    let planned = host.plan(1).await;
    host.approve(1, &planned).await;
    host.install(1).await.unwrap();
    let report = host.lifecycle.disable(&admin(1), workspace(1), &applet("ai-chat")).await.unwrap();
    assert!(matches!(report.hook, HookOutcome::Failed { .. }), "{report:?}");
    assert!(!host.is_active(1).await);
}
