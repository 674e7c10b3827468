//! What the runtime as a whole is held to. What one invocation is held to comes with the invocation.

use std::time::Duration;

use applet_types::{ComponentLimits, HostLimits};

/// Limits of the runtime, with the defaults of `host/docs/limits.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeLimits {
    /// Instances of the host at once.
    pub instances: usize,
    /// Instances of one applet at once.
    pub instances_per_applet: usize,
    /// How long a call may wait for an instance.
    pub queue_wait: Duration,
    /// Calls of one applet that may wait at once.
    pub queue_length: usize,
    /// Components kept ready in memory.
    pub components_in_memory: usize,
    /// Bytes of a component.
    pub component_bytes: usize,
    /// Functions of a component.
    pub functions: u32,
    /// CPU seconds that compiling may take.
    pub compile_cpu_seconds: u64,
    /// Bytes of memory that compiling may take.
    pub compile_memory_bytes: u64,
}

impl Default for RuntimeLimits {
    fn default() -> Self {
        Self::new(&HostLimits::default(), &ComponentLimits::default())
    }
}

impl RuntimeLimits {
    /// The runtime's part of what the operator has set.
    pub const fn new(host: &HostLimits, component: &ComponentLimits) -> Self {
        Self {
            instances: host.instances,
            instances_per_applet: host.instances_per_applet,
            queue_wait: Duration::from_millis(host.queue_wait_ms),
            queue_length: host.queue_length,
            components_in_memory: component.components_in_memory,
            component_bytes: component.component_bytes,
            functions: component.functions,
            compile_cpu_seconds: component.compile_cpu_seconds,
            compile_memory_bytes: component.compile_memory_bytes,
        }
    }
}
