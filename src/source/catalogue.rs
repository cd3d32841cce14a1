//! The embedded catalogue, and policy directories overlaid on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use include_dir::{Dir, File, include_dir};

use super::file_kind::{ENGINES, FileKind, SHIPPED_ENGINES, kind};
use super::{files_below, read_text};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};
use crate::engine::EngineKind;
use crate::policy::metadata::package_line;
use crate::policyset::Sources;

static POLICIES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/policies");

/// What build.rs makes of the modules of the embedded catalogue.
static COMPILED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/modules"));

/// Policies, libraries, projections, profiles, tests and examples, keyed by path below `policies/`.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    files: BTreeMap<String, SourceText>,
    /// Paths of profiles that name policies left out of this catalogue.
    partial_profiles: BTreeSet<String>,
    /// Warnings of files that replaced others which policies do not name.
    replaced: Vec<Diagnostic>,
    /// The modules that are part of the binary: tests check these.
    checked: Vec<Arc<str>>,
}

impl Catalogue {
    /// The catalogue embedded in the binary.
    pub fn embedded() -> Self {
        Self::of_embedded(&[FileKind::Other])
    }

    /// What reviews need of it: no tests and no examples, which are the larger part.
    pub fn embedded_for_reviews() -> Self {
        Self::of_embedded(&[FileKind::Test, FileKind::Example, FileKind::Other])
    }

    fn of_embedded(without: &[FileKind]) -> Self {
        let mut files = BTreeMap::new();
        let mut waiting = vec![&POLICIES];
        while let Some(directory) = waiting.pop() {
            waiting.extend(directory.dirs());
            for file in directory.files() {
                let path = file.path().to_string_lossy().into_owned();
                if let Some(text) =
                    Some(file).filter(|_| !without.contains(&kind(&path))).and_then(File::contents_utf8)
                {
                    files.insert(path.clone(), SourceText::new(format!("policies/{path}"), text));
                }
            }
        }
        let is_module = |path: &str| matches!(kind(path), FileKind::Policy | FileKind::Library);
        let modules = files.iter().filter(|(path, _)| is_module(path));
        let checked = modules.map(|(_, text)| Arc::clone(&text.text)).collect();
        Self { files, checked, ..Self::default() }
    }

    /// This catalogue without its policies, their tests and examples. Profiles stay; their references to
    /// missing policies are not errors, since they were written for the full catalogue.
    #[must_use]
    pub fn without_policies(mut self) -> Self {
        self.files
            .retain(|path, _| !matches!(kind(path), FileKind::Policy | FileKind::Test | FileKind::Example));
        let profiles = self.files.keys().filter(|path| kind(path) == FileKind::Profile);
        self.partial_profiles = profiles.cloned().collect();
        self
    }

    /// The contents of a directory alone.
    ///
    /// # Errors
    /// If it cannot be read, or contains no policy.
    pub fn directory(directory: &Path) -> Result<Self, Diagnostics> {
        let paths = files_below(directory)?;
        let (mut files, mut errors) = (BTreeMap::new(), Vec::new());
        for path in paths {
            let relative = path.strip_prefix(directory).unwrap_or(&path).to_string_lossy().into_owned();
            if kind(&relative) == FileKind::Other {
                continue;
            }
            if kind(&relative) == FileKind::Profile && profile_name(&relative).is_none() {
                errors.push(
                    SourceText::new(path.display().to_string(), "")
                        .error(
                            0,
                            0,
                            "a profile that nobody can choose: --profile NAME reads profiles/NAME.yaml",
                        )
                        .with_help("rename the file so that it ends with .yaml"),
                );
            }
            match read_text(&path) {
                Ok(text) => drop(files.insert(relative, text)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() && !files.keys().any(|path| kind(path) == FileKind::Policy) {
            errors.push(
                SourceText::new(directory.display().to_string(), "")
                    .error(0, 0, "the directory holds no policy")
                    .with_help("a policy is a file <category>/<policy>/<policy>.rego; give the directory above the categories"),
            );
        }
        if errors.is_empty() { Ok(Self { files, ..Self::default() }) } else { Err(Diagnostics(errors)) }
    }

    /// Overlays another catalogue: a file replaces the one with the same path. Engine tables are concatenated
    /// instead, with the other's rows first, so overlaid rows remove none.
    #[must_use]
    pub fn overlaid(mut self, other: &Catalogue) -> Self {
        if other.files.contains_key(ENGINES)
            && let Some(below) = self.files.remove(ENGINES)
        {
            self.files.insert(SHIPPED_ENGINES.to_owned(), below);
        }
        let replaced = other.files.iter().filter_map(|(path, text)| self.replaced_by(path, text));
        let replaced: Vec<Diagnostic> = replaced.collect();
        self.replaced.extend(replaced);
        self.partial_profiles.retain(|path| !other.files.contains_key(path));
        self.files.extend(other.files.clone());
        self
    }

    /// The warning of a file that takes the place of one that other policies rely on. A policy that replaces a
    /// policy concerns nobody else.
    fn replaced_by(&self, path: &str, text: &SourceText) -> Option<Diagnostic> {
        let below = self.files.get(path).filter(|below| below.text != text.text)?;
        let what = match kind(path) {
            FileKind::Library => format!("library data.{}", package_line(below)?.1),
            FileKind::Profile => format!("profile {}", profile_name(path)?),
            FileKind::Projection => format!("projection {path}"),
            _ => return None,
        };
        Some(
            text.error(0, 0, format!("this file replaces the shipped {what}"))
                .with_help("rename it unless that is meant"),
        )
    }

    /// What whoever loads the catalogue should know.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.replaced
    }

    /// How many files that decide on a verdict another catalogue replaces.
    pub fn replacements(&self, other: &Catalogue) -> usize {
        let decides =
            |path: &str| !matches!(kind(path), FileKind::Test | FileKind::Example | FileKind::Other);
        let differs = |(path, text): &(&String, &SourceText)| {
            other.files.get(*path).is_some_and(|own| own.text != text.text)
        };
        self.files.iter().filter(|(path, _)| decides(path)).filter(differs).count()
    }

    /// The sources from which a policy set is compiled, without tests; `with_tests` adds them.
    ///
    /// # Errors
    /// If the profile does not exist.
    pub fn sources(&self, profile: &str) -> Result<Sources, Diagnostic> {
        let path = format!("profiles/{profile}.yaml");
        let text = self.files.get(&path);
        let Some(profile_text) = text else {
            let known: Vec<String> = self.profiles().collect();
            return Err(SourceText::new("--profile", "")
                .error(0, 0, format!("there is no profile {profile:?}"))
                .with_help(format!("one of {}", known.join(", "))));
        };
        Ok(Sources {
            profile: Some(profile_text.clone()),
            partial_profile: self.partial_profiles.contains(&path),
            ..self.unbound()
        })
    }

    /// The sources without any binding.
    pub fn unbound(&self) -> Sources {
        Sources {
            engine: EngineKind::default(),
            checked: self.checked.clone(),
            compiled: COMPILED,
            policies: self.of_kind(FileKind::Policy),
            libraries: self.of_kind(FileKind::Library),
            projections: self.of_kind(FileKind::Projection),
            engines: self.of_kind(FileKind::Engines),
            tests: Vec::new(),
            profile: None,
            partial_profile: false,
            at_most: None,
            bindings: Vec::new(),
            cluster_policies: Vec::new(),
            documents: Vec::new(),
            outside: false,
            warnings: self.replaced.clone(),
            module_paths: self
                .files
                .iter()
                .filter(|(path, _)| {
                    matches!(kind(path), FileKind::Policy | FileKind::Library | FileKind::Test)
                })
                .map(|(path, text)| (text.clone(), path.clone()))
                .collect(),
        }
    }

    /// Modules with `test_*` rules.
    pub fn tests(&self) -> Vec<SourceText> {
        self.of_kind(FileKind::Test)
    }

    /// Policy examples: path below `policies/` and text.
    pub fn examples(&self) -> impl Iterator<Item = (&str, &SourceText)> {
        self.files
            .iter()
            .filter(|(path, _)| kind(path) == FileKind::Example)
            .map(|(path, text)| (path.as_str(), text))
    }

    /// Profile names.
    pub fn profiles(&self) -> impl Iterator<Item = String> {
        self.files.keys().filter_map(|path| profile_name(path)).map(str::to_owned)
    }

    /// Paths of files that exist in only one of the two catalogues, or differ.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let paths: BTreeSet<&String> = self.files.keys().chain(other.files.keys()).collect();
        let text = |catalogue: &Self, path: &str| -> Option<Arc<str>> {
            catalogue.files.get(path).map(|text| Arc::clone(&text.text))
        };
        paths.into_iter().filter(|path| text(self, path) != text(other, path)).cloned().collect()
    }

    fn of_kind(&self, wanted: FileKind) -> Vec<SourceText> {
        self.files.iter().filter(|(path, _)| kind(path) == wanted).map(|(_, text)| text.clone()).collect()
    }
}

fn profile_name(path: &str) -> Option<&str> {
    path.strip_prefix("profiles/")?.strip_suffix(".yaml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Compilation, Rego, on_large_stack};

    #[test]
    fn what_the_build_compiles_is_what_parsing_gives() {
        let sources = Catalogue::embedded().unbound();
        let texts: Vec<SourceText> = sources.policies.iter().chain(&sources.libraries).cloned().collect();
        assert!(texts.len() > 150, "{}", texts.len());
        let parsed = on_large_stack(|| Rego::load_checked(&texts, &[])).unwrap().unwrap();
        let parsed = parsed.compilation().to_bytes().unwrap();
        assert!(COMPILED == parsed, "cargo clean -p stategate, and build again");
        let read = Compilation::from_bytes(COMPILED).unwrap();
        assert!(read.to_bytes().unwrap() == parsed, "something is lost when it is read");
        let names = || texts.iter().map(|text| &*text.name);
        assert!(read.is_of(names()) && !read.is_of(names().skip(1)) && !read.is_of(names().rev()));
    }
}
