//! Hostile components (LIMITS-AND-FAULTS.md G07): each is ended with an error that says why, its transaction
//! is gone, and a neighbour's calls succeed afterwards.

use std::collections::BTreeSet;

use crate::support::{Host, applet_code, by_hand, guest, host_code, repository};
use applet_runtime::RuntimeLimits;
use applet_types::{Applets, ComponentDigest, ErrorCode, HookCall, HookError};

/// Calls a hostile hook with small limits, then a neighbour, who must not notice.
async fn attack(hook: &str) -> (Host, Result<String, HookError>) {
    let mut host = Host::new();
    // Who sleeps is to meet the deadline, everybody else the limit that is attacked, on a slow machine too.
    host.limits.execution.wall_ms = if hook.contains("sleep") { 300 } else { 60_000 };
    host.limits.execution.cpu_ms = 100;
    let hostile = host.load(&guest("hostile")).await;
    let outcome = host.named(hostile, hook, "null").await;
    assert_neighbour_is_well(&host).await;
    (host, outcome)
}

async fn assert_neighbour_is_well(host: &Host) {
    let neighbour = host.load(&guest("bench")).await;
    assert_eq!(host.named(neighbour, "hello", "null").await, Ok("\"hello\"".to_owned()));
}

/// What is expected of each hook. The list is compared with the guest's own, so that none goes untested.
macro_rules! attacks {
    ($($test:ident: $hook:literal, |$host:ident, $outcome:ident| $check:expr;)*) => {
        const TESTED: &[&str] = &[$($hook),*];

        $(
            #[tokio::test]
            async fn $test() {
                let ($host, $outcome) = attack($hook).await;
                $check
            }
        )*
    };
}

attacks! {
    g07_an_endless_loop_ends_with_the_cpu_budget: "endless-loop", |_host, outcome| {
        assert_eq!(host_code(outcome), ErrorCode::BudgetSpent);
    };
    g07_an_endless_sleep_ends_with_the_deadline: "endless-sleep", |_host, outcome| {
        assert_eq!(host_code(outcome), ErrorCode::Deadline);
    };
    g07_a_memory_bomb_ends_at_the_limit: "memory-bomb", |_host, outcome| {
        assert_eq!(host_code(outcome), ErrorCode::BudgetSpent);
    };
    g07_endless_recursion_crashes_the_guest_only: "recursion", |_host, outcome| {
        assert_eq!(applet_code(outcome), "crashed");
    };
    g07_a_panic_crashes_the_guest_only: "panic", |host, outcome| {
        assert_eq!(applet_code(outcome), "crashed");
        assert!(host.log.all().iter().any(|line| line.contains("on purpose")), "{:?}", host.log.all());
    };
    g07_exiting_ends_the_guest_only: "exit", |_host, outcome| {
        assert_eq!(applet_code(outcome), "crashed");
    };
    g12_a_flood_of_host_calls_ends_at_the_limit: "host-call-flood", |_host, outcome| {
        assert_eq!(host_code(outcome), ErrorCode::BudgetSpent);
    };
    g12_a_flood_of_statements_ends_and_few_reach_the_database: "statement-flood", |host, outcome| {
        assert_eq!(host_code(outcome), ErrorCode::BudgetSpent);
        assert_eq!(host.database.count("SELECT 1 []"), 100);
    };
    g07_a_log_flood_is_cut: "log-flood", |host, outcome| {
        assert_eq!(outcome, Ok("null".to_owned()));
        let kept: usize = host.log.all().iter().map(String::len).sum();
        assert!(kept < 20_000, "{kept}");
        assert_eq!(host.log.all().last().unwrap(), "Warn: log limit reached, the rest is left out");
    };
    g07_a_guest_cannot_forge_log_lines: "log-forgery", |host, _outcome| {
        assert_eq!(
            host.log.all(),
            ["Info: harmless\\nERROR the host is \\u{1b}[31mon fire\\u{202e}"]
        );
    };
    g11_a_giant_parameter_never_reaches_the_database: "giant-parameter", |host, outcome| {
        assert_eq!(applet_code(outcome), "crashed");
        assert!(host.database.all().is_empty());
    };
    g11_a_giant_list_never_reaches_the_database: "giant-list", |host, outcome| {
        assert_eq!(applet_code(outcome), "crashed");
        assert!(host.database.all().is_empty());
    };
    g11_a_giant_answer_is_not_taken: "giant-answer", |_host, outcome| {
        assert_eq!(applet_code(outcome), "crashed");
    };
    g07_a_trap_inside_a_transaction_drops_it: "trap-in-transaction", |host, outcome| {
        assert_eq!(applet_code(outcome), "crashed");
        assert_eq!((host.database.count("dropped"), host.database.count("commit")), (1, 0));
    };
    g07_a_loop_inside_a_transaction_drops_it: "loop-in-transaction", |host, outcome| {
        assert_eq!(host_code(outcome), ErrorCode::BudgetSpent);
        assert_eq!((host.database.count("dropped"), host.database.count("commit")), (1, 0));
    };
    g07_a_sleep_inside_a_transaction_drops_it: "sleep-in-transaction", |host, outcome| {
        assert_eq!(host_code(outcome), ErrorCode::Deadline);
        assert_eq!((host.database.count("dropped"), host.database.count("commit")), (1, 0));
    };
    g07_a_transaction_never_closed_is_dropped_with_its_instance: "transaction-never-closed", |host, outcome| {
        assert_eq!(outcome, Ok("null".to_owned()));
        assert_eq!((host.database.count("dropped"), host.database.count("commit")), (1, 0));
    };
    decision_10_a_second_transaction_is_busy_at_once: "second-transaction", |host, outcome| {
        assert_eq!(applet_code(outcome), "connection-cap");
        assert_eq!(host.database.all(), ["begin", "rollback"]);
    };
}

#[tokio::test]
async fn g07_every_hostile_hook_has_its_test() {
    let host = Host::new();
    let hostile = host.load(&guest("hostile")).await;
    let hooks = host.named(hostile, "hooks", "null").await.unwrap();
    let hooks: BTreeSet<String> = serde_json::from_str(&hooks).unwrap();
    assert_eq!(hooks, TESTED.iter().map(|hook| (*hook).to_owned()).collect());
}

#[test]
fn g07_every_guest_is_known_here() {
    let entries = std::fs::read_dir(repository().join("tests/guests")).unwrap();
    let guests: BTreeSet<_> = entries
        .map(Result::unwrap)
        // Those in other languages are the conformance suite's.
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let known = ["bench", "conformance", "hostile", "network", "spin", "versions", "wasi"];
    assert_eq!(guests, known.map(str::to_owned).into());
}

/// Calls a guest written by hand, then a neighbour.
async fn attack_by_hand(module: &str) -> (Host, Result<String, HookError>) {
    let mut host = Host::new();
    host.limits.execution.cpu_ms = 100;
    let hostile = host.load(&by_hand(module)).await;
    let outcome = host.call(hostile, HookCall::Enable).await;
    assert_neighbour_is_well(&host).await;
    (host, outcome)
}

#[tokio::test]
async fn g07_a_guest_written_by_hand_can_be_called() {
    let (_, outcome) = attack_by_hand(
        r#"(core module $guest (memory (export "memory") 1) (func (export "run") (result i32) i32.const 0))"#,
    )
    .await;
    assert_eq!(outcome, Ok(String::new()));
}

#[tokio::test]
async fn g07_a_table_bomb_gets_no_more_than_its_elements() {
    // Grows until it is refused, then crashes: the refusal is what the caller is told.
    let (_, outcome) = attack_by_hand(
        r#"(core module $guest
            (memory (export "memory") 1)
            (table $bomb 0 funcref)
            (func (export "run") (result i32)
                (loop $more
                    (br_if $more (i32.ne (table.grow $bomb (ref.null func) (i32.const 1000)) (i32.const -1))))
                unreachable))"#,
    )
    .await;
    assert_eq!(host_code(outcome), ErrorCode::BudgetSpent);
}

#[tokio::test]
async fn g07_memory_that_is_too_large_from_the_start_is_refused() {
    let (_, outcome) = attack_by_hand(
        r#"(core module $guest (memory (export "memory") 2000) (func (export "run") (result i32) i32.const 0))"#,
    )
    .await;
    assert_eq!(host_code(outcome), ErrorCode::BudgetSpent);
}

#[tokio::test]
async fn g07_a_start_function_that_never_ends_is_ended() {
    let (_, outcome) = attack_by_hand(
        r#"(core module $guest
            (memory (export "memory") 1)
            (func $start (loop $again (br $again)))
            (start $start)
            (func (export "run") (result i32) i32.const 0))"#,
    )
    .await;
    assert_eq!(host_code(outcome), ErrorCode::BudgetSpent);
}

#[tokio::test]
async fn g07_filling_memory_over_and_over_costs_cpu_like_anything_else() {
    let (_, outcome) = attack_by_hand(
        r#"(core module $guest
            (memory (export "memory") 1000)
            (func (export "run") (result i32)
                (loop $again
                    (memory.fill (i32.const 0) (i32.const 7) (i32.const 65000000))
                    (br $again))
                unreachable))"#,
    )
    .await;
    assert_eq!(host_code(outcome), ErrorCode::BudgetSpent);
}

#[tokio::test]
async fn g12_hoarding_handles_ends_at_the_limit() {
    let (_, outcome) = attack_by_hand(
        r#"(core module $guest
            (import "host" "get-stdout" (func $get-stdout (result i32)))
            (memory (export "memory") 1)
            (func (export "run") (result i32)
                (local $left i32)
                (local.set $left (i32.const 2000))
                (loop $more
                    (drop (call $get-stdout))
                    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                    (br_if $more (local.get $left)))
                i32.const 0))"#,
    )
    .await;
    assert_eq!(applet_code(outcome), "crashed");
}

#[tokio::test]
async fn g11_an_answer_outside_of_memory_or_of_its_type_is_an_error() {
    for address in ["4294967295", "65535"] {
        let module = format!(
            r#"(core module $guest (memory (export "memory") 1) (func (export "run") (result i32) i32.const {address}))"#
        );
        assert_eq!(applet_code(attack_by_hand(&module).await.1), "crashed", "{address}");
    }
    // A result is case 0 or 1; this says 7. Then an error whose text has four gigabytes, or is no UTF-8.
    for answer in [
        r"\07",
        r"\01\00\00\00\00\00\00\00\ff\ff\ff\ff",
        r"\01\00\00\00\10\00\00\00\02\00\00\00\00\00\00\00\ff\ff",
    ] {
        let module = format!(
            r#"(core module $guest
                (memory (export "memory") 1)
                (data (i32.const 0) "{answer}")
                (func (export "run") (result i32) i32.const 0))"#
        );
        assert_eq!(applet_code(attack_by_hand(&module).await.1), "crashed", "{answer}");
    }
}

async fn refused(host: &Host, component: &[u8]) -> String {
    let failure = host.runtime.inspect(component).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::ManifestInvalid);
    failure.message
}

#[tokio::test]
async fn decision_19_sockets_are_not_served() {
    let reason = refused(&Host::new(), &guest("network")).await;
    assert!(reason.contains("wasi:sockets/"), "{reason}");
}

#[tokio::test]
async fn s4_what_is_no_component_is_refused_with_the_reason() {
    let host = Host::new();
    assert!(refused(&host, b"").await.contains("WebAssembly"));
    assert!(refused(&host, b"#!/bin/sh").await.contains("not WebAssembly"));
    assert!(refused(&host, &wat::parse_str("(module)").unwrap()).await.contains("applet package"));
    let mut cut = guest("bench");
    cut.truncate(cut.len() / 2);
    refused(&host, &cut).await;
}

#[tokio::test]
async fn s4_a_component_that_expects_another_type_of_our_interface_is_refused() {
    let component = wat::parse_str(
        r#"(component
            (import "applet:host/context@0.1.0" (instance (export "current" (func (result u32))))))"#,
    )
    .unwrap();
    assert!(refused(&Host::new(), &component).await.contains("does not fit"));
}

fn many_functions(number: usize) -> Vec<u8> {
    let functions = "(func)".repeat(number);
    wat::parse_str(format!("(component (core module {functions}))")).unwrap()
}

#[tokio::test]
async fn g10_too_many_functions_or_bytes_are_refused_before_they_are_compiled() {
    let host = Host::with(RuntimeLimits { instances: 2, functions: 10, ..RuntimeLimits::default() });
    assert!(refused(&host, &many_functions(11)).await.contains("11 functions"));
    let host = Host::with(RuntimeLimits { instances: 2, component_bytes: 100, ..RuntimeLimits::default() });
    assert!(refused(&host, &many_functions(200)).await.contains("bytes"));
}

/// Megabytes of arithmetic on a parameter, so that nothing of it can be folded away.
fn compile_bomb() -> Vec<u8> {
    let work =
        "(i32.mul (i32.xor (local.get 0) ".repeat(500) + "(local.get 0)" + &") (local.get 0))".repeat(500);
    let function = format!("(func (param i32) (result i32) {work})");
    wat::parse_str(format!("(component (core module {}))", function.repeat(2_000))).unwrap()
}

#[tokio::test]
async fn g10_a_compile_bomb_is_killed_and_the_host_goes_on() {
    let limits = RuntimeLimits { instances: 2, ..RuntimeLimits::default() };
    let bomb = compile_bomb();
    for (limits, reason) in [
        (RuntimeLimits { compile_cpu_seconds: 1, ..limits.clone() }, "1 s of CPU"),
        (RuntimeLimits { compile_memory_bytes: 32 << 20, ..limits }, "32 MiB of memory"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let host = Host::at(directory.path(), limits);
        let told = refused(&host, &bomb).await;
        assert!(told.contains(reason), "{told}");
        let left: Vec<_> =
            std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["key"]);
    }
}

#[tokio::test]
async fn g07_a_reused_slot_holds_nothing_of_the_guest_before() {
    // Writes a canary into fresh memory if there is none yet; finding one is a leak.
    let module = r#"(core module $guest
        (memory (export "memory") 100)
        (func (export "run") (result i32)
            (local $at i32)
            (loop $next
                (if (i32.load (local.get $at)) (then unreachable))
                (i32.store (local.get $at) (i32.const 0x5ec2e7))
                (local.set $at (i32.add (local.get $at) (i32.const 4096)))
                (br_if $next (i32.lt_u (local.get $at) (i32.const 6553600))))
            (i32.store (i32.const 0) (i32.const 0))
            i32.const 0))"#;
    let host =
        Host::with(RuntimeLimits { instances: 1, instances_per_applet: 1, ..RuntimeLimits::default() });
    let component = host.load(&by_hand(module)).await;
    for _ in 0..5 {
        assert_eq!(host.call(component, HookCall::Enable).await, Ok(String::new()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g08_attackers_free_their_slots_and_neighbours_are_served_meanwhile() {
    let mut host = Host::new();
    host.limits.execution.cpu_ms = 50;
    let (hostile, neighbour) = (host.load(&guest("hostile")).await, host.load(&guest("bench")).await);
    let attack = |component: ComponentDigest| host.named(component, "endless-loop", "null");
    let serve = async {
        for _ in 0..20 {
            let mut call = host.invocation();
            call.applet = "neighbour".parse().unwrap();
            let hook = HookCall::Named { name: "hello".parse().unwrap(), payload: "null".to_owned() };
            host.runtime.call(neighbour, call.into(), hook).await.unwrap();
        }
    };
    let (one, two, three, four, ()) =
        tokio::join!(attack(hostile), attack(hostile), attack(hostile), attack(hostile), serve);
    for outcome in [one, two, three, four] {
        assert_eq!(host_code(outcome), ErrorCode::BudgetSpent);
    }
    assert_neighbour_is_well(&host).await;
}
