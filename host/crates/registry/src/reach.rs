//! Where an address leads: how deep into a network somebody is who may ask it.
//!
//! *Invariant:* what is not known to be harmless is nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How private an address is, the most public first. Whoever is sent somewhere by a server may go where the
/// server could be itself, and not deeper: a registry on the internet has no business with ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// The internet.
    Public,
    /// A network of its own: RFC 1918, RFC 6598, RFC 4193.
    Private,
    /// This machine.
    Machine,
}

/// Addresses in private ranges at which clouds answer questions about the machine that asks.
const METADATA: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Where an address leads; `None` when nothing is fetched from there, whoever says so: link-local ones, where
/// clouds hand out a machine's credentials, and those that are no host's.
pub(crate) fn reach(address: IpAddr) -> Option<Reach> {
    let address = unwrapped(address);
    if METADATA.contains(&address) {
        return None;
    }
    match address {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => of_v6(address),
    }
}

/// The IPv4 address in an IPv6 one that only stands for it.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else { return address.to_canonical() };
    let [a, b, c, d, e, f, high, low] = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b, c, d, e, f) {
        // NAT64, and the old compatible form.
        (0x64, 0xff9b, 0, 0, 0, 0) => v4(high, low),
        (0, 0, 0, 0, 0, 0) if high != 0 => v4(high, low),
        // 6to4.
        (0x2002, high, low, ..) => v4(high, low),
        _ => IpAddr::V6(v6),
    }
}

const fn of_v4(address: Ipv4Addr) -> Option<Reach> {
    let [first, second, third, _] = address.octets();
    match (first, second) {
        (127, _) => Some(Reach::Machine),
        (10, _) | (172, 16..=31) | (192, 168) | (100, 64..=127) => Some(Reach::Private),
        // This network, link-local, protocol assignments, benchmarks, multicast, reserved.
        (0, _) | (169, 254) | (198, 18..=19) | (224..=255, _) => None,
        (192, 0) if third == 0 => None,
        _ => Some(Reach::Public),
    }
}

const fn of_v6(address: Ipv6Addr) -> Option<Reach> {
    let [first, ..] = address.segments();
    if address.is_loopback() {
        Some(Reach::Machine)
    } else if first & 0xfe00 == 0xfc00 {
        Some(Reach::Private)
    } else if first & 0xe000 == 0x2000 {
        Some(Reach::Public)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4x_10_addresses_lead_where_they_lead_however_they_are_written() {
        let of = |text: &str| reach(text.parse().unwrap());
        for text in ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "172.32.0.1", "100.63.0.1"] {
            assert_eq!(of(text), Some(Reach::Public), "{text}");
        }
        for text in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "2002:a00:1::",
        ] {
            assert_eq!(of(text), Some(Reach::Private), "{text}");
        }
        for text in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"] {
            assert_eq!(of(text), Some(Reach::Machine), "{text}");
        }
        for text in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "::a9fe:a9fe",
            "fe80::1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "fd00:ec2::254",
            "100.100.100.200",
            "ff02::1",
            "192.0.0.192",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
