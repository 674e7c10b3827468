//! Two ways to do the same, timed in turns.
//!
//! The machine changes under a benchmark: whatever disturbs one way has to disturb the other as well. So
//! both run in short blocks, in the order A B B A, many times, and what is compared are the lower quartiles
//! of the blocks.

use std::time::{Duration, Instant};

/// How long a block should take.
const BLOCK: Duration = Duration::from_millis(15);
/// Turns of A B B A.
const TURNS: usize = 20;

/// One way of doing something, once.
pub(crate) type Arm<'a> = Box<dyn FnMut() + 'a>;

/// Microseconds per call of each arm: the lower quartile of its blocks.
pub(crate) fn compare<const ARMS: usize>(mut arms: [Arm<'_>; ARMS]) -> [f64; ARMS] {
    let calls = arms.each_mut().map(calls_per_block);
    let mut blocks: [Vec<f64>; ARMS] = std::array::from_fn(|_| Vec::new());
    for _ in 0..TURNS {
        for forward in [true, false] {
            for position in 0..ARMS {
                let index = if forward { position } else { ARMS - 1 - position };
                let took = block(&mut arms[index], calls[index]);
                blocks[index].push(took.as_secs_f64() * 1e6 / f64::from(calls[index]));
            }
        }
    }
    blocks.map(lower_quartile)
}

fn calls_per_block(arm: &mut Arm<'_>) -> u32 {
    let mut calls = 1;
    loop {
        let took = block(arm, calls);
        if took >= BLOCK || calls >= 1 << 20 {
            return calls;
        }
        calls = if took * 4 < BLOCK { calls * 4 } else { calls * 2 };
    }
}

fn block(arm: &mut Arm<'_>, calls: u32) -> Duration {
    let began = Instant::now();
    for _ in 0..calls {
        arm();
    }
    began.elapsed()
}

fn lower_quartile(mut blocks: Vec<f64>) -> f64 {
    blocks.sort_by(f64::total_cmp);
    blocks[blocks.len() / 4]
}

/// A line of the table: what, microseconds, and the ratio to the native way with its budget.
pub(crate) fn line(what: &str, took: f64, native: Option<f64>, budget: &str) {
    match native {
        Some(native) => {
            println!("{what:<44} {took:>10.2} {native:>10.2} {:>7.2}   {budget}", took / native);
        }
        None => println!("{what:<44} {took:>10.2} {:>10} {:>7}   {budget}", "", ""),
    }
}
