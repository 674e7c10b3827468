//! Package files that somebody has changed on purpose or by accident (G30).
//!
//! Each is refused with a code, or it is a package: then it is exactly the bytes that the same content is
//! written as, and whatever signature no longer fits shows. What reading costs is bounded by how it is written
//! (`format.rs`): in place, at most 256 parts.

#![expect(clippy::indexing_slicing, reason = "helpers of tests fail the test")]

use std::collections::BTreeMap;

use applet_package::{Asset, Package, PackageFault, PackageLimits, PrivateKey};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const LIMITS: PackageLimits =
    PackageLimits { package_bytes: 1 << 20, manifest_bytes: 64 << 10, component_bytes: 512 << 10 };

/// The least number of changed files; `PROPTEST_CASES` raises it.
const CASES: u32 = 4_096;

fn cases() -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    Config { cases: CASES.max(asked), failure_persistence: None, ..Config::default() }
}

/// Reads it as a host does, and holds what has to hold whatever it is. Gives what was said of it.
fn examine(bytes: &[u8]) -> &'static str {
    match Package::parse(bytes, &LIMITS) {
        Ok(package) => {
            assert_eq!(package.to_bytes(), bytes, "another file of the same content is taken");
            let parts = package.manifest().len() + package.component().len();
            let assets: usize = package.assets().iter().map(|asset| asset.bytes.len()).sum();
            assert!(parts + assets <= bytes.len(), "more came out than went in");
            match package.signers() {
                Ok(_) => "taken",
                Err(fault) => fault.code(),
            }
        }
        Err(fault) => {
            assert!(fault.to_string().len() < 4_096, "a message as long as the file");
            fault.code()
        }
    }
}

fn package() -> impl Strategy<Value = Vec<u8>> {
    let path = "[a-z]{1,3}(/[a-z]{1,3}){0,2}(\\.[a-z]{1,3})?";
    let content = proptest::collection::vec(any::<u8>(), 0..48);
    let assets = proptest::collection::btree_map(path, content.clone(), 0..5);
    let seeds = proptest::collection::vec(1_u8..5, 0..3);
    ("[ -~\n]{0,40}", content, assets, seeds).prop_filter_map(
        "paths clash",
        |(manifest, component, assets, seeds)| {
            let assets = assets
                .iter()
                .map(|(path, bytes)| Some(Asset { path: path.parse().ok()?, bytes: bytes.as_slice() }))
                .collect::<Option<Vec<_>>>()?;
            let mut package = Package::with_assets(&manifest, &component, assets).ok()?;
            for seed in seeds {
                package.sign(&PrivateKey::from_seed(&[seed; 32])).ok()?;
            }
            Some(package.to_bytes())
        },
    )
}

/// One way to spoil a file.
#[derive(Debug, Clone)]
enum Change {
    Cut(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
    Number(prop::sample::Index, u64),
    Swap(prop::sample::Index, prop::sample::Index),
    Append(Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    let some = || proptest::collection::vec(any::<u8>(), 1..24);
    let numbers =
        prop_oneof![any::<u64>(), 0_u64..300, Just(u64::MAX), Just(1 << 63), Just(u64::from(u32::MAX))];
    prop_oneof![
        at().prop_map(Change::Cut),
        (at(), 1_u8..).prop_map(|(place, bits)| Change::Flip(place, bits)),
        (at(), some()).prop_map(|(place, bytes)| Change::Insert(place, bytes)),
        (at(), 1_usize..24).prop_map(|(place, count)| Change::Remove(place, count)),
        (at(), 1_usize..24).prop_map(|(place, count)| Change::Repeat(place, count)),
        (at(), numbers).prop_map(|(place, number)| Change::Number(place, number)),
        (at(), at()).prop_map(|(one, other)| Change::Swap(one, other)),
        some().prop_map(Change::Append),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    let within = |place: &prop::sample::Index, count: usize| {
        let start = place.index(length);
        start..length.min(start + count)
    };
    match change {
        Change::Cut(place) => bytes.truncate(place.index(length)),
        Change::Flip(place, bits) => bytes[place.index(length)] ^= bits,
        Change::Insert(place, more) => {
            let place = place.index(length);
            bytes.splice(place..place, more.iter().copied());
        }
        Change::Remove(place, count) => drop(bytes.drain(within(place, *count))),
        Change::Repeat(place, count) => {
            let range = within(place, *count);
            let piece = bytes[range.clone()].to_vec();
            bytes.splice(range.end..range.end, piece);
        }
        Change::Number(place, number) => {
            let range = within(place, 8);
            let digits = number.to_le_bytes();
            let count = range.len();
            bytes[range].copy_from_slice(&digits[..count]);
        }
        Change::Swap(one, other) => bytes.swap(one.index(length), other.index(length)),
        Change::Append(more) => bytes.extend(more),
    }
}

/// Spec: S4x.10, G30
#[test]
fn g30_changed_packages_are_refused_or_are_packages() {
    let mut runner = TestRunner::new(cases());
    let seen = std::cell::RefCell::new(BTreeMap::<&str, u32>::new());
    let changes = (package(), proptest::collection::vec(change(), 1..4));
    runner
        .run(&changes, |(whole, changes)| {
            assert_eq!(examine(&whole), "taken");
            let mut bytes = whole.clone();
            changes.iter().for_each(|change| apply(&mut bytes, change));
            *seen.borrow_mut().entry(examine(&bytes)).or_default() += 1;
            Ok(())
        })
        .unwrap();
    // Cases that all fail at the first byte would prove nothing.
    for code in [
        "not-a-package",
        "package-truncated",
        "package-trailing-bytes",
        "package-order",
        "package-path",
        "package-too-many-parts",
        "signature-invalid",
        "taken",
    ] {
        assert!(seen.borrow().contains_key(code), "no case came to `{code}`: {seen:?}");
    }
}

/// Every single byte of a package, changed in three ways.
///
/// Spec: G30
#[test]
fn g30_no_byte_of_a_signed_package_can_change() {
    let asset = Asset { path: "images/logo.svg".parse().unwrap(), bytes: b"<svg/>" };
    let mut package = Package::with_assets("id: notes", b"\0asm", vec![asset]).unwrap();
    package.sign(&PrivateKey::from_seed(&[1; 32])).unwrap();
    let bytes = package.to_bytes();
    for place in 0..bytes.len() {
        for bits in [1, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[place] ^= bits;
            assert_ne!(examine(&changed), "taken", "byte {place}");
        }
    }
}

/// Archives of other kinds, and bombs among them, are not packages: nothing is unpacked to find that out.
///
/// Spec: G30
#[test]
fn g30_archives_are_no_packages() {
    for start in
        [&b"PK\x03\x04"[..], b"\x1f\x8b\x08\0", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"Rar!\x1a\x07"]
    {
        let bytes = [start, &[0; 512]].concat();
        assert_eq!(Package::parse(&bytes, &LIMITS), Err(PackageFault::NotAPackage));
    }
    let mut tar = vec![0; 1024];
    tar[..13].copy_from_slice(b"manifest.yaml");
    tar[257..262].copy_from_slice(b"ustar");
    assert_eq!(Package::parse(&tar, &LIMITS), Err(PackageFault::NotAPackage));
}
