//! A recording, played to another build: the real runtime and the real gate, and answers from the recording instead
//! of a database.
//!
//! *Invariant:* nothing here opens a connection. What is in a recording is data for a sandboxed component, bounded by
//! the limits of this program, whatever the recording says.
//!
//! Start reading at [`Stage`], then [`database`].

mod database;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use applet_gate::{ScopeContext, StatementKind, Wall, scope};
use applet_recording::{Comparison, Ending, Judged, Player, Recording, Rules, Verdict};
use applet_runtime::{Clocks, Given, GuestLog, GuestLogLevel, Nature, RuntimeLimits};
use applet_types::{Actor, Applets, Budget, Grants, HookCall, Invocation, Limits};
use tokio::sync::Notify;

use crate::output::CommandError;
use crate::record::recorded_level;
use applet_wiring::{Compiler, runtime};
use database::Answers;

/// What a build is played.
pub(crate) struct Stage {
    pub(crate) recording: Recording,
    pub(crate) rules: Rules,
    /// What the build may do.
    pub(crate) grants: Arc<Grants>,
    pub(crate) limits: RuntimeLimits,
}

/// The recording that is played, shared by everything that answers from it.
#[derive(Clone)]
struct Shared {
    /// Taken when the build has come to its end.
    player: Arc<Mutex<Option<Player>>>,
    stop: Arc<Notify>,
}

impl Shared {
    fn with<T>(&self, use_it: impl FnOnce(&mut Player) -> T) -> Option<T> {
        self.player.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(use_it)
    }
}

impl Stage {
    /// Runs a build, with what is compiled of it kept in this directory, and compares.
    pub(crate) async fn play(self, component: &[u8], directory: &Path) -> Result<Comparison, CommandError> {
        let Self { recording, rules, grants, limits } = self;
        let head = recording.head.clone();
        let hook = HookCall::Named { name: head.hook.clone(), payload: head.payload.clone() };
        let judge = Judge::of(&recording, Arc::new(head.grants.clone()));
        let mut invocation = invocation(&recording, Arc::clone(&grants));
        let player = Player::new(recording, rules, |sql| judge.recorded(sql));
        let shared = Shared { player: Arc::new(Mutex::new(Some(player))), stop: Arc::new(Notify::new()) };
        let judge = Judge { grants, ..judge };
        let answers = Answers::new(shared.clone(), judge);
        let log = Arc::new(PlayedLog(shared.clone()));
        let nature = Arc::new(PlayedNature { shared: shared.clone(), seed: head.seed.0 });
        let compiler = Compiler::this_program()
            .map_err(|_| CommandError::usage("this process was started to compile a component"))?;
        let runtime = runtime(directory, &compiler, (Arc::new(answers), log), limits)?.under(nature);
        let report = runtime.inspect(component).await?;
        // Compiling is no time of the call.
        let began = Instant::now();
        invocation.deadline = began + Duration::from_millis(invocation.limits.execution.wall_ms);
        let invocation = Arc::new(invocation);
        let ending = tokio::select! {
            outcome = runtime.call(report.digest, Arc::clone(&invocation), hook) => Some(Ending::from(outcome)),
            () = shared.stop.notified() => None,
        };
        let usage = invocation.budget.usage(began.elapsed());
        drop(runtime);
        let player = shared.player.lock().unwrap_or_else(PoisonError::into_inner).take();
        let player = player.ok_or_else(|| CommandError::usage("the recording was played already"))?;
        Ok(Comparison::of(player, ending, usage))
    }
}

fn invocation(recording: &Recording, grants: Arc<Grants>) -> Invocation {
    let head = &recording.head;
    // What the recording says was lowered to what any host may allow when it was read.
    let limits = Limits { reuse: false, cache: None, ..head.limits.clone() };
    Invocation {
        request: head.request,
        tenant: head.tenant,
        workspace: head.workspace,
        applet: head.applet.clone(),
        version: head.version.clone(),
        installation: head.installation,
        actor: head.user.map_or(Actor::Platform, Actor::User),
        locale: head.locale.clone(),
        variables: Arc::new(head.variables.clone()),
        grants,
        deadline: Instant::now(),
        limits: Arc::new(limits),
        budget: Arc::new(Budget::default()),
    }
}

/// The gate, over the recorded part of the catalogue.
struct Judge {
    catalog: applet_catalog::Catalog,
    grants: Arc<Grants>,
    limits: Limits,
    redacted: bool,
}

impl Judge {
    fn of(recording: &Recording, grants: Arc<Grants>) -> Self {
        let head = &recording.head;
        let (catalog, limits) = (head.catalog.clone(), head.limits.clone());
        Self { catalog, grants, limits, redacted: head.redacted }
    }

    /// What the gate said of a recorded statement. One without its literals cannot be read again: it is compared
    /// by its text, and that it came into the recording with an answer says that it passed.
    fn recorded(&self, sql: &str) -> Verdict {
        if self.redacted {
            let first = sql.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
            let writes = ["insert", "update", "delete"].contains(&first.as_str());
            let returns_rows = !writes || sql.to_ascii_lowercase().contains("returning");
            let canonical = sql.to_owned();
            return Verdict::Passed(Judged {
                canonical,
                writes,
                returns_rows,
                parameters: 0,
                tables: Vec::new(),
            });
        }
        self.verdict(sql)
    }

    fn verdict(&self, sql: &str) -> Verdict {
        let context = ScopeContext {
            grants: &self.grants,
            catalog: &self.catalog,
            limits: &self.limits.statement,
            wall: Wall::Both,
            allow_global_keys: false,
        };
        match scope(sql, &context) {
            Ok(scoped) => Verdict::Passed(Judged {
                canonical: scoped.text().to_owned(),
                writes: scoped.kind() != StatementKind::Select,
                returns_rows: scoped.returns_rows(),
                parameters: scoped.parameters(),
                tables: scoped.tables().iter().map(|used| used.table.clone()).collect(),
            }),
            Err(failure) => Verdict::Refused(failure),
        }
    }
}

struct PlayedLog(Shared);

impl GuestLog for PlayedLog {
    fn line(&self, _call: &Invocation, level: GuestLogLevel, text: &str) {
        self.0.with(|player| player.line(recorded_level(level), text));
    }
}

struct PlayedNature {
    shared: Shared,
    seed: [u8; 32],
}

impl Nature for PlayedNature {
    fn given(&self, _call: &Invocation) -> Option<Given> {
        Some(Given { seed: self.seed, clocks: Arc::new(PlayedClocks(self.shared.clone())) })
    }
}

/// Clocks that show what they showed.
struct PlayedClocks(Shared);

impl Clocks for PlayedClocks {
    fn wall(&self, milliseconds: u64) -> u64 {
        self.0.with(Player::wall).unwrap_or(milliseconds)
    }

    fn monotonic(&self, nanoseconds: u64) -> u64 {
        self.0.with(Player::monotonic).unwrap_or(nanoseconds)
    }
}
