//! Packaging: what a developer's compiler made, as a component.

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Encoding, Parser, Payload};
use wit_component::ComponentEncoder;

/// Why something cannot be packaged.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PackageError(String);

/// Makes a component of it. A component stays as it is; a core module for `wasm32-wasip1` with our world
/// embedded (as `wit-bindgen` does) is wrapped with the preview-1 adapter.
///
/// # Errors
///
/// When it is neither, with what to change.
pub fn componentize(bytes: Vec<u8>) -> Result<Vec<u8>, PackageError> {
    let start = Parser::new(0).parse_all(&bytes).next();
    match start {
        Some(Ok(Payload::Version { encoding: Encoding::Component, .. })) => Ok(bytes),
        Some(Ok(Payload::Version { encoding: Encoding::Module, .. })) => wrap(&bytes),
        _ => Err(PackageError("this is not a WebAssembly module or component".to_owned())),
    }
}

fn wrap(module: &[u8]) -> Result<Vec<u8>, PackageError> {
    let has_world = Parser::new(0).parse_all(module).any(|payload| {
        matches!(payload, Ok(Payload::CustomSection(section)) if section.name().starts_with("component-type"))
    });
    if !has_world {
        let reason = "this core module does not say which world it is made for; build it with wit-bindgen or \
                      the SDK, or for wasm32-wasip2";
        return Err(PackageError(reason.to_owned()));
    }
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| {
            encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
        })
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| PackageError(format!("this module cannot be made a component: {error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packaging_leaves_a_component_as_it_is() {
        let component = wat::parse_str("(component)").unwrap();
        assert_eq!(componentize(component.clone()).unwrap(), component);
    }

    #[test]
    fn packaging_names_what_a_bare_module_lacks() {
        let module = wat::parse_str("(module)").unwrap();
        assert!(componentize(module).unwrap_err().to_string().contains("wit-bindgen"));
        assert!(componentize(b"#!/bin/sh".to_vec()).is_err());
        assert!(componentize(Vec::new()).is_err());
    }
}
