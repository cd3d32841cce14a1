//! Which directories of a repository are alternatives of each other.
//!
//! Directories that hold the same workload are: clusters, environments, variants of an example. A cluster gets one of
//! them, so that a selector in one says nothing about the pods of another. Where the paths of two copies diverge, the
//! alternatives begin: `clusters/east/db/pg.yaml` and `clusters/west/db/pg.yaml` make `clusters/east` and
//! `clusters/west` alternatives.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::admission::ObjectRef;

/// Files and directories with one parent; one of them is applied without the others.
pub type Alternatives = BTreeSet<PathBuf>;

/// The alternatives that these workloads tell, each with its file.
pub fn of<'a>(workloads: impl Iterator<Item = (&'a ObjectRef, &'a Path)>) -> Vec<Alternatives> {
    let mut files: HashMap<&ObjectRef, BTreeSet<&Path>> = HashMap::new();
    for (workload, file) in workloads {
        files.entry(workload).or_default().insert(file);
    }
    let mut groups = Groups::default();
    for files in files.values().filter(|files| files.len() > 1) {
        let mut children: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
        for child in files.iter().flat_map(|file| file.ancestors()) {
            if let Some(parent) = child.parent() {
                children.entry(parent).or_default().insert(child);
            }
        }
        children.values().filter(|children| children.len() > 1).for_each(|children| groups.join(children));
    }
    groups.members.into_iter().filter(|members| !members.is_empty()).collect()
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
        let workloads: Vec<(ObjectRef, PathBuf)> = files
            .iter()
            .map(|(name, file)| {
                let kind = GroupKind { kind: "StatefulSet".to_owned(), group: "apps".to_owned() };
                (ObjectRef { kind, namespace: "shop".to_owned(), name: (*name).to_owned() }, file.into())
            })
            .collect();
        let mut groups: Vec<Vec<String>> =
            of(workloads.iter().map(|(object, file)| (object, file.as_path())))
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
}
