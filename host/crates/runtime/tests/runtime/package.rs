//! Packaging: modules for `wasm32-wasip1` are wrapped, and then run like any component.

use crate::support::{Host, by_hand, guest};
use applet_runtime::package::componentize;
use applet_types::HookCall;
use wit_component::{DecodedWasm, StringEncoding, decode, embed_component_metadata};

/// A module as a compiler for `wasm32-wasip1` makes it: preview-1 imports, and our world in a section.
fn module_for_wasip1() -> Vec<u8> {
    let hook =
        r#"(core module $guest (memory (export "memory") 1) (func (export "run") (result i32) i32.const 0))"#;
    let DecodedWasm::Component(resolve, world) = decode(&by_hand(hook)).unwrap() else {
        panic!("a component")
    };
    let mut module = wat::parse_str(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 100) "from preview 1\n")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)))
            (func (export "applet:host/on-enable@0.1.0#run") (result i32)
                (i32.store (i32.const 0) (i32.const 100))
                (i32.store (i32.const 4) (i32.const 15))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                i32.const 16))"#,
    )
    .unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

#[tokio::test]
async fn s4x_8_a_module_for_preview_1_is_wrapped_and_runs() {
    let host = Host::new();
    let component = host.load(&componentize(module_for_wasip1()).unwrap()).await;
    assert_eq!(host.call(component, HookCall::Enable).await, Ok(String::new()));
    assert_eq!(host.log.all(), ["Info: from preview 1"]);
}

#[test]
fn s4x_8_a_component_is_packaged_as_it_is() {
    let component = guest("bench");
    assert_eq!(componentize(component.clone()).unwrap(), component);
}
