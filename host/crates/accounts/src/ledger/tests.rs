//! Accounts as the host uses them, on a clock that the test moves.

use std::time::Duration;

use applet_types::{
    Account, Actor, Budget, ErrorCode, Grants, HookError, Limits, RequestId, Resource, Version, WorkspaceId,
};
use uuid::Uuid;

use super::*;
use crate::breaker::Change;
use crate::reading::CircuitState;

struct Bench {
    accounts: Accounts,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let breaker = BreakerLimits { failures: 3, failed_percent: 50, window_s: 60, cool_down_s: 10 };
        Self { accounts: Accounts::new(TenantLimits::default(), breaker, now), now }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn admit(&self, call: &Invocation) -> Result<Admitted, Failure> {
        self.accounts.admit(call, self.now)
    }

    fn account(&self, call: &Invocation) -> Arc<dyn Account> {
        self.admit(call).unwrap().account()
    }

    fn end(&self, call: &Invocation, outcome: &Result<String, HookError>) -> Option<Change> {
        self.admit(call).unwrap().ended(outcome, false, self.now)
    }
}

fn call(tenant: u128, installation: u128) -> Invocation {
    Invocation {
        request: RequestId::new(Uuid::nil()),
        tenant: TenantId::new(Uuid::from_u128(tenant)),
        workspace: WorkspaceId::new(Uuid::from_u128(tenant)),
        applet: "notes".parse().unwrap(),
        version: Version::new(1, 0, 0),
        installation: InstallationId::new(Uuid::from_u128(installation)),
        actor: Actor::Platform,
        locale: "en".to_owned(),
        grants: Arc::new(Grants::builder().build()),
        limits: Arc::new(Limits::default()),
        variables: Arc::default(),
        deadline: Instant::now(),
        budget: Arc::new(Budget::default()),
    }
}

fn crashed() -> Result<String, HookError> {
    Err(HookError::Applet { code: HookError::CRASHED.to_owned(), message: String::new() })
}

#[test]
fn s4x_5_fifty_invocations_a_second_and_a_hundred_at_once_for_each_installation() {
    let mut bench = Bench::new();
    let (own, other) = (call(1, 1), call(1, 2));
    for _ in 0..100 {
        bench.admit(&own).unwrap();
    }
    let refused = bench.admit(&own).unwrap_err();
    assert_eq!((refused.code, refused.retry_after_ms), (ErrorCode::RateLimited, Some(20)));
    assert!(refused.hint.unwrap().contains("limits.rate.invocations_per_second"));
    bench.admit(&other).unwrap();
    bench.pass(Duration::from_millis(20));
    bench.admit(&own).unwrap();
    bench.admit(&own).unwrap_err();
}

#[test]
fn s4x_5_statements_rows_and_writes_have_rates_of_their_own() {
    let mut bench = Bench::new();
    let mut call = call(1, 1);
    let mut limits = Limits::default();
    limits.rate.queries_per_minute = 60;
    limits.rate.rows_per_minute = 600;
    limits.rate.writes_per_second = 1;
    call.limits = Arc::new(limits);
    let (account, rate) = (bench.account(&call), &call.limits.rate);
    for _ in 0..60 {
        account.statement(rate, bench.now).unwrap();
    }
    let refused = account.statement(rate, bench.now).unwrap_err();
    assert_eq!((refused.code, refused.retry_after_ms), (ErrorCode::RateLimited, Some(1_000)));

    bench.pass(Duration::from_secs(1));
    account.charge(Resource::Rows, 610, rate, bench.now);
    let refused = account.statement(rate, bench.now).unwrap_err();
    assert_eq!(refused.retry_after_ms, Some(1_000), "ten rows are owed");
    assert!(refused.message.contains("rows per minute"), "{refused}");
    bench.pass(Duration::from_secs(1));
    account.statement(rate, bench.now).unwrap();

    account.write(rate, bench.now).unwrap();
    account.write(rate, bench.now).unwrap();
    let refused = account.write(rate, bench.now).unwrap_err();
    assert_eq!((refused.code, refused.retry_after_ms), (ErrorCode::RateLimited, Some(1_000)));
    let counts = bench.accounts.reading(bench.now).installations[0].counts;
    assert_eq!((counts.statements, counts.refused_statements, counts.rows), (61, 3, 610));
}

#[test]
fn f4_a_tenants_applets_share_a_budget_and_other_tenants_have_their_own() {
    let mut bench = Bench::new();
    let (one, two, foreign) = (call(1, 1), call(1, 2), call(2, 3));
    let account = bench.account(&one);
    let rate = &one.limits.rate;
    account.charge(Resource::Cpu, 30_000_000, rate, bench.now);
    account.statement(rate, bench.now).unwrap();
    account.charge(Resource::Cpu, 500_000, rate, bench.now);
    let refused = account.statement(rate, bench.now).unwrap_err();
    assert_eq!((refused.code, refused.retry_after_ms), (ErrorCode::BudgetSpent, Some(1_000)));
    let refused = bench.admit(&two).unwrap_err();
    assert_eq!((refused.code, refused.retry_after_ms), (ErrorCode::BudgetSpent, Some(1_000)));
    bench.admit(&foreign).unwrap();
    bench.pass(Duration::from_secs(1));
    bench.admit(&two).unwrap();
    account.statement(rate, bench.now).unwrap();
}

#[test]
fn f4_a_refused_statement_does_not_push_the_end_of_the_debt_away() {
    let mut bench = Bench::new();
    let call = call(1, 1);
    let (account, rate) = (bench.account(&call), &call.limits.rate);
    account.charge(Resource::Bytes, (1 << 30) + (1 << 24), rate, bench.now);
    for _ in 0..10_000 {
        account.statement(rate, bench.now).unwrap_err();
    }
    bench.pass(Duration::from_secs(1));
    account.statement(rate, bench.now).unwrap();
}

#[test]
fn s4x_6_a_failing_installation_is_left_alone_and_tried_again() {
    let mut bench = Bench::new();
    let (own, other) = (call(1, 1), call(1, 2));
    assert_eq!((bench.end(&own, &crashed()), bench.end(&own, &crashed())), (None, None));
    assert!(matches!(bench.end(&own, &crashed()), Some(Change::Opened { failures: 3, .. })));
    let refused = bench.admit(&own).unwrap_err();
    assert_eq!((refused.code, refused.retry_after_ms), (ErrorCode::CircuitOpen, Some(10_000)));
    bench.admit(&other).unwrap();
    let reading = bench.accounts.reading(bench.now);
    let circuit = reading.installations[0].circuit;
    assert_eq!((circuit.state, circuit.retry_after_ms), (CircuitState::Open, Some(10_000)));
    assert_eq!((reading.installations[0].counts.failed, reading.installations[0].counts.refused), (3, 1));

    bench.pass(Duration::from_secs(10));
    let trial = bench.admit(&own).unwrap();
    assert_eq!(bench.admit(&own).unwrap_err().code, ErrorCode::CircuitOpen, "one tries");
    // Whoever called has gone away: the next one tries.
    drop(trial);
    assert_eq!(bench.end(&own, &crashed()), Some(Change::StaysOpen));
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.end(&own, &Ok("null".to_owned())), Some(Change::Closed));
    bench.admit(&own).unwrap();
}

#[test]
fn f4_accounts_at_rest_are_forgotten_and_those_in_use_or_in_debt_are_not() {
    let mut bench = Bench::new();
    for number in 0..5_000 {
        bench.admit(&call(number, number)).unwrap();
    }
    let held = bench.admit(&call(5_000, 5_000)).unwrap();
    let indebted = call(5_001, 5_001);
    bench.account(&indebted).charge(Resource::Cpu, 300_000_000, &indebted.limits.rate, bench.now);
    bench.pass(Duration::from_secs(61));
    let reading = bench.accounts.reading(bench.now);
    assert_eq!(reading.installations.len(), 1, "of those, one is held");
    assert_eq!((reading.installations[0].in_flight, reading.tenants.len()), (1, 2));
    assert_eq!(bench.admit(&indebted).unwrap_err().code, ErrorCode::BudgetSpent, "debts are not forgotten");
    drop(held);
    bench.pass(Duration::from_secs(600));
    let reading = bench.accounts.reading(bench.now);
    assert!(reading.installations.is_empty() && reading.tenants.is_empty());
}

#[test]
fn f4_nobody_has_to_look_for_accounts_to_be_forgotten() {
    let mut bench = Bench::new();
    for number in 0..20_000 {
        bench.admit(&call(number, number)).unwrap();
        bench.pass(Duration::from_millis(100));
    }
    assert!(bench.accounts.read().installations.len() <= 2 * ROOM);
}

#[test]
fn f4_a_reading_says_what_is_going_on() {
    let bench = Bench::new();
    let call = call(1, 1);
    let admitted = bench.admit(&call).unwrap();
    let (account, rate) = (admitted.account(), &call.limits.rate);
    account.gauge(applet_types::Gauge::SessionsInUse, true);
    account.gauge(applet_types::Gauge::SessionsWaiting, true);
    account.gauge(applet_types::Gauge::SessionsWaiting, false);
    account.charge(Resource::Database, 2_000, rate, bench.now);
    account.charge(Resource::HostCalls, 7, rate, bench.now);
    let reading = bench.accounts.reading(bench.now);
    let own = &reading.installations[0];
    assert_eq!((own.in_flight, own.sessions_in_use, own.sessions_waiting), (1, 1, 0));
    assert_eq!((own.counts.database_us, own.counts.host_calls), (2_000, 7));
    assert_eq!((own.tokens.invocations, own.tokens.writes), (99, 200));
    let database = reading.tenants[0].budgets.iter().find(|budget| budget.resource == Resource::Database);
    assert_eq!(database.map(|budget| (budget.per_minute, budget.left)), Some((120_000_000, 119_998_000)));
}
