//! Every SQL case through the program, on a real PostgreSQL, behind both walls.

use applet_tests::corpus::database::Fixture;
use applet_tests::corpus::program::Program;
use applet_tests::corpus::{Case, Expect, Manifest, cases, oracle};

/// Reads and rejections share a copy per manifest; nothing in it may change.
///
/// Spec: S4.1-5, S4.8-9, S4.15-17, S4.49-54, S4.58-59
#[tokio::test]
async fn s4_55_reads_and_rejections_are_as_their_cases_say() {
    let cases = selected(|case| !case.writes() && !matches!(case.expect, Expect::Bounded { .. }));
    let fixture = Fixture::load().await;
    let mut reference = fixture.copy().await;
    let mut failures = Vec::new();
    for manifest in Manifest::ALL {
        let mut copy = fixture.copy().await;
        let mut program = Program::start(&copy.url(), &manifest.path(), &[]);
        for case in cases.iter().filter(|case| case.manifest == manifest) {
            note(&mut failures, case, oracle::read(case, &mut program, &mut reference).await);
        }
        program.finish();
        let changes = copy.changes().await;
        assert!(changes.is_empty(), "a read or a rejected statement changed rows: {changes:?}");
    }
    report(&failures, cases.len());
}

/// Rows are compared with what a superuser's statement does on another copy.
///
/// Spec: S4.10-14, S4.22
#[tokio::test]
async fn s4_55_writes_have_the_effect_that_their_cases_say() {
    let cases = selected(Case::writes);
    let fixture = Fixture::load().await;
    let mut reference = fixture.copy().await;
    let mut failures = Vec::new();
    for manifest in Manifest::ALL {
        let mut copy = fixture.copy().await;
        let mut program = Program::start(&copy.url(), &manifest.path(), &[]);
        for case in cases.iter().filter(|case| case.manifest == manifest) {
            note(&mut failures, case, oracle::write(case, &mut program, &mut copy, &mut reference).await);
        }
        program.finish();
    }
    report(&failures, cases.len());
}

/// Statements that want too much; most of them end at the statement timeout, so several run at once.
///
/// Spec: S4.5-6, S4.57
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s4_56_answers_stay_within_their_bounds() {
    let cases = selected(|case| !case.writes() && matches!(case.expect, Expect::Bounded { .. }));
    let fixture = Fixture::load().await;
    let mut lanes = tokio::task::JoinSet::new();
    let count = cases.len();
    for lane in cases.chunks(count.div_ceil(4)).map(<[Case]>::to_vec) {
        let mut copy = fixture.copy().await;
        lanes.spawn(async move {
            let mut failures = Vec::new();
            let mut program = Program::start(&copy.url(), &Manifest::Default.path(), &[]);
            for case in lane {
                let verdict = oracle::read(&case, &mut program, &mut copy).await;
                note(&mut failures, &case, verdict);
            }
            program.finish();
            failures
        });
    }
    report(&lanes.join_all().await.concat(), count);
}

/// All cases that match, or the ones that `SQL_CASE` names by the beginning of their ids.
fn selected(wanted: impl Fn(&Case) -> bool) -> Vec<Case> {
    let only = std::env::var("SQL_CASE").ok();
    let named = |case: &Case| only.as_ref().is_none_or(|only| case.id.starts_with(only));
    cases().into_iter().filter(|case| named(case) && wanted(case)).collect()
}

fn note(failures: &mut Vec<String>, case: &Case, verdict: Result<(), String>) {
    if let Err(problem) = verdict {
        let sql: String = case.sql.chars().take(300).collect();
        failures.push(format!("{} ({}): {problem}\n    {sql}", case.id, case.why));
    }
}

fn report(failures: &[String], count: usize) {
    assert!(failures.is_empty(), "{} of {count} cases:\n{}", failures.len(), failures.join("\n"));
}
