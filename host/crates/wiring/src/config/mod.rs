//! The operator's configuration: one struct per section, read from an optional YAML file.
//!
//! What counts, strongest first: flags, environment variables, the file, the defaults. A key that does not
//! exist and a value beyond its maximum stop the program before it opens anything; no key is ignored.
//!
//! *Invariant:* limits leave this module at or below their hard maxima (SPEC S4.60), whichever way they
//! came in. Start at [`Config::load`].

mod audit;
mod limits;
mod packages;
mod place;
mod problem;
mod read;
mod security;
mod serve;
mod show;

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use audit::AuditConfig;
pub use limits::LimitsConfig;
pub use packages::PackagesConfig;
pub use place::PlaceConfig;
pub use security::SecurityConfig;
pub use serve::ServeConfig;

use crate::HostError;
pub use problem::Problem;
use problem::in_lines;

/// Bytes of a configuration file: far above what every key takes.
const LARGEST: usize = 256 << 10;

/// Everything that an operator can set.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the host keeps its things.
    pub place: PlaceConfig,
    /// `applet serve`.
    pub serve: ServeConfig,
    /// What takes the operator's word.
    pub security: SecurityConfig,
    /// The audit trail.
    pub audit: AuditConfig,
    /// Which packages may come in.
    pub packages: PackagesConfig,
    /// What applets, and the host itself, are held to.
    pub limits: LimitsConfig,
}

impl Config {
    /// The configuration of a file, if there is one, under the limits of the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, HostError> {
        let text = file.map(read_file).transpose()?;
        let config = Self::parse(text.as_deref().unwrap_or_default(), std::env::vars_os());
        let config = config.map_err(|problems| {
            let name =
                file.map_or_else(|| "the environment".to_owned(), |file| format!("`{}`", file.display()));
            HostError::usage(format!("{name} is not a valid configuration\n{}", in_lines(&problems)))
        })?;
        if let Some(file) = file {
            keep_secrets(file, &config)?;
        }
        Ok(config)
    }

    /// What is wrong with values that no reader has checked.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = LimitsConfig::beyond(&as_json(&self.limits));
        problems.extend(self.limits.contradictions());
        problems.extend(self.packages.problems());
        problems
    }

    fn parse(
        text: &str,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Vec<Problem>> {
        let mut values = as_json(&Self::default());
        let mut problems = Vec::new();
        match read::document(text) {
            Ok(document) => read::overlay(&mut values, &document, "", &mut problems),
            Err(problem) => problems.push(problem),
        }
        read::environment(&mut values, environment, &mut problems);
        problems.extend(values.get("limits").map(LimitsConfig::beyond).into_iter().flatten());
        if !problems.is_empty() {
            return Err(problems);
        }
        // Kinds and ranges are checked; what is left to be wrong is the one text with a form of its own.
        let config: Self = serde_json::from_value(values)
            .map_err(|error| vec![Problem::new("serve.listen", error.to_string())])?;
        let mut problems = config.limits.contradictions();
        problems.extend(config.packages.problems());
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }
}

/// Our own structs of numbers and texts: they always have a JSON form.
fn as_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn read_file(file: &Path) -> Result<String, HostError> {
    let name = file.display();
    let mut bytes = Vec::new();
    // No more than is looked at: the name may be that of a pipe or a device.
    std::fs::File::open(file)
        .and_then(|opened| opened.take(LARGEST as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| HostError::usage(format!("cannot read the configuration `{name}`: {error}")))?;
    if bytes.len() > LARGEST {
        return Err(HostError::usage(format!("`{name}` has more than {LARGEST} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| HostError::usage(format!("`{name}` is not UTF-8")))
}

/// A file with a password in it is for its owner alone.
fn keep_secrets(file: &Path, config: &Config) -> Result<(), HostError> {
    if !config.place.has_secret() {
        return Ok(());
    }
    let open = std::fs::metadata(file).is_ok_and(|about| about.permissions().mode() & 0o077 != 0);
    if open {
        let name = file.display();
        let reason = format!("`{name}` holds a password and others can read it: chmod 600 {name}");
        return Err(HostError::usage(reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
