//! What stands at the top of a manifest, its hooks, and its settings.

use std::collections::{BTreeMap, BTreeSet};

use applet_types::{
    AppletId, AssetPath, CacheLimits, HookName, Limits, ManifestLimits, VariableError, Variables, Version,
};

use crate::document::{self, Manifest};
use crate::path::Path;
use crate::report::Report;
use crate::validated::{Cache, Header, Hooks, Instances, LifecycleHook, NamedHook, Settings};
use crate::violation::{Violation, ViolationCode, did_you_mean, quoted};

use super::at_most;

/// The one version of the manifest format.
pub(crate) const MANIFEST_VERSION: &str = "1.0";

/// The version of the host API, as in `wit/applet-host@0.1.0`.
pub const HOST_API: Version = Version::new(0, 1, 0);

const LONGEST_NAME: usize = 100;
const LONGEST_DESCRIPTION: usize = 2_000;

pub(super) fn header(manifest: &Manifest, report: &mut Report) -> Option<Header> {
    let root = Path::root();
    if let Some(version) = manifest.manifest_version.as_ref().filter(|version| *version != MANIFEST_VERSION) {
        let message = format!("manifest version {} is not known", quoted(version));
        let violation = Violation::new(ViolationCode::InvalidValue, root.key("manifestVersion"), message);
        report.push(violation.hint(format!("write `manifestVersion: \"{MANIFEST_VERSION}\"`")));
    }
    let id = manifest.id.as_ref().and_then(|text| applet_id(text, report));
    let version = manifest.version.as_ref().and_then(|text| version(text, report));
    let name = manifest.name.as_ref().filter(|name| name_fits(name, report));
    description(manifest.description.as_deref(), &root.key("description"), report);
    let host_api = manifest.host_api.as_ref().map(|text| host_api(text, report));
    let component = manifest.component.as_ref().map(|text| component(text, report));
    let assets = assets(&manifest.assets, report);
    Some(Header {
        id: id?,
        version: version?,
        name: name?.clone(),
        description: manifest.description.clone(),
        host_api: host_api.unwrap_or_default(),
        component: component.flatten(),
        assets,
    })
}

fn applet_id(text: &str, report: &mut Report) -> Option<AppletId> {
    let id = text.parse::<AppletId>().ok();
    if id.is_none() {
        let message = format!("{} is not an applet id", quoted(text));
        let violation = Violation::new(ViolationCode::InvalidId, Path::root().key("id"), message);
        report.push(violation.hint("kebab-case, 3 to 50 characters, starting with a letter, as `ai-chat`"));
    }
    id
}

fn version(text: &str, report: &mut Report) -> Option<Version> {
    let version = Version::parse(text).ok();
    if version.is_none() {
        let message = format!("{} is not a semantic version", quoted(text));
        let violation = Violation::new(ViolationCode::InvalidVersion, Path::root().key("version"), message);
        report.push(violation.hint("three numbers, as `1.0.0`"));
    }
    version
}

fn name_fits(name: &str, report: &mut Report) -> bool {
    let fits = (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.contains(char::is_control);
    if !fits {
        let message = format!("a name is one line of 1 to {LONGEST_NAME} characters");
        report.add(ViolationCode::InvalidValue, &Path::root().key("name"), message);
    }
    fits
}

/// Descriptions are shown to admins: bounded.
pub(super) fn description(text: Option<&str>, path: &Path, report: &mut Report) {
    if text.is_some_and(|text| text.chars().count() > LONGEST_DESCRIPTION) {
        let message = format!("a description has at most {LONGEST_DESCRIPTION} characters");
        report.add(ViolationCode::InvalidValue, path, message);
    }
}

fn host_api(text: &str, report: &mut Report) -> semver::VersionReq {
    let path = Path::root().key("hostApi");
    match semver::VersionReq::parse(text) {
        Ok(range) => {
            if !range.matches(&HOST_API) {
                let message =
                    format!("{} does not include {HOST_API}, the version of this host", quoted(text));
                report.add(ViolationCode::HostApiMismatch, &path, message);
            }
            range
        }
        Err(_) => {
            let message = format!("{} is not a range of versions", quoted(text));
            let violation = Violation::new(ViolationCode::InvalidVersion, &path, message);
            report
                .push(violation.hint(format!("write `hostApi: \"^{}.{}\"`", HOST_API.major, HOST_API.minor)));
            semver::VersionReq::STAR
        }
    }
}

/// A path inside the package. Nothing here opens it; a path that climbs out would be opened by others.
fn component(text: &str, report: &mut Report) -> Option<String> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    let stays_inside = text.len() <= 255 && !text.contains(['\\', ':']) && text.split('/').all(plain);
    if stays_inside {
        return Some(text.to_owned());
    }
    let message = format!("{} is not a path inside the package", quoted(text));
    let violation = Violation::new(ViolationCode::InvalidPath, Path::root().key("component"), message);
    report.push(violation.hint("relative, with `/` between its parts and without `..`"));
    None
}

/// Files of the package. Nothing here opens them either.
fn assets(texts: &[Option<String>], report: &mut Report) -> BTreeSet<AssetPath> {
    let path = Path::root().key("assets");
    let mut taken = Vec::new();
    if texts.len() > AssetPath::MOST {
        at_most(texts.len(), AssetPath::MOST, "files", &path, report);
        return BTreeSet::new();
    }
    for (position, text) in texts.iter().enumerate() {
        let Some(text) = text else { continue };
        let path = path.index(position);
        let Ok(asset) = text.parse::<AssetPath>() else {
            let message = format!("{} is not the path of a file in the package", quoted(text));
            let violation = Violation::new(ViolationCode::InvalidPath, &path, message);
            report.push(violation.hint(
                "relative, `/` between its parts, each of letters, digits, `.`, `_` and `-`, as `images/logo.svg`",
            ));
            continue;
        };
        taken.push(asset);
        if AssetPath::first_clash(&taken).is_some() {
            taken.pop();
            let message = "it is listed already, or is a file in one path and a folder in another";
            report.add(ViolationCode::DuplicateName, &path, message);
        }
    }
    taken.into_iter().collect()
}

pub(super) fn hooks(manifest: &Manifest, limits: &ManifestLimits, report: &mut Report) -> Hooks {
    let path = Path::root().key("hooks");
    let mut hooks = Hooks::default();
    let lifecycle = path.key("lifecycle");
    for (position, text) in manifest.hooks.lifecycle.iter().enumerate() {
        let path = lifecycle.index(position);
        let Some(text) = text else { continue };
        let Some(hook) = LifecycleHook::ALL.into_iter().find(|hook| hook.as_str() == text) else {
            unknown_hook(text, &path, report);
            continue;
        };
        if !hooks.lifecycle.insert(hook) {
            report.add(ViolationCode::DuplicateName, &path, format!("`{text}` is listed already"));
        }
    }
    let named = path.key("named");
    at_most(manifest.hooks.named.len(), limits.entries, "named hooks", &named, report);
    for (position, hook) in manifest.hooks.named.iter().enumerate() {
        let path = named.index(position);
        if let Some(hook) = named_hook(hook, &path, report)
            && hooks.named.insert(hook.name.clone(), hook).is_some()
        {
            report.add(ViolationCode::DuplicateName, &path, "a hook of this name is listed already");
        }
    }
    hooks
}

fn unknown_hook(text: &str, path: &Path, report: &mut Report) {
    let names = LifecycleHook::ALL.map(LifecycleHook::as_str);
    let hint =
        did_you_mean(text, names).unwrap_or_else(|| format!("the lifecycle hooks are {}", names.join(", ")));
    let message = format!("{} is not a lifecycle hook", quoted(text));
    report.push(Violation::new(ViolationCode::InvalidValue, path, message).hint(hint));
}

fn named_hook(hook: &document::NamedHook, path: &Path, report: &mut Report) -> Option<NamedHook> {
    description(hook.description.as_deref(), &path.key("description"), report);
    let text = hook.name.as_ref()?;
    let Ok(name) = text.parse::<HookName>() else {
        let message = format!("{} is not a hook's name", quoted(text));
        let violation = Violation::new(ViolationCode::InvalidName, path, message);
        report.push(violation.hint("kebab-case, at most 63 characters, as `daily-summary`"));
        return None;
    };
    Some(NamedHook { name, description: hook.description.clone() })
}

pub(super) fn settings(manifest: &Manifest, host: &Limits, report: &mut Report) -> Settings {
    let instances = match manifest.instances.as_deref() {
        None | Some("fresh") => Instances::Fresh,
        Some("reused") => Instances::Reused,
        Some(other) => {
            let message = format!("{} is not a way to use instances", quoted(other));
            let violation =
                Violation::new(ViolationCode::InvalidValue, Path::root().key("instances"), message);
            report.push(violation.hint("write `fresh` or `reused`"));
            Instances::Fresh
        }
    };
    let cache = manifest.cache.as_ref().and_then(|cache| settings_cache(cache, report));
    let variables = variables(&manifest.variables, report);
    Settings { instances, cache, variables, limits: limits(&manifest.limits, host, report) }
}

fn variables(asked: &BTreeMap<String, Option<String>>, report: &mut Report) -> Variables {
    let mut variables = Variables::default();
    let path = Path::root().key("variables");
    for (name, text) in asked {
        let Some(text) = text else { continue };
        match variables.set(name, text) {
            Ok(()) => {}
            Err(error @ VariableError::TooMany) => {
                report.add(ViolationCode::TooMany, &path, error.to_string());
                break;
            }
            Err(error @ VariableError::Name) => {
                report.add(ViolationCode::InvalidName, &path.key(name), error.to_string());
            }
            Err(error @ VariableError::Text) => {
                report.add(ViolationCode::InvalidValue, &path.key(name), error.to_string());
            }
        }
    }
    variables
}

fn settings_cache(cache: &document::Cache, report: &mut Report) -> Option<Cache> {
    let (path, most) = (Path::root().key("cache"), CacheLimits::MAXIMUM);
    let ttl = within(cache.ttl?, most.ttl_s, "seconds", &path.key("ttl"), report)?;
    let entries = cache.max_entries.unwrap_or(most.entries);
    let max_entries = within(entries, most.entries, "entries", &path.key("maxEntries"), report)?;
    Some(Cache { ttl_seconds: ttl, max_entries })
}

fn within(value: u64, most: u64, unit: &str, path: &Path, report: &mut Report) -> Option<u64> {
    if (1..=most).contains(&value) {
        return Some(value);
    }
    report.add(ViolationCode::InvalidValue, path, format!("`{value}` is not from 1 to {most} {unit}"));
    None
}

/// A manifest only lowers what the host gives anyway (SPEC S4.60). What it does not name stays at the
/// maximum here, so that what the operator has raised reaches an applet that says nothing about it.
fn limits(asked: &document::Limits, host: &Limits, report: &mut Report) -> Limits {
    let mut limits = Limits::MAXIMUM;
    let mut lower = |key: &str, asked: Option<u64>, limit: &mut u64, given: u64, least: u64| {
        let Some(asked) = asked else { return };
        let path = Path::root().key("limits").key(key);
        if asked > given {
            let message = format!("`{asked}` is more than the host's {given}: a manifest only lowers limits");
            report.add(ViolationCode::LimitRaised, &path, message);
        } else if asked < least {
            report.add(ViolationCode::InvalidValue, &path, format!("`{asked}` is less than {least}"));
        } else {
            *limit = asked;
        }
    };
    let (statement, execution, rate) = (&mut limits.statement, &mut limits.execution, &mut limits.rate);
    let mut rows = u64::from(statement.rows);
    let [mut joins, mut subqueries] = [statement.joins, statement.subqueries].map(|n| n as u64);
    let mut statements = u64::from(execution.statements);
    let mut memory = execution.memory_bytes as u64;
    let (given, most) = (&host.statement, &host.execution);
    lower("rows", asked.rows, &mut rows, given.rows.into(), 1);
    lower("joins", asked.joins, &mut joins, given.joins as u64, 0);
    lower("subqueries", asked.subqueries, &mut subqueries, given.subqueries as u64, 0);
    lower("statements", asked.statements, &mut statements, most.statements.into(), 0);
    lower("memoryBytes", asked.memory_bytes, &mut memory, most.memory_bytes as u64, 1 << 20);
    lower("rowsChanged", asked.rows_changed, &mut execution.rows_changed, most.rows_changed, 1);
    let timeout = most.statement_timeout_ms;
    lower("statementTimeoutMs", asked.statement_timeout_ms, &mut execution.statement_timeout_ms, timeout, 1);
    lower("wallMs", asked.wall_ms, &mut execution.wall_ms, most.wall_ms, 1);
    lower("cpuMs", asked.cpu_ms, &mut execution.cpu_ms, most.cpu_ms, 1);
    lower("databaseMs", asked.database_ms, &mut execution.database_ms, most.database_ms, 1);
    lower("invocationRows", asked.invocation_rows, &mut execution.invocation_rows, most.invocation_rows, 1);
    let given = &host.rate;
    let invocations = given.invocations_per_second;
    lower(
        "invocationsPerSecond",
        asked.invocations_per_second,
        &mut rate.invocations_per_second,
        invocations,
        1,
    );
    lower(
        "queriesPerMinute",
        asked.queries_per_minute,
        &mut rate.queries_per_minute,
        given.queries_per_minute,
        1,
    );
    lower(
        "writesPerSecond",
        asked.writes_per_second,
        &mut rate.writes_per_second,
        given.writes_per_second,
        1,
    );
    lower("rowsPerMinute", asked.rows_per_minute, &mut rate.rows_per_minute, given.rows_per_minute, 1);
    // Each was only lowered, so it fits where it came from.
    statement.rows = u32::try_from(rows).unwrap_or(statement.rows);
    statement.joins = usize::try_from(joins).unwrap_or(statement.joins);
    statement.subqueries = usize::try_from(subqueries).unwrap_or(statement.subqueries);
    execution.statements = u32::try_from(statements).unwrap_or(execution.statements);
    execution.memory_bytes = usize::try_from(memory).unwrap_or(execution.memory_bytes);
    limits
}
