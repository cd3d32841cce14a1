//! Runs the binary as a user does.

use stategate::admission::{Request, ReviewMode};
use stategate::decision::Decision;
use stategate::inventory::Inventory;
use stategate::policyset::{CompileOptions, PolicySet};
use stategate::review::{Unobserved, review};
use stategate::source::catalogue::Catalogue;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The exit code and output of a run.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Expects an exit code, and texts in stdout and stderr combined.
    #[track_caller]
    pub fn expect(&self, code: i32, needles: &[&str]) -> &Self {
        let said = format!("{}{}", self.stdout, self.stderr);
        assert!(!said.contains("panicked"), "{said}");
        assert_eq!(self.code, code, "{said}");
        for needle in needles {
            assert!(said.contains(needle), "{needle:?} is not in:\n{said}");
        }
        self
    }
}

pub fn stategate(arguments: &[&str]) -> Run {
    stategate_with(arguments, "")
}

pub fn stategate_with(arguments: &[&str], stdin: &str) -> Run {
    run(Command::new(env!("CARGO_BIN_EXE_stategate")).args(arguments), stdin)
}

/// Runs in this working directory.
pub fn run_in(directory: &Path, arguments: &[&str]) -> Run {
    run(Command::new(env!("CARGO_BIN_EXE_stategate")).args(arguments).current_dir(directory), "")
}

fn run(command: &mut Command, stdin: &str) -> Run {
    let mut child = command
        .env("RUST_LIB_BACKTRACE", "0")
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that rejects its arguments does not read stdin.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A temporary directory with these files.
pub fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(directory.path(), name, text);
    }
    directory
}

pub fn write(directory: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

/// A PostgreSQL manifest without findings in production.
pub const GOOD: &str = include_str!("../fixtures/manifests/good-postgres.yaml");
/// The same database as a beginner writes it.
pub const NAIVE: &str = include_str!("../fixtures/manifests/naive-postgres.yaml");

/// [`GOOD`] without the other objects in its file.
pub fn good_workload() -> &'static str {
    GOOD.split("---\n").next().unwrap()
}

/// The shipped policies under the profile production.
pub fn production() -> PolicySet {
    let sources = Catalogue::embedded().sources("production").unwrap();
    PolicySet::compile(&sources, CompileOptions::default()).unwrap()
}

/// The decision of the validating webhook, with nothing known beside the request.
pub fn validate(set: &PolicySet, request: &Request) -> Decision {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    review(set, &Inventory::default(), request, ReviewMode::Validate, now, &Unobserved)
}

/// Runs git in a directory.
pub fn git(directory: &Path, arguments: &[&str]) {
    let run = Command::new("git")
        .current_dir(directory)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .output()
        .expect("git is needed: apt-get install git");
    assert!(run.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
}

/// Rules that make two equal values, `large` and `also_large`: few steps make a list that holds the same one
/// thousands of millions of times.
pub const LARGE: &str = r#"list := split("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", ",")

other := split("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", ",")

square := [list | some _ in list]

cube := [square | some _ in list]

fourth := [cube | some _ in list]

fifth := [fourth | some _ in list]

large := [fifth | some _ in list]

# Equal, but not shared with the other: the engine knows that a value equals itself.
other_square := [other | some _ in list]

other_cube := [other_square | some _ in list]

other_fourth := [other_cube | some _ in list]

other_fifth := [other_fourth | some _ in list]

also_large := [other_fifth | some _ in list]
"#;
