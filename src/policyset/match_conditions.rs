//! Which requests of the rules the API server need not send: CEL in the `matchConditions` of a webhook
//! ([KEP-3716](https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/3716-admission-webhook-match-conditions)).
//!
//! An expression that fails, or costs too much, refuses the write under `Fail` and skips the webhook under `Ignore`. So
//! each guards what may be absent, and what has more items than usual is sent without a look at them.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::MatchCondition;

use super::PolicySet;
use crate::admission::{GroupKind, ReviewScope};
use crate::workload::declared::SELF_CLASSIFYING;
use crate::workload::engines::EngineRow;
use crate::workload::projection::{ClassRule, Projection};
use crate::workload::{BACKUP_WORDS, HOOKS};

/// Who is part of the cluster and is never asked about: `policies/lib/requesters.rego` exempts the same users where a policy
/// asks somebody to confirm, so that what is judged does not depend on who judges. Other service accounts of
/// kube-system, such as those of Jobs that install charts, are somebody.
const COMPONENTS: [&str; 4] = [
    "system:apiserver",
    "system:cloud-controller-manager",
    "system:kube-controller-manager",
    "system:kube-scheduler",
];
/// Service accounts of kube-system: controllers that write to kinds that policies judge, as
/// `--use-service-account-credentials` names them.
const CONTROLLERS: [&str; 25] = [
    "attachdetach-controller",
    "cronjob-controller",
    "daemon-set-controller",
    "deployment-controller",
    "device-taint-eviction-controller",
    "disruption-controller",
    "endpoint-controller",
    "endpointslice-controller",
    "ephemeral-volume-controller",
    "expand-controller",
    "generic-garbage-collector",
    "job-controller",
    "namespace-controller",
    "node-controller",
    "persistent-volume-binder",
    "pod-garbage-collector",
    "pv-protection-controller",
    "pvc-protection-controller",
    "replicaset-controller",
    "replication-controller",
    "resourcequota-controller",
    "service-controller",
    "statefulset-controller",
    "ttl-after-finished-controller",
    "volumeattributesclass-protection-controller",
];
/// What is in the names of the service accounts of storage drivers there.
const DRIVERS: [&str; 2] = ["csi", "provisioner"];
/// What storage drivers write. A chart may have a service account with such a name, too, and writes anything.
const STORAGE: &str = r#"request.resource.resource in ["persistentvolumeclaims", "persistentvolumes", "volumesnapshots", "volumesnapshotcontents"]"#;
const KUBE_SYSTEM: &str = "system:serviceaccount:kube-system:";

/// About the user of a request. Absent fields are errors in CEL.
fn users() -> [(String, String); 4] {
    let user = "request.userInfo.username";
    let unless = |name: &str, is: String| (name.to_owned(), format!("!has({user}) || !({is})"));
    let quoted = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        names.join(", ")
    };
    let controllers = CONTROLLERS.map(|name| format!("{KUBE_SYSTEM}{name}"));
    let drivers = DRIVERS.map(|word| format!("{user}.contains(\"{word}\")"));
    [
        (
            "not-a-node".to_owned(),
            r#"!has(request.userInfo.groups) || !("system:nodes" in request.userInfo.groups)"#.to_owned(),
        ),
        unless("not-a-controller", format!("{user} in [{}]", quoted(&controllers))),
        unless(
            "not-a-storage-driver",
            format!("{user}.startsWith(\"{KUBE_SYSTEM}\") && ({}) && {STORAGE}", drivers.join(" || ")),
        ),
        unless("not-the-control-plane", format!("{user} in [{}]", quoted(&COMPONENTS.map(str::to_owned)))),
    ]
}

/// Lists with more items, and images with longer names, are sent as they are.
const MOST_VOLUMES: usize = 40;
const MOST_CONTAINERS: usize = 10;
const MOST_PORTS: usize = 10;
const MOST_VARIABLES: usize = 30;
const MOST_WORDS: usize = 5;
const LONGEST_IMAGE: usize = 200;
/// A label of DNS, as names of containers are.
const LONGEST_NAME: usize = 63;
/// A word of a command line, which may be a script.
const LONGEST_WORD: usize = 200;
/// The longest regular expression over images, in bytes. An API server charges a match with a tenth of the text's length
/// times a quarter of the expression's, and gives up an expression at 1,000,000: two lists of containers in two objects
/// then take two fifths of that for images and names. Without a condition everything is sent.
const LONGEST_EXPRESSION: usize = 1_500;
/// The most variables of engines, each of which costs about one for every variable of a container: a fifth of it.
const MOST_KNOWN: usize = 150;

/// Groups whose objects the API server has decoded, so that their fields have the types that they should have.
const BUILT_IN: [&str; 3] = ["", "apps", "batch"];

/// Sources of volumes that keep nothing.
const SCRATCH: [&str; 5] = ["configMap", "downwardAPI", "emptyDir", "projected", "secret"];

/// The conditions of a webhook that is about these scopes.
pub fn conditions(set: &PolicySet, scopes: &BTreeSet<ReviewScope>) -> Vec<MatchCondition> {
    let images = images(set);
    let known = set.projections().engines.rows().flat_map(EngineRow::variables).count();
    let short = images.len() <= LONGEST_EXPRESSION && known <= MOST_KNOWN;
    let holders = if short { holders(set, scopes) } else { BTreeMap::new() };
    let runs = runs_an_engine(set, &images);
    let data = holders.into_iter().map(|(holder, resources)| holder.condition(&runs, &resources));
    let all = users().into_iter().chain(data);
    all.map(|(name, expression)| MatchCondition { name, expression }).collect()
}

/// How objects hold a pod template, and when it is one that no policy for stateful workloads judges.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Holder {
    /// The path of the pod template; empty for a Pod.
    template: Vec<String>,
    /// Whether directories of the node may hold data.
    on_the_node: bool,
    /// Whether it may end.
    is_a_task: bool,
}

/// The resources, as `group/plural`, whose objects may be of class `none`, which nobody need be asked about.
fn holders(set: &PolicySet, scopes: &BTreeSet<ReviewScope>) -> BTreeMap<Holder, BTreeSet<String>> {
    let mut holders: BTreeMap<Holder, BTreeSet<String>> = BTreeMap::new();
    let kinds: BTreeSet<&GroupKind> = scopes.iter().map(|scope| &scope.kind).collect();
    for kind in kinds {
        let Some(projection) = set.projections().of(kind) else { continue };
        if let Some(holder) = Holder::of(projection).filter(|_| !set.reviews_stateless(kind)) {
            let resource = format!("{}/{}", kind.group, projection.plural);
            holders.entry(holder).or_default().insert(resource);
        }
    }
    holders
}

impl Holder {
    /// None if every object of the kind is judged, or the types of its fields are not certain.
    fn of(projection: &Projection) -> Option<Self> {
        let (on_the_node, is_a_task) = match projection.class {
            ClassRule::Storage | ClassRule::Sibling | ClassRule::Identity => return None,
            ClassRule::Workload => (false, false),
            ClassRule::Batch => (false, true),
            ClassRule::Moving => (true, false),
        };
        let template = projection.template.as_ref()?.0.clone();
        BUILT_IN.contains(&projection.group.as_str()).then_some(Self { template, on_the_node, is_a_task })
    }

    /// Its name and expression. It holds for every object whose class is another than `none`, and for some more.
    fn condition(&self, runs: &str, resources: &BTreeSet<String>) -> (String, String) {
        let names: Vec<&str> =
            resources.iter().map(|one| one.rsplit('/').next().unwrap_or_default()).collect();
        // A qualified name has at most 63 characters.
        let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
        let name: String = format!("data-in-{}", names.join("-")).chars().filter(plain).take(63).collect();
        let resources: Vec<String> = resources.iter().map(|one| format!("{one:?}")).collect();
        // Of a task, which a hook and a backup are.
        let own = match self.is_a_task {
            true => format!(
                "{} || has(o.metadata) && ({} || {})",
                annotated("o", SELF_CLASSIFYING.iter().chain(&HOOKS)),
                has_backup_words("o.metadata.name"),
                has_backup_words("o.metadata.generateName")
            ),
            false => annotated("o", SELF_CLASSIFYING.iter()),
        };
        let template = std::iter::once("o").chain(self.template.iter().map(String::as_str));
        let expression = format!(
            "!((request.resource.group + \"/\" + request.resource.resource) in [{}]) || \
             (has(request.subResource) && request.subResource != \"\") || \
             [object, oldObject].exists(o, o != null && ({own} || [{}].exists(t, {})))",
            resources.join(", "),
            template.collect::<Vec<_>>().join("."),
            self.holds(runs),
        );
        (name.trim_end_matches('-').to_owned(), expression)
    }

    /// Whether the pod template `t` may hold data; `runs` tells whether its container `c` may run an engine.
    fn holds(&self, runs: &str) -> String {
        let node = Some("hostPath").filter(|_| !self.on_the_node);
        let scratch: Vec<String> =
            SCRATCH.into_iter().chain(node).map(|source| format!("has(v.{source})")).collect();
        let volumes = any_of("t.spec.volumes", MOST_VOLUMES, "v", &format!("!({})", scratch.join(" || ")));
        let such = if self.is_a_task { format!("{runs} || {}", says_backup()) } else { runs.to_owned() };
        let containers = ["t.spec.containers", "t.spec.initContainers"]
            .map(|list| any_of(list, MOST_CONTAINERS, "c", &such));
        let said = annotated("t", SELF_CLASSIFYING.iter());
        format!("{said} || has(t.spec) && ({volumes} || {})", containers.join(" || "))
    }
}

/// Whether an object has one of these annotations.
fn annotated<'k>(object: &str, keys: impl Iterator<Item = &'k &'static str>) -> String {
    let keys: Vec<String> = keys.map(|key| format!("{key:?} in {object}.metadata.annotations")).collect();
    format!("has({object}.metadata) && has({object}.metadata.annotations) && ({})", keys.join(" || "))
}

/// Whether one of the items of a list is such an item. A list of the wire may be `null`.
fn any_of(list: &str, most: usize, item: &str, such: &str) -> String {
    format!("has({list}) && {list} != null && ({list}.size() > {most} || {list}.exists({item}, {such}))")
}

/// Whether a container `c` may run an engine: by its image, or by its name, a port or a variable, one of which there is
/// beside whatever else shows that an image of one's own does.
fn runs_an_engine(set: &PolicySet, images: &str) -> String {
    let text = |field: &str, longest: usize| format!("has({field}) && {}", may_match(field, longest, images));
    let (mut ports, mut names, mut beginnings) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for row in set.projections().engines.rows() {
        ports.extend(row.ports().iter().map(i64::to_string));
        for variable in row.variables() {
            match variable.split_once(['*', '?']) {
                Some((beginning, _)) => beginnings.insert(format!("e.name.startsWith({beginning:?})")),
                None => names.insert(format!("{variable:?}")),
            };
        }
    }
    let list = |all: BTreeSet<String>| all.into_iter().collect::<Vec<_>>().join(", ");
    let named = std::iter::once(format!("e.name in [{}]", list(names))).chain(beginnings);
    let such = format!("has(e.name) && ({})", named.collect::<Vec<_>>().join(" || "));
    let port = format!("has(p.containerPort) && p.containerPort in [{}]", list(ports));
    [
        text("c.image", LONGEST_IMAGE),
        text("c.name", LONGEST_NAME),
        any_of("c.ports", MOST_PORTS, "p", &port),
        any_of("c.env", MOST_VARIABLES, "e", &such),
    ]
    .map(|sign| format!("({sign})"))
    .join(" || ")
}

/// Whether a container `c` of a task says that it makes a backup.
fn says_backup() -> String {
    let own = ["c.name", "c.image"].map(has_backup_words);
    let word = format!("({})", backup_words("w"));
    let lists = ["c.command", "c.args"].map(|list| any_of(list, MOST_WORDS, "w", &word));
    own.into_iter().chain(lists).map(|sign| format!("({sign})")).collect::<Vec<_>>().join(" || ")
}

/// Whether a field is there and has one of the words of a backup in it.
fn has_backup_words(field: &str) -> String {
    format!("(has({field}) && {})", backup_words(field))
}

/// Whether a text has one of the words of a backup in it.
fn backup_words(text: &str) -> String {
    may_match(text, LONGEST_WORD, &format!("(?i){}", BACKUP_WORDS.join("|")))
}

/// Whether a text matches a regular expression, or is too long to look.
fn may_match(text: &str, longest: usize, expression: &str) -> String {
    format!("({text}.size() > {longest} || {text}.matches(r'{expression}'))")
}

/// The images of engines, as a regular expression (RE2) over references: those that the table lists, and those that have
/// the name of an engine as a word in theirs.
fn images(set: &PolicySet) -> String {
    let (mut words, mut patterns) = (BTreeSet::new(), BTreeSet::new());
    for row in set.projections().engines.rows() {
        words.insert(escaped(&row.name));
        for image in row.images() {
            match image.contains(['*', '?']) {
                true => patterns.insert(escaped(image)),
                false => words.insert(escaped(image)),
            };
        }
    }
    let joined = |all: BTreeSet<String>| all.into_iter().collect::<Vec<_>>().join("|");
    let (words, patterns) = (joined(words), joined(patterns));
    format!("(^|[/._-])({words})[0-9]*([-._:@]|$)|(^|/)({patterns})([:@]|$)")
}

/// A glob over a segment of a reference, as a regular expression.
fn escaped(glob: &str) -> String {
    let mut text = String::new();
    for c in glob.chars() {
        match c {
            '*' => text.push_str("[^/:@]*"),
            '?' => text.push_str("[^/:@]"),
            c if c.is_ascii_alphanumeric() || c == '-' || c == '_' => text.push(c),
            // Nothing that could end the quoted text, or mean anything.
            c if c.is_ascii() && c != '\'' && c != '\\' && c != '^' && c != ']' => {
                text.push_str(&format!("[{c}]"));
            }
            _ => text.push('.'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the library that policies use says of the same users.
    const LIBRARY: &str = include_str!("../../policies/lib/requesters.rego");

    #[test]
    fn policies_and_registration_exempt_the_same_users() {
        let set = |name: &str| -> BTreeSet<&str> {
            let (_, rest) = LIBRARY.split_once(&format!("\n{name} := {{")).unwrap();
            let (all, _) = rest.split_once('}').unwrap();
            all.split('"').skip(1).step_by(2).collect()
        };
        assert_eq!(set("components"), BTreeSet::from(COMPONENTS));
        assert_eq!(set("controllers"), BTreeSet::from(CONTROLLERS));
        assert_eq!(set("drivers"), BTreeSet::from(DRIVERS));
        assert!(LIBRARY.contains(&format!("kube_system := {KUBE_SYSTEM:?}")));
        assert!(LIBRARY.contains(r#""system:nodes" in input.review.userInfo.groups"#));
    }
}
