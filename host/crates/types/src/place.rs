//! Where a server is, as far as security goes.

use std::net::IpAddr;

/// Whether what is sent to this host stays on this machine. A name counts if it is reserved for that.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g44_only_this_machine_is_loopback() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.8.9.10", "::1", "[::1]", "::ffff:127.0.0.1"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["", "db", "localhost.example", "127.0.0.1.example", "10.0.0.1", "0.0.0.0", "::", "fe80::1"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
