//! `applet keygen`: a key to sign packages with.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::output::{CommandError, Output};
use crate::packages::new_key;

/// Makes an Ed25519 key to sign packages with: a file for its owner alone, and one with the public half.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  applet keygen                        applet.key and applet.key.pub
  applet keygen --out acme.key")]
pub(crate) struct Keygen {
    /// The private key's file. The public key gets the same name with `.pub`.
    #[arg(long, default_value = "applet.key", value_name = "FILE")]
    out: PathBuf,
}

impl Keygen {
    pub(crate) fn run(self, output: Output) -> Result<ExitCode, CommandError> {
        let mut name = self.out.clone().into_os_string();
        name.push(".pub");
        let public_file = PathBuf::from(name);
        let key = new_key(&self.out, &public_file)?;
        output.result(
            &json!({ "ok": true, "file": self.out, "public_file": public_file, "public": key }),
            format_args!(
                "private key {}: keep it secret, and a copy of it\npublic key {key} ({})",
                self.out.display(),
                public_file.display()
            ),
        );
        Ok(ExitCode::SUCCESS)
    }
}
