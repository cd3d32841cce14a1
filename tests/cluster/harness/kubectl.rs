//! kubectl, as one user of the test server.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::wait_until;

/// Time limit for one call. Nothing in the tests takes that long, but `kubectl delete` waits forever for an
/// object with a finalizer: no controller runs that would remove it.
const LIMIT: Duration = Duration::from_secs(60);

/// The result of a kubectl call.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; -1 if a signal ended kubectl.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error: errors, and the warnings of admission webhooks.
    pub stderr: String,
}

impl Output {
    /// Whether kubectl reports success.
    pub fn succeeded(&self) -> bool {
        self.code == 0
    }

    /// Whether an admission webhook refused the request.
    pub fn denied(&self) -> bool {
        self.code != 0 && self.stderr.contains("denied the request")
    }
}

/// kubectl as one user, isolated from the configuration and caches of the person running the tests.
#[derive(Clone, Debug)]
pub struct Kubectl {
    pub(super) program: PathBuf,
    pub(super) home: PathBuf,
    pub(super) config: PathBuf,
}

impl Kubectl {
    /// Runs kubectl with these arguments and this standard input, and returns the result.
    ///
    /// # Panics
    /// If kubectl cannot be started or takes longer than a minute.
    pub fn run(&self, args: &[&str], stdin: &str) -> Output {
        let mut child = Command::new(&self.program)
            .arg("--cache-dir")
            .arg(self.home.join("cache"))
            .args(args)
            .env_clear()
            // `kubectl diff` needs PATH to run a program; other variables could change results.
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.home)
            .env("KUBECONFIG", &self.config)
            .current_dir(&self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.program.display()));
        let mut input = child.stdin.take().expect("stdin is a pipe");
        let mut output = child.stdout.take().expect("stdout is a pipe");
        let mut errors = child.stderr.take().expect("stderr is a pipe");
        // One thread per pipe: a full pipe blocks kubectl.
        thread::scope(|scope| {
            scope.spawn(move || {
                // kubectl may exit without reading all of it.
                let _ = input.write_all(stdin.as_bytes());
            });
            let stdout = scope.spawn(move || read(&mut output));
            let stderr = scope.spawn(move || read(&mut errors));
            let mut code = None;
            let ended = wait_until(LIMIT, || {
                code = child.try_wait().expect("a child can be waited for");
                code.is_some()
            });
            if !ended {
                let _ = child.kill();
                let _ = child.wait();
            }
            let stdout = stdout.join().expect("a pipe can be read");
            let stderr = stderr.join().expect("a pipe can be read");
            assert!(ended, "kubectl {args:?} takes longer than {LIMIT:?}\n{stdout}\n{stderr}");
            Output { code: code.and_then(|status| status.code()).unwrap_or(-1), stdout, stderr }
        })
    }

    /// Runs kubectl and expects success.
    ///
    /// # Panics
    /// If it fails.
    pub fn ok(&self, args: &[&str], stdin: &str) -> Output {
        let output = self.run(args, stdin);
        assert!(
            output.succeeded(),
            "kubectl {args:?} ended with {}\n{}{}",
            output.code,
            output.stdout,
            output.stderr
        );
        output
    }

    /// `kubectl apply` of these manifests; a refusal is a result, not a panic.
    pub fn apply(&self, manifests: &str) -> Output {
        self.run(&["apply", "-f", "-"], manifests)
    }

    /// `kubectl get`, as JSON.
    ///
    /// # Panics
    /// If the object cannot be read.
    pub fn get_json(&self, args: &[&str]) -> serde_json::Value {
        let args = [&["get", "-o", "json"], args].concat();
        let output = self.ok(&args, "");
        serde_json::from_str(&output.stdout)
            .unwrap_or_else(|error| panic!("kubectl {args:?}: {error}\n{}", output.stdout))
    }
}

fn read(pipe: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
