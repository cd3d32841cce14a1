//! Manifests rendered by a program: `kubectl kustomize`, `helm template`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::child::{self, ChildError, Limits};
use super::tree::Rendered;
use super::walk::all_inside;
use super::{FILE_LIMIT, diagnostic, kustomization, read_text};
use crate::diagnostic::Diagnostic;

/// With --allow-remote, bases and charts are fetched over the network.
const LIMITS: Limits = Limits { time: Duration::from_secs(120), output: FILE_LIMIT };

/// Validating the values may fetch what the schema of a chart refers to. Helm has the flag since 3.16.
const NO_SCHEMA: &str = "--skip-schema-validation";

/// The file by which helm validates the values of a chart.
const SCHEMA: &str = "values.schema.json";

/// A proxy that nothing listens on.
const NOWHERE: &str = "http://127.0.0.1:1";

/// The program that renders a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Renderer {
    /// `kubectl kustomize`, or `kustomize build` where there is no kubectl.
    Kustomize,
    /// `helm template`
    Helm,
}

/// How to render.
#[derive(Clone, Debug, Default)]
pub struct RenderOptions {
    /// Values files for `helm template`; the last one takes precedence.
    pub values: Vec<PathBuf>,
    /// The namespace of the Helm release.
    pub namespace: String,
    /// Let the programs fetch what the directory names.
    pub allow_remote: bool,
}

impl Rendered {
    /// Display name of the result: the rendering command in angle brackets, since it is not a file.
    pub fn name(&self) -> String {
        let command = match self.renderer {
            Renderer::Kustomize => "kubectl kustomize",
            Renderer::Helm => "helm template",
        };
        format!("<{command} {}>", self.shown().display())
    }

    /// An empty path is the current directory.
    fn shown(&self) -> &Path {
        if self.directory.as_os_str().is_empty() { Path::new(".") } else { &self.directory }
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

    /// Runs the program, after a look at what it would read.
    ///
    /// # Errors
    /// If the directory names what lies outside of its repository or has to be fetched, or if the program is
    /// missing, rejects the directory, takes too long or produces too much output.
    pub fn render(&self, options: &RenderOptions) -> Result<Vec<u8>, Vec<Diagnostic>> {
        let directory = self.shown();
        // A directory's name may look like a flag; an absolute path never starts with a dash.
        let whole = std::path::absolute(directory)
            .map_err(|error| vec![self.error(format!("has no whole path: {error}"))])?;
        match self.renderer {
            Renderer::Helm => {
                let left_out = left_out(directory);
                let files = all_inside(directory, &self.boundary, &left_out).map_err(|error| {
                    let help = "helm would read it; remove it, name it in .helmignore, or leave charts out with --no-render";
                    vec![error.with_help(help)]
                })?;
                self.helm(&whole, has_schema(&files), options).map_err(|error| vec![error])
            }
            Renderer::Kustomize => {
                let faults = kustomization::faults(directory, &self.boundary, options.allow_remote);
                if faults.is_empty() {
                    self.kustomize(&whole, options).map_err(|error| vec![error])
                } else {
                    Err(faults)
                }
            }
        }
    }

    fn helm(&self, directory: &Path, schema: bool, options: &RenderOptions) -> Result<Vec<u8>, Diagnostic> {
        let mut arguments: Vec<OsString> = vec!["template".into(), release(directory).into()];
        arguments.push(directory.into());
        arguments.push(format!("--namespace={}", options.namespace).into());
        if schema && !options.allow_remote {
            arguments.push(NO_SCHEMA.into());
        }
        for file in &options.values {
            let is_address = file.to_string_lossy().contains("://");
            if is_address && !options.allow_remote {
                let message = format!("{} would be fetched", file.display());
                return Err(diagnostic(Path::new("--values"), message)
                    .with_help("fetch it before the run, or allow it with --allow-remote"));
            }
            let mut flag = OsString::from("--values=");
            // What looks like an address is none once it is a whole path.
            let whole = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            flag.push(if is_address { file } else { &whole });
            arguments.push(flag);
        }
        self.output("helm", &arguments, options).unwrap_or_else(|| {
            Err(self.error("this is a Helm chart, and helm is not there to render it").with_help(
                "install helm, or render it elsewhere: helm template DIR | stategate check -; --no-render leaves charts out",
            ))
        })
    }

    fn kustomize(&self, directory: &Path, options: &RenderOptions) -> Result<Vec<u8>, Diagnostic> {
        let with = |program, verb: &str| self.output(program, &[verb.into(), directory.into()], options);
        let output = with("kubectl", "kustomize").or_else(|| with("kustomize", "build"));
        output.unwrap_or_else(|| {
            Err(self
                .error(
                    "this is a Kustomize directory, and neither kubectl nor kustomize is there to render it",
                )
                .with_help("install kubectl, or check the files as they are with --no-render"))
        })
    }

    fn error(&self, message: impl Into<String>) -> Diagnostic {
        diagnostic(self.shown(), message.into())
    }

    /// None if the program does not exist.
    fn output(
        &self,
        program: &str,
        arguments: &[OsString],
        options: &RenderOptions,
    ) -> Option<Result<Vec<u8>, Diagnostic>> {
        let mut command = Command::new(program);
        command.args(arguments);
        if !options.allow_remote {
            cut_off(&mut command);
        }
        let output = match child::run(&mut command, Vec::new(), LIMITS) {
            Err(ChildError::Missing) => return None,
            Err(error) => return Some(Err(self.error(format!("{program} {error}")))),
            Ok(output) => output,
        };
        if output.status.success() {
            return Some(Ok(output.stdout));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("unknown flag") && said.contains(NO_SCHEMA) {
            return Some(Err(self
                .error(format!(
                    "{program} is older than 3.16: it would fetch what the schema of a chart refers to"
                ))
                .with_help("update helm, or allow it with --allow-remote")));
        }
        // On one line.
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = if said.is_empty() { "it does not say why" } else { &said };
        Some(Err(self.error(format!("{program} cannot render it: {said}"))))
    }
}

/// Keeps a program from the network, should it find something to fetch that was overlooked.
fn cut_off(command: &mut Command) {
    for proxy in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env(proxy, NOWHERE).env(proxy.to_uppercase(), NOWHERE);
    }
    command.env_remove("no_proxy").env_remove("NO_PROXY");
    command.env("GIT_ALLOW_PROTOCOL", "none").env("GIT_TERMINAL_PROMPT", "0");
    // A plugin may be a downloader.
    command.env("HELM_NO_PLUGINS", "1");
}

/// Does helm validate the values of the chart? Archives are not looked into.
fn has_schema(files: &[PathBuf]) -> bool {
    files.iter().any(|file| {
        file.file_name().is_some_and(|name| name == SCHEMA)
            || file.extension().is_some_and(|extension| extension == "tgz")
    })
}

/// What a chart's `.helmignore` keeps from helm, by name and by whether it is a directory. Only patterns count that
/// cannot be understood in two ways: `name`, `name/` and `*.suffix`.
fn left_out(directory: &Path) -> impl Fn(&str, bool) -> bool {
    let is_plain = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    let file = directory.join(".helmignore");
    let text = file.is_file().then(|| read_text(&file).ok()).flatten().map(|text| text.text);
    let lines: Vec<&str> = text.as_deref().unwrap_or_default().lines().map(str::trim).collect();
    // A negation changes what the other lines mean.
    let negated = lines.iter().any(|line| line.starts_with('!'));
    let patterns: Vec<String> = lines
        .into_iter()
        .filter(|line| {
            let name = line.strip_suffix('/').unwrap_or(line);
            !negated && is_plain(name.strip_prefix('*').unwrap_or(name))
        })
        .map(str::to_owned)
        .collect();
    move |name, is_directory| {
        patterns.iter().any(|pattern| {
            let directories = pattern.strip_suffix('/');
            let wanted = directories.unwrap_or(pattern);
            let fits = match wanted.strip_prefix('*') {
                Some(suffix) => name.ends_with(suffix),
                None => name == wanted,
            };
            fits && (is_directory || directories.is_none())
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
