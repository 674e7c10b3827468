//! Reading: the order of who counts, refusals, and what leaves.

use serde_json::json;

use super::*;

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let variables = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Config::parse(text, variables).map_err(|problems| in_lines(&problems))
}

/// Spec: S4.60
#[test]
fn s4_60_no_file_and_an_empty_file_are_the_defaults() {
    for text in ["", "# nothing\n", "limits:\n", "limits:\n  host:\n", "---\n"] {
        assert!(parse(text, &[]).is_ok_and(|config| config == Config::default()), "{text}");
    }
}

#[test]
fn s4_60_the_file_changes_what_it_names_and_the_environment_has_the_last_word() {
    let text =
        "limits:\n  host:\n    sessions: 60\n    sessions_per_applet: 7\nserve:\n  listen: 127.0.0.1:1\n";
    let config = parse(text, &[("APPLET_LIMITS_HOST_SESSIONS", "50"), ("PATH", "/bin")]).ok().unwrap();
    assert_eq!((config.limits.host.sessions, config.limits.host.sessions_per_applet), (50, 7));
    assert_eq!(config.limits.host.sessions_per_tenant, 10);
    assert_eq!(config.serve.listen.port(), 1);
}

#[test]
fn s4_60_unknown_keys_are_refused_with_their_path_and_what_was_meant() {
    for (text, expected) in [
        ("limit: {}", "limit: there is no such key; did you mean `limits`?"),
        ("limits: {hosts: {}}", "limits.hosts: there is no such key; did you mean `host`?"),
        (
            "limits: {host: {sesions: 3}}",
            "limits.host.sesions: there is no such key; did you mean `sessions`?",
        ),
        (
            "zebra: 1",
            "zebra: there is no such key; known are `audit`, `limits`, `packages`, `place`, `security`, `serve`",
        ),
        ("limits: 7", "limits: expected a mapping"),
        ("limits: {host: {sessions: many}}", "limits.host.sessions: expected a whole number"),
        ("limits: {host: {sessions: -1}}", "limits.host.sessions: expected a whole number"),
        ("limits: {host: {sessions: 1.5}}", "limits.host.sessions: expected a whole number"),
        ("limits: {host: {sessions: !!str 4}}", "limits.host.sessions: expected a whole number"),
        ("serve: {allow_unpatched: 1}", "serve.allow_unpatched: expected `true` or `false`"),
        ("serve: {listen: here}", "serve.listen: invalid socket address syntax"),
        (
            "limits: {statement: {rows: 5000000000}}",
            "limits.statement.rows: `5000000000` is more than the maximum of 10000",
        ),
        ("place: {database_url: [a]}", "place.database_url: expected text"),
    ] {
        assert_eq!(parse(text, &[]).err().unwrap().trim(), expected, "{text}");
    }
    assert!(parse("limits: {host: {sessions: 1, sessions: 2}}", &[]).err().unwrap().contains("duplicate"));
    assert!(parse("limits: [", &[]).err().unwrap().contains("not YAML"));
    let slip = parse("", &[("APPLET_LIMITS_HOST_SESSION", "3")]).err().unwrap();
    assert!(slip.contains("did you mean `APPLET_LIMITS_HOST_SESSIONS`?"), "{slip}");
    let word = parse("", &[("APPLET_LIMITS_HOST_SESSIONS", "many")]).err().unwrap();
    assert!(word.contains("APPLET_LIMITS_HOST_SESSIONS: expected a whole number"), "{word}");
}

/// Every limit: its maximum is taken, one more is refused, from the file and from the environment.
#[test]
fn s4_60_no_limit_goes_beyond_its_maximum() {
    let maxima = as_json(&LimitsConfig::MAXIMUM);
    assert!(Config::parse(&json!({ "limits": &maxima }).to_string(), []).is_ok());
    for (section, name, most) in limits::flat(&maxima) {
        let beyond = json!({ "limits": { section: { name: most + 1 } } }).to_string();
        let expected = format!("limits.{section}.{name}: `{}` is more than the maximum of {most}", most + 1);
        assert_eq!(parse(&beyond, &[]).err().unwrap().trim(), expected);
        let variable = format!("APPLET_LIMITS_{section}_{name}").to_ascii_uppercase();
        let refused = parse("", &[(&variable, &(most + 1).to_string())]).err().unwrap();
        assert_eq!(refused.trim(), expected);
    }
}

#[test]
fn s4_60_defaults_are_within_maxima_and_zero_switches_no_limit_off() {
    assert!(LimitsConfig::beyond(&as_json(&LimitsConfig::default())).is_empty());
    let zero = parse("limits: {execution: {statement_timeout_ms: 0}}", &[]).err().unwrap();
    assert!(zero.contains("limits.execution.statement_timeout_ms: `0` is no limit"), "{zero}");
    assert!(parse("limits: {statement: {joins: 0}}", &[]).is_ok());
}

#[test]
fn s4_60_a_part_is_not_larger_than_its_whole() {
    let refused = parse("limits: {host: {sessions_per_tenant: 41}}", &[]).err().unwrap();
    assert_eq!(
        refused.trim(),
        "limits.host.sessions_per_tenant: `41` is more than `limits.host.sessions`, which is 40"
    );
}

#[test]
fn s4_60_what_is_shown_reads_back_and_holds_no_secret() {
    let text = "place: {database_url: 'postgres://ann:s3cret@db/crm', redis_url: 'rediss://:s3cret@cache'}\n\
                limits: {statement: {rows: 77}}\naudit: {strict: true}\nsecurity: {insecure_transport: true}";
    let config = parse(text, &[]).ok().unwrap();
    for shown in [config.to_string(), config.shown_as_json().to_string()] {
        assert!(!shown.contains("s3cret") && shown.contains("***"), "{shown}");
    }
    let again = parse(&config.to_string(), &[]).ok().unwrap();
    assert!(again.limits == config.limits && again.serve == config.serve);
    assert!(again.audit.strict && again.security.insecure_transport);
}

/// Spec: S4x.10
#[test]
fn s4x_10_the_policy_for_packages_reads_back_and_what_would_not_hold_is_refused() {
    let key =
        format!("ai-chat=ed25519:{}", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    let text =
        format!("packages:\n  signers: ['{key}']\n  blocked: [notes]\n  registries: [ghcr.io/acme, file]");
    let config = parse(&text, &[]).ok().unwrap();
    assert!(config.packages.policy().is_ok());
    assert!(parse(&config.to_string(), &[]).ok().unwrap().packages == config.packages);
    for (text, expected) in [
        ("packages: {allow_unsigned: false}", "packages.allow_unsigned: nobody's signature is trusted"),
        ("packages: {blocked: notes}", "packages.blocked: expected a list of texts"),
        ("packages: {blocked: [1]}", "packages.blocked: expected a list of texts"),
        (
            "packages: {signers: ['ed25519:00']}",
            "packages.signers: `ed25519:00`: the key has 2 hexadecimal digits",
        ),
        ("packages: {registries: ['http://x.y']}", "packages.registries: `http://x.y`: neither a registry"),
        ("packages: {signer: []}", "packages.signer: there is no such key; did you mean `signers`?"),
    ] {
        let said = parse(text, &[]).err().unwrap();
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn s4_60_a_file_with_a_password_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("applet.yaml");
    std::fs::write(&file, "place: {redis_url: 'rediss://:s3cret@cache'}").unwrap();
    let with_mode = |mode| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        Config::load(Some(&file)).map(drop).map_err(|error| error.to_string())
    };
    let refused = with_mode(0o644).unwrap_err();
    assert!(refused.contains("chmod 600") && !refused.contains("s3cret"), "{refused}");
    assert_eq!(with_mode(0o600), Ok(()));
}
