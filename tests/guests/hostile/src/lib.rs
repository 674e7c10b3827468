//! Everything that an applet should not do, one hook each. `hooks` lists them, and the host's tests compare
//! that list with theirs.

use std::hint::black_box;
use std::mem;
use std::time::Duration;

use applet_sdk::{HookError, Result, Value, context, db, log, params};

macro_rules! hostile {
    ($($name:literal => $hook:path),* $(,)?) => {
        fn hooks((): ()) -> Result<Vec<&'static str>> {
            Ok(vec![$($name),*])
        }

        applet_sdk::export! { named: { "hooks" => hooks, $($name => $hook),* } }
    };
}

hostile! {
    "endless-loop" => endless_loop,
    "endless-sleep" => endless_sleep,
    "memory-bomb" => memory_bomb,
    "recursion" => recursion,
    "panic" => panic,
    "exit" => exit,
    "host-call-flood" => host_call_flood,
    "statement-flood" => statement_flood,
    "log-flood" => log_flood,
    "log-forgery" => log_forgery,
    "giant-parameter" => giant_parameter,
    "giant-list" => giant_list,
    "giant-answer" => giant_answer,
    "trap-in-transaction" => trap_in_transaction,
    "loop-in-transaction" => loop_in_transaction,
    "sleep-in-transaction" => sleep_in_transaction,
    "transaction-never-closed" => transaction_never_closed,
    "second-transaction" => second_transaction,
}

fn endless_loop((): ()) -> Result<()> {
    spin()
}

fn spin() -> ! {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

fn endless_sleep((): ()) -> Result<()> {
    loop {
        std::thread::sleep(Duration::from_secs(3_600));
    }
}

fn memory_bomb((): ()) -> Result<usize> {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn recursion((): ()) -> Result<u64> {
    #[expect(unconditional_recursion, reason = "that is the attack")]
    fn deeper(depth: u64) -> u64 {
        let room = black_box([depth; 64]);
        deeper(depth + 1) + room[0]
    }
    Ok(deeper(0))
}

fn panic((): ()) -> Result<()> {
    panic!("on purpose")
}

fn exit((): ()) -> Result<()> {
    std::process::exit(1)
}

fn host_call_flood((): ()) -> Result<()> {
    loop {
        log::debug("");
    }
}

/// A refused statement is an answer, not an end: the guest tries on.
fn statement_flood((): ()) -> Result<()> {
    loop {
        mem::drop(db::query("SELECT 1", []));
    }
}

fn log_flood((): ()) -> Result<()> {
    for line in 0..1_000 {
        println!("{line} {}", "x".repeat(1_000));
    }
    Ok(())
}

fn log_forgery((): ()) -> Result<()> {
    log::info("harmless\nERROR the host is \u{1b}[31mon fire\u{202e}");
    Ok(())
}

fn giant_parameter((): ()) -> Result<u64> {
    db::execute("SELECT $1", params!["x".repeat(8 << 20)])
}

fn giant_list((): ()) -> Result<u64> {
    db::execute("SELECT $1", vec![Value::Null; 1_000_000])
}

fn giant_answer((): ()) -> Result<String> {
    Ok("x".repeat(8 << 20))
}

fn trap_in_transaction((): ()) -> Result<()> {
    let transaction = db::begin()?;
    transaction.execute("INSERT INTO clients (first_name, last_name) VALUES ($1, $1)", params!["gone"])?;
    panic!("on purpose")
}

fn loop_in_transaction((): ()) -> Result<()> {
    let transaction = db::begin()?;
    transaction.execute("INSERT INTO clients (first_name, last_name) VALUES ($1, $1)", params!["gone"])?;
    spin()
}

fn sleep_in_transaction((): ()) -> Result<()> {
    let transaction = db::begin()?;
    transaction.execute("INSERT INTO clients (first_name, last_name) VALUES ($1, $1)", params!["gone"])?;
    endless_sleep(())
}

fn transaction_never_closed((): ()) -> Result<()> {
    let transaction = db::begin()?;
    transaction.execute("INSERT INTO clients (first_name, last_name) VALUES ($1, $1)", params!["gone"])?;
    mem::forget(transaction);
    Ok(())
}

fn second_transaction((): ()) -> Result<(), HookError> {
    let _first = db::begin()?;
    let _second = db::begin()?;
    Err(HookError::new("not-refused", context::current().request_id))
}
