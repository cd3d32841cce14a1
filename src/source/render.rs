//! Manifests rendered by a program: `kubectl kustomize`, `helm template`.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use wait_timeout::ChildExt as _;

use super::tree::Rendered;
use super::{FILE_LIMIT, diagnostic};
use crate::diagnostic::Diagnostic;

/// Remote bases and charts are fetched over the network.
const LONGEST: Duration = Duration::from_secs(120);

/// The program that renders a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Renderer {
    /// `kubectl kustomize`, or `kustomize build` where there is no kubectl.
    Kustomize,
    /// `helm template`
    Helm,
}

/// Options for `helm template`.
#[derive(Clone, Debug, Default)]
pub struct HelmValues {
    /// Values files; the last one takes precedence.
    pub files: Vec<PathBuf>,
    /// The release namespace.
    pub namespace: String,
}

impl Rendered {
    /// Display name of the result: the rendering command in angle brackets, since it is not a file.
    pub fn name(&self) -> String {
        let command = match self.renderer {
            Renderer::Kustomize => "kubectl kustomize",
            Renderer::Helm => "helm template",
        };
        format!("<{command} {}>", self.directory.display())
    }

    /// The file to edit for an object that was rendered from `source`.
    pub fn template(&self, source: Option<&str>) -> PathBuf {
        match (self.renderer, source.and_then(|source| source.split_once('/'))) {
            // Helm prints the chart's name first, which may differ from its directory's name.
            (Renderer::Helm, Some((_, below))) => self.directory.join(below),
            (Renderer::Helm, None) => self.directory.join("Chart.yaml"),
            (Renderer::Kustomize, _) => {
                let own = self.files.iter().find(|file| {
                    file.parent() == Some(&self.directory)
                        && file.file_stem().is_some_and(|name| name.eq_ignore_ascii_case("kustomization"))
                });
                own.cloned().unwrap_or_else(|| self.directory.join("kustomization.yaml"))
            }
        }
    }

    /// Runs the program.
    ///
    /// # Errors
    /// If it is missing, rejects the directory, takes too long or produces too much output.
    pub fn render(&self, values: &HelmValues) -> Result<Vec<u8>, Diagnostic> {
        let here = Path::new(".");
        let directory = if self.directory.as_os_str().is_empty() { here } else { &self.directory };
        // A directory's name may look like a flag; an absolute path never starts with a dash.
        let directory = std::path::absolute(directory)
            .map_err(|error| self.error(format!("has no whole path: {error}")))?;
        match self.renderer {
            Renderer::Helm => {
                let mut arguments: Vec<OsString> = vec!["template".into(), release(&directory).into()];
                arguments.push((&directory).into());
                arguments.push(format!("--namespace={}", values.namespace).into());
                for file in &values.files {
                    let mut flag = OsString::from("--values=");
                    flag.push(file);
                    arguments.push(flag);
                }
                self.output("helm", &arguments).unwrap_or_else(|| {
                    Err(self.error("this is a Helm chart, and helm is not there to render it").with_help(
                        "install helm, or render it elsewhere: helm template DIR | stategate check -; --no-render leaves charts out",
                    ))
                })
            }
            Renderer::Kustomize => {
                let with = |program, verb: &str| self.output(program, &[verb.into(), (&directory).into()]);
                let output = with("kubectl", "kustomize").or_else(|| with("kustomize", "build"));
                output.unwrap_or_else(|| {
                    Err(self
                        .error("this is a Kustomize directory, and neither kubectl nor kustomize is there to render it")
                        .with_help("install kubectl, or check the files as they are with --no-render"))
                })
            }
        }
    }

    fn error(&self, message: impl Into<String>) -> Diagnostic {
        diagnostic(&self.directory, message.into())
    }

    /// None if the program does not exist.
    fn output(&self, program: &str, arguments: &[OsString]) -> Option<Result<Vec<u8>, Diagnostic>> {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => return Some(Err(self.error(format!("{program} cannot be run: {error}")))),
        };
        // Both pipes are read while the program runs; otherwise it would block on a full pipe.
        let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
        let read = |pipe: Option<&mut dyn std::io::Read>| {
            let mut bytes = Vec::new();
            let read = pipe.map_or(Ok(0), |pipe| pipe.take(FILE_LIMIT + 1).read_to_end(&mut bytes));
            read.map(|_| bytes)
        };
        let (status, out, err) = std::thread::scope(|scope| {
            let out = scope.spawn(move || read(stdout.as_mut().map(|pipe| pipe as &mut dyn std::io::Read)));
            let err = scope.spawn(move || read(stderr.as_mut().map(|pipe| pipe as &mut dyn std::io::Read)));
            let status = child.wait_timeout(LONGEST);
            if !matches!(status, Ok(Some(_))) {
                // This fails only if the child has already ended.
                let _ = child.kill();
                let _ = child.wait();
            }
            (status, out.join(), err.join())
        });
        let (Ok(Ok(out)), Ok(Ok(err))) = (out, err) else {
            return Some(Err(self.error(format!("the output of {program} cannot be read"))));
        };
        Some(match status {
            Ok(Some(_)) if out.len() as u64 > FILE_LIMIT => {
                Err(self.error(format!("{program} made more than {} MiB of it", FILE_LIMIT >> 20)))
            }
            Ok(Some(status)) if status.success() => Ok(out),
            Ok(Some(_)) => {
                let said = String::from_utf8_lossy(&err);
                // On one line.
                let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
                let said = if said.is_empty() { "it does not say why" } else { &said };
                Err(self.error(format!("{program} cannot render it: {said}")))
            }
            Ok(None) => Err(self.error(format!("{program} took longer than {} s", LONGEST.as_secs()))),
            Err(error) => Err(self.error(format!("{program} cannot be waited for: {error}"))),
        })
    }
}

/// A release is named after its chart's directory, as far as that is a valid Kubernetes name.
fn release(directory: &Path) -> String {
    let real = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let name = real.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(53).collect();
    match name.trim_matches('-') {
        "" => "release".to_owned(),
        name => name.to_owned(),
    }
}
