//! What is written reads back, and what is not written so is refused with its own code.

use super::*;

const LIMITS: PackageLimits =
    PackageLimits { package_bytes: 4 << 20, manifest_bytes: 1 << 10, component_bytes: 2 << 20 };

fn sample() -> Package<'static> {
    let asset = |path: &str, bytes| Asset { path: path.parse().unwrap(), bytes };
    let assets = vec![asset("images/logo.svg", b"<svg/>".as_slice()), asset("README.md", b"")];
    let mut package = Package::with_assets("id: notes", b"\0asm", assets).unwrap();
    package.sign(&PrivateKey::from_seed(&[1; 32])).unwrap();
    package.sign(&PrivateKey::from_seed(&[2; 32])).unwrap();
    package
}

/// A file with these parts, whatever they are, after `announced` of their lengths.
fn file(parts: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(short(parts.len()));
    bytes.extend(short(0));
    for (name, content) in parts {
        bytes.extend(short(name.len()));
        bytes.extend((content.len() as u64).to_le_bytes());
        bytes.extend_from_slice(name);
    }
    parts.iter().for_each(|(_, content)| bytes.extend_from_slice(content));
    bytes
}

const FIRST: [(&[u8], &[u8]); 2] = [(b"manifest.yaml", b"id: notes"), (b"component.wasm", b"\0asm")];

fn with(more: &[(&[u8], &[u8])]) -> Vec<u8> {
    file(&[&FIRST, more].concat())
}

fn code(bytes: &[u8]) -> &'static str {
    Package::parse(bytes, &LIMITS).map_or_else(|fault| fault.code(), |_| "taken")
}

#[test]
fn s4x_10_a_package_reads_back_and_is_the_same_bytes_again() {
    let package = sample();
    let bytes = package.to_bytes();
    assert_eq!(Package::parse(&bytes, &LIMITS), Ok(package.clone()));
    assert_eq!(package.to_bytes(), bytes);
    assert_eq!(package.assets()[0].path.as_str(), "README.md", "in the order of their paths");
    assert_eq!(Package::new("id: notes", b"\0asm").to_bytes(), file(&FIRST));
}

#[test]
fn s4x_10_signing_does_not_change_what_is_signed() {
    let mut package = sample();
    let digest = package.digest();
    let before = package.to_bytes();
    assert_eq!(package.signers().unwrap().len(), 2);
    package.sign(&PrivateKey::from_seed(&[1; 32])).unwrap();
    assert_eq!(package.to_bytes(), before, "the same key again is the same signature");
    for seed in 3..=16 {
        package.sign(&PrivateKey::from_seed(&[seed; 32])).unwrap();
    }
    assert_eq!(package.digest(), digest);
    assert_eq!(package.signers().unwrap().len(), MOST_SIGNATURES);
    let one_more = package.sign(&PrivateKey::from_seed(&[17; 32]));
    assert_eq!(one_more, Err(PackageFault::SignatureCount(MOST_SIGNATURES + 1)));
    assert!(Package::parse(&package.to_bytes(), &LIMITS).is_ok());
}

#[test]
fn s4x_10_signatures_of_another_package_spoil_all() {
    let mut other = Package::new("id: other", b"\0asm");
    other.sign(&PrivateKey::from_seed(&[1; 32])).unwrap();
    let stolen = Package { signatures: other.signatures, ..sample() };
    assert!(matches!(stolen.signers(), Err(PackageFault::Signature(_))));
    let bytes = stolen.to_bytes();
    assert_eq!(Package::parse(&bytes, &LIMITS).unwrap().signers(), stolen.signers());
}

/// Spec: S4x.11, G30
#[test]
fn g30_names_that_lead_out_of_a_folder_are_refused() {
    for name in [
        "",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "..",
        ".",
        "a/",
        "a//b",
        "a\\b",
        "C:\\x",
        "a\0b",
        ".ssh/id",
        "component.wasm",
        "Manifest.yaml",
        "a\nb",
        "-rf",
        "\u{202e}gpj.exe",
        "con/../x",
        "~root/x ",
    ] {
        assert_eq!(code(&with(&[(name.as_bytes(), b"")])), "package-path", "{name:?}");
    }
    assert_eq!(code(&with(&[(b"a\xff", b"")])), "package-path", "not UTF-8");
    assert_eq!(code(&with(&[(&[b'a'; 60_000], b"")])), "package-path", "very long");
    let long = with(&[(&[0; 60_000], b"")]);
    assert!(Package::parse(&long, &LIMITS).unwrap_err().to_string().len() < 100);
    assert_eq!(code(&with(&[(b"a", b"")])), "taken");
}

/// Spec: G30
#[test]
fn g30_there_is_one_file_for_each_content() {
    assert_eq!(code(&with(&[(b"a", b"1"), (b"a", b"2")])), "package-duplicate");
    assert_eq!(code(&with(&[(b"A", b"1"), (b"a", b"2")])), "package-duplicate");
    assert_eq!(code(&with(&[(b"a", b"1"), (b"a/b", b"2")])), "package-duplicate");
    assert_eq!(code(&with(&[(b"b", b"1"), (b"a", b"2")])), "package-order");
    assert_eq!(code(&file(&[FIRST[1], FIRST[0]])), "package-order");
    assert_eq!(code(&file(&[FIRST[0], FIRST[0]])), "package-order");
    assert_eq!(code(&file(&[FIRST[0], (b"a", b"")])), "package-order");
    let longer = [with(&[]), vec![0]].concat();
    assert_eq!(code(&longer), "package-trailing-bytes");
    let mut swapped = sample();
    swapped.signatures.reverse();
    assert_eq!(code(&swapped.to_bytes()), "package-order");
    swapped.signatures = vec![swapped.signatures[0]; 2];
    assert_eq!(code(&swapped.to_bytes()), "package-order", "one signature twice");
}

/// Spec: G30
#[test]
fn g30_counts_and_lengths_that_lie_are_refused() {
    let bytes = sample().to_bytes();
    for end in 0..bytes.len() {
        let cut = code(&bytes[..end]);
        assert!(["not-a-package", "package-truncated"].contains(&cut), "{end}: {cut}");
    }
    for (place, number) in [(8, 0_u16), (8, 1), (8, 257), (8, u16::MAX), (10, 17), (10, u16::MAX)] {
        let mut lying = bytes.clone();
        lying[place..place + 2].copy_from_slice(&number.to_le_bytes());
        assert_eq!(code(&lying), "package-too-many-parts", "{number} at {place}");
    }
    // The length of the first content: more than there is, more than a machine has, and so that sums overflow.
    for length in [u64::MAX, u64::MAX - 7, 1 << 63, 1 << 32, 10_000, 10] {
        let mut lying = bytes.clone();
        lying[14..22].copy_from_slice(&length.to_le_bytes());
        assert_ne!(code(&lying), "taken", "{length}");
    }
    let many: Vec<(Vec<u8>, &[u8])> =
        (0..254).map(|number| (format!("{number:03}").into_bytes(), b"".as_slice())).collect();
    let many: Vec<(&[u8], &[u8])> = many.iter().map(|(name, content)| (name.as_slice(), *content)).collect();
    assert_eq!(code(&with(&many)), "taken");
    assert_eq!(code(&with(&[&many[..], &[(b"x", b"")]].concat())), "package-too-many-parts");
}

/// Spec: G30
#[test]
fn g30_nothing_is_larger_than_the_operator_allows() {
    let limit = |bytes: &[u8]| match Package::parse(bytes, &LIMITS) {
        Err(PackageFault::TooLarge { limit, .. }) => limit,
        other => panic!("{other:?}"),
    };
    let large = vec![b'a'; 3 << 20];
    assert_eq!(limit(&Package::new("id: x", &large).to_bytes()), "component.component_bytes");
    let text = "a".repeat(1025);
    assert_eq!(limit(&Package::new(&text, b"").to_bytes()), "manifest.bytes");
    assert_eq!(limit(&vec![0; (4 << 20) + 1]), "component.package_bytes");
    assert_eq!(code(&file(&[(FIRST[0].0, b"\xff"), FIRST[1]])), "package-manifest");
}

#[test]
fn s4x_10_other_files_are_told_apart_from_damaged_packages() {
    for bytes in [&b""[..], b"PK\x03\x04", b"\x1f\x8b\x08", b"\0asm\x01\0\0\0", b"applet2\n", b"APPLET2\r\n"]
    {
        assert_eq!(code(bytes), "not-a-package");
    }
    assert_eq!(code(b"APPLET1\n\0\0"), "package-old");
    assert_eq!(code(MAGIC), "package-truncated");
}
