//! What a configuration that was found in a repository may say. Nobody vouches for it: it may narrow and tune a
//! check, but not write, run programs, or read what lies outside of its repository.

use std::path::Path;

use serde_json::Value;

use crate::diagnostic::Diagnostics;
use crate::policyset::webhooks::EXEMPT_NAMESPACES;
use crate::source::boundary::Boundary;

/// Why a key is refused.
pub const COMMAND_LINE_ONLY: &str = "a configuration that is found in a repository may not set this";

/// The repository of a configuration.
pub struct Confined(Boundary);

impl Confined {
    /// # Errors
    /// If the file lies outside of its repository, or is no regular file.
    pub fn by(file: &Path) -> Result<Self, Diagnostics> {
        let boundary = Boundary::around(file.parent().unwrap_or(Path::new("")), None)?;
        boundary.file(file).map_err(|error| {
            error.with_help("name the file with --config if you trust it, or leave it out with --no-config")
        })?;
        Ok(Self(boundary))
    }

    /// What to do instead, if the key of this argument is for the command line alone.
    pub fn refusal(&self, id: &str, value: &Value) -> Option<String> {
        let texts: Vec<&str> = match value {
            Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        let first = texts.first().copied();
        let exempt = |name: &&str| EXEMPT_NAMESPACES.contains(name);
        let typed = match id {
            // A file that is its own predecessor changes nothing.
            "old" if !value.is_null() => format!("--old {}", first.unwrap_or("PATH")),
            // Bindings leave these out.
            "namespace" => format!("--namespace {}", first.filter(exempt)?),
            "changed_since" if !value.is_null() => {
                format!("--changed-since {}", first.unwrap_or("REVISION"))
            }
            // A kubeconfig names programs that provide credentials.
            "context" if !value.is_null() => format!("--context {}", first.unwrap_or("NAME")),
            "kubeconfig" if !value.is_null() => format!("--kubeconfig {}", first.unwrap_or("FILE")),
            // A format alone writes nothing.
            "output" => format!("--output {}", texts.into_iter().find(|text| text.contains('='))?),
            _ => return None,
        };
        Some(format!("type {typed}, or name the file with --config if you trust it"))
    }

    /// Checks a path that the configuration names.
    pub fn path(&self, base: &Path, text: &str) -> Result<(), String> {
        let place = if base.as_os_str().is_empty() { Path::new(".") } else { base };
        let path = place.join(text);
        let end = self.0.root().display();
        let remedy = "give it on the command line";
        if text == "-" {
            return Err(format!("standard input is not in the repository: {remedy}"));
        }
        // What is not there is told when it is read; known findings may be new.
        let checked = if path.symlink_metadata().is_ok() { Some(path.as_path()) } else { path.parent() };
        let inside = |path: &Path| match self.0.entry(path) {
            Err(_) if path.symlink_metadata().is_err() => Ok(()),
            other => other.map(drop),
        };
        if let Some(Err(error)) = checked.map(inside) {
            return Err(format!("{text} {} ({remedy})", error.message));
        }
        // Of a path that does not exist only the text tells.
        let whole = self.0.root().join(crate::source::tree::resolved(&absolute(place).join(text)));
        if self.0.contains(&whole) { Ok(()) } else { Err(format!("{text} lies outside of {end} ({remedy})")) }
    }
}

fn absolute(directory: &Path) -> std::path::PathBuf {
    directory.canonicalize().unwrap_or_else(|_| directory.to_owned())
}
