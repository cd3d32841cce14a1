//! `stategate test`: the tests and examples of policies.
//!
//! A `test_*` rule passes if it is true. An example goes through the whole pipeline; its file name is the
//! assertion: `pass_`, `deny_`, `warn_`, `unknown_`, or `patch_….in.yaml` with its `….out.yaml`.

mod assertion;
mod complete;
mod coverage;
mod run;
mod watch;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::output::{self, Output};
use super::{Exit, count, say};
use crate::diagnostic::Diagnostics;
use crate::plain;
use crate::report::junit::{self, Case, Verdict};
use crate::source::catalogue::Catalogue;
use crate::source::policies::{catalogue_below, try_in_sandbox};
use run::{TestCache, TestRun};

#[derive(Args)]
#[command(after_help = "Without DIR, tests the shipped catalogue.

Examples:
  stategate test our-policies --watch
  stategate test our-policies --coverage -o junit=tests.xml

Exit codes: 0 all passed, 1 a test failed or a policy has none, 2 the policies cannot be loaded.")]
pub struct Arguments {
    /// A directory of policies, as for --policies
    dir: Option<PathBuf>,

    /// Load the policies of DIR without the shipped ones
    #[arg(long, requires = "dir")]
    no_catalogue: bool,

    /// Print how much of each policy the test_* rules reach, and which rules and lines they do not reach
    #[arg(long)]
    coverage: bool,

    /// The minimum share of lines, in percent, that the test_* rules must reach in every policy
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,

    /// The format, text or junit, on stdout or in a file; may be given several times. Text goes to stdout
    /// unless another format does
    #[arg(short, long, value_name = "FORMAT[=FILE]", value_parser = output::parse::<Format>)]
    output: Vec<Output<Format>>,

    /// Run again whenever something in DIR changes; Ctrl-C exits with the exit code of the last run
    #[arg(long, requires = "dir")]
    watch: bool,

    /// More objects on which to evaluate every policy, under every profile; no policy may fail. Files or
    /// directories of manifests and AdmissionReviews
    #[arg(long, value_name = "PATH")]
    objects: Vec<PathBuf>,

    /// Record the input and the result of every evaluation in a file, one JSON document per line, to repeat
    /// them with another engine
    #[arg(long, value_name = "FILE", conflicts_with = "watch")]
    record: Option<PathBuf>,

    /// Also record the evaluations of examples with one field of the input removed, each field in turn
    #[arg(long, requires = "record")]
    thin: bool,

    /// Also list the tests that pass
    #[arg(short, long)]
    verbose: bool,
}

impl Arguments {
    /// The flags with which other subcommands load the same policies.
    fn policy_flags(&self) -> String {
        let policies = self.dir.iter().map(|dir| format!(" --policies {}", plain::path(dir)));
        policies.chain(self.no_catalogue.then(|| " --no-catalogue".to_owned())).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Junit,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let outputs = output::all(&arguments.output, Format::Text)?;
    if let (true, Some(dir)) = (arguments.watch, &arguments.dir) {
        return watch::run(arguments, dir, &outputs);
    }
    let started = Instant::now();
    let own = arguments.dir.as_deref().map(Catalogue::directory).transpose();
    once(arguments, &outputs, own, started.elapsed(), &mut TestCache::default())
}

/// One run, reported in all formats.
fn once(
    arguments: &Arguments,
    outputs: &[Output<Format>],
    own: Result<Option<Catalogue>, Diagnostics>,
    reading: Duration,
    kept: &mut TestCache,
) -> anyhow::Result<Exit> {
    let tried = own.map_err(anyhow::Error::from).and_then(|own| {
        let catalogue = catalogue_below(own.as_ref(), arguments.no_catalogue);
        if own.is_some() {
            try_in_sandbox(&catalogue)?;
        }
        super::policies::warn(catalogue.warnings());
        let tested = own.unwrap_or_else(|| catalogue.clone());
        run::all(&tested, &catalogue, arguments, kept, |loaded| {
            if let Some((policies, compiling)) = loaded {
                say(&super::loaded(policies, reading + compiling));
            }
        })
    });
    for output in outputs {
        match (output.format, &tried) {
            (Format::Text, Ok(tried)) => output.write(&text(tried, arguments))?,
            // The caller prints the error to stderr.
            (Format::Text, Err(_)) => {}
            (Format::Junit, Ok(tried)) => output.write(&junit::render(NAME, &cases(tried))?)?,
            (Format::Junit, Err(error)) => output.write(&junit::render(NAME, &[broken(error)])?)?,
        }
    }
    let tried = tried?;
    let nothing = tried.tests + tried.examples == 0;
    Ok(if tried.failed() > 0 || nothing { Exit::Findings } else { Exit::Clean })
}

/// The name of the run in reports.
const NAME: &str = "stategate test";

fn text(tried: &TestRun, arguments: &Arguments) -> String {
    let mut text = if arguments.coverage { tried.reached.to_string() } else { String::new() };
    for outcome in &tried.outcomes {
        match &outcome.failure {
            Some(failure) => {
                let (title, failure) = (plain::line(&outcome.title), failure.replace('\n', "\n     "));
                text += &format!("FAIL {title}\n     {failure}\n");
            }
            None if arguments.verbose => text += &format!("ok   {}\n", plain::line(&outcome.title)),
            None => {}
        }
    }
    let (policies, tests) =
        (count(tried.policies, "policy", "policies"), count(tried.tests, "test", "tests"));
    let examples = count(tried.examples, "example", "examples");
    let objects = match tried.objects {
        0 => String::new(),
        objects => format!(", {}", count(objects, "object", "objects")),
    };
    text += &format!("{policies}, {tests}, {examples}{objects}: {} failed\n", tried.failed());
    plain::block(&text).into_owned()
}

fn cases(tried: &TestRun) -> Vec<Case> {
    let case = |outcome: &run::Outcome| Case {
        suite: tried.ids.get(&outcome.package).unwrap_or(&outcome.package).clone(),
        name: outcome.name.clone(),
        time: outcome.time,
        verdict: match &outcome.failure {
            Some(failure) => Verdict::Failed(format!("{}: {failure}", outcome.place)),
            None => Verdict::Passed,
        },
        ..Case::default()
    };
    tried.outcomes.iter().map(case).collect()
}

/// Reports a run that failed to load, so that the report of an earlier run is not mistaken for this one.
fn broken(error: &anyhow::Error) -> Case {
    Case {
        suite: NAME.to_owned(),
        name: "the policies load".to_owned(),
        verdict: Verdict::Broken(super::story(error)),
        ..Case::default()
    }
}
