//! What components may import: our own world, and the WASI that a standard library needs (SPEC Decision 19).
//! Sockets and outgoing HTTP are not here.

/// Interfaces we serve: package and name, and the versions (major and minor) that fit.
const SERVED: &[(&str, &str)] = &[
    ("applet:host/types", "0.1"),
    ("applet:host/db", "0.1"),
    ("applet:host/context", "0.1"),
    ("applet:host/log", "0.1"),
    ("applet:host/hook-types", "0.1"),
    ("wasi:cli/environment", "0.2"),
    ("wasi:cli/exit", "0.2"),
    ("wasi:cli/stdin", "0.2"),
    ("wasi:cli/stdout", "0.2"),
    ("wasi:cli/stderr", "0.2"),
    ("wasi:cli/terminal-input", "0.2"),
    ("wasi:cli/terminal-output", "0.2"),
    ("wasi:cli/terminal-stdin", "0.2"),
    ("wasi:cli/terminal-stdout", "0.2"),
    ("wasi:cli/terminal-stderr", "0.2"),
    ("wasi:clocks/monotonic-clock", "0.2"),
    ("wasi:clocks/wall-clock", "0.2"),
    ("wasi:filesystem/types", "0.2"),
    ("wasi:filesystem/preopens", "0.2"),
    ("wasi:io/error", "0.2"),
    ("wasi:io/poll", "0.2"),
    ("wasi:io/streams", "0.2"),
    ("wasi:random/random", "0.2"),
    ("wasi:random/insecure", "0.2"),
    ("wasi:random/insecure-seed", "0.2"),
];

/// Those of these imports that nobody here serves.
pub(crate) fn unserved(imports: &[String]) -> Vec<&str> {
    imports.iter().map(String::as_str).filter(|import| !is_served(import)).collect()
}

fn is_served(import: &str) -> bool {
    let Some((name, version)) = import.split_once('@') else { return false };
    SERVED.iter().any(|(served, minor)| {
        *served == name && version.strip_prefix(minor).is_some_and(|rest| rest.starts_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decision_19_sockets_http_and_other_versions_are_not_served() {
        let imports = [
            "applet:host/db@0.1.0",
            "wasi:io/poll@0.2.6",
            "wasi:sockets/tcp@0.2.0",
            "wasi:http/outgoing-handler@0.2.0",
            "wasi:io/poll@0.20.0",
            "wasi:io/poll",
            "applet:host/db@1.0.0",
        ]
        .map(str::to_owned);
        assert_eq!(
            unserved(&imports),
            [
                "wasi:sockets/tcp@0.2.0",
                "wasi:http/outgoing-handler@0.2.0",
                "wasi:io/poll@0.20.0",
                "wasi:io/poll",
                "applet:host/db@1.0.0",
            ]
        );
    }
}
