//! One reading for everybody, and nothing weak without a word.

use applet_proxy::Proof;

use super::*;

fn target(text: &str) -> Target {
    Endpoint::parse(text, false).unwrap().target().clone()
}

fn refusal(text: &str) -> String {
    let error = Endpoint::parse(text, false).err().unwrap();
    format!("{}: {error}", error.code())
}

#[test]
fn s4_7_url_parts_are_found_wherever_they_stand() {
    let tcp = target("postgres://ann:p%40ss@localhost:6000/my%20crm");
    assert_eq!(tcp, Target::tcp("localhost", 6000, "my crm"));
    let socket = target("postgresql://postgres@localhost/crm?host=/run/pg");
    assert_eq!(socket, Target::unix("/run/pg", 5432, "crm"));
    assert_eq!(target("postgres://postgres@%2Frun%2Fpg/crm"), socket);
    assert_eq!(target("postgres://postgres@[::1]/crm"), Target::tcp("::1", 5432, "crm"));
    assert!(refusal("mysql://localhost/crm").contains("`mysql`"));
}

/// Spec: G44
#[test]
fn g44_another_machine_has_to_prove_its_name_unless_the_operator_insists() {
    let decided = |url: &str| {
        let parts = Parts::read(url, None).unwrap();
        parts.wanted.decide(&parts.host, parts.port, false).unwrap()
    };
    for url in [
        "postgres://ann@db.example/crm",
        "postgres://ann@db.example/crm?sslmode=verify-full",
        "postgres://ann@localhost/crm?host=db.example&sslrootcert=system",
        "postgres://ann@localhost/crm?sslmode=verify-full",
    ] {
        assert_eq!(decided(url), Security::Tls { proof: Proof::Name, authorities: None }, "{url}");
    }
    let authorities = Some(PathBuf::from("/ca.pem"));
    for mode in ["require", "verify-ca"] {
        let url = format!("postgres://ann@db.example/crm?sslmode={mode}&sslrootcert=/ca.pem");
        let proof = Proof::Authority;
        assert_eq!(decided(&url), Security::Tls { proof, authorities: authorities.clone() }, "{url}");
    }
    assert_eq!(decided("postgres://localhost/crm?sslmode=verify-full&host=/run"), Security::Socket);
    for weak in ["disable", "require"] {
        let url = format!("postgres://ann:s3cret@db.example/crm?sslmode={weak}");
        let refused = refusal(&url);
        assert!(refused.starts_with("insecure-transport: "), "{refused}");
        assert!(refused.contains("security.insecure_transport: true"), "{refused}");
        assert!(!refused.contains("s3cret"), "{refused}");
        assert!(Endpoint::parse(&url, true).is_ok());
    }
    assert_eq!(
        Endpoint::parse("postgres://db.example/crm?sslmode=disable", true).unwrap().target(),
        &Target::tcp("db.example", 5432, "crm")
    );
    // The switch allows; it does not change what is asked for.
    let unsaid = Parts::read("postgres://db.example/crm", None).unwrap();
    let unsaid = unsaid.wanted.decide(&unsaid.host, unsaid.port, true).unwrap();
    assert_eq!(unsaid, Security::Tls { proof: Proof::Name, authorities: None });
    assert!(refusal("postgres://db.example/crm?sslmode=verify-ca").contains("sslrootcert"));
    for fallback in ["allow", "prefer"] {
        assert!(refusal(&format!("postgres://localhost/crm?sslmode={fallback}")).contains("falls back"));
    }
    assert!(refusal("postgres://localhost/crm?sslmode=yes").contains("known are"));
}

/// Spec: G44
#[test]
fn g44_set_up_and_the_proxy_cannot_read_a_url_differently() {
    let url = |text: &str| Endpoint::parse(text, false).unwrap().url().to_owned();
    assert_eq!(
        url("postgres://ann:p%40ss@localhost:6000/my%20crm?application_name=x"),
        "postgres://ann:p%40ss@localhost/?application_name=x&host=localhost&port=6000&dbname=my+crm&sslmode=disable"
    );
    assert_eq!(
        url("postgres:///crm?host=/run/pg&user=ann"),
        "postgres://localhost/?user=ann&host=%2Frun%2Fpg&port=5432&dbname=crm&sslmode=disable"
    );
    let host_twice = "postgres://%2Frun%2Fpg/crm?host=localhost";
    assert!(url(host_twice).contains("host=localhost") && !url(host_twice).contains("run"));
    for (text, expected) in [
        ("postgres://db/crm?sslmode=verify-full&sslmode=disable", "`sslmode` twice"),
        ("postgres://db/crm?ssl-mode=disable", "`ssl-mode`"),
        ("postgres://db/crm?hostaddr=10.0.0.1", "`hostaddr`"),
        ("postgres://db/crm?sslpassword=s3cret", "`sslpassword`"),
        ("postgres://ann:s3cret@db:port/crm", "cannot be read"),
    ] {
        let refused = refusal(text);
        assert!(refused.contains(expected) && !refused.contains("s3cret"), "{refused}");
    }
}

/// Spec: G44
#[test]
fn g44_authorities_that_are_of_no_use_are_told_at_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "no certificate").unwrap();
    for name in ["/nowhere/ca.pem", file.path().to_str().unwrap()] {
        let refused = refusal(&format!("postgres://ann:s3cret@db/crm?sslrootcert={name}"));
        assert!(refused.starts_with("tls-authorities: "), "{refused}");
        assert!(refused.contains(name) && !refused.contains("s3cret"), "{refused}");
    }
}
