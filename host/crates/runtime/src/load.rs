//! Turning compiled code back into a component: the only unsafe code of the host.

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::seal::Opened;

/// Loads machine code that our own compile child made and that its seal proves unchanged.
pub(crate) fn component(engine: &Engine, code: &Opened) -> wasmtime::Result<Component> {
    #[expect(
        unsafe_code,
        reason = "wasmtime runs the bytes as machine code. They come from our own compile child: `Opened` can \
                  only be made by checking a MAC under a key that only this host can read"
    )]
    // SAFETY: see the reason above. wasmtime itself checks that version and settings fit.
    unsafe {
        Component::deserialize(engine, code.code())
    }
}
