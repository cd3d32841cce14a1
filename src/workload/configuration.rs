//! What workloads take from ConfigMaps: variables and files.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::json_node::JsonNode;
use super::pods::{clean, covers};
use super::view::{ConfigFile, Env, Mount, Volume};

/// The longest entry that is kept, in bytes, without its comments: the settings of a data store are shorter.
const LONGEST_FILE: usize = 16 << 10;
/// The longest entry of another name.
const LONGEST_VALUE: usize = 1 << 10;
/// The most bytes that are kept of one ConfigMap, and what an entry counts beside its text.
const LONGEST_MAP: usize = 64 << 10;
const ENTRY: usize = 64;
/// The most bytes that one workload takes from ConfigMaps: several containers may take the same ones.
const MOST_TAKEN: usize = 256 << 10;
/// How the names of files end that are read.
const FILES: &[&str] =
    &["cfg", "cnf", "conf", "config", "hcl", "ini", "json", "properties", "sh", "toml", "xml", "yaml", "yml"];

/// A ConfigMap, as far as data stores read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigMap {
    /// The text of each entry; none for one that is not kept because it is long or binary.
    entries: BTreeMap<String, Option<Arc<str>>>,
    /// Whether there are entries beside these.
    more: bool,
}

/// Where ConfigMaps are looked up.
pub trait ConfigMaps {
    /// A ConfigMap, if it is known.
    fn config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap>;

    /// The same as the previous version of the object under review reads it.
    fn earlier_config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap> {
        self.config_map(namespace, name)
    }
}

/// ConfigMaps as the previous version of the object under review reads them.
pub struct Earlier<'a>(pub &'a dyn ConfigMaps);

impl ConfigMaps for Earlier<'_> {
    fn config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap> {
        self.0.earlier_config_map(namespace, name)
    }
}

/// What the first does not know is looked up in the second.
pub struct FirstOf<'a>(pub &'a dyn ConfigMaps, pub &'a dyn ConfigMaps);

impl ConfigMaps for FirstOf<'_> {
    fn config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap> {
        self.0.config_map(namespace, name).or_else(|| self.1.config_map(namespace, name))
    }
}

/// No ConfigMap is known.
pub struct NoConfigMaps;

impl ConfigMaps for NoConfigMaps {
    fn config_map(&self, _: &str, _: &str) -> Option<&ConfigMap> {
        None
    }
}

impl ConfigMap {
    /// Reads a ConfigMap. What is not text is left out: the API server refuses it.
    pub(crate) fn read(root: &JsonNode<'_>) -> Self {
        let entries = |key: &'static str| root.child(key).raw().and_then(|value| value.as_object());
        let texts = entries("data").into_iter().flatten();
        let texts = texts.map(|(name, value)| (name, value.as_str().and_then(|text| kept(name, text))));
        let binary = entries("binaryData").into_iter().flatten().map(|(name, _)| (name, None));
        let (mut map, mut left) = (Self::default(), LONGEST_MAP);
        for (name, text) in texts.chain(binary) {
            let length = ENTRY + name.len();
            let text = text.filter(|text| length + text.len() <= left);
            let Some(rest) = left.checked_sub(length + text.as_ref().map_or(0, |text| text.len())) else {
                map.more = true;
                continue;
            };
            left = rest;
            map.entries.insert(name.clone(), text);
        }
        map
    }

    /// What is known if it may be this one or another of the same name.
    #[must_use]
    pub(crate) fn or(&self, other: &Self) -> Self {
        let names = self.entries.keys().chain(other.entries.keys());
        let text = |name: &String| {
            let (one, other) = (self.entries.get(name)?, other.entries.get(name)?);
            one.clone().filter(|_| one == other)
        };
        Self {
            entries: names.map(|name| (name.clone(), text(name))).collect(),
            more: self.more || other.more,
        }
    }
}

/// The text of an entry without its comments, if it is one that is kept.
fn kept(name: &str, text: &str) -> Option<Arc<str>> {
    let is_file = name.rsplit_once('.').is_some_and(|(_, ending)| FILES.contains(&ending));
    if text.len() <= if is_file { LONGEST_FILE } else { LONGEST_VALUE } {
        return Some(text.into());
    }
    let lines = text.lines().filter(|line| is_file && !line.trim_start().starts_with('#'));
    let (mut short, mut left) = (String::new(), LONGEST_FILE);
    for line in lines.filter(|line| !line.trim().is_empty()) {
        left = left.checked_sub(line.len() + 1)?;
        short.push_str(line);
        short.push('\n');
    }
    is_file.then(|| short.into())
}

/// The ConfigMaps that one workload refers to.
pub(super) struct References<'a> {
    maps: &'a dyn ConfigMaps,
    namespace: &'a str,
    /// The bytes that it may still take.
    left: Cell<usize>,
}

impl<'a> References<'a> {
    pub fn new(maps: &'a dyn ConfigMaps, namespace: &'a str) -> Self {
        Self { maps, namespace, left: Cell::new(MOST_TAKEN) }
    }

    /// Whether so much may still be taken, which it then is.
    fn take(&self, bytes: usize) -> bool {
        let left = self.left.get().checked_sub(bytes + ENTRY);
        self.left.set(left.unwrap_or_default());
        left.is_some()
    }

    fn map(&self, source: &JsonNode<'_>) -> Option<(String, &'a ConfigMap)> {
        let name = source.child("name").string()?;
        let map = self.maps.config_map(self.namespace, &name)?;
        Some((name, map))
    }

    /// The ConfigMap that a variable's value comes from, and the value, as far as they are known.
    pub fn value(&self, source: &JsonNode<'_>) -> Option<(String, String)> {
        let source = source.child("configMapKeyRef");
        let (name, map) = self.map(&source)?;
        let text = map.entries.get(&source.child("key").string()?)?.as_ref()?;
        self.take(text.len() + name.len()).then(|| (name, text.to_string()))
    }

    /// The variables that `envFrom` adds, and whether it adds others that are not known.
    pub fn variables(&self, from: &JsonNode<'_>) -> (Vec<Env>, bool) {
        let (mut all, mut unseen) = (Vec::new(), false);
        for item in from.items() {
            let Some((config_map, map)) = self.map(&item.child("configMapRef")) else {
                unseen = true;
                continue;
            };
            let prefix = item.child("prefix").string().unwrap_or_default();
            unseen |= map.more;
            for (name, text) in &map.entries {
                let length = prefix.len() + name.len() + config_map.len();
                if !self.take(length + text.as_ref().map_or(0, |text| text.len())) {
                    unseen = true;
                    break;
                }
                all.push(Env {
                    name: format!("{prefix}{name}"),
                    value: text.as_ref().map(ToString::to_string),
                    from: "configMapRef".to_owned(),
                    config_map: config_map.clone(),
                    path: item.path.clone(),
                });
            }
        }
        (all, unseen)
    }

    /// The files of a volume, by their paths inside it.
    pub fn files(&self, volume: &JsonNode<'_>) -> Vec<ConfigFile> {
        let sources = volume.child("projected").child("sources").items();
        let projected = sources.iter().map(|source| source.child("configMap"));
        std::iter::once(volume.child("configMap"))
            .chain(projected)
            .flat_map(|map| self.files_of(&map))
            .collect()
    }

    fn files_of(&self, source: &JsonNode<'_>) -> Vec<ConfigFile> {
        let Some((_, map)) = self.map(source) else { return Vec::new() };
        let items = source.child("items").items();
        let listed = items.iter().filter_map(|item| {
            let (key, path) = (item.child("key").string()?, item.child("path").string()?);
            Some((path, map.entries.get(&key)?.clone()?))
        });
        let all = map.entries.iter().filter_map(|(key, text)| Some((key.clone(), text.clone()?)));
        let files: Vec<(String, Arc<str>)> = if items.is_empty() { all.collect() } else { listed.collect() };
        let files = files.into_iter().filter(|(path, _)| self.take(path.len()));
        files.map(|(path, text)| ConfigFile { path: clean(&path), text }).collect()
    }

    /// The files that a container sees.
    pub fn mounted(&self, mount: &Mount, volume: &Volume) -> Vec<ConfigFile> {
        let path = |file: &ConfigFile| {
            let below = file
                .path
                .strip_prefix(mount.sub_path.as_str())
                .filter(|_| covers(&mount.sub_path, &file.path));
            let rest = if mount.sub_path.is_empty() { Some(file.path.as_str()) } else { below };
            rest.map(|rest| clean(&format!("{}/{rest}", mount.mount_path)))
        };
        let files = volume.files.iter().filter_map(|file| Some((path(file)?, Arc::clone(&file.text))));
        let files = files.take_while(|(path, _)| self.take(path.len()));
        files.map(|(path, text)| ConfigFile { path, text }).collect()
    }
}
