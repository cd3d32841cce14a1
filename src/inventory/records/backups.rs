//! Records of what makes backups: schedules of backup tools, and jobs that run a dump.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::Head;
use crate::admission::{GroupKind, ObjectRef};
use crate::workload::labels::{Selector, glob};
use crate::workload::schedule::Schedule;
use crate::workload::view::{Container, Strings};
use crate::workload::{JsonNode, Workload, dumps};

/// A schedule of a backup tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct BackupScheduleRecord {
    /// `Schedule`, of Velero or K8up; `Policy`, of Kasten; or `ReplicationSource`, of VolSync.
    pub kind: String,
    /// The API group of that, such as `velero.io`.
    pub group: String,
    /// Its name.
    pub name: String,
    /// Its namespace, which may be that of the tool.
    pub namespace: String,
    /// When it runs, as written.
    pub schedule: String,
    /// Whether it is paused, so that it makes no backups.
    pub paused: bool,
    /// Whether it never runs by itself: its schedule cannot be read, never comes due, or is none.
    pub never: bool,
    /// The resources that it includes; empty if it includes all.
    pub resources: Vec<String>,
    /// The resources that it excludes.
    pub excluded_resources: Vec<String>,
    /// Whether it makes snapshots of volumes; left out if it does where Velero can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_volumes: Option<bool>,
    /// Whether it copies the files of all volumes; left out if Velero's own setting decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_backup: Option<bool>,
    /// The one claim that it copies, if it copies no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    #[serde(skip)]
    included: Vec<String>,
    #[serde(skip)]
    excluded: Vec<String>,
    /// One of them must match; empty if every object does.
    #[serde(skip)]
    selectors: Vec<Selector>,
}

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

impl BackupScheduleRecord {
    pub fn read(kind: &GroupKind, node: &JsonNode<'_>, head: Head) -> Self {
        let read = match kind.group.as_str() {
            "k8up.io" => Self::of_k8up(node, head),
            "volsync.backube" => Self::of_volsync(node, head),
            "config.kio.kasten.io" => Self::of_kasten(node, head),
            _ => Self::of_velero(node, head),
        };
        Self { kind: kind.kind.clone(), group: kind.group.clone(), ..read }
    }

    /// It copies the claims of its own namespace. `@daily-random` and the like are words of its own.
    fn of_k8up(node: &JsonNode<'_>, head: Head) -> Self {
        let backup = node.child("spec").child("backup");
        let schedule = backup.child("schedule").string().unwrap_or_default();
        let never = !schedule.ends_with("-random") && never_due(&schedule);
        let included = vec![head.namespace.clone()];
        Self { name: head.name, namespace: head.namespace, schedule, never, included, ..Self::default() }
    }

    /// Without a trigger it copies all the time, and with a manual one when somebody asks for it.
    fn of_volsync(node: &JsonNode<'_>, head: Head) -> Self {
        let spec = node.child("spec");
        let trigger = spec.child("trigger");
        let schedule = trigger.child("schedule").string();
        let manual = trigger.child("manual").string().is_some();
        Self {
            never: schedule.as_deref().map_or(manual, never_due),
            schedule: schedule.unwrap_or_default(),
            paused: spec.child("paused").boolean().unwrap_or(false),
            claim: Some(spec.child("sourcePVC").string().unwrap_or_default()),
            included: vec![head.namespace.clone()],
            name: head.name,
            namespace: head.namespace,
            ..Self::default()
        }
    }

    /// Only the namespaces that it names count, of a policy that backs up. `@daily` and the like are all that it takes.
    fn of_kasten(node: &JsonNode<'_>, head: Head) -> Self {
        let spec = node.child("spec");
        let selector = spec.child("selector");
        let names = |expression: &JsonNode<'_>| {
            let applies = expression.child("key").string().as_deref() == Some(APP_NAMESPACE)
                && expression.child("operator").string().as_deref() == Some("In");
            if applies { expression.child("values").strings() } else { Vec::new() }
        };
        let mut included: Vec<String> =
            selector.child("matchExpressions").items().iter().flat_map(names).collect();
        included.extend(selector.child("matchLabels").child(APP_NAMESPACE).string());
        let backs_up = |action: &JsonNode<'_>| action.child("action").string().as_deref() == Some("backup");
        let schedule = spec.child("frequency").string().unwrap_or_default();
        let is_backup = spec.child("actions").items().iter().any(backs_up);
        Self {
            never: schedule.is_empty() || schedule == "@onDemand",
            schedule,
            paused: spec.child("paused").boolean().unwrap_or(false),
            excluded: if included.is_empty() || !is_backup { vec!["*".to_owned()] } else { Vec::new() },
            included,
            name: head.name,
            namespace: head.namespace,
            ..Self::default()
        }
    }

    fn of_velero(node: &JsonNode<'_>, head: Head) -> Self {
        let spec = node.child("spec");
        let template = spec.child("template");
        let one = template.child("labelSelector");
        let selectors = one.raw().into_iter().filter(|value| !value.is_null());
        let either = template.child("orLabelSelectors").items();
        let either = either.iter().filter_map(JsonNode::raw);
        let resources = |keys: [&'static str; 2]| {
            keys.into_iter().flat_map(|key| template.child(key).strings()).collect()
        };
        let schedule = spec.child("schedule").string().unwrap_or_default();
        Self {
            name: head.name,
            namespace: head.namespace,
            never: never_due(&schedule),
            schedule,
            paused: spec.child("paused").boolean().unwrap_or(false),
            resources: resources(["includedResources", "includedNamespaceScopedResources"]),
            excluded_resources: resources(["excludedResources", "excludedNamespaceScopedResources"]),
            snapshot_volumes: template.child("snapshotVolumes").boolean(),
            fs_backup: ["defaultVolumesToFsBackup", "defaultVolumesToRestic"]
                .iter()
                .find_map(|key| template.child(*key).boolean()),
            included: template.child("includedNamespaces").strings(),
            excluded: template.child("excludedNamespaces").strings(),
            selectors: selectors.chain(either).filter_map(|value| Selector::from_json(value).ok()).collect(),
            ..Self::default()
        }
    }

    /// Which object it is of.
    pub fn reference(&self) -> ObjectRef {
        let kind = GroupKind { kind: self.kind.clone(), group: self.group.clone() };
        ObjectRef { kind, namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// Whether it copies a claim of the workload, or does not choose among claims.
    pub fn copies_claim_of(&self, workload: &Workload) -> bool {
        let Some(named) = &self.claim else { return true };
        workload.claims.iter().any(|claim| match claim.origin {
            "template" => named.starts_with(&format!("{}-{}-", claim.name, workload.name)),
            _ => claim.name == *named,
        })
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

/// The label by which Kasten's policies name namespaces.
const APP_NAMESPACE: &str = "k10.kasten.io/appNamespace";

/// Whether a schedule cannot be read or never comes due.
fn never_due(schedule: &str) -> bool {
    Schedule::parse(schedule).ok().and_then(|schedule| schedule.max_gap_seconds()).is_none()
}

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
    use serde_json::json;

    use super::*;
    use crate::workload::ObjectReading;
    use crate::workload::image::ImageRef;
    use crate::workload::view::{Claim, Env};

    fn schedule(template: serde_json::Value) -> BackupScheduleRecord {
        read("Schedule", "velero.io", "velero", json!({"schedule": "0 3 * * *", "template": template}))
    }

    fn read(kind: &str, group: &str, namespace: &str, spec: serde_json::Value) -> BackupScheduleRecord {
        let object = json!({"metadata": {"name": "nightly"}, "spec": spec});
        let reading = ObjectReading::default();
        let head = Head {
            name: "nightly".to_owned(),
            namespace: namespace.to_owned(),
            labels: Strings::new(),
            annotations: Strings::new(),
            owner: None,
        };
        let kind = GroupKind { kind: kind.to_owned(), group: group.to_owned() };
        BackupScheduleRecord::read(&kind, &JsonNode::root(&object, &reading), head)
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
    fn what_never_comes_due_never_runs() {
        let never = |spec| read("Schedule", "velero.io", "velero", spec).never;
        assert!(!never(json!({"schedule": "CRON_TZ=Europe/Berlin 0 3 * * *"})));
        assert!(!never(json!({"schedule": "@every 6h"})));
        assert!(never(json!({"schedule": "0 25 * * *"})) && never(json!({"schedule": "0 0 31 2 *"})));
        assert!(never(json!({})));
        let excluding =
            schedule(json!({"excludedResources": ["pvc"], "excludedNamespaceScopedResources": ["pods"]}));
        assert_eq!(excluding.excluded_resources, ["pvc", "pods"]);
    }

    #[test]
    fn k8up_copies_its_own_namespace() {
        let k8up = |spec| read("Schedule", "k8up.io", "shop", spec);
        let daily = k8up(json!({"backup": {"schedule": "@daily-random"}}));
        assert!(daily.includes("shop", &[]) && !daily.includes("blog", &[]) && !daily.never);
        assert!(k8up(json!({"prune": {"schedule": "@daily-random"}})).never);
    }

    #[test]
    fn volsync_copies_one_claim() {
        let volsync = |trigger| {
            let spec = json!({"sourcePVC": "data-pg-0", "trigger": trigger, "restic": {}});
            read("ReplicationSource", "volsync.backube", "shop", spec)
        };
        let hourly = volsync(json!({"schedule": "0 * * * *"}));
        assert!(hourly.includes("shop", &[]) && !hourly.never);
        assert!(!volsync(json!(null)).never && volsync(json!({"manual": "first"})).never);
        let with = |name: &str, origin: &'static str, claim: &str| Workload {
            name: name.to_owned(),
            claims: vec![Claim { name: claim.to_owned(), origin, ..Claim::default() }],
            ..Workload::default()
        };
        assert!(hourly.copies_claim_of(&with("pg", "template", "data")));
        assert!(!hourly.copies_claim_of(&with("crm", "template", "data")));
        assert!(hourly.copies_claim_of(&with("tool", "reference", "data-pg-0")));
    }

    #[test]
    fn kasten_names_namespaces() {
        let kasten = |frequency: &str, action: &str| {
            let expression = json!({"key": APP_NAMESPACE, "operator": "In", "values": ["shop"]});
            let spec = json!({"frequency": frequency, "actions": [{"action": action}], "selector": {"matchExpressions": [expression]}});
            read("Policy", "config.kio.kasten.io", "kasten-io", spec)
        };
        let daily = kasten("@daily", "backup");
        assert!(daily.includes("shop", &[]) && !daily.includes("blog", &[]) && !daily.never);
        assert!(kasten("@onDemand", "backup").never && !kasten("@daily", "import").includes("shop", &[]));
        let other = json!({"frequency": "@daily", "actions": [{"action": "backup"}], "selector": {"matchLabels": {"a": "b"}}});
        assert!(!read("Policy", "config.kio.kasten.io", "kasten-io", other).includes("shop", &[]));
    }

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
