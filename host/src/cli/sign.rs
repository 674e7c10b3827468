//! `applet sign` and `applet verify`: who stands behind a package.

use std::path::PathBuf;
use std::process::ExitCode;

use applet_package::{Package, PackageLimits, PublicKey, Sha256Digest};
use clap::Args;
use serde_json::json;

use crate::config::Config;
use crate::output::{CommandError, Output};
use crate::packages::{self, Pin, named_key, private_key, read_file, write_file};

/// Signs a package. Its digest stays what it is; several may sign.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet sign ai-chat.applet --key applet.key
  applet sign ai-chat.applet --key applet.key -o signed.applet")]
pub(crate) struct Sign {
    /// The package.
    #[arg(value_name = "PACKAGE")]
    package: PathBuf,
    /// The private key, as `applet keygen` makes it.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where to write the signed package [default: in its place].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[arg(from_global)]
    config: Option<PathBuf>,
}

impl Sign {
    pub(crate) fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let limits = packages::limits(&Config::load(self.config.as_deref())?.limits);
        let key = private_key(&self.key)?;
        let name = self.package.display();
        let bytes = read_file(&self.package, limits.package_bytes)?;
        let mut package = Package::parse(&bytes, &limits).map_err(|fault| packages::faulty(&name, &fault))?;
        // Whoever signs beside a signature that is wrong would lend it their name.
        package.signers().map_err(|fault| packages::faulty(&name, &fault))?;
        package.sign(&key).map_err(|fault| packages::faulty(&name, &fault))?;
        let signed = package.to_bytes();
        Package::parse(&signed, &limits).map_err(|fault| packages::faulty(&name, &fault))?;
        let file = self.output.as_ref().unwrap_or(&self.package);
        write_file(file, &signed)?;
        let (digest, signer) = (package.digest(), key.public());
        output.result(
            &json!({ "ok": true, "file": file, "digest": format!("sha256:{digest}"), "signer": signer }),
            format_args!("{}: sha256:{digest} signed by {signer}", file.display()),
        );
        Ok(ExitCode::SUCCESS)
    }
}

/// Checks a package file and every signature on it, and shows what it holds.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet verify ai-chat.applet --signer applet.key.pub
  applet verify ai-chat.applet --signer ed25519:8a88… --digest sha256:4bf5…
  applet verify ai-chat.applet                  who has signed it? Anybody can make a key

Succeeds if every signature is one over this package and, of those named by --signer, each has
signed it.")]
pub(crate) struct Verify {
    /// The package.
    #[arg(value_name = "PACKAGE")]
    package: PathBuf,
    /// A public key, or a file that it is in, that has to have signed it.
    #[arg(long = "signer", value_name = "KEY")]
    signers: Vec<String>,
    /// The digest that it has to have.
    #[arg(long, value_name = "DIGEST")]
    digest: Option<Sha256Digest>,
    #[arg(from_global)]
    config: Option<PathBuf>,
}

impl Verify {
    pub(crate) fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let limits: PackageLimits = packages::limits(&Config::load(self.config.as_deref())?.limits);
        let wanted: Vec<PublicKey> =
            self.signers.iter().map(|named| named_key(named)).collect::<Result<_, _>>()?;
        let name = self.package.display();
        let bytes = read_file(&self.package, limits.package_bytes)?;
        let package = Package::parse(&bytes, &limits).map_err(|fault| packages::faulty(&name, &fault))?;
        let digest = package.digest();
        Pin::option(self.digest).check(digest)?;
        let signers = package.signers().map_err(|fault| packages::faulty(&name, &fault))?;
        if signers.is_empty() {
            let reason = format!("`{name}` is not signed; its digest is sha256:{digest}");
            return Err(CommandError::refused("package-unsigned", reason));
        }
        if let Some(absent) = wanted.iter().find(|wanted| !signers.contains(wanted)) {
            let reason = format!("`{name}` is not signed by {absent}, but by {}", listed(&signers));
            return Err(CommandError::refused("signer-not-trusted", reason));
        }
        let assets: Vec<_> = package.assets().iter().map(|asset| asset.record()).collect();
        output.result(
            &json!({ "ok": true, "digest": format!("sha256:{digest}"), "signers": signers, "assets": assets,
                     "manifest_bytes": package.manifest().len(), "component_bytes": package.component().len() }),
            format_args!(
                "{name}: sha256:{digest}\nsigned by {}\nholds a manifest, a component of {} KiB and {} files",
                listed(&signers),
                package.component().len() >> 10,
                assets.len()
            ),
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn listed(keys: &[PublicKey]) -> String {
    keys.iter().map(PublicKey::to_string).collect::<Vec<_>>().join(", ")
}
