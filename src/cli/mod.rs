//! The command line: one file per subcommand.
#![expect(clippy::disallowed_methods, reason = "the command line reads the clock, the environment and files")]

mod audit;
mod certs;
mod check;
mod cluster;
mod completions;
mod config;
mod confined;
mod crds;
mod diff;
mod example;
mod explain;
mod export;
mod fix;
mod input;
mod inventory;
mod man;
mod output;
mod policies;
mod policy;
mod progress;
mod project;
mod rbac;
mod record;
mod recorded;
mod review;
mod review_pool;
mod schema;
mod serve;
mod sources;
mod test;
mod webhook_config;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::diagnostic::Diagnostics;
use crate::plain;
use crate::source::sandbox;

/// How a run ends: the exit code. 2 beats 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Nothing found.
    Clean,
    /// Findings at or above `--fail-on`, or failed tests.
    Findings,
    /// The tool could not do its job.
    Broken,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Clean => ExitCode::from(0),
            Exit::Findings => ExitCode::from(1),
            Exit::Broken => ExitCode::from(2),
        }
    }
}

#[derive(Parser)]
#[command(name = "stategate", version, about, long_about = None, max_term_width = 100, args_override_self = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the webhook
    Serve(Box<serve::Arguments>),
    /// Check manifests
    Check(check::Arguments),
    /// Fix manifests: apply the patches of policies to the files
    Fix(fix::Arguments),
    /// Check what runs in a cluster
    Audit(audit::Arguments),
    /// Compare what two policy sets make of manifests or of a cluster
    Diff(diff::Arguments),
    /// Print the objects of a cluster that the policies need to know, for --inventory
    Inventory(export::Arguments),
    /// Answer one AdmissionReview, exactly as the webhook would
    Review(review::Arguments),
    /// Run the tests and examples of policies
    Test(test::Arguments),
    /// List, document and create policies
    #[command(subcommand)]
    Policy(policy::Command),
    /// Explain a policy: why it matters, examples, how to fix a violation
    Explain(explain::Arguments),
    /// Print the input document that a policy sees
    Input(input::Arguments),
    /// Print the CustomResourceDefinitions of Policies, PolicyBindings and PolicyExceptions
    #[command(after_help = "Examples:
  stategate crds | kubectl apply --server-side -f -")]
    Crds,
    /// Make, show and rotate the certificates of the webhook
    #[command(subcommand)]
    Certs(certs::Command),
    /// Print the webhook configuration that the policy set needs
    WebhookConfig(webhook_config::Arguments),
    /// Print the roles with the rights that `serve` needs for the policy set
    Rbac(rbac::Arguments),
    /// Show the effective configuration: stategate.yaml and flags
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print shell completions
    Completions(completions::Arguments),
    /// Write manual pages
    Man(man::Arguments),
    /// Print the JSON Schema of a document that stategate reads or writes
    Schema(schema::Arguments),
    /// The child process that loads untrusted policies
    #[command(name = sandbox::SUBCOMMAND, hide = true)]
    SandboxPolicies,
}

/// The name of the kubectl plugin: kubectl runs it as `kubectl stategate`.
const PLUGIN: &str = "kubectl-stategate";

/// Parses the arguments, runs the command and returns its exit code. Errors go to stderr, results to stdout.
pub fn main() -> ExitCode {
    let given: Vec<OsString> = std::env::args_os().collect();
    let called = given.first().and_then(|called| Path::new(called).file_stem());
    let plugin = called.is_some_and(|called| called == PLUGIN);
    let command = Arguments::command();
    let mut command = if plugin { command.bin_name("kubectl stategate") } else { command };
    command.build();
    // clap's own exit codes: 0 for help and version, 2 for bad arguments.
    let parse = |arguments: &[OsString]| {
        command.clone().try_get_matches_from(arguments).unwrap_or_else(|error| refuse(&error))
    };
    let matches = parse(&given);
    let result = config::configured(&command, &given, &matches).and_then(|all| {
        let whole = parse(&all);
        let arguments = Arguments::from_arg_matches(&whole).unwrap_or_else(|error| refuse(&error));
        let typed = || Arguments::from_arg_matches(&matches).map(|typed| typed.command);
        match arguments.command {
            Command::Serve(arguments) => serve::run(*arguments),
            Command::Check(arguments) => match typed() {
                Ok(Command::Check(typed)) => check::run(&arguments, &typed),
                Ok(_) => check::run(&arguments, &arguments),
                Err(error) => error.exit(),
            },
            Command::Fix(arguments) => fix::run(&arguments),
            Command::Audit(arguments) => audit::run(&arguments),
            Command::Diff(arguments) => diff::run(&arguments),
            Command::Inventory(arguments) => export::run(&arguments),
            Command::Review(arguments) => review::run(&arguments),
            Command::Test(arguments) => test::run(&arguments),
            Command::Policy(command) => policy::run(&command),
            Command::Explain(arguments) => explain::run(&arguments),
            Command::Input(arguments) => input::run(&arguments),
            Command::Crds => crds::run(),
            Command::Certs(command) => certs::run(&command),
            Command::WebhookConfig(arguments) => webhook_config::run(&arguments),
            Command::Rbac(arguments) => rbac::run(&arguments),
            Command::Schema(arguments) => schema::run(&arguments),
            Command::Config(config::ConfigCommand::Show(_)) => config::show(&matches, &whole, &command),
            Command::Completions(arguments) => completions::run(&arguments),
            Command::Man(arguments) => man::run(&arguments),
            Command::SandboxPolicies => sandbox::child().map(|()| Exit::Clean).map_err(Into::into),
        }
    });
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            complain(&error);
            Exit::Broken.into()
        }
    }
}

/// Ends the run for clap: help, the version, or an error, which quotes arguments.
fn refuse(error: &clap::Error) -> ! {
    let text = error.to_string();
    if !error.use_stderr() || plain::is_harmless(&text) {
        error.exit();
    }
    let text = plain::block(text.strip_prefix("error: ").unwrap_or(&text)).into_owned();
    clap::Error::raw(error.kind(), text).exit();
}

/// Prints an error.
fn complain(error: &anyhow::Error) {
    match error.downcast_ref::<Diagnostics>() {
        Some(Diagnostics(all)) => all.iter().for_each(|one| say(&format!("error: {one}\n"))),
        None => say(&format!("error: {}\n", story(error))),
    }
}

/// `loaded 12 policies in 23 ms`
fn loaded(policies: usize, time: std::time::Duration) -> String {
    format!("loaded {} in {} ms\n", count(policies, "policy", "policies"), time.as_millis())
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// An error and its causes, each once: the text of some errors already contains their cause.
fn story(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |story, cause| match story.as_str() {
        "" => cause,
        told if told.contains(&cause) => story,
        told => format!("{told}: {cause}"),
    })
}

/// Prints a message for people to stderr, made harmless. A closed stderr is not an error.
fn say(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stderr().write_all(plain::block(text).as_bytes());
}

/// Prints a result to stdout, made harmless.
fn print(text: &str) -> anyhow::Result<()> {
    print_exactly(&plain::block(text))
}

/// Prints a result to stdout that is harmless already, or must be exact.
fn print_exactly(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        // `stategate check | head` closes the pipe early.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn colours(stream_is_terminal: bool) -> bool {
    let plain = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    stream_is_terminal && !plain && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A number of seconds in a flag.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text:?} is not a number of seconds"))?;
    if !(0.01..=86_400.0).contains(&seconds) {
        return Err("from 0.01 to 86400 seconds".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}
