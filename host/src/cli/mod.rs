//! The commands, one file each.

mod adopt;
mod approve;
mod audit;
mod build;
mod cache;
mod check;
mod completions;
mod config;
mod demo;
mod demo_cache;
mod demo_uninstall;
mod demo_upgrade;
mod dev;
mod disable;
mod doctor;
mod explain;
mod grants;
mod install;
mod installations;
mod invoke;
mod keygen;
mod logs;
mod new;
mod operator;
mod package;
mod plan;
mod purge;
mod push;
mod serve;
mod sign;
mod sql;
mod submit;
mod test;
mod token;
mod top;
mod types;
mod uninstall;
mod upgrade;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand};

use crate::config::Config;
use crate::output::{CommandError, Output};

pub(crate) use check::load as load_manifest;
pub(crate) use demo::{admin_of, open_to_server};
pub(crate) use invoke::failed;
pub(crate) use operator::{context, refused};

/// Runs other people's applets next to your customers' data.
#[derive(Debug, Parser)]
#[command(name = "applet", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// A YAML file with the host's configuration; `applet config` shows what is in force.
    #[arg(long, global = true, env = "APPLET_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  applet demo                        the main job, once, with a private PostgreSQL
  applet new my-applet               a project to begin with; then `applet dev` in it
  applet check manifest.yaml         is this manifest valid?
  applet sql --admin-database URL --manifest manifest.yaml --tenant UUID 'SELECT * FROM clients'
  applet serve                       hooks over HTTP
  applet top                         what applets are doing at this moment

`applet help COMMAND` has examples for each command.";

/// Where the host keeps its things. What is not said here is as the configuration file has it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Place {
    #[arg(from_global)]
    pub(crate) config: Option<PathBuf>,
    /// Folder for the private PostgreSQL, keys and compiled components.
    #[arg(long, env = "APPLET_DATA", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// A PostgreSQL to use instead of a private one. Its URL is a superuser's, or that of a role with CREATEROLE
    /// that owns the database and its tables: host/docs/managed-postgresql.md. Another machine has to prove its
    /// name by TLS; `sslrootcert` in the URL names the authority: host/docs/transport.md.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// Answer reads and refusals only once they are recorded durably in the audit trail.
    #[arg(long, env = "APPLET_AUDIT_STRICT", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub(crate) audit_strict: Option<bool>,
    /// A Redis to share cached reads with other hosts: rediss://host:port, redis+unix:///path,
    /// redis://localhost, or several nodes of a cluster with commas. Without one, reads are cached in memory
    /// while one host is alone.
    #[arg(long, env = "APPLET_REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub(crate) redis_url: Option<String>,
    /// The certificate of the authority that a rediss:// server proves itself by [default: those that this
    /// machine trusts].
    #[arg(long, env = "APPLET_REDIS_ROOT_CERT", value_name = "FILE")]
    pub(crate) redis_root_cert: Option<PathBuf>,
    /// Take a way to another machine that is not encrypted, or whose far end proves nothing, if a URL asks
    /// for one.
    #[arg(long, env = INSECURE_TRANSPORT, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub(crate) insecure_transport: Option<bool>,
}

/// The variable behind `--insecure-transport`, wherever that is an option.
pub(crate) const INSECURE_TRANSPORT: &str = "APPLET_INSECURE_TRANSPORT";

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    New(new::New),
    Build(build::Build),
    Dev(dev::Dev),
    Test(test::Test),
    Logs(logs::Logs),
    Check(check::Check),
    Package(package::Package),
    Keygen(keygen::Keygen),
    Sign(sign::Sign),
    Verify(sign::Verify),
    Push(push::Push),
    Pull(push::Pull),
    Submit(submit::Submit),
    Plan(plan::PlanCommand),
    Approve(approve::Approve),
    Audit(audit::Audit),
    Install(install::Install),
    Installations(installations::Installations),
    Disable(disable::Disable),
    Enable(disable::Enable),
    Uninstall(uninstall::Uninstall),
    Purge(purge::Purge),
    Upgrade(upgrade::Upgrade),
    Rollback(upgrade::Rollback),
    Invoke(invoke::Invoke),
    Explain(explain::Explain),
    Sql(sql::Sql),
    Serve(serve::Serve),
    Token(token::Token),
    Top(top::Top),
    Types(types::Types),
    Workspace(workspace::Workspace),
    Doctor(doctor::Doctor),
    Adopt(adopt::Adopt),
    Cache(cache::Cache),
    Config(config::ConfigCommand),
    Completions(completions::Completions),
}

impl Place {
    /// What is in force: the file, the environment's limits over it, and over that what was said here.
    pub(crate) fn configuration(&self) -> Result<Config, CommandError> {
        let mut config = Config::load(self.config.as_deref())?;
        let place = &mut config.place;
        place.data_dir = self.data_dir.clone().or(place.data_dir.take());
        place.database_url = self.database_url.clone().or(place.database_url.take());
        place.redis_url = self.redis_url.clone().or(place.redis_url.take());
        place.redis_root_cert = self.redis_root_cert.clone().or(place.redis_root_cert.take());
        config.audit.strict = self.audit_strict.unwrap_or(config.audit.strict);
        let security = &mut config.security;
        security.insecure_transport = self.insecure_transport.unwrap_or(security.insecure_transport);
        Ok(config)
    }
}

impl Cli {
    /// Runs the command. What went wrong is printed; the exit code tells programs.
    pub(crate) async fn run(self) -> ExitCode {
        let output = Output::new(self.json);
        let result = match self.command {
            Command::Demo(command) => command.run(output).await,
            Command::New(command) => command.run(output),
            Command::Build(command) => command.run(output).await,
            Command::Dev(command) => command.run(output).await,
            Command::Test(command) => command.run(output).await,
            Command::Logs(command) => command.run(output).await,
            Command::Check(command) => command.run(output),
            Command::Package(command) => command.run(output),
            Command::Keygen(command) => command.run(output),
            Command::Sign(command) => command.run(output),
            Command::Verify(command) => command.run(output),
            Command::Push(command) => command.run(output).await,
            Command::Pull(command) => command.run(output).await,
            Command::Submit(command) => command.run(output).await,
            Command::Plan(command) => command.run(output).await,
            Command::Approve(command) => command.run(output).await,
            Command::Audit(command) => command.run(output).await,
            Command::Install(command) => command.run(output).await,
            Command::Installations(command) => command.run(output).await,
            Command::Disable(command) => command.run(output).await,
            Command::Enable(command) => command.run(output).await,
            Command::Uninstall(command) => command.run(output).await,
            Command::Purge(command) => command.run(output).await,
            Command::Upgrade(command) => command.run(output).await,
            Command::Rollback(command) => command.run(output).await,
            Command::Invoke(command) => command.run(output).await,
            Command::Explain(command) => command.run(output).await,
            Command::Sql(command) => command.run(output).await,
            Command::Serve(command) => command.run(output).await,
            Command::Token(command) => command.run(output),
            Command::Top(command) => command.run(output).await,
            Command::Types(command) => command.run(output).await,
            Command::Workspace(command) => command.run(output).await,
            Command::Doctor(command) => command.run(output).await,
            Command::Adopt(command) => command.run(output).await,
            Command::Cache(command) => command.run(output).await,
            Command::Config(command) => command.run(output),
            Command::Completions(command) => command.run(),
        };
        result.unwrap_or_else(|error| {
            output.error(&error);
            error.exit_code()
        })
    }
}
