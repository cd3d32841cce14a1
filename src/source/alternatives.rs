//! Which directories of a repository are alternatives of each other.
//!
//! Directories that hold the same workload are: clusters, environments, variants of an example. So are those that hold
//! workloads and the same claim, and those that would overwrite most of each other, such as what a chart makes of two
//! files of values, whose workloads need not have the same name. A cluster gets one of them, so that a selector in one
//! says nothing about the pods of another. Where the paths of two copies diverge, the alternatives begin:
//! `clusters/east/db/pg.yaml` and `clusters/west/db/pg.yaml` make `clusters/east` and `clusters/west` alternatives.
//!
//! Alternatives hide things from each other, so nothing that a file says of itself makes it one, such as a label that
//! Helm would set, and no copies of what else there is: they may be applied together.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::admission::ObjectRef;

/// Files and directories with one parent; one of them is applied without the others.
pub type Alternatives = BTreeSet<PathBuf>;

/// An object in a file.
pub struct Held<'a> {
    pub object: &'a ObjectRef,
    pub file: &'a Path,
    pub is_workload: bool,
    pub is_claim: bool,
    /// The same for objects that differ in their metadata only.
    pub substance: &'a [u8; 32],
}

/// The alternatives that these objects tell.
pub fn of<'a>(objects: impl Iterator<Item = Held<'a>>) -> Vec<Alternatives> {
    let mut workloads: HashMap<&ObjectRef, BTreeSet<&Path>> = HashMap::new();
    let mut others: HashMap<&ObjectRef, BTreeMap<&Path, &[u8; 32]>> = HashMap::new();
    let mut claims: HashSet<&ObjectRef> = HashSet::new();
    let mut contents: HashMap<&Path, Contents<'a>> = HashMap::new();
    for Held { object, file, is_workload, is_claim, substance } in objects {
        if is_workload {
            workloads.entry(object).or_default().insert(file);
        } else {
            others.entry(object).or_default().insert(file, substance);
        }
        if is_claim {
            claims.insert(object);
        }
        if !object.namespace.is_empty() {
            for path in file.ancestors() {
                let within = contents.entry(path).or_default();
                within.has_workloads |= is_workload;
                within.objects.entry(object).or_default().insert(substance);
            }
        }
    }
    let mut groups = Groups::default();
    for files in workloads.values() {
        diverging(files.iter().copied()).iter().for_each(|paths| groups.join(paths));
    }
    // Of those that hold versions of one object, neighbours in size are compared: what is much larger or smaller would
    // not be the same, and all pairs might be very many.
    let mut pairs: BTreeSet<[&Path; 2]> = BTreeSet::new();
    for (object, files) in &others {
        let versions: BTreeSet<&[u8; 32]> = files.values().copied().collect();
        if claims.contains(object) {
            for mut paths in diverging(files.keys().copied()) {
                paths.retain(|path| contents.get(path).is_some_and(|within| within.has_workloads));
                // Two files of one directory may both bring the claim that they share.
                if paths.len() > 1
                    && (versions.len() > 1 || !paths.iter().any(|path| files.contains_key(path)))
                {
                    groups.join(&paths);
                }
            }
        }
        if versions.len() < 2 {
            continue;
        }
        for paths in diverging(files.keys().copied()) {
            let size = |path: &&Path| contents.get(path).map_or(0, |within| within.objects.len());
            let mut paths: Vec<&Path> = paths.into_iter().collect();
            paths.sort_by_key(|path| (size(path), *path));
            pairs.extend(paths.windows(2).filter_map(|pair| <[&Path; 2]>::try_from(pair).ok()));
        }
    }
    for pair in pairs {
        let [one, other] = pair.map(|path| contents.get(path));
        if one.zip(other).is_some_and(|(one, other)| one.overwrites_most_of(other)) {
            groups.join(&BTreeSet::from(pair));
        }
    }
    groups.members.into_iter().filter(|members| !members.is_empty()).collect()
}

/// Where the paths of these files diverge: the paths below each directory.
fn diverging<'a>(files: impl Iterator<Item = &'a Path> + Clone) -> Vec<BTreeSet<&'a Path>> {
    if files.clone().nth(1).is_none() {
        return Vec::new();
    }
    let mut children: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
    for child in files.flat_map(Path::ancestors) {
        if let Some(parent) = child.parent() {
            children.entry(parent).or_default().insert(child);
        }
    }
    children.into_values().filter(|children| children.len() > 1).collect()
}

/// What a file or directory holds in Namespaces.
#[derive(Default)]
struct Contents<'a> {
    objects: BTreeMap<&'a ObjectRef, BTreeSet<&'a [u8; 32]>>,
    has_workloads: bool,
}

impl Contents<'_> {
    /// Whether more than half of the objects of each are in the other, too, and at least two of them are another thing
    /// there. What holds no workload is a part of something.
    fn overwrites_most_of(&self, other: &Self) -> bool {
        let (small, large) = match self.objects.len() < other.objects.len() {
            true => (&self.objects, &other.objects),
            false => (&other.objects, &self.objects),
        };
        if !(self.has_workloads && other.has_workloads) || small.len() * 2 <= large.len() {
            return false;
        }
        let both = || small.iter().filter_map(|(object, versions)| Some((versions, large.get(object)?)));
        let different = both().filter(|(one, other)| one.is_disjoint(other));
        both().count() * 2 > large.len() && different.count() > 1
    }
}

#[derive(Default)]
struct Groups {
    /// The index of the group of each path.
    of: HashMap<PathBuf, usize>,
    members: Vec<Alternatives>,
}

impl Groups {
    /// Makes these paths one group, with all that are in a group with one of them.
    fn join(&mut self, paths: &BTreeSet<&Path>) {
        let known: BTreeSet<usize> = paths.iter().filter_map(|path| self.of.get(*path)).copied().collect();
        let whole =
            known.iter().copied().max_by_key(|group| self.members.get(*group).map_or(0, BTreeSet::len));
        let whole = whole.unwrap_or(self.members.len());
        let others = known.iter().filter(|group| **group != whole);
        let mut joined: Alternatives = paths.iter().map(|path| path.to_path_buf()).collect();
        for group in others {
            joined.extend(self.members.get_mut(*group).map(std::mem::take).into_iter().flatten());
        }
        self.of.extend(joined.iter().map(|path| (path.clone(), whole)));
        match self.members.get_mut(whole) {
            Some(members) => members.extend(joined),
            None => self.members.push(joined),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::GroupKind;

    fn told(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let objects: Vec<(ObjectRef, [u8; 32], PathBuf)> = files
            .iter()
            .map(|(text, file)| {
                let (kind, rest) = text.split_once('/').unwrap_or(("StatefulSet", text));
                let (name, version) = rest.split_once('@').unwrap_or((rest, "0"));
                let (kind, name) =
                    (GroupKind { kind: kind.to_owned(), group: String::new() }, name.to_owned());
                let object = ObjectRef { kind, namespace: "shop".to_owned(), name };
                (object, [version.parse().unwrap(); 32], file.into())
            })
            .collect();
        let held = objects.iter().map(|(object, substance, file)| Held {
            is_workload: object.kind.kind == "StatefulSet",
            is_claim: object.kind.kind == "Claim",
            object,
            file,
            substance,
        });
        let mut groups: Vec<Vec<String>> = of(held)
            .into_iter()
            .map(|group| group.into_iter().map(|path| path.display().to_string()).collect())
            .collect();
        groups.sort();
        groups
    }

    #[test]
    fn alternatives_begin_where_the_paths_of_copies_diverge() {
        assert_eq!(told(&[("pg", "a/pg.yaml"), ("redis", "b/redis.yaml")]), [[""; 0]; 0]);
        assert_eq!(told(&[("pg", "a/pg.yaml"), ("pg", "a/pg.yaml")]), [[""; 0]; 0]);
        assert_eq!(
            told(&[("pg", "clusters/east/db/pg.yaml"), ("pg", "clusters/west/db/pg.yaml")]),
            [["clusters/east", "clusters/west"]]
        );
        assert_eq!(told(&[("pg", "pg.yaml"), ("pg", "old/pg.yaml")]), [["old", "pg.yaml"]]);
        assert_eq!(
            told(&[("pg", "a/pg.yaml"), ("pg", "b/pg.yaml"), ("redis", "b/r.yaml"), ("redis", "c/r.yaml")]),
            [["a", "b", "c"]]
        );
        assert_eq!(
            told(&[
                ("x", "a/x.yaml"),
                ("x", "b/x.yaml"),
                ("y", "c/y.yaml"),
                ("y", "d/y.yaml"),
                ("z", "b/z.yaml"),
                ("z", "d/z.yaml")
            ]),
            [["a", "b", "c", "d"]]
        );
        assert_eq!(
            told(&[("pg", "apps/one/pg.yaml"), ("pg", "apps/two/pg.yaml"), ("pg", "tests/pg.yaml")]),
            [vec!["apps", "tests"], vec!["apps/one", "apps/two"]]
        );
    }

    #[test]
    fn a_claim_of_workloads_in_two_places_is_one_of_each() {
        let both = |a: &'static str, b: &'static str| {
            told(&[("pg", "east/d.yaml"), (a, "east/c.yaml"), ("db", "west/d.yaml"), (b, "west/c.yaml")])
        };
        assert_eq!(both("Claim/data", "Claim/data"), [["east", "west"]]);
        assert_eq!(both("Claim/data", "Claim/data@1"), [["east", "west"]]);
        assert_eq!(both("Claim/data", "Claim/other"), [[""; 0]; 0]);
        assert_eq!(
            told(&[("pg", "a/d.yaml"), ("Claim/data", "a/c.yaml"), ("Claim/data", "b/c.yaml")]),
            [[""; 0]; 0]
        );
        let files = |version| {
            told(&[("pg", "a.yaml"), ("Claim/data", "a.yaml"), ("db", "b.yaml"), (version, "b.yaml")])
        };
        assert_eq!(files("Claim/data"), [[""; 0]; 0], "one claim that both bring");
        assert_eq!(files("Claim/data@1"), [["a.yaml", "b.yaml"]]);
    }

    #[test]
    fn what_would_overwrite_most_of_each_other_is_alternatives() {
        let told_of = |one: &[&'static str], other: &[&'static str]| {
            let of = |objects: &[&'static str], file| -> Vec<(&str, &str)> {
                objects.iter().map(|object| (*object, file)).collect()
            };
            told(&[of(one, "a/x.yaml"), of(other, "b/x.yaml")].concat()) == [["a", "b"]]
        };
        let one = ["pg", "Service/pg", "ConfigMap/env", "Secret/pg"];
        assert!(told_of(&one, &["db", "Service/pg@1", "ConfigMap/env@1", "Secret/pg"]));
        assert!(!told_of(&one, &["db", "Service/pg@1", "ConfigMap/env", "Secret/pg"]), "only one differs");
        assert!(!told_of(&one, &["db", "Service/pg", "ConfigMap/env", "Secret/pg"]), "none differs");
        assert!(
            !told_of(&one, &["Budget/pg", "Service/pg@1", "ConfigMap/env@1", "Secret/pg"]),
            "no workload"
        );
        assert!(!told_of(&one, &["db", "Service/pg@1", "ConfigMap/env@1"]), "half of the larger one");
        assert!(!told_of(
            &one,
            &["db", "cache", "Budget/pg", "Service/pg@1", "ConfigMap/env@1", "Secret/pg"]
        ));
        assert!(
            !told_of(&one, &["db", "Service/pg@1", "Service/pg", "ConfigMap/env@1", "Secret/pg"]),
            "both"
        );
        // One that has a part of both, or is much larger, connects nothing.
        let files = ["a", "b", "c"].map(|file| format!("{file}.yaml"));
        let [a, b, c] = files.each_ref().map(String::as_str);
        let parts = [("pg", a), ("Service/pg", a), ("ConfigMap/env", a)];
        let all: Vec<(&str, &str)> = ["db", "web", "x", "y", "z", "Service/pg@2", "ConfigMap/env@2"]
            .map(|object| (object, b))
            .to_vec();
        let last = [("cache", c), ("Service/pg@1", c), ("ConfigMap/env@1", c)];
        assert_eq!(told(&[parts.to_vec(), all, last.to_vec()].concat()), [["a.yaml", "c.yaml"]]);
    }
}
