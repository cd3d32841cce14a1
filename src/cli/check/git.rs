//! Runs git in a repository that nobody vouches for. Its configuration may name programs and servers; none of
//! them is used.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::source::boundary::repository;
use crate::source::child::{self, Limits, Output};

/// All old manifests come in one answer.
const LIMITS: Limits = Limits { time: Duration::from_secs(60), output: 512 << 20 };

/// What git must not do, whatever the repository's configuration says. These settings win over it.
const SETTINGS: [&str; 7] = [
    // A program that git asks what has changed. Empty is off; early releases take `false` for a program.
    "core.fsmonitor=",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "protocol.allow=never",
    // A directory of the tree may be laid out like a repository, with a configuration.
    "safe.bareRepository=explicit",
    "submodule.recurse=false",
    "gc.auto=0",
];

/// A git repository.
pub struct Git {
    top: PathBuf,
    /// Settings that turn off the filters of the repository.
    filters: Vec<OsString>,
}

impl Git {
    /// The repository around the current directory.
    pub fn here() -> anyhow::Result<Self> {
        Self::around(Path::new(".")).context("--changed-since needs a git repository")
    }

    /// The repository around a directory.
    pub fn around(directory: &Path) -> anyhow::Result<Self> {
        let here = Self { top: directory.to_owned(), filters: Vec::new() };
        let top = here.run(&["rev-parse", "--show-toplevel"])?;
        let top = PathBuf::from(text(top)?.trim_end_matches(['\n', '\r']));
        let is_named = ["GIT_DIR", "GIT_WORK_TREE"].iter().any(|name| std::env::var_os(name).is_some());
        let current = directory.canonicalize().context("there is no current directory")?;
        let around = repository(&current).and_then(|around| around.canonicalize().ok());
        if !is_named && around != top.canonicalize().ok() {
            anyhow::bail!(
                "the configuration of the git repository says that its files are in {}\n  help: remove core.worktree from it, or set GIT_WORK_TREE to confirm the directory",
                top.display()
            );
        }
        let filters = here.filters()?;
        Ok(Self { top, filters })
    }

    /// The directory of its files.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// Runs a command of git.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
        self.ask(arguments, Vec::new())
    }

    /// The same, with `input` on its stdin.
    pub fn ask(&self, arguments: &[&str], input: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        let output = self.output(arguments, input)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            anyhow::bail!("git {}: {}", arguments.first().unwrap_or(&""), said.trim());
        }
        Ok(output.stdout)
    }

    fn output(&self, arguments: &[&str], input: Vec<u8>) -> anyhow::Result<Output> {
        let mut command = Command::new("git");
        command.arg("--no-pager").arg("-C").arg(&self.top);
        for setting in SETTINGS {
            command.arg("-c").arg(setting);
        }
        for setting in &self.filters {
            command.arg("-c").arg(setting);
        }
        command.args(arguments);
        // Wins over `protocol.*.allow`; releases before 2.45 do not know the next one.
        command.env("GIT_ALLOW_PROTOCOL", "none").env("GIT_NO_LAZY_FETCH", "1");
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_OPTIONAL_LOCKS", "0");
        command.env_remove("GIT_EXTERNAL_DIFF");
        let name = arguments.first().unwrap_or(&"");
        child::run(&mut command, input, LIMITS).with_context(|| format!("git {name}"))
    }

    /// Settings that turn off every filter: to compare a file, git would run the program of its filter.
    fn filters(&self) -> anyhow::Result<Vec<OsString>> {
        const KEYS: &str = r"^filter\..*\.(clean|smudge|process)$";
        let output = self.output(&["config", "--null", "--name-only", "--get-regexp", KEYS], Vec::new())?;
        let mut settings = Vec::new();
        // Without a filter there is no output, and that counts as a failure.
        for key in output.stdout.split(|byte| *byte == 0).filter(|key| !key.is_empty()) {
            let key = text(key.to_vec())?;
            let name = key.rsplit_once('.').map_or(key.as_str(), |(name, _)| name);
            // git would take what follows for the value.
            anyhow::ensure!(
                !key.contains('='),
                "the git configuration has a filter that cannot be turned off: {name}\n  help: rename it, without ="
            );
            settings.push(OsString::from(format!("{key}=")));
            settings.push(OsString::from(format!("{name}.required=false")));
        }
        Ok(settings)
    }
}

/// What git printed, as text.
pub fn text(bytes: Vec<u8>) -> anyhow::Result<String> {
    String::from_utf8(bytes).context("git prints a path that is not UTF-8")
}
