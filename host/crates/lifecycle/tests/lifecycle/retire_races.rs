//! Two hosts at the same uninstall, enable or disable; and a host that wakes up after its lease (limits G16).

use applet_lifecycle::{Progress, RetireMode, Silent};
use applet_store::State;

use super::export::meanwhile;
use super::host::{Database, Host, admin, applet, workspace};
use super::notes::{all_of, rows_of, stands, write_notes};

/// What losing a race may look like.
const LOST: [&str; 5] = ["approval-spent", "approval-missing", "held", "lock-timeout", "illegal-transition"];

#[tokio::test]
async fn s4_30_of_hosts_that_race_for_an_uninstall_one_does_it() {
    let database = Database::new().await;
    let hosts = [Host::on(&database.url).await, Host::on(&database.url).await];
    hosts[0].takes_notes(&database, &[1, 2]).await;
    let others = all_of(&database, 2).await;
    for round in 0..4 {
        let mode = if round % 2 == 0 { RetireMode::Soft } else { RetireMode::Hard };
        let planned = hosts[0].plans_leaving(1, mode).await.unwrap();
        hosts[0].approves_leaving(1, &planned).await;
        let (a, b, c) = tokio::join!(hosts[0].goes(1, None), hosts[1].goes(1, None), hosts[0].goes(1, None));
        let outcomes = [a, b, c];
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        for error in outcomes.into_iter().filter_map(Result::err) {
            assert!(LOST.contains(&error.code()), "{}: {error}", error.code());
        }
        assert!(matches!(hosts[1].notes_state(1).await, State::Retired { .. }));
        assert_eq!(all_of(&database, 2).await, others);
        hosts[1].installs_notes(1, 1).await;
    }
}

#[tokio::test]
async fn s4_30_an_uninstall_and_an_install_of_two_tenants_can_race() {
    let database = Database::new().await;
    let hosts = [Host::on(&database.url).await, Host::on(&database.url).await];
    hosts[0].takes_notes(&database, &[1]).await;
    for _ in 0..4 {
        let planned = hosts[0].plans_leaving(1, RetireMode::Hard).await.unwrap();
        hosts[0].approves_leaving(1, &planned).await;
        let (left, came) = tokio::join!(hosts[0].goes(1, None), hosts[1].installs_notes(2, 2));
        left.unwrap();
        assert!(hosts[0].serves_notes(2).await, "{came:?}");
        assert_eq!(stands(&database).await.len(), 2, "the tables are there for whoever came");
        write_notes(&database, 2, 1).await;
        hosts[0].leaves(2, RetireMode::Hard, None).await;
        assert!(stands(&database).await.is_empty());
        hosts[0].installs_notes(1, 1).await;
    }
}

#[tokio::test]
async fn s4x_7_of_hosts_that_race_to_switch_one_does_it() {
    let database = Database::new().await;
    let hosts = [Host::on(&database.url).await, Host::on(&database.url).await];
    hosts[0].takes_notes(&database, &[1]).await;
    let (ctx, home, id) = (admin(1), workspace(1), applet("notes"));
    for _ in 0..5 {
        let (a, b) = tokio::join!(
            hosts[0].lifecycle.disable_now(&ctx, home, &id),
            hosts[1].lifecycle.disable(&ctx, home, &id)
        );
        assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
        assert_eq!(hosts[0].notes_state(1).await, State::Disabled);
        let (a, b) = tokio::join!(
            hosts[0].lifecycle.enable(&ctx, home, &id),
            hosts[1].lifecycle.enable(&ctx, home, &id)
        );
        assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
        assert_eq!(hosts[0].notes_state(1).await, State::Active);
    }
}

/// A host that sleeps past its lease when it comes to a step, while another one does all the work.
struct Sleeper<'a> {
    at: u32,
    database: &'a Database,
}

impl Progress for Sleeper<'_> {
    fn step(&self, step: u32, _of: u32, _what: &str) {
        if step != self.at {
            return;
        }
        meanwhile(|| async {
            let over = "UPDATE applet_host.operations SET lease_until = now() - interval '1 second'
                         WHERE state = 'running'";
            self.database.run(over).await;
            let report = Host::on(&self.database.url).await.goes(1, None).await.unwrap();
            assert!(report.resumed);
            // What comes next must not be undone by whoever wakes up.
            let host = Host::on(&self.database.url).await;
            host.installs_notes(1, 1).await;
            write_notes(self.database, 1, 2).await;
        });
    }
}

#[tokio::test]
async fn s4_30_a_host_that_wakes_up_after_its_lease_changes_nothing() {
    for mode in [RetireMode::Soft, RetireMode::Hard] {
        for at in [1, 3, 4] {
            let database = Database::new().await;
            let host = Host::on(&database.url).await;
            host.takes_notes(&database, &[1, 2]).await;
            let others = all_of(&database, 2).await;
            let planned = host.plans_leaving(1, mode).await.unwrap();
            host.approves_leaving(1, &planned).await;
            let sleeper = Sleeper { at, database: &database };
            let (life, id) = (&host.lifecycle, applet("notes"));
            let late = life.uninstall(&admin(1), workspace(1), &id, None, &sleeper).await;
            assert_eq!(late.unwrap_err().code(), "held", "{mode:?} at {at}");
            assert!(host.serves_notes(1).await, "{mode:?} at {at}: it was installed again meanwhile");
            let expected = if mode == RetireMode::Soft { 10 } else { 4 };
            assert_eq!(rows_of(&database, 1).await, expected, "{mode:?} at {at}");
            assert_eq!(all_of(&database, 2).await, others);
            assert!(life.resume(admin(1).request, &Silent).await.unwrap().is_empty());
        }
    }
}
