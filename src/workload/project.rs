//! Projects an object to its workload view.

use std::collections::HashSet;

use serde_json::Value;

use super::backup::{backup, schedule};
use super::class::class;
use super::configuration::{ConfigMaps, NoConfigMaps, References};
use super::confirmations::confirmed_at;
use super::data_dirs::dirs;
use super::declared::{DATA_PATHS, ENGINE, QUORUM, SelfClassification};
use super::engines::{EngineRow, Engines};
use super::image::ImageRef;
use super::json_node::{JsonNode, ObjectReading, Problem};
use super::pods;
use super::projection::{Claims, Field, Projection};
use super::rollout::update;
use super::scheduling::scheduling;
use super::view::{Claim, Container, DataDir, Engine, Owner, Pods, Retention, Role, Workload};
use super::voters;
use super::{siblings, storage};
use crate::path::{Path, Segment};

/// A view, and the fields of the object that could not be read.
#[derive(Clone, Debug)]
pub struct Projected {
    /// The view; unreadable fields are left out.
    pub workload: Workload,
    /// Fields whose type is not the one the API defines.
    pub problems: Vec<Problem>,
}

/// Builds the view of an object by itself, as [`project_with`] does with what ConfigMaps say.
pub fn project(
    object: &Value,
    namespace: &str,
    projection: &Projection,
    engines: &Engines,
    said: SelfClassification,
) -> Projected {
    project_with(&NoConfigMaps, object, namespace, projection, engines, said)
}

/// Builds the view of an object.
///
/// `namespace` is the request's, because a manifest may omit its own. `said` tells how far the annotations
/// count by which the object classifies itself.
pub fn project_with(
    maps: &dyn ConfigMaps,
    object: &Value,
    namespace: &str,
    projection: &Projection,
    engines: &Engines,
    said: SelfClassification,
) -> Projected {
    let config = References::new(maps, namespace);
    let reading = ObjectReading::default();
    let mut workload = read(&JsonNode::root(object, &reading), namespace, projection, engines, &config);
    workload.engine = engine(&workload, engines, said);
    workload.class = class(projection.class, &workload, engines, said);
    Projected { workload, problems: reading.problems() }
}

fn read(
    root: &JsonNode<'_>,
    namespace: &str,
    projection: &Projection,
    engines: &Engines,
    config: &References<'_>,
) -> Workload {
    let metadata = root.child("metadata");
    let string = |field: &Option<Field<String>>| {
        field.as_ref().and_then(|field| root.at(&field.path.0).string().or_else(|| field.default.clone()))
    };
    let integer = |field: &Option<Field<i64>>| {
        field.as_ref().and_then(|field| root.at(&field.path.0).integer().or(field.default))
    };
    let replicas = integer(&projection.replicas);
    let mut workload = Workload {
        kind: root.child("kind").string().unwrap_or_default(),
        api_version: root.child("apiVersion").string().unwrap_or_default(),
        name: name(&metadata),
        namespace: namespace.to_owned(),
        labels: metadata.child("labels").string_map(),
        annotations: metadata.child("annotations").string_map(),
        confirmed_at: confirmed_at(&metadata),
        owner: owner(&metadata),
        replicas,
        update: projection.update.as_ref().map(|field| update(root, field, replicas)),
        retention: projection.retention.as_ref().map(|keys| retention(&root.at(&keys.0))),
        pod_management: string(&projection.pod_management),
        min_ready_seconds: integer(&projection.min_ready_seconds),
        service_name: projection
            .service_name
            .as_ref()
            .map(|keys| root.at(&keys.0).string().unwrap_or_default()),
        revision_history: integer(&projection.revision_history),
        storage_class: projection.storage_class.then(|| storage::storage_class(root)),
        persistent_volume: projection.persistent_volume.then(|| storage::persistent_volume(root)),
        disruption_budget: projection.disruption_budget.then(|| siblings::disruption_budget(root)),
        autoscaler: projection.autoscaler.as_ref().map(|scaler| siblings::autoscaler(root, scaler)),
        service: projection.service.then(|| siblings::service(root)),
        ..Workload::default()
    };
    workload.backup = backup(&workload.annotations);
    if let Some(node) = projection.schedule.as_ref().map(|keys| root.at(&keys.0)) {
        workload.backup.schedule = node.string().map(|text| schedule(&text, node.path));
    }
    let suspended = projection.suspended.as_ref().and_then(|keys| root.at(&keys.0).boolean());
    workload.backup.suspended = suspended.unwrap_or(false);
    workload.claims = match &projection.claims {
        None => Vec::new(),
        Some(Claims::Object) => vec![storage::claim(root, "object", workload.name.clone())],
        Some(Claims::Templates(keys)) => storage::templates(&root.at(&keys.0)),
    };
    if let Some(keys) = &projection.template {
        let selector = projection.selector.as_ref().and_then(|keys| root.at(&keys.0).raw().cloned());
        read_pods(&root.at(&keys.0), selector, engines, config, &mut workload);
        let deadline = projection.deadline.as_ref().and_then(|keys| root.at(&keys.0).integer());
        if let Some(pods) = &mut workload.pods {
            pods.deadline = pods.deadline.into_iter().chain(deadline).min();
            if projection.labels_of_template && workload.labels.is_empty() {
                workload.labels = pods.labels.clone();
            }
        }
    }
    workload
}

fn name(metadata: &JsonNode<'_>) -> String {
    let name = metadata.child("name").string().unwrap_or_default();
    match metadata.child("generateName").string() {
        Some(prefix) if name.is_empty() => format!("{prefix}*"),
        _ => name,
    }
}

fn owner(metadata: &JsonNode<'_>) -> Option<Owner> {
    let owners = metadata.child("ownerReferences").items();
    let owner = owners.iter().find(|owner| owner.child("controller").boolean() == Some(true))?;
    let string = |key: &'static str| owner.child(key).string().unwrap_or_default();
    Some(Owner { kind: string("kind"), api_version: string("apiVersion"), name: string("name") })
}

fn retention(node: &JsonNode<'_>) -> Retention {
    let policy = |key: &'static str| node.child(key).string().unwrap_or_else(|| "Retain".to_owned());
    Retention {
        when_deleted: policy("whenDeleted"),
        when_scaled: policy("whenScaled"),
        path: node.path.clone(),
    }
}

fn read_pods(
    template: &JsonNode<'_>,
    selector: Option<Value>,
    engines: &Engines,
    config: &References<'_>,
    workload: &mut Workload,
) {
    let metadata = template.child("metadata");
    let spec = template.child("spec");
    let labels = metadata.child("labels").string_map();
    let of_templates: Vec<_> = storage::template_volumes(&workload.claims).collect();
    let of_pod = pods::volumes(&spec, config);
    let names: HashSet<&str> = of_templates.iter().map(|volume| volume.name.as_str()).collect();
    let shadowed = |name: &str| names.contains(name);
    workload.volumes = of_pod.into_iter().filter(|volume| !shadowed(&volume.name)).collect();
    workload.volumes.extend(of_templates.iter().cloned());
    workload
        .claims
        .extend(storage::pod_claims(&spec).into_iter().filter(|claim: &Claim| !shadowed(&claim.name)));
    workload.containers = pods::containers(&spec, &workload.volumes, engines, config);
    workload.scheduling = Some(scheduling(&spec, &labels, &workload.namespace));
    // core/v1 SetDefaults_PodSpec
    workload.termination_grace_seconds =
        Some(spec.child("terminationGracePeriodSeconds").integer().unwrap_or(30));
    workload.service_account =
        Some(spec.child("serviceAccountName").string().unwrap_or_else(|| "default".to_owned()));
    let resources = spec.child("resources");
    workload.pods = Some(Pods {
        labels,
        annotations: metadata.child("annotations").string_map(),
        selector,
        deadline: spec.child("activeDeadlineSeconds").integer(),
        restart_policy: spec.child("restartPolicy").string().unwrap_or_else(|| "Always".to_owned()),
        requests: pods::amounts(&resources.child("requests")),
        limits: pods::amounts(&resources.child("limits")),
        path: template.path.clone(),
        spec_path: spec.path.clone(),
    });
}

/// The engine of a workload, from its images and, as far as they count, its annotations. Ignores an annotation
/// that names no known engine or no usable path, so that a typo cannot switch a guard off.
fn engine(workload: &Workload, engines: &Engines, said: SelfClassification) -> Option<Engine> {
    let annotation = |key: &str| {
        let of_pods = || workload.pods.as_ref().and_then(|pods| pods.annotations.get(key));
        let text = workload.annotations.get(key).or_else(of_pods);
        text.filter(|_| said != SelfClassification::Ignored)
            .map(|text| text.trim())
            .filter(|text| !text.is_empty())
    };
    let believed = said == SelfClassification::Believed;
    let mut running = workload.containers.iter().filter(|container| !container.engine.is_empty());
    // Prefer a main container over a sidecar, wherever the sidecar is listed.
    let by_image = running.clone().find(|container| container.role == Role::Main).or_else(|| running.next());
    let known = |name: &&str| engines.named(name).is_some();
    let declared = annotation(ENGINE).filter(known).filter(|_| believed || by_image.is_none());
    let name = declared.or(by_image.map(|container| container.engine.as_str()))?;
    let main = || workload.containers.iter().find(|container| container.role == Role::Main);
    let container = by_image.filter(|container| container.engine == name).or_else(main);
    let row = engines.named(name);
    let image = container.and_then(|container| container.image.as_ref());
    // The tag of another image that runs the engine shows that image's version.
    let image = image.filter(|image| declared.is_some() || row.is_none_or(|row| row.is_image(image)));
    let prefix = row.and_then(|row| row.version_prefix.as_deref());
    let listed = annotation(DATA_PATHS).map(|list| dirs("annotation", list)).unwrap_or_default();
    let mut data_dirs = match believed && !listed.is_empty() {
        true => Vec::new(),
        false => observed_dirs(workload, engines, container, row),
    };
    data_dirs.extend(container.map(|container| held(listed, container, row)).unwrap_or_default());
    let runs_in = container.map(|container| container.name.clone()).unwrap_or_default();
    let quorum = match annotation(QUORUM) {
        Some("true") => true,
        Some("false") if believed => false,
        _ => row.is_some_and(|row| row.quorum),
    };
    Some(Engine {
        name: name.to_owned(),
        major: image.and_then(|image| row?.major(image)),
        version: image.and_then(ImageRef::version).map(|version| version.to_string()),
        release: image.and_then(|image| image.release(prefix)),
        flavour: image.map(|image| image.flavour(prefix)).unwrap_or_default(),
        votes: quorum
            && voters::vote(workload, &runs_in)
            && !row.zip(container).is_some_and(|(row, container)| row.is_alone(container)),
        container: runs_in,
        evicts: container.is_some() && all_evict(workload, engines),
        volatile: container.zip(row).is_some_and(|(container, row)| row.is_volatile(container)),
        quorum,
        data_dirs,
        path: engine_path(container, declared),
    })
}

/// Whether each data store of the pod drops any of its data when its memory is full.
fn all_evict(workload: &Workload, engines: &Engines) -> bool {
    let mut stores = workload.containers.iter().filter(|container| !container.engine.is_empty());
    stores.all(|store| engines.named(&store.engine).is_some_and(|row| row.evicts(store)))
}

/// The directories of the engine's container, then those of all others that run an engine.
fn observed_dirs(
    workload: &Workload,
    engines: &Engines,
    container: Option<&Container>,
    row: Option<&EngineRow>,
) -> Vec<DataDir> {
    let running = workload.containers.iter().filter(|container| !container.engine.is_empty());
    let others = running.filter(|other| container.is_none_or(|container| container.name != other.name));
    let others = others.filter_map(|other| Some((other, engines.named(&other.engine)?)));
    let all = container.zip(row).into_iter().chain(others);
    all.flat_map(|(container, row)| held(row.data_dirs(container), container, Some(row))).collect()
}

/// The directories of one container, each with the mount that holds it. Drops what the table names where nothing is
/// mounted if that is a guess, or the container cannot write there.
fn held(dirs: Vec<DataDir>, container: &Container, row: Option<&EngineRow>) -> Vec<DataDir> {
    let hold = |mut dir: DataDir| {
        dir.container = container.name.clone();
        if let Some(mount) = pods::holding(&container.mounts, &dir.dir) {
            match row.and_then(|row| row.hiding_volume(container, &mount.mount_path, &dir.dir)) {
                Some(volume) => dir.hidden_by = Some(volume.clone()),
                None => dir.mount = Some(mount.clone()),
            }
        }
        dir
    };
    let writable = |dir: &DataDir| row.is_none_or(|row| row.is_writable(container, &dir.dir));
    let is_there = |dir: &DataDir| match dir.origin {
        "guess" => dir.mount.is_some(),
        "default" | "also" => dir.mount.is_some() || writable(dir),
        _ => true,
    };
    dirs.into_iter().map(hold).filter(is_there).collect()
}

fn engine_path(container: Option<&Container>, declared: Option<&str>) -> Path {
    match (container, declared) {
        (Some(container), None) => {
            let mut path = container.path.clone();
            path.push(Segment::Key("image".into()));
            path
        }
        _ => ["metadata", "annotations", ENGINE].map(|key| Segment::Key(key.into())).to_vec(),
    }
}
