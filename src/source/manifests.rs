//! Reads the objects in manifests from files, directories and standard input.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::render::RenderOptions;
use super::tree::{Source, is_manifest};
use super::{files_below, placeholders, read_bytes, unread, ytt};
use crate::admission::{
    GroupKind, GroupVersionKind, GroupVersionResource, Object, ObjectRef, Operation, Request, UserInfo,
};
use crate::diagnostic::{Diagnostic, SourceText};
use crate::path::{self, Segment};
use crate::workload::projection::Projections;
use crate::yaml::edit::Change;
use crate::yaml::{self, Fault, Positions, Readable, RepeatedKeys, SourceSpan, YamlError};

/// The file name for standard input.
pub const STDIN: &str = "<stdin>";

/// Fields of `metadata` that a manifest has no say in.
const NOT_WRITTEN: [&str; 2] = ["deletionTimestamp", "ownerReferences"];

/// One object in a manifest, with its position.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The object.
    pub object: Arc<Value>,
    /// The file it is in.
    pub file: SourceText,
    /// The file to edit if this one was rendered from it, such as the template that Helm names.
    pub template: Option<String>,
    positions: Arc<Positions>,
    /// The index of its document in the file.
    pub document: usize,
    /// The path to it in its document: items of a List are below `items`.
    pub prefix: path::Path,
    /// Whether its kind is written only in the list that contains it.
    pub bare: bool,
    /// Whether a tool may fill in something before it is applied.
    pub written_for_tools: bool,
    /// The namespace that it is deployed to if it names none, where a deploy tool's own object says so.
    pub deployed_to: Option<Arc<str>>,
}

impl Manifest {
    /// `apiVersion`
    pub fn api_version(&self) -> &str {
        self.text("apiVersion")
    }

    /// `kind`
    pub fn kind(&self) -> &str {
        self.text("kind")
    }

    fn text(&self, key: &str) -> &str {
        text(&self.object, key)
    }

    /// A string field of `metadata`.
    pub fn metadata(&self, key: &str) -> &str {
        metadata(&self.object, key)
    }

    /// The object without what only the API server and controllers write. The API server drops a written
    /// `deletionTimestamp`, and what is made from a file is not made by the owner that the file names.
    pub fn written(&self) -> Cow<'_, Value> {
        written(&self.object)
    }

    /// The request that would store this object: a CREATE, or an UPDATE of its previous version. None if its
    /// kind has no projection, so that no policy can review it.
    pub fn request(
        &self,
        projections: &Projections,
        old: Option<&Manifest>,
        default_namespace: &str,
    ) -> Option<Request> {
        let request = request(&self.object, projections, self.or_default(default_namespace))?;
        let Some(old) = old else { return Some(request) };
        let old_object = Some(Object::from(old.written().into_owned()));
        Some(Request { operation: Operation::Update, old_object, ..request })
    }

    /// The identity of the object, which its versions share.
    pub fn reference(&self, default_namespace: &str) -> ObjectRef {
        ObjectRef {
            kind: GroupKind::new(self.api_version(), self.kind()),
            namespace: namespace(&self.object, self.or_default(default_namespace)),
            name: self.metadata("name").to_owned(),
        }
    }

    /// The namespace of an object that names none.
    fn or_default<'a>(&'a self, default_namespace: &'a str) -> &'a str {
        self.deployed_to.as_deref().unwrap_or(default_namespace)
    }

    /// The edit of the file that turns it into `object`.
    pub fn change(&self, object: &Value) -> Change {
        let mut value = object.clone();
        let own = self.object.get("metadata").and_then(Value::as_object);
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            let kept = own.into_iter().flatten().filter(|(key, _)| NOT_WRITTEN.contains(&key.as_str()));
            metadata.extend(kept.map(|(key, value)| (key.clone(), value.clone())));
        }
        // Fields that the list states for its items are not written in the items.
        if self.bare
            && let Some(fields) = value.as_object_mut()
        {
            fields.remove("kind");
            fields.remove("apiVersion");
        }
        Change { document: self.document, path: self.prefix.clone(), value }
    }

    /// The position of a node; for a missing node, of its nearest existing parent.
    pub fn place(&self, path: &[Segment]) -> SourceSpan {
        let mut whole = self.prefix.clone();
        whole.extend_from_slice(path);
        self.positions.place(&whole)
    }
}

/// The request that would create an object. None if its kind has no projection, so that no policy can review it.
pub fn request(object: &Value, projections: &Projections, default_namespace: &str) -> Option<Request> {
    let kind = served(GroupVersionKind::new(text(object, "apiVersion"), text(object, "kind")), projections);
    let projection = projections
        .of(&kind.group_kind())
        .filter(|projection| projection.versions.contains(&kind.version))?;
    Some(Request {
        uid: String::new(),
        resource: GroupVersionResource {
            group: kind.group.clone(),
            version: kind.version.clone(),
            resource: projection.plural.clone(),
        },
        kind,
        subresource: String::new(),
        request_name: metadata(object, "name").to_owned(),
        namespace: if projection.namespaced { namespace(object, default_namespace) } else { String::new() },
        operation: Operation::Create,
        user: UserInfo::default(),
        object: Some(Object::from(written(object).into_owned())),
        old_object: None,
        dry_run: false,
        options: Value::Null,
    })
}

/// The kind in the version that is served today, of one that was served once: whoever mends the version has the object
/// judged as it is.
fn served(kind: GroupVersionKind, projections: &Projections) -> GroupVersionKind {
    let is_past = kind.version.contains("alpha") || kind.version.contains("beta");
    let is_read =
        || projections.of(&kind.group_kind()).is_some_and(|one| one.versions.contains(&kind.version));
    match nearest(&kind, projections).filter(|known| known.kind == kind.kind && is_past && !is_read()) {
        Some(known) => known,
        None => kind,
    }
}

/// The kind that is meant by one of any case and version, as it is served today.
pub fn nearest(kind: &GroupVersionKind, projections: &Projections) -> Option<GroupVersionKind> {
    // `extensions` is where Deployments and their like were at first.
    let is_it = |known: &GroupKind| {
        known.kind.eq_ignore_ascii_case(&kind.kind)
            && (known.group == kind.group || kind.group == "extensions")
    };
    let (known, projection) = projections.iter().find(|(known, _)| is_it(known))?;
    let version = projection.versions.first()?.clone();
    Some(GroupVersionKind { group: known.group.clone(), version, kind: known.kind.clone() })
}

fn written(object: &Value) -> Cow<'_, Value> {
    let all = object.get("metadata").and_then(Value::as_object);
    if !all.is_some_and(|all| NOT_WRITTEN.iter().any(|key| all.contains_key(*key))) {
        return Cow::Borrowed(object);
    }
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| !NOT_WRITTEN.contains(&key.as_str()));
    }
    Cow::Owned(object)
}

fn text<'v>(object: &'v Value, key: &str) -> &'v str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn metadata<'v>(object: &'v Value, key: &str) -> &'v str {
    object.get("metadata").and_then(|metadata| metadata.get(key)?.as_str()).unwrap_or_default()
}

fn namespace(object: &Value, default: &str) -> String {
    match metadata(object, "namespace") {
        "" => default.to_owned(),
        namespace => namespace.to_owned(),
    }
}

fn diagnostic(file: &SourceText, error: YamlError) -> Diagnostic {
    let YamlError { message, line, column, help } = error;
    Diagnostic { help, ..file.error(line, column, message) }
}

/// Whether a text cannot hold an object, even if it could be read: none of its keys is `apiVersion` or `kind`, in
/// whatever way a key can be written.
fn holds_no_object(text: &str) -> bool {
    let is_escape = |rest: &str| rest.starts_with(['x', 'u', 'U', '\n', '\r']);
    !text.contains("apiVersion") && !text.contains("kind") && !text.split('\\').skip(1).any(is_escape)
}

/// The objects read, and the errors.
#[derive(Debug, Default)]
pub struct Manifests {
    /// Objects in file order.
    pub objects: Vec<Manifest>,
    /// Files and documents that cannot be read.
    pub errors: Vec<Diagnostic>,
    /// What can be read, but is hardly meant so.
    pub warnings: Vec<Diagnostic>,
    /// The kinds of documents that cannot be read, by the index of the error.
    pub kinds: Vec<(usize, GroupVersionKind)>,
    /// Whether more documents cannot be read than errors tell.
    pub untold: bool,
    /// Number of documents that are not Kubernetes objects.
    pub foreign: usize,
    /// Kinds of the items of typed lists, such as `PodList` from the API server, which contain all objects of
    /// a kind.
    pub listed: Vec<GroupKind>,
    /// The first placeholder that was filled in with its default.
    pub placeholder: Option<String>,
    /// The text that was read last cannot be read as a whole, and can hold no object.
    pub objectless: bool,
    /// What is wrong with a file that can hold no object: who named it wants to know.
    pub passed_over: Vec<Diagnostic>,
    /// Directories that cannot be rendered, each with the files that are therefore not read.
    pub lost: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

impl Manifests {
    /// Reads files, directories (all `.yaml`, `.yml` and `.json` below them) and, for `-`, standard input.
    pub fn read(paths: &[PathBuf]) -> Self {
        let mut all = Self::default();
        for path in paths {
            if path.as_os_str() == "-" {
                all.read_stdin();
            } else if path.is_dir() {
                match files_below(path) {
                    Ok(files) => {
                        files.iter().filter(|file| is_manifest(file)).for_each(|file| all.read_file(file))
                    }
                    Err(error) => all.errors.push(error),
                }
            } else {
                all.read_file(path);
            }
        }
        all
    }

    /// Reads one source of a tree.
    pub fn of(source: &Source, options: &RenderOptions) -> Self {
        let mut all = Self::default();
        match source {
            Source::Stdin => all.read_stdin(),
            Source::File(path) => {
                all.read_file(path);
                if all.objectless && all.objects.is_empty() {
                    all.passed_over = std::mem::take(&mut all.errors);
                    (all.kinds, all.untold) = (Vec::new(), false);
                    all.foreign += 1;
                }
            }
            Source::Rendered(rendered) => return Self::rendered(rendered, options),
        }
        options.destinations.apply(&mut all);
        all
    }

    /// An object of a cluster, with the text that `kubectl get -o yaml` would show of it.
    pub fn of_object(name: String, object: &Value) -> Self {
        let mut all = Self::default();
        // What is stored is what applies: nobody fills in anything any more.
        all.add_text(name, yaml::write(object).as_bytes(), false, RepeatedKeys::Ambiguous);
        all
    }

    fn read_stdin(&mut self) {
        let mut bytes = Vec::new();
        match std::io::stdin().take(super::FILE_LIMIT + 1).read_to_end(&mut bytes) {
            Ok(_) => self.add(STDIN.to_owned(), &bytes),
            Err(error) => {
                self.errors.push(SourceText::new(STDIN, "").error(0, 0, format!("cannot be read: {error}")));
            }
        }
    }

    fn read_file(&mut self, path: &Path) {
        match read_bytes(path) {
            Ok(bytes) => self.add(path.display().to_string(), &bytes),
            Err(error) => self.errors.push(error),
        }
    }

    /// Adds the objects in one file.
    pub fn add(&mut self, name: String, bytes: &[u8]) {
        self.add_text(name, bytes, true, RepeatedKeys::Ambiguous);
    }

    /// The same; `unfilled`: placeholders may be left to fill in.
    pub(super) fn add_text(
        &mut self,
        name: String,
        bytes: &[u8],
        unfilled: bool,
        repeated_keys: RepeatedKeys,
    ) {
        let (text, Readable { documents, faults }) = match yaml::read_file(bytes, repeated_keys) {
            Ok(read) => read,
            Err(error) => return self.errors.push(diagnostic(&SourceText::new(name, ""), error)),
        };
        self.objectless = !faults.is_empty() && holds_no_object(&text);
        let file = SourceText::new(name, text.into_owned());
        if unfilled && let Some(line) = ytt::first_code(&file.text, &documents) {
            let error =
                file.error(line, 1, "ytt makes a manifest of this template, so what it says is not known");
            return self
                .errors
                .push(error.with_help("check what is made of it: ytt -f DIR | stategate check -"));
        }
        let mut template = false;
        for Fault { error, part } in faults {
            // Of a template, each document would be told the same.
            let again = template && error.is_of_a_template();
            template |= error.is_of_a_template();
            self.untold |= again;
            if !again {
                let kind = unread::kind(file.text.get(part).unwrap_or_default());
                self.kinds.extend(kind.map(|kind| (self.errors.len(), kind)));
                self.errors.push(diagnostic(&file, error));
            }
        }
        let fillable = unfilled && placeholders::has(&file.text);
        for (index, mut document) in documents.into_iter().enumerate() {
            // A recorded request is what was asked.
            let written = document.value.get("kind").is_none_or(|kind| kind != "AdmissionReview");
            if fillable && written {
                let filled = placeholders::fill(&mut document.value);
                self.placeholder = self.placeholder.take().or(filled);
            }
            if document.value.get("kind").is_some() {
                self.warnings.extend(document.repeated.into_iter().map(|error| diagnostic(&file, error)));
            }
            let positions = Arc::new(document.positions);
            let manifest = Manifest {
                object: Arc::new(document.value),
                file: file.clone(),
                template: document.source,
                positions,
                document: index,
                prefix: Vec::new(),
                bare: false,
                written_for_tools: unfilled && written,
                deployed_to: None,
            };
            self.flatten(manifest);
        }
    }

    /// Adds what was read elsewhere.
    pub(super) fn append(&mut self, other: Self) {
        let told = self.errors.len();
        self.kinds.extend(other.kinds.into_iter().map(|(error, kind)| (told + error, kind)));
        self.errors.extend(other.errors);
        self.objects.extend(other.objects);
        self.warnings.extend(other.warnings);
        self.listed.extend(other.listed);
        self.lost.extend(other.lost);
        self.untold |= other.untold;
        self.foreign += other.foreign;
        self.placeholder = self.placeholder.take().or(other.placeholder);
    }

    /// The kinds of what cannot be read, as far as they are known. Call it before anything else is added to the errors.
    pub fn unread(&self) -> Vec<Option<GroupVersionKind>> {
        let kind = |at: usize| {
            let known = self.kinds.iter().find(|(error, _)| *error == at);
            known.map(|(_, kind)| kind.clone())
        };
        let kinds: HashSet<_> = (0..self.errors.len()).map(kind).chain(self.untold.then_some(None)).collect();
        kinds.into_iter().collect()
    }

    /// The objects that are wanted, and nothing else.
    #[must_use]
    pub fn that(&self, wanted: impl Fn(&Manifest) -> bool) -> Self {
        let objects = self.objects.iter().filter(|manifest| wanted(manifest)).cloned().collect();
        Self { objects, ..Self::default() }
    }

    /// Turns errors about documents of kinds that nobody judges into warnings. Call it before anything else is added
    /// to the errors.
    pub fn spare(&mut self, is_judged: impl Fn(&GroupVersionKind) -> bool) {
        let spared: HashMap<usize, GroupVersionKind> =
            std::mem::take(&mut self.kinds).into_iter().filter(|(_, kind)| !is_judged(kind)).collect();
        for (index, mut error) in std::mem::take(&mut self.errors).into_iter().enumerate() {
            match spared.get(&index) {
                Some(kind) => {
                    error.message = format!(
                        "{}; no policy judges {}, so it is passed over",
                        error.message,
                        kind.group_kind()
                    );
                    self.warnings.push(error);
                }
                None => self.errors.push(error),
            }
        }
    }

    /// Adds an object, or the items of a list. As in kubectl, everything with `items` is a list, whatever its
    /// kind.
    fn flatten(&mut self, manifest: Manifest) {
        let outermost = manifest.prefix.is_empty();
        let is_list = |items: &&Value| items.is_array() || (items.is_null() && outermost);
        let items = manifest.object.get("items").filter(is_list);
        if manifest.kind().is_empty() || (manifest.api_version().is_empty() && items.is_none()) {
            self.foreign += 1;
            return;
        }
        let Some(items) = items else { return self.objects.push(manifest) };
        let of_items = manifest.kind().strip_suffix("List").filter(|kind| !kind.is_empty());
        self.listed.extend(of_items.map(|kind| GroupKind::new(manifest.api_version(), kind)));
        for (index, item) in items.as_array().into_iter().flatten().enumerate() {
            // One that cannot be read, which is told.
            if item.as_str() == Some(yaml::NO_CHARACTER) {
                continue;
            }
            let mut prefix = manifest.prefix.clone();
            prefix.extend([Segment::from("items"), Segment::Index(index)]);
            let mut item = item.clone();
            let mut bare = false;
            let said = |key: &str| item.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
            // The API server omits from items what the list states already; kubectl adds it again.
            let silent = !said("kind") && !said("apiVersion");
            let kind = manifest.kind().strip_suffix("List").unwrap_or(manifest.kind());
            if let Some(fields) = item.as_object_mut().filter(|_| silent && !kind.is_empty()) {
                bare = true;
                fields.insert("kind".to_owned(), kind.into());
                fields.insert("apiVersion".to_owned(), manifest.api_version().into());
            }
            self.flatten(Manifest { object: Arc::new(item), prefix, bare, ..manifest.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_cannot_be_read_is_no_fault_if_it_can_hold_no_object() {
        for (text, errors) in [
            ("{// settings\n\"a\": [1,", 0),
            ("- {{ range .Items }}\n  a: b", 0),
            ("{// settings\n\"apiVersion\": [\"v1\",", 1),
            ("{// settings\n\"\\u0061piVersion\": [\"v1\",", 1),
            ("\"api\\\nVersion\": v1\n{", 1),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let read = Manifests::of(&Source::File(file.path().to_owned()), &RenderOptions::default());
            let told = (read.errors.len(), read.passed_over.len(), read.foreign);
            assert_eq!(told, (errors, 1 - errors, 1 - errors), "{text}: {:?}", read.errors);
        }
    }

    #[test]
    fn placeholders_of_what_is_stored_or_recorded_stay() {
        let text = "apiVersion: v1\nkind: Service\nmetadata: {name: \"${NAME:=pg}\"}\n";
        let mut file = Manifests::default();
        file.add("x.yaml".to_owned(), text.as_bytes());
        assert_eq!(file.objects[0].metadata("name"), "pg");
        assert_eq!(file.placeholder.as_deref(), Some("${NAME:=pg}"));
        let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "${NAME:=pg}"}});
        let stored = Manifests::of_object("x".to_owned(), &object);
        assert_eq!((stored.objects[0].metadata("name"), stored.placeholder), ("${NAME:=pg}", None));
        let mut recorded = Manifests::default();
        recorded.add("x.yaml".to_owned(), text.replace("Service", "AdmissionReview").as_bytes());
        assert_eq!((recorded.objects[0].metadata("name"), recorded.placeholder), ("${NAME:=pg}", None));
    }
}
