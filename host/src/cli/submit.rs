//! `applet submit`: hands a package to the host.

use std::path::Path;
use std::process::ExitCode;

use applet_lifecycle::{Package, Source};
use applet_package::{Reference, Sha256Digest};
use clap::Args;

use super::operator::{Operator, refused};
use crate::config::Config;
use crate::opening::Purpose;
use crate::output::{CommandError, Output};
use crate::packages::{self, Pin, RegistryArgs, read_file};

/// Checks a package, compiles its component and keeps it. No tenant has it yet.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet submit ai-chat.applet
  applet submit ai-chat.applet@sha256:4bf5…            this package and no other
  applet submit oci://registry.example/acme/ai-chat@sha256:91c0…
  applet submit oci://registry.example/acme/ai-chat:1.0.0 --digest sha256:4bf5…

What may be submitted is the operator's policy, `packages` in the configuration:
host/docs/packages.md.")]
pub(crate) struct Submit {
    #[command(flatten)]
    operator: Operator,
    /// The package: a file, with `@sha256:…` of exactly this digest; or `oci://` and its name in a registry, with
    /// `@sha256:…` of exactly this manifest.
    #[arg(value_name = "PACKAGE")]
    package: String,
    /// The digest that the package has to have, as `applet package` prints it.
    #[arg(long, value_name = "DIGEST")]
    digest: Option<Sha256Digest>,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl Submit {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let config = self.operator.place.configuration()?;
        let context = self.operator.context()?;
        let (bytes, pin, source) = self.fetch(&config, output).await?;
        let package = Package::parse(&bytes, &packages::limits(&config.limits))
            .map_err(|fault| packages::faulty(&self.package, &fault))?;
        pin.check(package.digest())?;
        let host = self.operator.place.open(Purpose::default(), output).await?;
        output.progress("checking the package and compiling its component");
        let submitted = host.lifecycle.submit(&context, &package, &source).await;
        host.close().await?;
        let report = submitted.map_err(refused)?;
        output.result(
            &report,
            format_args!("{} {} submitted, digest sha256:{}", report.applet, report.version, report.digest),
        );
        Ok(ExitCode::SUCCESS)
    }

    /// The package's bytes, what they have to be, and where they came from.
    async fn fetch(&self, config: &Config, output: Output) -> Result<(Vec<u8>, Pin, Source), CommandError> {
        let most = config.limits.component.package_bytes;
        let Some(reference) = self.package.strip_prefix("oci://") else {
            let (name, pin) = Pin::of(&self.package, self.digest)?;
            return Ok((read_file(Path::new(name), most)?, pin, Source::File));
        };
        let reference: Reference =
            reference.parse().map_err(|error| CommandError::usage(format!("{error}")))?;
        output.progress(format_args!("pulling {reference}"));
        let pulled = self.registry.pull(&reference, config.security.insecure_transport, most).await?;
        Ok((pulled.bytes, Pin::option(self.digest), Source::Registry(reference.at(pulled.digest))))
    }
}
