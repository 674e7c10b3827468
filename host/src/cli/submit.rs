//! `applet submit`: hands a package to the host.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use applet_lifecycle::Package;
use clap::Args;

use super::operator::{Operator, refused};
use crate::output::{CommandError, Output};
use crate::package::PackageFile;
use crate::wiring::{Host, Purpose};

/// Checks a package, compiles its component and keeps it. No tenant has it yet.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet submit ai-chat.applet")]
pub(crate) struct Submit {
    #[command(flatten)]
    operator: Operator,
    /// The package.
    #[arg(value_name = "FILE")]
    package: PathBuf,
}

impl Submit {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let name = self.package.display();
        let bytes = fs::read(&self.package)
            .map_err(|error| CommandError::usage(format!("cannot read `{name}`: {error}")))?;
        let limits = self.operator.place.configuration()?.limits;
        let package = PackageFile::from_bytes(&bytes, limits.component.package_bytes)?;
        let context = self.operator.context()?;
        let host = Host::open(&self.operator.place, Purpose::default(), output).await?;
        output.progress("compiling the component");
        let submitted = host
            .lifecycle
            .submit(&context, Package { manifest: &package.manifest, component: &package.component })
            .await;
        host.close().await?;
        let report = submitted.map_err(refused)?;
        output.result(
            &report,
            format_args!("{} {} submitted, digest {}", report.applet, report.version, report.digest),
        );
        Ok(ExitCode::SUCCESS)
    }
}
