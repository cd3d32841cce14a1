//! Records of the schedules of backup tools.

use schemars::JsonSchema;
use serde::Serialize;

use super::Head;
use crate::admission::{GroupKind, ObjectRef};
use crate::workload::labels::{Selector, glob};
use crate::workload::schedule::Schedule;
use crate::workload::view::Strings;
use crate::workload::{JsonNode, Workload};

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::workload::ObjectReading;
    use crate::workload::view::Claim;

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
}
