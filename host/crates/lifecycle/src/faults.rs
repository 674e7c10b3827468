//! Fault points: places where a test kills the host or makes it fail, to prove that nothing is lost.
//!
//! There is one before and one after every change of state. They do nothing unless the environment says
//! so: `APPLET_FAULT=install-redeemed=kill`. The environment is read once, when the host is put together.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

/// The variable that arms a fault point.
pub(crate) const VARIABLE: &str = "APPLET_FAULT";

macro_rules! fault_points {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)*) => {
        /// A place where a fault can be injected.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FaultPoint {
            $($(#[$doc])* $variant,)*
        }

        impl FaultPoint {
            /// Every point, in the order in which an installation comes past them; then those that only an
            /// upgrade comes past, whose names begin with `upgrade-`.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

fault_points! {
    /// Package checked, nothing kept.
    SubmitChecked = "submit-checked";
    /// Package kept.
    SubmitKept = "submit-kept";
    /// Plan made, nothing kept.
    PlanMade = "plan-made";
    /// Plan kept.
    PlanKept = "plan-kept";
    /// Approval checked, nothing kept.
    ApproveChecked = "approve-checked";
    /// Approval kept.
    ApproveKept = "approve-kept";
    /// The plan was computed again and is the approved one; the approval is not spent.
    InstallChecked = "install-checked";
    /// Approval spent, operation started, nothing done.
    InstallRedeemed = "install-redeemed";
    /// Tables announced.
    TablesAnnounced = "tables-announced";
    /// Tables there, together with their record.
    TablesRecorded = "tables-recorded";
    /// Second wall announced.
    WallAnnounced = "wall-announced";
    /// Second wall there, not recorded.
    WallRaised = "wall-raised";
    /// Second wall recorded.
    WallRecorded = "wall-recorded";
    /// Twin-tenant check announced.
    TwinAnnounced = "twin-announced";
    /// Twin-tenant check passed, not recorded.
    TwinChecked = "twin-checked";
    /// Twin-tenant check recorded.
    TwinRecorded = "twin-recorded";
    /// The applet's own hook announced.
    HookAnnounced = "hook-announced";
    /// The hook has answered, not recorded.
    HookAnswered = "hook-answered";
    /// The hook recorded.
    HookRecorded = "hook-recorded";
    /// Everything done, not active.
    Activating = "activating";
    /// Active.
    Activated = "activated";
    /// An upgrade may go ahead, nothing kept.
    UpgradeChecked = "upgrade-checked";
    /// Its approval is spent, its operation started, nothing done.
    UpgradeRedeemed = "upgrade-redeemed";
    /// A change of a table announced.
    ChangeAnnounced = "upgrade-change-announced";
    /// A change made that has no transaction to be recorded in, not recorded.
    ChangeMade = "upgrade-change-made";
    /// A change recorded.
    ChangeRecorded = "upgrade-change-recorded";
    /// Everything done, the version before still answers.
    Switching = "upgrade-switching";
    /// The new version answers.
    Switched = "upgrade-switched";
    /// The plan to uninstall made, nothing kept.
    UninstallPlanMade = "uninstall-plan-made";
    /// The plan to uninstall kept.
    UninstallPlanKept = "uninstall-plan-kept";
    /// The plan to uninstall was computed again and is the approved one; the approval is not spent.
    UninstallChecked = "uninstall-checked";
    /// Approval spent, new calls refused, nothing else done.
    UninstallRedeemed = "uninstall-redeemed";
    /// The applet's own last hook announced.
    UninstallHookAnnounced = "uninstall-hook-announced";
    /// The hook has answered, not recorded.
    UninstallHookAnswered = "uninstall-hook-answered";
    /// The hook recorded.
    UninstallHookRecorded = "uninstall-hook-recorded";
    /// The export announced, no file made.
    ExportAnnounced = "export-announced";
    /// Some rows written.
    ExportBegun = "export-begun";
    /// A file written, not read again.
    ExportWritten = "export-written";
    /// Every file read again, not recorded.
    ExportVerified = "export-verified";
    /// The export recorded.
    ExportRecorded = "export-recorded";
    /// Leaving the tables announced.
    LeaveAnnounced = "leave-announced";
    /// Rows kept or deleted and tables renamed or dropped, together with their record.
    LeaveRecorded = "leave-recorded";
    /// Dropping roles announced.
    RolesAnnounced = "roles-announced";
    /// Roles dropped, not recorded.
    RolesDropped = "roles-dropped";
    /// Roles recorded.
    RolesRecorded = "roles-recorded";
    /// Everything done, not retired.
    Retiring = "retiring";
    /// Retired.
    Retired = "retired";
    /// Rows found whose time is over, nothing deleted.
    PurgeFound = "purge-found";
    /// Rows deleted, together with their record.
    PurgeDeleted = "purge-deleted";
    /// Tables found that nobody uses, none dropped.
    PurgeDropping = "purge-dropping";
    /// Those tables dropped.
    PurgeDropped = "purge-dropped";
    /// Switching off checked, the hook called, still active.
    Disabling = "disabling";
    /// Switched off.
    Disabled = "disabled";
    /// Switching on checked, still disabled.
    Enabling = "enabling";
    /// Switched on, its hook not called.
    Enabled = "enabled";
}

impl FaultPoint {
    /// The points that an uninstall comes past, whatever becomes of the rows.
    pub const UNINSTALLING: &'static [Self] = &[
        Self::UninstallPlanMade,
        Self::UninstallPlanKept,
        Self::UninstallChecked,
        Self::UninstallRedeemed,
        Self::UninstallHookAnnounced,
        Self::UninstallHookAnswered,
        Self::UninstallHookRecorded,
        Self::LeaveAnnounced,
        Self::LeaveRecorded,
        Self::RolesAnnounced,
        Self::RolesDropped,
        Self::RolesRecorded,
        Self::Retiring,
        Self::Retired,
    ];

    /// The points that only an export comes past.
    pub const EXPORTING: &'static [Self] = &[
        Self::ExportAnnounced,
        Self::ExportBegun,
        Self::ExportWritten,
        Self::ExportVerified,
        Self::ExportRecorded,
    ];

    /// The points that the purge comes past.
    pub const PURGING: &'static [Self] =
        &[Self::PurgeFound, Self::PurgeDeleted, Self::PurgeDropping, Self::PurgeDropped];

    /// The points that switching off and on comes past.
    pub const SWITCHING: &'static [Self] = &[Self::Disabling, Self::Disabled, Self::Enabling, Self::Enabled];
}

impl fmt::Display for FaultPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happens at an armed point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed, as by `kill -9`.
    Kill,
    /// The step fails with [`InjectedFault`].
    Error,
}

/// A fault that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("fault injected at `{0}`")]
pub struct InjectedFault(FaultPoint);

/// A value of the variable that names no point or no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `point=kill`, `point=kill@2` or `point=err` with a known point")]
pub struct UnknownFault(String);

/// Which point is armed, if any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    armed: Option<(FaultPoint, Fault)>,
    /// How often the armed point is passed unharmed: steps of a kind come past the same one.
    spared: u32,
}

/// How often this process has come past its armed point, where some passes are spared.
static PASSED: AtomicU32 = AtomicU32::new(0);

impl Faults {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// [`UnknownFault`]: a misspelt point would let a test pass that tests nothing.
    pub fn from_environment() -> Result<Self, UnknownFault> {
        match std::env::var(VARIABLE) {
            Ok(text) => text.parse(),
            Err(std::env::VarError::NotPresent) => Ok(Self::default()),
            Err(std::env::VarError::NotUnicode(text)) => {
                Err(UnknownFault(text.to_string_lossy().into_owned()))
            }
        }
    }

    /// Arms one point.
    pub const fn armed(point: FaultPoint, fault: Fault) -> Self {
        Self { armed: Some((point, fault)), spared: 0 }
    }

    /// Comes past a point.
    ///
    /// # Errors
    ///
    /// [`InjectedFault`] when this point is armed to fail.
    pub fn pass(&self, point: FaultPoint) -> Result<(), InjectedFault> {
        let armed = self.armed.is_some_and(|(armed, _)| armed == point);
        if armed && self.spared > 0 && PASSED.fetch_add(1, Ordering::Relaxed) < self.spared {
            return Ok(());
        }
        match self.armed {
            Some((armed, Fault::Error)) if armed == point => Err(InjectedFault(point)),
            Some((armed, Fault::Kill)) if armed == point => {
                tracing::warn!(%point, "killing the process as asked");
                // Cannot fail for our own process; abort only in case it does.
                let _ =
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                std::process::abort()
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for Faults {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let unknown = || UnknownFault(text.to_owned());
        let (name, fault) = text.split_once('=').ok_or_else(unknown)?;
        let (fault, pass) = fault.split_once('@').unwrap_or((fault, "1"));
        let pass: u32 = pass.parse().map_err(|_| unknown())?;
        let fault = match fault {
            "kill" => Fault::Kill,
            "err" => Fault::Error,
            _ => return Err(unknown()),
        };
        let point = FaultPoint::ALL.iter().find(|point| point.as_str() == name).ok_or_else(unknown)?;
        Ok(Self { spared: pass.saturating_sub(1), ..Self::armed(*point, fault) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_30_a_misspelt_fault_point_is_an_error() {
        assert!("install-redeemd=kill".parse::<Faults>().is_err());
        assert!("install-redeemed=die".parse::<Faults>().is_err());
        assert!("install-redeemed".parse::<Faults>().is_err());
        assert!("install-redeemed=kill@x".parse::<Faults>().is_err());
        assert!("install-redeemed=kill@2".parse::<Faults>().is_ok());
    }

    #[test]
    fn s4_30_only_the_armed_point_fails() {
        for armed in FaultPoint::ALL {
            let faults: Faults = format!("{armed}=err").parse().unwrap();
            for point in FaultPoint::ALL {
                assert_eq!(faults.pass(*point).is_err(), point == armed, "{armed} {point}");
            }
        }
    }
}
