//! Records of what makes backups: schedules of Velero, and jobs that run a dump.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::Head;
use crate::admission::GroupKind;
use crate::workload::labels::{Selector, glob};
use crate::workload::view::{Container, Strings};
use crate::workload::{JsonNode, Workload};

/// A Schedule of Velero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct BackupScheduleRecord {
    /// Its name.
    pub name: String,
    /// Its namespace, which is Velero's.
    pub namespace: String,
    /// When it runs, as written.
    pub schedule: String,
    /// Whether it is paused, so that it makes no backups.
    pub paused: bool,
    /// The resources that it includes; empty if it includes all.
    pub resources: Vec<String>,
    /// Whether it makes snapshots of volumes; left out if it does where Velero can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_volumes: Option<bool>,
    /// Whether it copies the files of all volumes; left out if Velero's own setting decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_backup: Option<bool>,
    #[serde(skip)]
    included: Vec<String>,
    #[serde(skip)]
    excluded: Vec<String>,
    /// One of them must match; empty if every object does.
    #[serde(skip)]
    selectors: Vec<Selector>,
}

/// A CronJob that runs a backup program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct BackupJobRecord {
    /// Its name.
    pub name: String,
    /// The backup programs that it runs, such as `pg_dump`, or `backup` if only its name or image says so.
    pub programs: BTreeSet<String>,
    /// Which names of the workload, its Services and its claims its commands, arguments and variables have.
    pub words: BTreeSet<String>,
    /// Whether all of these are visible: false if a Secret, a ConfigMap or the image decides.
    pub visible: bool,
}

/// Programs that make a backup of a data store or of its files.
const PROGRAMS: [&str; 31] = [
    "barman-cloud-backup",
    "clickhouse-backup",
    "cockroach",
    "consul",
    "elasticdump",
    "etcdctl",
    "influx",
    "influxd",
    "kopia",
    "mariabackup",
    "mariadb-backup",
    "mariadb-dump",
    "mongodump",
    "mydumper",
    "mysqldump",
    "mysqlpump",
    "mysqlsh",
    "nats",
    "neo4j-admin",
    "nodetool",
    "pg_basebackup",
    "pg_dump",
    "pg_dumpall",
    "pgbackrest",
    "redis-cli",
    "restic",
    "valkey-cli",
    "vault",
    "wal-g",
    "xtrabackup",
    "zkcli",
];

/// Of these programs, other uses are more common: a word of the command must say that it is a backup.
const MANIFOLD: [&str; 12] = [
    "cockroach",
    "consul",
    "etcdctl",
    "influx",
    "influxd",
    "mysqlsh",
    "nats",
    "nodetool",
    "redis-cli",
    "valkey-cli",
    "vault",
    "zkcli",
];
const SAYS_SO: [&str; 8] =
    ["--rdb", "backup", "bgsave", "dump", "save", "snapshot", "export", "util.dumpinstance"];

/// What is kept of a job at most.
const WORDS: usize = 300;
const WORD_LENGTH: usize = 128;

impl BackupScheduleRecord {
    pub fn read(node: &JsonNode<'_>, head: Head) -> Self {
        let spec = node.child("spec");
        let template = spec.child("template");
        let one = template.child("labelSelector");
        let selectors = one.raw().into_iter().filter(|value| !value.is_null());
        let either = template.child("orLabelSelectors").items();
        let either = either.iter().filter_map(JsonNode::raw);
        let resources = ["includedResources", "includedNamespaceScopedResources"];
        Self {
            name: head.name,
            namespace: head.namespace,
            schedule: spec.child("schedule").string().unwrap_or_default(),
            paused: spec.child("paused").boolean().unwrap_or(false),
            resources: resources.iter().flat_map(|key| template.child(*key).strings()).collect(),
            snapshot_volumes: template.child("snapshotVolumes").boolean(),
            fs_backup: ["defaultVolumesToFsBackup", "defaultVolumesToRestic"]
                .iter()
                .find_map(|key| template.child(*key).boolean()),
            included: template.child("includedNamespaces").strings(),
            excluded: template.child("excludedNamespaces").strings(),
            selectors: selectors.chain(either).filter_map(|value| Selector::from_json(value).ok()).collect(),
        }
    }

    /// Whether it includes objects of a namespace, one of which has these labels.
    pub fn includes(&self, namespace: &str, labels: &[&Strings]) -> bool {
        let names = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, namespace));
        (self.included.is_empty() || names(&self.included))
            && !names(&self.excluded)
            && (self.selectors.is_empty()
                || self.selectors.iter().any(|selector| labels.iter().any(|labels| selector.matches(labels))))
    }
}

impl BackupJobRecord {
    /// What a CronJob backs up, if it runs a backup program.
    pub fn of(kind: &GroupKind, view: &Workload) -> Option<Self> {
        if kind.kind != "CronJob" || kind.group != "batch" {
            return None;
        }
        let words: BTreeSet<String> =
            view.containers.iter().flat_map(open_words).flat_map(parts_of).take(WORDS).collect();
        let says_so = SAYS_SO.iter().any(|word| words.contains(*word));
        let runs = |program: &&str| words.contains(*program) && (says_so || !MANIFOLD.contains(program));
        let mut programs: BTreeSet<String> =
            PROGRAMS.iter().filter(|program| runs(program)).map(ToString::to_string).collect();
        let hints = |text: &str| ["backup", "dump"].iter().any(|hint| text.contains(hint));
        if programs.is_empty()
            && (hints(&view.name) || view.containers.iter().any(|container| hints(&container.image_name)))
        {
            programs.insert("backup".to_owned());
        }
        let visible = |container: &Container| {
            let literal =
                container.env.iter().all(|variable| variable.value.is_some() || secret(&variable.name));
            let from_image = container.command.is_empty() && container.args.is_empty();
            literal && !container.env_from && !from_image
        };
        (!programs.is_empty()).then(|| Self {
            name: view.name.clone(),
            programs,
            visible: view.containers.iter().all(visible) && words.len() < WORDS,
            words,
        })
    }
}

impl BackupJobRecord {
    /// The same with no other words than these: any other may be a credential.
    pub fn reaching(&self, names: &BTreeSet<String>) -> Self {
        let words = self.words.intersection(names).cloned().collect();
        Self { words, ..self.clone() }
    }
}

/// The variable says who connects, not where to.
fn secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["PASS", "PWD", "USER", "KEY", "TOKEN", "SECRET"].iter().any(|part| name.contains(part))
}

/// The words of its command, arguments and variables, without those that may be credentials.
fn open_words(container: &Container) -> Vec<&str> {
    let values = container.env.iter().filter(|variable| !secret(&variable.name));
    let values = values.filter_map(|variable| variable.value.as_deref());
    let texts = container.command.iter().chain(&container.args).map(String::as_str).chain(values);
    let mut after_name = false;
    let mut open = Vec::new();
    for word in texts.flat_map(str::split_whitespace) {
        if !after_name && !hides(word) {
            open.push(word);
        }
        after_name = !after_name && names_a_secret(word);
    }
    open
}

/// In small letters: of a path its last part, and of a host's name the first label as well.
fn parts_of(word: &str) -> impl Iterator<Item = String> {
    let apart = |sign: char| !(sign.is_alphanumeric() || ['-', '_', '.'].contains(&sign));
    let rough = after_user(word).split(apart);
    rough.filter(|word| !word.is_empty() && word.len() <= WORD_LENGTH).flat_map(|word| {
        let word = word.to_ascii_lowercase();
        let label = word.split('.').next().filter(|label| label.len() < word.len()).map(ToOwned::to_owned);
        label.into_iter().chain([word])
    })
}

/// `--password`, `-a` of redis-cli: the next word may be a credential.
fn names_a_secret(word: &str) -> bool {
    let name = word.trim_start_matches('-');
    name.len() < word.len() && !word.contains('=') && (matches!(name, "a" | "p" | "w") || secret(name))
}

/// `-pSECRET`, `--password=SECRET`, `PGPASSWORD=SECRET`
fn hides(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name).to_ascii_uppercase();
    word.starts_with("-p") || ["PASS", "PWD", "TOKEN", "SECRET"].iter().any(|part| name.contains(part))
}

/// The host and what follows of `scheme://user:password@host/database`.
fn after_user(word: &str) -> &str {
    match word.contains("://") {
        true => word.rsplit('@').next().unwrap_or(word),
        false => word,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::workload::ObjectReading;

    fn schedule(template: serde_json::Value) -> BackupScheduleRecord {
        let object =
            json!({"metadata": {"name": "nightly"}, "spec": {"schedule": "0 3 * * *", "template": template}});
        let reading = ObjectReading::default();
        let head = Head {
            name: "nightly".to_owned(),
            namespace: "velero".to_owned(),
            labels: Strings::new(),
            annotations: Strings::new(),
            owner: None,
        };
        BackupScheduleRecord::read(&JsonNode::root(&object, &reading), head)
    }

    #[test]
    fn a_schedule_includes_what_it_names() {
        let none = [&Strings::new()];
        assert!(schedule(json!({})).includes("shop", &none));
        assert!(schedule(json!({"includedNamespaces": ["*"]})).includes("shop", &none));
        assert!(schedule(json!({"includedNamespaces": ["sh?p"]})).includes("shop", &none));
        assert!(!schedule(json!({"includedNamespaces": ["blog"]})).includes("shop", &none));
        assert!(!schedule(json!({"excludedNamespaces": ["shop"]})).includes("shop", &none));
    }

    #[test]
    fn a_schedule_may_select_by_label() {
        let labels = Strings::from([("app".to_owned(), "pg".to_owned())]);
        let one = schedule(json!({"labelSelector": {"matchLabels": {"app": "pg"}}}));
        let either = schedule(
            json!({"orLabelSelectors": [{"matchLabels": {"app": "x"}}, {"matchLabels": {"app": "pg"}}]}),
        );
        for schedule in [one, either] {
            assert!(schedule.includes("shop", &[&labels]));
            assert!(!schedule.includes("shop", &[&Strings::new()]));
        }
    }

    fn kept(args: &[&str]) -> Vec<String> {
        let args = args.iter().map(ToString::to_string).collect();
        open_words(&Container { args, ..Container::default() }).into_iter().flat_map(parts_of).collect()
    }

    #[test]
    fn words_are_hosts_too() {
        let words = kept(&["PG_DUMP --host=pg-0.pg.shop.svc:5432 /usr/bin/gzip"]);
        for word in ["pg_dump", "pg-0", "pg-0.pg.shop.svc", "gzip"] {
            assert!(words.iter().any(|known| known == word), "{word} in {words:?}");
        }
    }

    #[test]
    fn credentials_are_left_out() {
        let words = kept(&["mysqldump -phunter2 --password=hunter2 mysql://app:hunter2@db.shop/x"]);
        assert_eq!(words, ["mysqldump", "db", "db.shop", "x"]);
        assert_eq!(
            kept(&["redis-cli -a hunter2 -h kv --rdb x"]),
            ["redis-cli", "-a", "-h", "kv", "--rdb", "x"]
        );
        assert_eq!(
            kept(&["mongodump", "--password", "hunter2", "--host", "docs"])[..3],
            ["mongodump", "--password", "--host"]
        );
    }
}
