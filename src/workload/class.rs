//! Classifies objects by the data that would be lost with them.

use std::collections::HashSet;

use super::declared::{DATA_DURABILITY, STATEFUL, SelfClassification};
use super::engines::Engines;
use super::pods::{clean, covers, keeps};
use super::projection::ClassRule;
use super::view::{Class, Container, Role, Volume, Workload};

/// The source of a volume that a claim holds.
const CLAIM: &str = "persistentVolumeClaim";
/// The longest time limit of a task, in seconds: a day.
const LONGEST_TASK: i64 = 86_400;

/// The annotations by which Helm and Argo CD know what they run before or after something.
pub const HOOKS: [&str; 2] = ["helm.sh/hook", "argocd.argoproj.io/hook"];

/// What the name, the image or the commands of a task have in them, in small letters, if it makes backups. Some that
/// have it do something else with them; policies know more.
pub const BACKUP_WORDS: [&str; 12] = [
    "--rdb",
    "backrest",
    "backup",
    "barman",
    "borg",
    "dump",
    "expdp",
    "kopia",
    "mc mirror",
    "restic",
    "snapshot",
    "wal-g",
];

/// Directories that belong to the node itself: agents, drivers and builders write there.
const OF_THE_NODE: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/opt/cni",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/tmp",
    "/usr",
    "/var/cache",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/var/log",
    "/var/run",
    "/var/tmp",
];

/// The class derived from the object's shape and, where annotations are allowed to override it, from them.
///
/// An annotation lowers the class only if it is believed.
pub fn class(rule: ClassRule, workload: &Workload, engines: &Engines, said: SelfClassification) -> Class {
    // What a deploy tool runs by itself may do anything to the data of others.
    let is_task = matches!(rule, ClassRule::Batch);
    let is_hook = HOOKS.iter().any(|key| workload.annotations.contains_key(*key));
    let rule = match rule {
        ClassRule::Workload | ClassRule::Moving if ends(workload, engines) => ClassRule::Batch,
        ClassRule::Batch if serves(workload, engines, false) => ClassRule::Workload,
        rule => rule,
    };
    let shape = match shape(rule, workload) {
        Class::Durable if is_cache(workload) => Class::Cache,
        Class::None if is_task && is_hook => Class::Hook,
        Class::None if is_task && makes_backups(workload) => Class::Backup,
        shape => shape,
    };
    // Annotations cannot override the class of storage and sibling objects.
    if matches!(rule, ClassRule::Storage | ClassRule::Sibling) {
        return shape;
    }
    let annotation = |name: &str| {
        let annotations = Some(&workload.annotations).filter(|_| said != SelfClassification::Ignored);
        annotations?.get(name).map(String::as_str)
    };
    let believed = said == SelfClassification::Believed;
    match annotation(STATEFUL) {
        Some("true") => return Class::Durable,
        Some("false") if believed => return Class::None,
        _ => {}
    }
    match annotation(DATA_DURABILITY) {
        Some("cache" | "rebuildable") if believed && shape == Class::Durable => Class::Cache,
        _ => shape,
    }
}

fn shape(rule: ClassRule, workload: &Workload) -> Class {
    match rule {
        ClassRule::Storage | ClassRule::Sibling => Class::Durable,
        ClassRule::Identity if templates(workload) || writes_to(workload, &[CLAIM, "hostPath"]) => {
            Class::Durable
        }
        ClassRule::Identity if workload.engine.is_some() => Class::Durable,
        ClassRule::Identity => Class::IdentityOnly,
        ClassRule::Workload | ClassRule::Moving
            if writes_to(workload, &[CLAIM]) || forgets_a_claim(workload) || workload.engine.is_some() =>
        {
            Class::Durable
        }
        ClassRule::Moving if keeps_on_the_node(workload) => Class::Durable,
        ClassRule::Batch if workload.claims.iter().any(|claim| claim.origin == "reference") => Class::Batch,
        ClassRule::Workload | ClassRule::Moving | ClassRule::Batch => Class::None,
    }
}

/// Whether its engine drops any of its data when its memory is full, and has no volume to keep it on.
fn is_cache(workload: &Workload) -> bool {
    let evicts = workload.engine.as_ref().is_some_and(|engine| engine.evicts);
    let mut mounts = workload.containers.iter().flat_map(|container| &container.mounts);
    evicts && !templates(workload) && !mounts.any(|mount| keeps(mount) && mount.source != "ephemeral")
}

/// Whether a task may copy the data of others to a place that it does not mount.
fn makes_backups(workload: &Workload) -> bool {
    let says_so = |text: &str| {
        let text = text.to_ascii_lowercase();
        BACKUP_WORDS.iter().any(|word| text.contains(word))
    };
    let of_container = |container: &Container| {
        let own = [&container.name, &container.image_name];
        own.into_iter().chain(&container.command).chain(&container.args).any(|text| says_so(text))
    };
    says_so(&workload.name) || workload.containers.iter().any(of_container)
}

fn templates(workload: &Workload) -> bool {
    workload.claims.iter().any(|claim| claim.origin == "template")
}

/// Whether no container mounts a claim that the pods name: what it is for is written elsewhere.
fn forgets_a_claim(workload: &Workload) -> bool {
    let mounts = workload.containers.iter().flat_map(|container| &container.mounts);
    let mounted: HashSet<&str> = mounts.map(|mount| mount.volume.as_str()).collect();
    let mut claims = workload.volumes.iter().filter(|volume| volume.source == CLAIM);
    claims.any(|volume| !mounted.contains(volume.name.as_str()))
}

fn writes_to(workload: &Workload, sources: &[&str]) -> bool {
    workload
        .containers
        .iter()
        .flat_map(|container| &container.mounts)
        .any(|mount| !mount.read_only && sources.contains(&mount.source.as_str()))
}

/// Whether the pod runs a task and exits, such as a client, a copy or a manual restore. Such a pod is treated
/// like a Job. A data store does not exit by itself: with `OnFailure` it runs as long as with `Always`, and
/// with `Never` until its node goes.
fn ends(workload: &Workload, engines: &Engines) -> bool {
    let policy = workload.pods.as_ref().map(|pods| pods.restart_policy.as_str());
    match policy {
        Some("Never") => !serves(workload, engines, true),
        Some("OnFailure") => workload.engine.is_none(),
        _ => false,
    }
}

/// Whether pods that are meant to end serve a data store instead. They do if all that they are made of does,
/// for then nothing is left that could end. A data store beside another container may be there for its tests;
/// if `kept`, it is one by itself as soon as its data is on a claim.
fn serves(workload: &Workload, engines: &Engines, kept: bool) -> bool {
    let deadline = workload.pods.as_ref().and_then(|pods| pods.deadline);
    if deadline.is_some_and(|seconds| seconds <= LONGEST_TASK) {
        return false;
    }
    let serves =
        |container: &&Container| engines.named(&container.engine).is_some_and(|row| row.serves(container));
    let main: Vec<&Container> =
        workload.containers.iter().filter(|container| container.role == Role::Main).collect();
    let serving: Vec<&Container> = main.iter().copied().filter(serves).collect();
    let on_a_claim = || {
        let mut dirs = workload.engine.iter().flat_map(|engine| &engine.data_dirs);
        dirs.any(|dir| {
            let kept = dir.mount.as_ref().is_some_and(|mount| mount.source == CLAIM && !mount.read_only);
            kept && serving.iter().any(|container| container.name == dir.container)
        })
    };
    !serving.is_empty() && (serving.len() == main.len() || kept && on_a_claim())
}

/// Whether the workload writes to a node directory that does not belong to the node itself. This applies to
/// Deployments, whose pods move to other nodes and leave their files behind, but not to DaemonSets, whose
/// pods are tied to their node.
fn keeps_on_the_node(workload: &Workload) -> bool {
    let kept = workload.volumes.iter().filter(|volume| is_data_of_the_node(volume));
    let kept: HashSet<&str> = kept.map(|volume| volume.name.as_str()).collect();
    let mut mounts = workload.containers.iter().flat_map(|container| &container.mounts);
    mounts.any(|mount| !mount.read_only && kept.contains(mount.volume.as_str()))
}

fn is_data_of_the_node(volume: &Volume) -> bool {
    let Some(path) = volume.host_path.as_deref().map(clean) else { return false };
    // A dot in the name suggests a file or a socket; without a type the API does not say which one it is.
    let directory = match volume.host_path_type.as_deref() {
        Some("Directory" | "DirectoryOrCreate") => true,
        None | Some("") => path.rsplit('/').next().is_some_and(|name| !name.contains('.')),
        Some(_) => false,
    };
    directory && path != "/" && !OF_THE_NODE.iter().any(|own| covers(own, &path))
}
