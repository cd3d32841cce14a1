//! `stategate serve` itself, with reviews that it has answered.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

const REVIEWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/reviews");
/// A text that tries to be something other than text.
pub const BREAK_OUT: &str = "</td><script>window.broken=1</script><img src=x onerror='window.broken=1'>";

/// A process that serves until it is dropped.
pub struct Serve {
    child: Child,
    directory: PathBuf,
    webhook: String,
    /// The address of the status page.
    pub url: String,
}

impl Serve {
    /// Starts it with the documents of a file `bindings.yaml`, if there are any.
    pub fn start(stategate: &Path, directory: &Path, bindings: &str) -> Result<Self> {
        std::fs::create_dir(directory)?;
        let file = directory.join("bindings.yaml");
        std::fs::write(&file, bindings)?;
        let mut child = Command::new(stategate)
            .args(["serve", "--listen", "127.0.0.1:0", "--status-listen", "127.0.0.1:0"])
            .args(["--log-format", "json", "--reload-every", "0.2", "--drain-delay", "0", "--tls-dir"])
            .arg(directory)
            .args(["--bindings".as_ref(), file.as_os_str()].iter().filter(|_| !bindings.is_empty()))
            .env("HOSTNAME", "stategate-5d9c7b6f4-x2x7p")
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", stategate.display()))?;
        let log = child.stderr.take().context("there is no log")?;
        let mut lines = BufReader::new(log).lines();
        let serving = lines.by_ref().map_while(Result::ok).find_map(|line| {
            serde_json::from_str::<Value>(&line).ok().filter(|line| line["message"] == "serving")
        });
        let serving = serving.context("it does not say that it serves")?;
        // A full pipe would stop it.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let address = |key: &str| serving[key].as_str().unwrap_or_default().to_owned();
        let port = address("listen").rsplit(':').next().unwrap_or_default().to_owned();
        Ok(Self {
            child,
            directory: directory.to_owned(),
            webhook: format!("https://localhost:{port}/validate/fail"),
            url: format!("http://{}/", address("status")),
        })
    }

    /// Has a recorded request reviewed, in this namespace; whether it is allowed.
    pub fn review(&self, recorded: &str, namespace: &str) -> Result<bool> {
        let text = std::fs::read_to_string(Path::new(REVIEWS).join(recorded))?;
        let mut review: Value = serde_json::from_str(&text)?;
        review["request"]["namespace"] = namespace.into();
        let file = self.directory.join("review.json");
        std::fs::write(&file, review.to_string())?;
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--cacert"])
            .arg(self.directory.join("ca.crt"))
            .args(["--data-binary", &format!("@{}", file.display()), &self.webhook])
            .output()
            .context("curl does not start")?;
        let answer: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        ensure!(answer["response"]["allowed"].is_boolean(), "{answer}");
        Ok(answer["response"]["allowed"] == true)
    }

    /// Replaces the documents.
    pub fn bind(&self, bindings: &str) -> Result<()> {
        Ok(std::fs::write(self.directory.join("bindings.yaml"), bindings)?)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Exceptions: some that are in force, one that has ended, and one whose texts are hostile.
pub fn exceptions() -> String {
    let one = |name: &str, reason: &str, end: &str| {
        format!(
            "apiVersion: stategate.io/v1alpha1\nkind: PolicyException\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec: {{policies: [backup-declared, pdb-present], match: {{names: [legacy]}}, reason: {}{end}}}\n---\n",
            Value::from(reason)
        )
    };
    let end = |date: &str| format!(", expiresAt: {date}");
    one("legacy-pg", "single node until the migration, OPS-113", &end("2099-01-31"))
        + &one("forgotten", "a week at most", &end("2024-06-01"))
        + &one("cache-only", "a cache that is filled again at every start", "")
        + &one("hostile", &format!("{BREAK_OUT} \u{202e}drow"), "")
}
