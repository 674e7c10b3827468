//! `applet push` and `applet pull`: packages in registries.

use std::path::PathBuf;
use std::process::ExitCode;

use applet_package::{Package, Reference};
use bytes::Bytes;
use clap::Args;
use serde_json::json;

use crate::config::Config;
use crate::output::{CommandError, Output};
use crate::packages::{self, Insecure, RegistryArgs, read_file, write_file};

/// Puts a package into a registry, as an OCI artifact.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet push ai-chat.applet registry.example/acme/ai-chat:1.0.0
  applet push ai-chat.applet localhost:5000/ai-chat:1.0.0
  applet push ai-chat.applet ghcr.io/acme/ai-chat:1.0.0 --username ann --password-stdin < token")]
pub(crate) struct Push {
    /// The package.
    #[arg(value_name = "PACKAGE")]
    package: PathBuf,
    /// Where to: registry, repository and tag.
    #[arg(value_name = "REFERENCE")]
    reference: Reference,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    insecure: Insecure,
    #[arg(from_global)]
    config: Option<PathBuf>,
}

impl Push {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let config = Config::load(self.config.as_deref())?;
        let limits = packages::limits(&config.limits);
        let name = self.package.display();
        let bytes = read_file(&self.package, limits.package_bytes)?;
        let package = Package::parse(&bytes, &limits).map_err(|fault| packages::faulty(&name, &fault))?;
        package.signers().map_err(|fault| packages::faulty(&name, &fault))?;
        let manifest = applet_manifest::load_within(
            package.manifest().as_bytes(),
            &config.limits.manifest,
            &config.limits.of_invocations(),
        )
        .map_err(|violations| CommandError::usage(format!("the manifest in `{name}`\n{violations}")))?;
        let (id, version, digest) =
            (manifest.id().to_string(), manifest.version().to_string(), package.digest());
        let registry = self.registry.open(&self.reference, self.insecure.or(&config))?;
        output.progress(format_args!("pushing {} KiB", bytes.len() >> 10));
        let pushed = registry
            .push(&self.reference, Bytes::from(bytes), &id, &version)
            .await
            .map_err(|error| packages::refused(&error))?;
        let pinned = format!("oci://{}@{}", self.reference.repository(), pushed.digest);
        output.result(
            &json!({ "ok": true, "reference": pinned, "manifest": pushed.digest,
                     "digest": format!("sha256:{digest}"), "known": pushed.known }),
            format_args!("{id} {version} is at {pinned}\ndigest of the package sha256:{digest}"),
        );
        Ok(ExitCode::SUCCESS)
    }
}

/// Gets a package out of a registry into a file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet pull registry.example/acme/ai-chat:1.0.0 -o ai-chat.applet
  applet pull registry.example/acme/ai-chat@sha256:91c0… -o ai-chat.applet

A tag can mean another package tomorrow; a digest cannot.")]
pub(crate) struct Pull {
    /// What: registry, repository, and tag or digest.
    #[arg(value_name = "REFERENCE")]
    reference: Reference,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    insecure: Insecure,
    #[arg(from_global)]
    config: Option<PathBuf>,
}

impl Pull {
    pub(crate) async fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let config = Config::load(self.config.as_deref())?;
        let limits = packages::limits(&config.limits);
        output.progress(format_args!("pulling {}", self.reference));
        let pulled =
            self.registry.pull(&self.reference, self.insecure.or(&config), limits.package_bytes).await?;
        let package = Package::parse(&pulled.bytes, &limits)
            .map_err(|fault| packages::faulty(&self.reference, &fault))?;
        let signers = package.signers().map_err(|fault| packages::faulty(&self.reference, &fault))?;
        write_file(&self.output, &pulled.bytes)?;
        let digest = package.digest();
        let signed = if signers.is_empty() { "not signed" } else { "signed" };
        output.result(
            &json!({ "ok": true, "file": self.output, "manifest": pulled.digest, "signers": signers,
                     "digest": format!("sha256:{digest}") }),
            format_args!(
                "{}: {} KiB, {signed}\nmanifest {}\ndigest of the package sha256:{digest}",
                self.output.display(),
                pulled.bytes.len() >> 10,
                pulled.digest
            ),
        );
        Ok(ExitCode::SUCCESS)
    }
}
