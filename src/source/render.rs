//! Manifests rendered by a program: `kubectl kustomize`, `helm template`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::child::{self, ChildError, Limits};
use super::destinations::Destinations;
use super::tree::Rendered;
use super::walk::all_inside;
use super::{FILE_LIMIT, dependencies, diagnostic, inspection, read_text};
use crate::diagnostic::Diagnostic;

/// With --allow-remote, bases and charts are fetched over the network.
const LIMITS: Limits = Limits { time: Duration::from_secs(120), output: FILE_LIMIT };

/// Validating the values may fetch what the schema of a chart refers to. Helm has the flag since 3.16.
const NO_SCHEMA: &str = "--skip-schema-validation";

/// The file by which helm validates the values of a chart.
const SCHEMA: &str = "values.schema.json";

/// The newest version of Kubernetes that stategate knows. Helm itself assumes an old one, which charts refuse.
pub const NEWEST_KUBERNETES: &str = "1.36.0";

/// Kinds that a cluster names to charts that ask for them. Without a cluster, helm knows versions of groups only, and
/// such charts fall back to a version that no cluster serves any more.
const SERVED_KINDS: [&str; 5] = [
    "apps/v1/StatefulSet",
    "autoscaling/v2/HorizontalPodAutoscaler",
    "batch/v1/CronJob",
    "networking.k8s.io/v1/Ingress",
    "policy/v1/PodDisruptionBudget",
];

/// The oldest minor version of Kubernetes 1 that serves all of them.
const SERVES_THEM: u32 = 23;

/// A file beside or above the directory is read, as Flux does: what lies outside of the repository was refused before.
const EVERYWHERE: &str = "--load-restrictor=LoadRestrictionsNone";

/// What to do about a Kustomize directory that is rejected.
const NEEDS_FLAGS: &str = "mend it; what is built with other flags or plugins can be piped: \
    kustomize build --enable-helm DIR | stategate check -; --exclude leaves it out";

/// What to do about a chart that is rejected.
const NEEDS_VALUES: &str = "mend it, give the values that it asks for with --values FILE, or fetch what it depends on: \
    helm dependency build DIR; --exclude leaves it out";

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
    /// The version of Kubernetes that charts are rendered for, if it is known.
    pub kube_version: Option<String>,
    /// Let the programs fetch what the directory names.
    pub allow_remote: bool,
    /// Charts whose releases are named after other directories: previous versions of those.
    pub named_after: BTreeMap<PathBuf, PathBuf>,
    /// The namespaces that deploy tools put directories in; that of the release comes after them.
    pub destinations: Destinations,
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
                let complete =
                    dependencies::completed(directory, &self.boundary).map_err(|error| vec![error])?;
                let chart = complete.as_ref().map_or(whole.as_path(), TempDir::path);
                // What was added may have schemas of its own.
                let schema = complete.is_some() || has_schema(&files);
                self.helm(chart, &whole, schema, options).map_err(|error| vec![error])
            }
            Renderer::Kustomize => {
                let faults = inspection::faults(directory, &self.boundary, options.allow_remote);
                if faults.is_empty() {
                    self.kustomize(&whole, options).map_err(|error| vec![error])
                } else {
                    Err(faults)
                }
            }
        }
    }

    fn helm(
        &self,
        chart: &Path,
        directory: &Path,
        schema: bool,
        options: &RenderOptions,
    ) -> Result<Vec<u8>, Diagnostic> {
        let named_after = options.named_after.get(&self.directory).map_or(directory, PathBuf::as_path);
        let mut arguments: Vec<OsString> = vec!["template".into(), release(named_after).into()];
        arguments.push(chart.into());
        let namespace = options.destinations.of(&self.directory).unwrap_or(&options.namespace);
        arguments.push(format!("--namespace={namespace}").into());
        let version = options.kube_version.as_deref().unwrap_or(NEWEST_KUBERNETES);
        arguments.push(format!("--kube-version={version}").into());
        if minor(version).is_some_and(|minor| minor >= SERVES_THEM) {
            arguments.extend(SERVED_KINDS.iter().map(|kind| format!("--api-versions={kind}").into()));
        }
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
        let with = |program, verb: &str| {
            self.output(program, &[verb.into(), EVERYWHERE.into(), directory.into()], options)
        };
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
        let said = innermost(&reason(&said));
        let said = if said.is_empty() { "it does not say why" } else { &said };
        let help = match self.renderer {
            Renderer::Kustomize => NEEDS_FLAGS,
            Renderer::Helm => NEEDS_VALUES,
        };
        Some(Err(self.error(format!("{program} cannot render it: {said}")).with_help(help)))
    }
}

/// The second number of a version such as v1.31.2.
fn minor(version: &str) -> Option<u32> {
    version.split('.').nth(1)?.parse().ok()
}

/// Why a program failed, on one line: its last error, without what it logs beside that.
fn reason(said: &str) -> String {
    if let Some(error) = logged_error(said) {
        return error.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let begins = |line: &&str| line.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("error:"));
    let is_own = |line: &&&str| !is_log(line) && !line.starts_with("Use --debug flag");
    // An error of several lines goes on up to what is logged after it.
    let error = lines.iter().rposition(begins).and_then(|at| lines.get(at..)).unwrap_or_default();
    let error: Vec<&str> = error.iter().take_while(is_own).copied().collect();
    let error = match error.as_slice() {
        [] => lines.iter().rfind(is_own).or(lines.last()).copied().into_iter().collect(),
        _ => error,
    };
    let words = error.iter().flat_map(|line| line.split_whitespace()).collect::<Vec<_>>().join(" ");
    words.get(6..).filter(|_| begins(&words.as_str())).map_or(words.as_str(), str::trim).to_owned()
}

/// Kustomize tells of each directory on the way to the cause, and tries files as directories: the way is cut off.
fn innermost(said: &str) -> String {
    const LIMIT: usize = 400;
    let steps = ["accumulation err='", "recursed accumulation of path '"];
    let behind = |step: &str| said.rfind(step).map(|at| at + step.len());
    let cause = steps.into_iter().filter_map(behind).max().and_then(|at| said.get(at..)).unwrap_or(said);
    let cause = cause.split("': must build at directory").next().unwrap_or(cause);
    match cause.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", cause.get(..end).unwrap_or(cause)),
        None => cause.to_owned(),
    }
}

/// The last error that is logged and not printed, as by the kubectl of the Google Cloud SDK: `E1130 … err="…"`, or
/// `err=<`, its lines, and a line with `>`.
fn logged_error(said: &str) -> Option<String> {
    let lines: Vec<&str> = said.lines().collect();
    let error = |line: &&str| is_log(line.trim()) && line.contains(" err=");
    let at = lines.iter().rposition(error)?;
    let (_, value) = lines.get(at)?.split_once(" err=")?;
    if value.trim() == "<" {
        let rest = lines.get(at + 1..)?;
        return Some(
            rest.iter().take_while(|line| line.trim() != ">").copied().collect::<Vec<_>>().join("\n"),
        );
    }
    let text = serde_json::Deserializer::from_str(value).into_iter::<String>().next()?.ok();
    text.or_else(|| Some(value.trim_matches('"').to_owned()))
}

/// Is this a line of a log, as Go programs write them: `level=WARN …`, `time=…`, `coalesce.go:289: …`, `W0102 …`?
fn is_log(line: &str) -> bool {
    let line = line.strip_prefix('#').unwrap_or(line).trim_start();
    let word = line.split_whitespace().next().unwrap_or_default();
    let lower = word.to_ascii_lowercase();
    let is_klog = word.len() == 5
        && word.starts_with(['I', 'W', 'E', 'F'])
        && word.bytes().skip(1).all(|byte| byte.is_ascii_digit());
    // `2026/11/28 10:00:00 …`
    let is_date = word.len() == 10 && word.bytes().all(|byte| byte.is_ascii_digit() || b"/-".contains(&byte));
    is_klog
        || is_date
        || ["level=", "time=", "ts="].iter().any(|key| lower.starts_with(key))
        || ["warning:", "warn:", "info:", "debug:", "[debug]", "warning", "warn"].contains(&lower.as_str())
        || lower
            .split_once(".go:")
            .is_some_and(|(file, line)| !file.is_empty() && line.starts_with(|c: char| c.is_ascii_digit()))
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
pub(super) fn left_out(directory: &Path) -> impl Fn(&str, bool) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_logs_is_no_part_of_its_error() {
        for (said, expected) in [
            ("", ""),
            ("Error: no chart\n", "no chart"),
            (
                "level=WARN msg=\"unable to find exact version\"\nError: execution error at (pg/templates/x.yaml:4:4): \n\nset a\n  password\n\nUse --debug flag to render out invalid YAML\n",
                "execution error at (pg/templates/x.yaml:4:4): set a password",
            ),
            (
                "walk.go:75: found symbolic link in path\nWARNING: Kubernetes configuration file is readable\nerror: accumulating resources: no such file\n",
                "accumulating resources: no such file",
            ),
            (
                "# Warning: 'bases' is deprecated. Run 'kustomize edit fix'.\nError: a\nW0102 12:00:00 b\nE0102 c\n",
                "a",
            ),
            ("2026/11/28 12:00:00 warning: cannot overwrite table\nboom\n", "boom"),
            ("coalesce.go:289: warning: only this\n", "coalesce.go:289: warning: only this"),
            (
                "E1130 05:25:13.1 29288 run.go:72] \"command failed\" err=\"no 'a' in \\\"x\\\"\"\n",
                "no 'a' in \"x\"",
            ),
            (
                "# Warning: x\nE1130 05:25:13.1 7 run.go:72] \"command failed\" err=<\n\ttrouble: `\n\tname: r\n\t`: must specify --enable-helm\n >\n",
                "trouble: ` name: r `: must specify --enable-helm",
            ),
        ] {
            assert_eq!(reason(said), expected, "{said:?}");
        }
    }
}
