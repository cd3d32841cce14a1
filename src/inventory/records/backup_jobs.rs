//! Records of jobs that make backups of a data store.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::admission::GroupKind;
use crate::workload::view::Container;
use crate::workload::{Workload, dumps};

/// A CronJob that runs a backup program, or a workload whose image makes backups by a schedule of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct BackupJobRecord {
    /// Its kind, such as `CronJob`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The backup programs that it runs, such as `pg_dump`, or `backup` if only its name or image says so.
    pub programs: BTreeSet<String>,
    /// Which names of the workload, its Services and its claims its commands, arguments and variables have.
    pub words: BTreeSet<String>,
    /// Whether all of these are visible: false if a Secret, a ConfigMap or the image decides.
    pub visible: bool,
    /// Whether what it dumps certainly goes with its own pod: nothing that it runs sends it elsewhere, and no volume of
    /// the pod outlives the pod.
    pub transient: bool,
    /// Whether all that it dumps are definitions, without the data.
    pub definitions_only: bool,
    /// Whether all that it dumps leaves out the schema in which TimescaleDB keeps the rows of hypertables.
    pub without_chunks: bool,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Whether its schedule cannot be read, or never comes due.
    pub never: bool,
    /// When it runs, as written.
    pub schedule: String,
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

/// Images that make backups by a schedule of their own, until they are stopped, each with the program that it runs. They
/// are told by a variable where the data store is.
const SCHEDULERS: [(&str, &str); 9] = [
    ("db-backup", "backup"),
    ("mgob", "mongodump"),
    ("mysql-backup", "mysqldump"),
    ("mysql-cron-backup", "mysqldump"),
    ("pg-backup", "pg_dump"),
    ("postgres-backup", "pg_dump"),
    ("postgres-backup-local", "pg_dump"),
    ("postgres-backup-s3", "pg_dump"),
    ("postgresql-backup-s3", "pg_dump"),
];

/// What a job makes with kubectl.
const SNAPSHOT: &str = "volumesnapshot";
const CREATING: [&str; 3] = ["apply", "create", "replace"];

/// What is kept of a job at most.
const WORDS: usize = 300;
const WORD_LENGTH: usize = 128;

/// Whether it is the kind of Kubernetes' own CronJobs.
fn is_cron_job(kind: &GroupKind) -> bool {
    kind.kind == "CronJob" && kind.group == "batch"
}

impl BackupJobRecord {
    /// Whether it is a CronJob that runs a script of a ConfigMap.
    pub fn is_scripted(kind: &GroupKind, view: &Workload) -> bool {
        is_cron_job(kind)
            && view.containers.iter().any(|container| dumps::scripts(container).next().is_some())
    }

    /// What a workload backs up, if it runs a backup program by a schedule.
    pub fn of(kind: &GroupKind, view: &Workload) -> Option<Self> {
        let is_cron_job = is_cron_job(kind);
        let containers: Vec<&Container> = view
            .containers
            .iter()
            .filter(|container| is_cron_job || scheduler(container).is_some())
            .collect();
        let words: BTreeSet<String> = containers
            .iter()
            .flat_map(|container| open_words(container))
            .flat_map(parts_of)
            .take(WORDS)
            .collect();
        let programs = match is_cron_job {
            true => programs(view, &words),
            false => {
                containers.iter().filter_map(|container| scheduler(container)).map(str::to_owned).collect()
            }
        };
        let visible = |container: &&Container| {
            let literal =
                container.env.iter().all(|variable| variable.value.is_some() || secret(&variable.name));
            let from_image = is_cron_job && container.command.is_empty() && container.args.is_empty();
            let read = dumps::scripts(container).all(|script| script.is_some());
            literal && read && !container.env_from && !from_image
        };
        let schedule = view.backup.schedule.as_ref();
        (!programs.is_empty()).then(|| Self {
            kind: kind.kind.clone(),
            name: view.name.clone(),
            namespace: view.namespace.clone(),
            transient: dumps::go_with_the_pod(view),
            definitions_only: dumps::are_definitions(view),
            without_chunks: dumps::are_without_chunks(view),
            suspended: view.backup.suspended || view.replicas == Some(0),
            never: schedule.is_some_and(|schedule| schedule.max_gap_seconds.is_none()),
            schedule: schedule.map(|schedule| schedule.text.clone()).unwrap_or_default(),
            programs,
            visible: containers.iter().all(visible) && words.len() < WORDS,
            words,
        })
    }
}

/// The programs by which a CronJob makes backups.
fn programs(view: &Workload, words: &BTreeSet<String>) -> BTreeSet<String> {
    let says_so = SAYS_SO.iter().any(|word| words.contains(*word));
    let runs = |program: &&str| words.contains(*program) && (says_so || !MANIFOLD.contains(program));
    let mut programs: BTreeSet<String> =
        PROGRAMS.iter().filter(|program| runs(program)).map(ToString::to_string).collect();
    // The object is in the script.
    if words.contains(SNAPSHOT) && CREATING.iter().any(|word| words.contains(*word)) {
        programs.insert(SNAPSHOT.to_owned());
    }
    let hints = |text: &str| ["backup", "dump"].iter().any(|hint| text.contains(hint));
    if programs.is_empty()
        && (hints(&view.name) || view.containers.iter().any(|container| hints(&container.image_name)))
    {
        programs.insert("backup".to_owned());
    }
    programs
}

/// The program that an image runs by a schedule of its own.
fn scheduler(container: &Container) -> Option<&'static str> {
    let repository = &container.image.as_ref()?.repository;
    let name = repository.rsplit('/').next()?;
    SCHEDULERS.iter().find(|(image, _)| *image == name).map(|(_, program)| *program)
}

impl BackupJobRecord {
    /// The same with no other words than these: any other may be a credential.
    pub fn reaching(&self, names: &BTreeSet<String>) -> Self {
        let words = self.words.intersection(names).cloned().collect();
        Self { words, ..self.clone() }
    }

    /// The namespaces of which it may name hosts, as in `pg.shop` and `pg.shop.svc`.
    pub fn namespaces(&self) -> BTreeSet<String> {
        self.words.iter().filter_map(|word| Some(host(word)?.1.to_owned())).collect()
    }

    /// The same with these names as its only words, as far as it has them as hosts of this namespace.
    pub fn reaching_into(&self, namespace: &str, names: &BTreeSet<String>) -> Option<Self> {
        let hosts = self.words.iter().filter_map(|word| host(word)).filter(|(_, of)| *of == namespace);
        // A pod is named before its Service: `pg-0.pg.shop`.
        let words: BTreeSet<String> = hosts.map(|(name, _)| name.to_owned()).collect();
        let words: BTreeSet<String> = words.intersection(names).cloned().collect();
        (!words.is_empty()).then(|| Self { words, visible: true, ..self.clone() })
    }
}

/// The variable says who connects, not where to.
fn secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["PASS", "PWD", "USER", "KEY", "TOKEN", "SECRET"].iter().any(|part| name.contains(part))
}

/// The Service and the namespace in the name of a host: `pg.shop`, `pg.shop.svc`, `pg-0.pg.shop.svc.cluster.local`.
fn host(word: &str) -> Option<(&str, &str)> {
    let labels: Vec<&str> = word.split('.').collect();
    match labels.as_slice() {
        [service, namespace] | [service, namespace, "svc", ..] | [_, service, namespace, "svc", ..] => {
            Some((service, namespace))
        }
        _ => None,
    }
}

/// The words of its command, arguments, scripts and variables, without those that may be credentials.
fn open_words(container: &Container) -> Vec<&str> {
    let values = container.env.iter().filter(|variable| !secret(&variable.name));
    let values = values.filter_map(|variable| variable.value.as_deref());
    let texts = container.command.iter().chain(&container.args).map(String::as_str);
    let texts = texts.chain(dumps::scripts(container).flatten()).chain(values);
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
    use super::*;
    use crate::workload::image::ImageRef;
    use crate::workload::view::Env;

    #[test]
    fn hosts_name_their_namespace() {
        let words = ["pg.shop.svc", "pg-1.pg.crm.svc.cluster.local", "dump.sql", "a.b.c", "pg"];
        let job =
            BackupJobRecord { words: words.map(ToOwned::to_owned).into(), ..BackupJobRecord::default() };
        assert_eq!(job.namespaces(), ["crm", "shop", "sql"].map(ToOwned::to_owned).into());
        let names = ["pg", "db"].map(ToOwned::to_owned).into();
        let found = job.reaching_into("crm", &names).unwrap();
        assert!(found.visible && found.words == ["pg".to_owned()].into());
        assert!(job.reaching_into("blog", &names).is_none());
    }

    #[test]
    fn an_image_may_have_a_schedule_of_its_own() {
        let host = Env { name: "POSTGRES_HOST".to_owned(), value: Some("pg".to_owned()), ..Env::default() };
        let of = |image: &str, replicas: i64| {
            let image = ImageRef::parse(image).ok();
            let container = Container { image, env: vec![host.clone()], ..Container::default() };
            let view =
                Workload { containers: vec![container], replicas: Some(replicas), ..Workload::default() };
            BackupJobRecord::of(&GroupKind::new("apps/v1", "Deployment"), &view)
        };
        let found = of("prodrigestivill/postgres-backup-local:16", 1).unwrap();
        assert!(found.visible && found.words.contains("pg") && found.programs.contains("pg_dump"));
        assert!(!found.suspended && of("postgres-backup-local", 0).unwrap().suspended);
        assert!(of("etcd-backup-operator", 1).is_none() && of("postgres", 1).is_none());
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
