//! Twin tenants (SPEC F2, properties b and c): what tenant A gets and does never depends on what tenant B
//! has. Every statement runs on two copies of the fixture that differ in nothing but tenant B's rows.

#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

use applet_tests::corpus::Manifest;
use applet_tests::corpus::database::{Copy, Fixture};
use applet_tests::corpus::oracle::{same_answer, same_changes};
use applet_tests::corpus::program::{Answer, Program};
use applet_tests::sqlgen::{Generated, Generator};
use applet_types::ErrorGroup;

/// Another tenant B: other texts, numbers and dates, rows more and rows less. Tenant A's rows stay where
/// they are on disk, and nothing is analysed, so that the same plans give them in the same order.
const TWIN: &str = "
    UPDATE users SET first_name = 'zzz TENANT-B', role = 'admin', is_active = NOT is_active WHERE id > 100;
    UPDATE clients SET first_name = left(first_name, 1) || '0 TENANT-B', status = 'active', deleted_at = NULL,
        lifetime_value = -1, country_code = 'US', tags = '{hot}', metadata = '{\"source\": 7}',
        birth_date = '1900-01-01', assigned_user_id = 1, referred_by_client_id = 1 WHERE id > 100;
    UPDATE chats SET status = 'open', subject = NULL, channel = 'x', closed_at = NULL WHERE id > 100;
    UPDATE chat_messages SET content = '9', tokens = 0, sender_type = 'ai', read_at = NULL WHERE id > 5000;
    DELETE FROM chat_messages WHERE id > 5015;
    INSERT INTO clients (id, tenant_id, first_name, status)
        SELECT 50000 + n, 'bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb', 'More TENANT-B', 'lead' FROM generate_series(1, 30) n;
    INSERT INTO applet_ai_chat_ai_chat_configs (tenant_id, model_name)
        VALUES ('bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb', 'twin') ON CONFLICT (tenant_id) DO UPDATE SET model_name = 'twin'";

/// The bulk rows are for the row cap; here they would only make products slow.
const SMALLER: &str = "DELETE FROM chat_messages WHERE id > 24 AND id NOT BETWEEN 5001 AND 5024;
    DELETE FROM pristine.chat_messages WHERE id > 24 AND id NOT BETWEEN 5001 AND 5024";

/// `TWIN_SEED` and `TWIN_STATEMENTS` choose another or a longer run.
///
/// Spec: S4.51, S4.55
#[tokio::test]
async fn f2_tenant_b_changes_nothing_for_tenant_a_behind_both_walls() {
    let moved = compare(&[]).await;
    assert_eq!(moved, 0, "answers turned into data errors or back");
}

/// Spec: S4.51
#[tokio::test]
async fn f2_tenant_b_changes_nothing_for_tenant_a_behind_row_level_security_alone() {
    let moved = compare(&["--wall", "rls"]).await;
    assert_eq!(moved, 0, "answers turned into data errors or back");
}

/// Without row-level security an expression may be evaluated on another tenant's row before the predicate
/// drops it, and fail on it: that much is only counted.
///
/// Spec: S4.49
#[tokio::test]
async fn f2_tenant_b_changes_no_row_and_no_effect_behind_the_gate_alone() {
    let moved = compare(&["--wall", "gate"]).await;
    println!("{moved} statements changed between success and a data error");
}

/// What writes leave in the tables is the same beside either tenant B.
///
/// Spec: S4.11-12
#[tokio::test]
async fn f2_writes_of_tenant_a_have_the_same_effect_beside_another_tenant_b() {
    let (mut one, mut other) = twins().await;
    other.keep().await;
    let manifest = Manifest::WithDelete.path();
    let mut first = Program::start(&one.url(), &manifest, &[]);
    let mut second = Program::start(&other.url(), &manifest, &[]);
    let mut effects = 0;
    let writes = statements().filter(|generated| !generated.sql.trim_start().starts_with(['S', 'W']));
    for generated in writes.take(number("TWIN_EFFECTS", 250)) {
        let (a, b) = (ask(&mut first, &generated), ask(&mut second, &generated));
        let (left, right) = (one.changes().await, other.changes().await);
        assert!(!left.iter().chain(&right).any(|change| change.is_foreign()), "{}: {left:?}", generated.sql);
        let same = same_answer(&a, &b).and_then(|()| same_changes(&left, &right));
        assert_eq!(same, Ok(()), "{}", generated.sql);
        effects += usize::from(!left.is_empty());
        if !left.is_empty() || !right.is_empty() {
            one.restore().await;
            other.restore().await;
        }
    }
    println!("{effects} statements changed rows");
    assert!(effects > 10, "only {effects} statements changed anything");
}

/// Runs the same statements on both copies, each line undone, and returns how many changed between success
/// and a data error. Any other difference fails the test.
async fn compare(walls: &[&str]) -> usize {
    let (one, other) = twins().await;
    let manifest = Manifest::WithDelete.path();
    let arguments: Vec<_> = walls.iter().copied().chain(["--rollback"]).collect();
    let mut first = Program::start(&one.url(), &manifest, &arguments);
    let mut second = Program::start(&other.url(), &manifest, &arguments);
    let wanted = number("TWIN_STATEMENTS", 5_000);
    let (mut accepted, mut rows, mut moved) = (0, 0, 0);
    // Far more than it takes: when nothing is accepted, that has to show.
    for generated in statements().take(wanted * 4) {
        let (a, b) = (ask(&mut first, &generated), ask(&mut second, &generated));
        if refused(&a) && refused(&b) {
            continue;
        }
        accepted += 1;
        rows += a.rows.len();
        for answer in [&a, &b] {
            let said = generated.sql.contains("TENANT-B");
            assert!(said || !answer.line.contains("TENANT-B"), "{}\n{}", generated.sql, answer.line);
        }
        match same_answer(&a, &b) {
            Ok(()) => {}
            Err(_) if data_error(&a) != data_error(&b) => moved += 1,
            Err(difference) => {
                panic!("{}\n{:?}\n{}\n{difference}", generated.sql, generated.params, a.rewritten)
            }
        }
        if accepted == wanted {
            break;
        }
    }
    first.finish();
    second.finish();
    println!("{accepted} statements, {rows} rows, {moved} between success and a data error");
    assert_eq!(accepted, wanted, "too few statements are accepted");
    assert!(rows > accepted, "the statements hardly return anything");
    moved
}

fn refused(answer: &Answer) -> bool {
    !answer.ok && answer.by_gate()
}

fn data_error(answer: &Answer) -> bool {
    answer.code.is_some_and(|code| code.group() == ErrorGroup::DataError)
}

fn ask(program: &mut Program, generated: &Generated) -> Answer {
    program.ask(&generated.sql, &generated.params)
}

async fn twins() -> (Copy, Copy) {
    let fixture = Fixture::load().await;
    let (mut one, mut other) = (fixture.copy().await, fixture.copy().await);
    one.run(SMALLER).await;
    other.run(SMALLER).await;
    other.run(TWIN).await;
    (one, other)
}

fn statements() -> impl Iterator<Item = Generated> {
    let seed = number("TWIN_SEED", 4_711) as u64;
    println!("seed {seed}");
    let mut generator = Generator::new(seed);
    std::iter::repeat_with(move || generator.statement()).filter(|generated| generated.sql.len() < 4_000)
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}
