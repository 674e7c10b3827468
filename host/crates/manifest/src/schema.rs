//! The JSON schema of manifests, made from the types that they are read into, for editors.

use schemars::generate::SchemaSettings;

use crate::document::Manifest;

/// The schema as pretty-printed JSON. It says less than [`load`](crate::load) checks.
pub fn json_schema() -> String {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let schema = generator.into_root_schema_for::<Manifest>();
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
