//! `stategate test`: the tests and examples of policies.
//!
//! A `test_*` rule passes if it is true. An example goes through the whole pipeline, its file name
//! is the assertion: `pass_`, `deny_`, `warn_`, `unknown_`, or `patch_….in.yaml` with its `….out.yaml`.

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
use crate::report::junit::{self, Case, Verdict};
use crate::source::catalogue::Catalogue;
use crate::source::policies::{catalogue_below, try_in_sandbox};
use run::{TestCache, TestRun};

#[derive(Args)]
#[command(after_help = "Without DIR the shipped catalogue is tested.

Examples:
  stategate test our-policies --watch
  stategate test our-policies --coverage -o junit=tests.xml

Exit codes: 0 all passed, 1 a test failed or a policy has none, 2 the policies cannot be loaded.")]
pub struct Arguments {
    /// A directory of policies, as for --policies
    dir: Option<PathBuf>,

    /// Load the policies of DIR without the shipped ones beside them
    #[arg(long, requires = "dir")]
    no_catalogue: bool,

    /// Say how much of each policy the test_* rules reach, and which rules and lines they do not
    #[arg(long)]
    coverage: bool,

    /// The least share of lines in percent that the test_* rules must reach in every policy
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,

    /// text or junit, to stdout or to a file; may be given several times. Text goes to stdout unless
    /// another format does
    #[arg(short, long, value_name = "FORMAT[=FILE]", value_parser = output::parse::<Format>)]
    output: Vec<Output<Format>>,

    /// Stay, and run again when something in DIR changes; Ctrl-C ends with the last run's exit code
    #[arg(long, requires = "dir")]
    watch: bool,

    /// More objects to put to every policy, under every profile: none may fail to decide. Manifests and
    /// AdmissionReviews, files or directories
    #[arg(long, value_name = "PATH")]
    objects: Vec<PathBuf>,

    /// Write what every rule was asked and answered to a file, one JSON document a line: for a second
    /// engine to be asked the same
    #[arg(long, value_name = "FILE", conflicts_with = "watch")]
    record: Option<PathBuf>,

    /// Record of examples also what is answered if one field of the document is missing, each in turn
    #[arg(long, requires = "record")]
    thin: bool,

    /// Name every test that passes, too
    #[arg(short, long)]
    verbose: bool,
}

impl Arguments {
    /// What makes other subcommands see the same policies.
    fn policy_flags(&self) -> String {
        let policies = self.dir.iter().map(|dir| format!(" --policies {}", dir.display()));
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

/// One run, told in all formats.
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
            // What is wrong is said on stderr, by whoever gets the error.
            (Format::Text, Err(_)) => {}
            (Format::Junit, Ok(tried)) => output.write(&junit::render(NAME, &cases(tried))?)?,
            (Format::Junit, Err(error)) => output.write(&junit::render(NAME, &[broken(error)])?)?,
        }
    }
    let tried = tried?;
    let nothing = tried.tests + tried.examples == 0;
    Ok(if tried.failed() > 0 || nothing { Exit::Findings } else { Exit::Clean })
}

/// The name of the whole in reports.
const NAME: &str = "stategate test";

fn text(tried: &TestRun, arguments: &Arguments) -> String {
    let mut text = if arguments.coverage { tried.reached.to_string() } else { String::new() };
    for outcome in &tried.outcomes {
        match &outcome.failure {
            Some(failure) => {
                text += &format!("FAIL {}\n     {}\n", outcome.title, failure.replace('\n', "\n     "));
            }
            None if arguments.verbose => text += &format!("ok   {}\n", outcome.title),
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
    text + &format!("{policies}, {tests}, {examples}{objects}: {} failed\n", tried.failed())
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

/// A report that says why there is none: an old file must not pass for this run's.
fn broken(error: &anyhow::Error) -> Case {
    Case {
        suite: NAME.to_owned(),
        name: "the policies load".to_owned(),
        verdict: Verdict::Broken(super::story(error)),
        ..Case::default()
    }
}
