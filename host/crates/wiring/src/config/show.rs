//! The configuration in force, as a file that would bring it about.

use std::fmt;

use applet_types::{
    BreakerLimits, ComponentLimits, ExecutionLimits, HostLimits, ManifestLimits, RateLimits, StatementLimits,
    TenantLimits,
};
use serde_json::{Value, json};

use super::limits::{LimitsConfig, flat};
use super::{Config, as_json};

const SECTIONS: &[(&str, &[(&str, &str)])] = &[
    ("statement", StatementLimits::MEANINGS),
    ("execution", ExecutionLimits::MEANINGS),
    ("rate", RateLimits::MEANINGS),
    ("tenant", TenantLimits::MEANINGS),
    ("breaker", BreakerLimits::MEANINGS),
    ("host", HostLimits::MEANINGS),
    ("component", ComponentLimits::MEANINGS),
    ("manifest", ManifestLimits::MEANINGS),
];

impl Config {
    /// For programs: what is in force, and what each limit may be raised to. Secrets are left out.
    pub fn shown_as_json(&self) -> Value {
        json!({ "config": self.redacted(), "maximum": { "limits": LimitsConfig::MAXIMUM } })
    }

    fn redacted(&self) -> Self {
        Self { place: self.place.redacted(), ..self.clone() }
    }
}

impl fmt::Display for Config {
    /// YAML. A text is written as JSON writes it, which YAML reads the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = as_json(&self.redacted());
        for section in ["place", "serve", "security", "audit", "packages"] {
            writeln!(f, "{section}:")?;
            for (key, value) in values.get(section).and_then(Value::as_object).into_iter().flatten() {
                writeln!(f, "  {key}: {value}")?;
            }
        }
        write!(f, "limits:")?;
        let values = as_json(&self.limits);
        let (defaults, maxima) = (as_json(&LimitsConfig::default()), as_json(&LimitsConfig::MAXIMUM));
        let find = |values: &Value, section: &str, name: &str| {
            flat(values).find(|(s, n, _)| (*s, *n) == (section, name)).map_or(0, |(_, _, value)| value)
        };
        for (section, meanings) in SECTIONS {
            write!(f, "\n  {section}:")?;
            for (name, meaning) in *meanings {
                let [value, default, most] =
                    [&values, &defaults, &maxima].map(|values| find(values, section, name));
                let setting = format!("{name}: {value}");
                write!(f, "\n    {setting:<34} #{meaning} Default {default}, at most {most}.")?;
            }
        }
        Ok(())
    }
}
