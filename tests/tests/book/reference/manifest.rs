//! `reference-manifest.md`: every key of a manifest, from its JSON schema.

use std::fmt::Write;

use applet_tests::host::repository;
use serde_json::{Map, Value};

use super::super::chapter::read;
use super::cell;

const BEGINNING: &str = "# The manifest, key by key\n\nFrom `manifests/schema/applet.v1.schema.json`, which editors read: put \
    `# yaml-language-server: $schema=PATH` into the first line of a manifest. [Manifests](../../manifests/README.md) has the \
    same as a story. Made by `make regen`.\n";

/// The name at the end of `#/$defs/Name`.
fn referred(value: &Value) -> Option<&str> {
    value["$ref"].as_str()?.rsplit('/').next()
}

/// What may stand there, in a few words.
fn kind(value: &Value) -> String {
    if let Some(name) = referred(value) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(constant) = value.get("const") {
        return format!("`{constant}`");
    }
    if let Some(values) = value["enum"].as_array() {
        let shown: Vec<String> =
            values.iter().filter(|value| !value.is_null()).map(|value| format!("`{value}`")).collect();
        return shown.join(", ");
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(choices) = value[choice].as_array() {
            let kinds: Vec<String> = choices.iter().map(kind).filter(|kind| kind != "null").collect();
            return kinds.join(" or ");
        }
    }
    let name = match &value["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            names.collect::<Vec<_>>().join(" or ")
        }
        _ => "anything".to_owned(),
    };
    match (name.as_str(), value.get("items")) {
        ("array", Some(items)) => format!("list of {}", kind(items)),
        _ => name,
    }
}

/// The bounds that the schema knows.
fn bounds(value: &Value) -> String {
    let names = [
        ("minLength", "at least {} characters"),
        ("maxLength", "at most {} characters"),
        ("minimum", "at least {}"),
        ("maximum", "at most {}"),
        ("minItems", "at least {}"),
        ("maxItems", "at most {}"),
    ];
    let found =
        names.iter().filter_map(|(name, words)| Some(words.replace("{}", &value.get(name)?.to_string())));
    found.collect::<Vec<_>>().join(", ")
}

fn properties(text: &mut String, of: &Value) {
    let Some(properties) = of["properties"].as_object() else {
        let bounds = bounds(of);
        writeln!(text, "{}{}{bounds}", kind(of), if bounds.is_empty() { "" } else { ", " }).unwrap();
        return;
    };
    let required: Vec<&str> =
        of["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    text.push_str("| key | is | |\n|---|---|---|\n");
    for (key, value) in properties {
        let need = if required.contains(&key.as_str()) { " Required." } else { "" };
        let mut bounds = bounds(value);
        if !bounds.is_empty() {
            bounds = format!(" ({bounds})");
        }
        let meaning = value["description"].as_str().unwrap_or_default();
        writeln!(text, "| `{key}` | {} | {}{bounds}{need} |", cell(&kind(value)), cell(meaning)).unwrap();
    }
}

#[test]
fn every_key_of_a_manifest_is_in_the_reference() {
    let schema = read(&repository().join("manifests/schema/applet.v1.schema.json"));
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut text = BEGINNING.to_owned();
    text.push_str("\n## The file\n\n");
    properties(&mut text, &schema);
    let empty = Map::new();
    for (name, definition) in schema["$defs"].as_object().unwrap_or(&empty) {
        let meaning = definition["description"].as_str().unwrap_or_default();
        write!(text, "\n## {name}\n\n{}\n\n", meaning.trim()).unwrap();
        properties(&mut text, definition);
    }
    super::chapter("reference-manifest.md", &text);
}
