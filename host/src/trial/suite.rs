//! What a test is: `tests/*.yaml` of a project, each a list of cases.
//!
//! ```yaml
//! - name: a note that was added is listed
//!   tenant: alder                       # or birch; alder when left out
//!   steps:
//!     - { hook: add, payload: { body: Call Anna } }
//!     - hook: list
//!       matches: [{ body: Call Anna }]  # what is written here is there; `answer` is everything that is there
//! - name: an empty note is refused
//!   hook: add                           # one step needs no list
//!   payload: { body: "" }
//!   error: empty-note                   # a code of the applet's own, or of the host's
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use applet_manifest::{ValidatedManifest, did_you_mean};
use applet_types::HookName;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::expect::Expect;
use crate::demo_data::{DemoTenant, TENANTS};
use crate::output::CommandError;

/// Bytes of a file of tests.
const LARGEST: u64 = 4 << 20;

/// One test.
#[derive(Debug)]
pub(crate) struct Case {
    /// The file it is written in, by its name.
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) tenant: &'static DemoTenant,
    pub(crate) steps: Vec<Step>,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) hook: HookName,
    pub(crate) payload: String,
    pub(crate) tenant: Option<&'static DemoTenant>,
    pub(crate) expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCase {
    name: String,
    tenant: Option<String>,
    steps: Option<Vec<WrittenStep>>,
    hook: Option<String>,
    #[serde(default)]
    payload: Value,
    #[serde(default, deserialize_with = "present")]
    answer: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    matches: Option<Value>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStep {
    hook: String,
    tenant: Option<String>,
    #[serde(default)]
    payload: Value,
    #[serde(default, deserialize_with = "present")]
    answer: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    matches: Option<Value>,
    error: Option<String>,
}

/// `answer: null` is an expectation, and no `answer` is none.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// All tests of a project whose names hold `wanted`, in the order of files and lines.
pub(crate) fn load(
    root: &Path,
    manifest: &ValidatedManifest,
    wanted: Option<&str>,
) -> Result<Vec<Case>, CommandError> {
    let mut cases = Vec::new();
    for file in files(&root.join("tests")) {
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let text =
            read(&file).map_err(|error| CommandError::usage(format!("cannot read `{name}`: {error}")))?;
        let written: Vec<WrittenCase> = serde_yaml::from_str(&text)
            .map_err(|error| CommandError::usage(format!("`{name}` is no list of tests: {error}")))?;
        for case in written {
            let title = case.name.clone();
            let case = case
                .read(&name, manifest)
                .map_err(|reason| CommandError::usage(format!("`{name}`, test `{title}`: {reason}")))?;
            cases.push(case);
        }
    }
    if cases.is_empty() {
        return Err(CommandError::usage(format!(
            "there are no tests: write some in `{}`, as `applet test --help` shows",
            root.join("tests/NAME.yaml").display()
        )));
    }
    cases.retain(|case| wanted.is_none_or(|wanted| case.name.contains(wanted) || case.file.contains(wanted)));
    if cases.is_empty() {
        return Err(CommandError::usage(format!("no test has `{}` in its name", wanted.unwrap_or_default())));
    }
    Ok(cases)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_yaml =
        |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(is_yaml).collect();
    files.sort();
    files
}

fn read(file: &Path) -> std::io::Result<String> {
    if fs::metadata(file)?.len() > LARGEST {
        return Err(std::io::Error::other("the file is too large"));
    }
    fs::read_to_string(file)
}

impl WrittenCase {
    fn read(self, file: &str, manifest: &ValidatedManifest) -> Result<Case, String> {
        let Self { name, tenant, steps, hook, payload, answer, matches, error } = self;
        let tenant = tenant.as_deref().map(tenant_called).transpose()?.unwrap_or(&TENANTS[0]);
        let one = (hook, payload, answer, matches, error);
        let steps = match (steps, one) {
            (Some(steps), (None, Value::Null, None, None, None)) if !steps.is_empty() => steps,
            (None, (Some(hook), payload, answer, matches, error)) => {
                vec![WrittenStep { hook, tenant: None, payload, answer, matches, error }]
            }
            _ => return Err("it has either `steps` or one `hook` with what it is expected to do".to_owned()),
        };
        let steps = steps.into_iter().map(|step| step.read(manifest)).collect::<Result<_, _>>()?;
        Ok(Case { file: file.to_owned(), name, tenant, steps })
    }
}

impl WrittenStep {
    fn read(self, manifest: &ValidatedManifest) -> Result<Step, String> {
        let hook: HookName = self.hook.parse().map_err(|error| format!("{error}"))?;
        if manifest.hooks().get(&hook).is_none() {
            let known = || manifest.hooks().named().map(|hook| hook.name().as_str());
            let there = || format!("there are {}", known().collect::<Vec<_>>().join(", "));
            let meant = did_you_mean(hook.as_str(), known()).unwrap_or_else(there);
            return Err(format!("the manifest lists no hook `{hook}`; {meant}"));
        }
        let expect = match (self.answer, self.matches, self.error) {
            (None, None, None) => Expect::AnyAnswer,
            (Some(answer), None, None) => Expect::Answer(answer),
            (None, Some(part), None) => Expect::Matches(part),
            (None, None, Some(code)) => Expect::Error(code),
            _ => return Err(format!("`{hook}` is expected to do one of `answer`, `matches` and `error`")),
        };
        let tenant = self.tenant.as_deref().map(tenant_called).transpose()?;
        Ok(Step { hook, payload: self.payload.to_string(), tenant, expect })
    }
}

fn tenant_called(short: &str) -> Result<&'static DemoTenant, String> {
    DemoTenant::called(short).ok_or_else(|| {
        let names = TENANTS.map(|tenant| tenant.short);
        let meant = did_you_mean(short, names).unwrap_or_else(|| format!("there are {}", names.join(", ")));
        format!("there is no tenant `{short}`; {meant}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str =
        "manifestVersion: \"1.0\"\nid: notes\nversion: 1.0.0\nname: Notes\nhooks:\n  named: [add, list]\n";

    fn read_one(text: &str) -> Result<Case, String> {
        let manifest = applet_manifest::load(MANIFEST.as_bytes()).unwrap();
        let mut written: Vec<WrittenCase> = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        written.remove(0).read("tests/a.yaml", &manifest)
    }

    #[test]
    fn f13_one_call_needs_no_list_of_steps() {
        let case =
            read_one("- { name: a, tenant: birch, hook: add, payload: { body: x }, answer: null }").unwrap();
        assert_eq!((case.tenant.short, case.steps.len()), ("birch", 1));
        assert_eq!(case.steps[0].payload, r#"{"body":"x"}"#);
        assert_eq!(case.steps[0].expect, Expect::Answer(Value::Null), "null is an expectation");
        let case = read_one("- { name: a, steps: [{ hook: list }, { hook: add, tenant: birch }] }").unwrap();
        assert_eq!(case.steps[0].expect, Expect::AnyAnswer);
        assert_eq!(case.steps[1].tenant.map(|tenant| tenant.short), Some("birch"));
    }

    #[test]
    fn f13_slips_in_tests_are_told_with_what_was_meant() {
        for (text, told) in [
            ("- { name: a, hook: lsit }", "did you mean `list`?"),
            ("- { name: a, hook: list, tenant: brich }", "did you mean `birch`?"),
            ("- { name: a, hook: list, anser: 1 }", "unknown field `anser`"),
            ("- { name: a, hook: list, answer: 1, error: x }", "one of `answer`"),
            ("- { name: a, hook: list, steps: [{ hook: list }] }", "either `steps` or one `hook`"),
            ("- { name: a }", "either `steps` or one `hook`"),
        ] {
            let error = read_one(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
