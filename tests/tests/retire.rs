//! Switching off and uninstalling as an admin does it: by command line, with hosts that serve meanwhile.

use applet_tests::host::{ALDER, Answer, BIRCH, Host, HostDirectory, ai_chat, guest, repository};
use serde_json::{Value, json};

fn sample_manifest() -> std::path::PathBuf {
    repository().join("sample-applets/ai-chat/manifest.yaml")
}

/// What `applet installations` says of an applet.
fn state_of(host: &Host<'_>, applet: &str) -> Value {
    let listed = host.admin(&ALDER, &["installations"]);
    let found = listed.as_array().unwrap().iter().find(|each| each["applet"] == applet);
    found.unwrap()["state"]["state"].clone()
}

/// Calls a hook that would sleep for ever on `serving`, and switches the applet off by a process of its own.
fn switched_off_while_it_sleeps(serving: &Host<'_>) -> Answer {
    let token = serving.token(&ALDER, "platform");
    for _ in 0..20 {
        let answer = std::thread::scope(|scope| {
            let sleeping =
                scope.spawn(|| serving.hook_with(&token, &ALDER, "hostile", "endless-sleep", "null"));
            let off = serving.admin(&ALDER, &["disable", "hostile", "--workspace", ALDER.workspace, "--now"]);
            assert_eq!(off["state"]["state"], "disabled");
            sleeping.join().unwrap()
        });
        // It may have been switched off before the call came.
        if answer.status != 404 {
            return answer;
        }
        serving.admin(&ALDER, &["enable", "hostile", "--workspace", ALDER.workspace]);
    }
    panic!("the call never came before the command");
}

#[test]
fn s4x_7_an_emergency_ends_calls_that_run_on_every_host_and_keeps_everything() {
    let directory = HostDirectory::new();
    let first = directory.serve();
    first.submit(&sample_manifest(), &ai_chat());
    first.install(&ALDER, "ai-chat");
    first.submit(&repository().join("tests/guests/hostile/manifest.yaml"), &guest("guest_hostile"));
    first.install(&ALDER, "hostile");
    let second = directory.serve();
    for serving in [&first, &second] {
        let answer = switched_off_while_it_sleeps(serving);
        // Its own deadline would have been `deadline`, after ten seconds.
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (503, &json!("applet-disabled")),
            "{}",
            answer.body
        );
        for host in [&first, &second] {
            let refused = host.hook(&ALDER, &ALDER, "hostile", "panic", "null");
            assert_eq!(refused.status, 404, "{}", refused.body);
            let neighbour = host.hook(&ALDER, &ALDER, "ai-chat", "summary", "null");
            assert_eq!(neighbour.status, 200, "{}", neighbour.body);
        }
        assert_eq!(state_of(&first, "hostile"), "disabled");
        first.admin(&ALDER, &["enable", "hostile", "--workspace", ALDER.workspace]);
        assert_eq!(state_of(&first, "hostile"), "active");
    }
    let answer = first.hook(&ALDER, &ALDER, "hostile", "panic", "null");
    assert_eq!(answer.json()["code"], "applet-error", "{}", answer.body);
    second.stop();
    first.stop();
}

/// Spec: S4.36, S4.37, S4.38
#[test]
fn an_applet_goes_and_comes_back_by_command_line_while_another_tenant_works_on() {
    let directory = HostDirectory::new();
    let host = directory.serve();
    host.submit(&sample_manifest(), &ai_chat());
    host.install(&ALDER, "ai-chat");
    host.install(&BIRCH, "ai-chat");
    let here = ["--workspace", ALDER.workspace];
    let uninstall = |more: &[&str]| {
        let arguments: Vec<_> = ["uninstall", "ai-chat"].iter().chain(&here).chain(more).copied().collect();
        host.admin(&ALDER, &arguments)
    };

    let planned = uninstall(&[]);
    assert_eq!(planned["state"], "waits-for-approval");
    assert_eq!(planned["plan"]["mode"]["mode"], "soft");
    let rows = planned["estimate"]["tables"][0]["rows"].clone();
    assert_eq!(host.hook(&ALDER, &ALDER, "ai-chat", "summary", "null").status, 200);
    host.admin(&ALDER, &["approve", "ai-chat", "--workspace", ALDER.workspace]);
    let done = uninstall(&[]);
    assert_eq!((&done["mode"], &done["tables"][0]["rows"]), (&json!("soft"), &rows));
    assert!(done["tables"][0].get("fate").is_none(), "whether others use the table is not told");
    assert_eq!(state_of(&host, "ai-chat"), "retired");
    assert_eq!(host.hook(&ALDER, &ALDER, "ai-chat", "summary", "null").status, 404);
    assert_eq!(host.hook(&BIRCH, &BIRCH, "ai-chat", "summary", "null").status, 200);
    let waiting = host.admin(&ALDER, &["purge", "--dry-run"]);
    assert_eq!((waiting["waiting"].as_array().unwrap().len(), &waiting["purged"]), (1, &json!([])));

    assert_eq!(host.install(&ALDER, "ai-chat")["restored"], true);
    assert_eq!(host.hook(&ALDER, &ALDER, "ai-chat", "summary", "null").status, 200);

    let refused = host.try_admin(&ALDER, &["uninstall", "ai-chat", here[0], here[1], "--mode", "export"]);
    assert_eq!(refused.status.code(), Some(2), "an export needs a folder");
    let out = directory.path().join("rows");
    let exported =
        uninstall(&["--mode", "export", "--format", "csv", "--out", out.to_str().unwrap(), "--yes"]);
    assert_eq!(exported["export"]["tables"][0]["rows"], rows);
    let mark: Value = serde_json::from_slice(&std::fs::read(out.join("export.json")).unwrap()).unwrap();
    assert_eq!((&mark["complete"], &mark["tables"]), (&json!(true), &exported["export"]["tables"]));
    assert_eq!(host.install(&ALDER, "ai-chat")["restored"], false);

    let gone = uninstall(&["--mode", "hard", "--yes"]);
    assert_eq!(gone["kept_until"], Value::Null);
    let again = host.try_admin(&ALDER, &["uninstall", "ai-chat", here[0], here[1]]);
    assert_eq!(again.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&again.stderr).unwrap();
    assert_eq!(error["error"]["code"], "not-installed");
    assert_eq!(host.hook(&BIRCH, &BIRCH, "ai-chat", "summary", "null").status, 200);
    host.stop();
}
