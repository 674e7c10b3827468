//! What components may import: our own world, the WASI that a standard library needs (SPEC Decision 19), and
//! interfaces of other hosts that lead to the same data (F15). Sockets and outgoing HTTP are not here.

use crate::host::{CONFIG, LOGGING};

/// Interfaces we serve: package and name, and the versions that fit.
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
    ("spin:postgres/postgres", "3"),
    ("spin:postgres/postgres", "4"),
    ("fermyon:spin/postgres", "2"),
    ("fermyon:spin/rdbms-types", "2"),
    ("fermyon:spin/variables", "2"),
];

/// Interfaces without a version, or of drafts that fit themselves only.
const SERVED_EXACTLY: &[&[&str]] = &[CONFIG, LOGGING];

/// Served to components that answer requests, which is what exporting [`HANDLER`] says (SPEC Decision 19). Nothing in
/// them sends any.
const SERVED_TO_HANDLERS: &[(&str, &str)] = &[("wasi:http/types", "0.2")];

/// The interface of components that answer requests.
const HANDLER: (&str, &str) = ("wasi:http/incoming-handler", "0.2");

/// What to do about imports that begin so.
const ADVICE: &[(&str, &str)] = &[
    ("wasi:http/outgoing-handler", "an applet calls no other hosts; leave out what sends requests"),
    ("wasi:http/types@0.2", "it is for components that export `wasi:http/incoming-handler@0.2`"),
    ("wasi:http/", "only version 0.2 is served; with `spin-sdk`, build with version 5"),
    ("wasi:sockets/", "an applet has no network; data comes through `applet:host/db` or `spin:postgres`"),
    ("wasi:keyvalue/", "keep values in a table of the applet's own: `tables` in the manifest"),
    ("fermyon:spin/key-value", "keep values in a table of the applet's own: `tables` in the manifest"),
    ("spin:key-value/", "keep values in a table of the applet's own: `tables` in the manifest"),
    ("fermyon:spin/variables", "version 2.0.0 is served"),
    ("spin:variables/", "it needs the component model's async; with `spin-sdk`, build with version 5"),
    ("fermyon:spin/sqlite", "there is PostgreSQL only: `spin:postgres`"),
    ("spin:sqlite/", "there is PostgreSQL only: `spin:postgres`"),
    ("fermyon:spin/mysql", "there is PostgreSQL only: `spin:postgres`"),
    ("spin:mysql/", "there is PostgreSQL only: `spin:postgres`"),
    ("spin:postgres/", "versions 3 and 4 are served, without functions of the component model's async"),
    ("fermyon:spin/postgres", "version 2.0.0, and `spin:postgres` 3 and 4, are served"),
    ("wasi:config/", "the drafts of `wasi:config/store@0.2.0` are served"),
    ("fermyon:spin/", "there is nothing like it here"),
    ("spin:", "there is nothing like it here"),
];

/// Why a component with these imports cannot run; `None` when all of them are served.
pub(crate) fn refusal(imports: &[String], exports: &[String]) -> Option<String> {
    // Those with the same advice go together: an SDK brings a dozen of a kind.
    let mut groups: Vec<(Option<&str>, Vec<String>)> = Vec::new();
    for import in unserved(imports, exports) {
        let (advice, name) = (advice(import), format!("`{import}`"));
        match groups.iter_mut().find(|(known, _)| *known == advice) {
            Some((_, names)) => names.push(name),
            None => groups.push((advice, vec![name])),
        }
    }
    if groups.is_empty() {
        return None;
    }
    let explained = groups.iter().map(|(advice, names)| match advice {
        Some(advice) => format!("{} ({advice})", names.join(", ")),
        None => names.join(", "),
    });
    let explained: Vec<_> = explained.collect();
    Some(format!("the component imports what this host does not offer: {}", explained.join("; ")))
}

/// What to do instead.
fn advice(import: &str) -> Option<&'static str> {
    // Preview 3 comes with async functions, whatever the package.
    if import.starts_with("wasi:") && version_of(import).is_some_and(|version| version.starts_with("0.3.")) {
        return Some("WASI 0.3 is not served; build for 0.2, with `spin-sdk` that is version 5");
    }
    ADVICE.iter().find(|(prefix, _)| import.starts_with(prefix)).map(|(_, advice)| *advice)
}

fn version_of(import: &str) -> Option<&str> {
    import.split_once('@').map(|(_, version)| version)
}

/// Those of these imports that nobody here serves.
fn unserved<'a>(imports: &'a [String], exports: &[String]) -> Vec<&'a str> {
    let handles = exports.iter().any(|export| fits(export, HANDLER));
    let is_served = |import: &str| {
        SERVED.iter().any(|served| fits(import, *served))
            || SERVED_EXACTLY.iter().any(|names| names.contains(&import))
            || (handles && SERVED_TO_HANDLERS.iter().any(|served| fits(import, *served)))
    };
    imports.iter().map(String::as_str).filter(|import| !is_served(import)).collect()
}

/// Whether it is this interface, in a version that fits: the same major one, or the same minor one before 1.0. A
/// version before a release fits itself only, which none of these is.
fn fits(name: &str, (served, fitting): (&str, &str)) -> bool {
    let Some((name, version)) = name.split_once('@') else { return false };
    let rest = version.strip_prefix(fitting).filter(|rest| rest.starts_with('.'));
    name == served && rest.is_some_and(|rest| !rest.contains('-'))
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
            unserved(&imports, &[]),
            [
                "wasi:sockets/tcp@0.2.0",
                "wasi:http/outgoing-handler@0.2.0",
                "wasi:io/poll@0.20.0",
                "wasi:io/poll",
                "applet:host/db@1.0.0",
            ]
        );
    }

    /// Spec: F15
    #[test]
    fn f15_interfaces_of_spin_are_served_and_the_rest_is_named_with_advice() {
        let served = [
            "spin:postgres/postgres@3.0.0",
            "spin:postgres/postgres@4.0.0",
            "spin:postgres/postgres@4.2.0",
            "fermyon:spin/postgres@2.0.0",
            "fermyon:spin/variables@2.0.0",
            "wasi:config/store@0.2.0-draft-2024-09-27",
            "wasi:logging/logging",
        ]
        .map(str::to_owned);
        assert_eq!(refusal(&served, &[]), None);
        for (import, advice) in [
            ("spin:postgres/postgres@5.0.0", "versions 3 and 4"),
            ("wasi:keyvalue/store@0.2.0-draft2", "`tables` in the manifest"),
            ("fermyon:spin/llm@2.0.0", "nothing like it"),
            ("wasi:http/outgoing-handler@0.2.0", "calls no other hosts"),
            ("wasi:http/types@0.3.0", "WASI 0.3"),
            ("wasi:cli/stdin@0.3.0", "WASI 0.3"),
            ("wasi:http/types@0.2.0-rc-2023-10-18", "incoming-handler@0.2"),
            ("wasi:config/store@0.2.0-draft-1999", "drafts"),
        ] {
            let reason = refusal(&[import.to_owned()], &[]).unwrap();
            assert!(reason.contains(import) && reason.contains(advice), "{reason}");
        }
        assert_eq!(refusal(&["a:b/c@1.0.0".to_owned()], &[]).unwrap().matches('(').count(), 0);
    }

    /// Spec: F15
    #[test]
    fn f15_http_types_are_for_components_that_answer_requests() {
        let (types, handler) =
            ["wasi:http/types@0.2.3", "wasi:http/incoming-handler@0.2.3"].map(str::to_owned).into();
        assert!(refusal(std::slice::from_ref(&types), &[]).is_some());
        assert_eq!(refusal(&[types], &[handler]), None);
        let sends = "wasi:http/outgoing-handler@0.2.3".to_owned();
        assert!(refusal(&[sends], &["wasi:http/incoming-handler@0.2.3".to_owned()]).is_some());
    }
}
