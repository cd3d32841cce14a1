//! Pods: containers, volumes and mounts.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::configuration::References;
use super::engines::{EngineRow, Engines};
use super::image::ImageRef;
use super::json_node::JsonNode;
use super::memory::memory_settings;
use super::probes::{lifecycle, probe};
use super::view::{Container, Env, Mount, Port, Resources, Role, Volume};

/// The longest command line that is read, in bytes: Linux runs no single argument that is longer
/// (`MAX_ARG_STRLEN`), and scripts are what is long.
const LONGEST_COMMAND: usize = 131_071;

/// The containers of a pod spec, init containers first.
/// The most containers that are read of each kind: each is some kilobytes of the view.
const MOST_CONTAINERS: usize = 200;

/// The containers of a pod spec, those of `initContainers` first.
pub fn containers(
    spec: &JsonNode<'_>,
    volumes: &[Volume],
    engines: &Engines,
    config: &References<'_>,
) -> Vec<Container> {
    // Looked up by name: a pod may have as many mounts as volumes, and a linear search for each is quadratic.
    let volumes: HashMap<&str, &Volume> =
        volumes.iter().map(|volume| (volume.name.as_str(), volume)).collect();
    let init = spec.child("initContainers").items_up_to(MOST_CONTAINERS).into_iter().map(|node| {
        let stays = node.child("restartPolicy").string().as_deref() == Some("Always");
        (node, if stays { Role::Sidecar } else { Role::Init })
    });
    let main =
        spec.child("containers").items_up_to(MOST_CONTAINERS).into_iter().map(|node| (node, Role::Main));
    let mut all: Vec<Container> =
        init.chain(main).map(|(node, role)| container(&node, role, &volumes, engines, config)).collect();
    forget_helpers(&mut all, engines);
    // Only then: beside a data store, tools of its name work on its directory.
    if all.iter().all(|container| container.engine.is_empty()) {
        for container in all.iter_mut().filter(|container| container.role != Role::Init) {
            container.engine = engines.likely(container).map(|row| row.name.clone()).unwrap_or_default();
        }
    }
    // Only then: which settings count depends on the engine.
    for container in &mut all {
        container.memory_settings = memory_settings(container);
    }
    all
}

/// Beside a container that visibly runs an engine, a script of unknown text in the engine's image is a helper: it
/// watches, copies or repairs.
fn forget_helpers(all: &mut [Container], engines: &Engines) {
    let images: HashSet<&str> =
        all.iter().filter_map(|container| Some(engines.by_image(container)?.name.as_str())).collect();
    let of = |name: &str| engines.named(name);
    let rows = images.into_iter().filter_map(of);
    let seen_in = |row: &EngineRow| {
        let mut serving = all.iter().filter(|container| container.role != Role::Init);
        serving.any(|container| row.is_seen_in(container))
    };
    let seen: HashSet<&str> = rows.filter(|row| seen_in(row)).map(|row| row.name.as_str()).collect();
    for container in all.iter_mut().filter(|container| seen.contains(container.engine.as_str())) {
        let row = engines.named(&container.engine);
        if row.is_some_and(|row| !row.is_seen_in(container)) {
            container.engine = String::new();
        }
    }
}

fn container(
    node: &JsonNode<'_>,
    role: Role,
    volumes: &HashMap<&str, &Volume>,
    engines: &Engines,
    config: &References<'_>,
) -> Container {
    let name = node.child("name").string().unwrap_or_default();
    let image_name = node.child("image").string().unwrap_or_default();
    let image = ImageRef::parse(&image_name).ok();
    let command = node.child("command").words();
    let args = node.child("args").words();
    let hook = |name| node.child("lifecycle").child(name).child("exec").child("command").words();
    let (post_start, pre_stop) = (hook("postStart"), hook("preStop"));
    let ports: Vec<Port> = node.child("ports").items().iter().map(port).collect();
    let [readiness, liveness, startup] =
        ["readinessProbe", "livenessProbe", "startupProbe"].map(|key| probe(&node.child(key), &ports));
    let asked =
        [&readiness, &liveness, &startup].into_iter().flatten().filter_map(|probe| probe.command.as_ref());
    let all = [&command, &args, &post_start, &pre_stop].into_iter().chain(asked);
    let length: usize = all.flatten().map(String::len).sum();
    if length > LONGEST_COMMAND {
        let place = crate::path::dotted(&node.path);
        node.problem(format!("the commands of {place} have {length} bytes; at most {LONGEST_COMMAND} are read, the longest argument that Linux runs"));
    }
    let resources = node.child("resources");
    // What the container names itself comes last, for of two variables of one name the last counts.
    let (mut variables, env_from) = config.variables(&node.child("envFrom"));
    variables.extend(node.child("env").items().iter().map(|node| env(node, config)));
    let overridden_env = take_overridden(&mut variables);
    let mounts = mounts(node, &name, volumes);
    let of_volume = |mount: &Mount| Some(config.mounted(mount, volumes.get(mount.volume.as_str())?));
    let files = mounts.iter().filter_map(of_volume).flatten().collect();
    let mut container = Container {
        role,
        image_name,
        image,
        engine: String::new(),
        keeps_nothing: false,
        command,
        args,
        env: variables,
        overridden_env,
        env_from,
        files,
        requests: amounts(&resources.child("requests")),
        limits: amounts(&resources.child("limits")),
        readiness,
        liveness,
        startup,
        ports,
        lifecycle: lifecycle(node),
        mounts,
        security: node.child("securityContext").raw().cloned(),
        working_dir: node.child("workingDir").string().filter(|dir| dir.starts_with('/')),
        post_start,
        pre_stop,
        path: node.path.clone(),
        memory_settings: Vec::new(),
        name,
    };
    // An init container prepares data for the other containers but does not run the engine.
    if role != Role::Init {
        container.engine = engines.of(&container).map(|row| row.name.clone()).unwrap_or_default();
        container.keeps_nothing = container.engine.is_empty() && engines.keeps_nothing(&container);
    }
    container
}

fn env(node: &JsonNode<'_>, config: &References<'_>) -> Env {
    let source = node.child("valueFrom");
    let from = source.raw().and_then(|value| value.as_object()?.keys().next().cloned()).unwrap_or_default();
    let value = if from.is_empty() { Some(node.child("value").string().unwrap_or_default()) } else { None };
    let (config_map, value) = match config.value(&source).filter(|_| from == "configMapKeyRef") {
        Some((name, text)) => (name, Some(text)),
        None => (String::new(), value),
    };
    let name = node.child("name").string().unwrap_or_default();
    Env { name, value, from, config_map, path: node.path.clone() }
}

/// Leaves the last of several variables of one name, whose value the container gets, and returns the others.
fn take_overridden(variables: &mut Vec<Env>) -> Vec<Env> {
    let mut seen = HashSet::new();
    let mut last: Vec<bool> = variables.iter().rev().map(|variable| seen.insert(&*variable.name)).collect();
    if last.iter().all(|last| *last) {
        return Vec::new();
    }
    // They were looked at from the end.
    let (kept, overridden) =
        std::mem::take(variables).into_iter().partition(|_| last.pop().unwrap_or_default());
    *variables = kept;
    overridden
}

fn port(node: &JsonNode<'_>) -> Port {
    Port {
        name: node.child("name").string().unwrap_or_default(),
        port: node.child("containerPort").integer().unwrap_or_default(),
        protocol: node.child("protocol").string().unwrap_or_else(|| "TCP".to_owned()),
        path: node.path.clone(),
    }
}

/// The CPU, memory and ephemeral storage of `requests` or `limits`.
pub fn amounts(node: &JsonNode<'_>) -> Resources {
    Resources {
        cpu: node.child("cpu").millis(),
        memory: node.child("memory").bytes(),
        ephemeral_storage: node.child("ephemeral-storage").bytes(),
    }
}

/// Mounted file systems and raw block devices; both may hold data.
fn mounts(node: &JsonNode<'_>, container: &str, volumes: &HashMap<&str, &Volume>) -> Vec<Mount> {
    let mounts = node.child("volumeMounts").items().into_iter().map(|node| (node, "mountPath"));
    let devices = node.child("volumeDevices").items().into_iter().map(|node| (node, "devicePath"));
    mounts.chain(devices).map(|(node, key)| mount(&node, key, container, volumes)).collect()
}

fn mount(node: &JsonNode<'_>, key: &'static str, container: &str, volumes: &HashMap<&str, &Volume>) -> Mount {
    let name = node.child("name").string().unwrap_or_default();
    let volume = volumes.get(name.as_str());
    Mount {
        container: container.to_owned(),
        source: volume.map(|volume| volume.source.clone()).unwrap_or_default(),
        sub_path: node
            .child("subPath")
            .string()
            .or_else(|| node.child("subPathExpr").string())
            .unwrap_or_default(),
        read_only: node.child("readOnly").boolean().unwrap_or(false) || volume.is_some_and(|v| v.read_only),
        mount_path: clean(&node.child(key).string().unwrap_or_default()),
        path: node.path.clone(),
        volume: name,
    }
}

/// Normalizes a path: removes `.`, `..`, and doubled and trailing slashes. `/data/../tmp/` becomes `/tmp`.
pub fn clean(path: &str) -> String {
    let mut steps: Vec<&str> = Vec::new();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", steps.join("/"))
}

/// The volumes of a pod spec.
pub fn volumes(spec: &JsonNode<'_>, config: &References<'_>) -> Vec<Volume> {
    spec.child("volumes").items().iter().map(|node| volume(node, config)).collect()
}

fn volume(node: &JsonNode<'_>, config: &References<'_>) -> Volume {
    let source = node
        .raw()
        .and_then(|value| value.as_object())
        .and_then(|map| map.iter().find(|(key, value)| *key != "name" && !value.is_null()))
        // A volume without a source is an emptyDir: core/v1 SetDefaults_Volume.
        .map_or("emptyDir", |(key, _)| key.as_str());
    let body = node.child(source.to_owned());
    Volume {
        name: node.child("name").string().unwrap_or_default(),
        claim: body.child("claimName").string(),
        host_path: if source == "hostPath" { body.child("path").string() } else { None },
        host_path_type: if source == "hostPath" { body.child("type").string() } else { None },
        medium: if source == "emptyDir" { body.child("medium").string() } else { None },
        // Zero means no limit, as in the kubelet.
        size_limit: if source == "emptyDir" {
            body.child("sizeLimit").bytes().filter(|n| *n > 0)
        } else {
            None
        },
        driver: if source == "csi" { body.child("driver").string() } else { None },
        nfs_server: if source == "nfs" { body.child("server").string() } else { None },
        read_only: body.child("readOnly").raw().and_then(Value::as_bool).unwrap_or(false),
        files: if matches!(source, "configMap" | "projected") { config.files(node) } else { Vec::new() },
        source: source.to_owned(),
        path: node.path.clone(),
    }
}

/// Whether a mount at `mount_path` contains the directory `dir`.
pub fn covers(mount_path: &str, dir: &str) -> bool {
    mount_path == "/"
        || dir.strip_prefix(mount_path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether what is written to a mount may outlive its pod.
pub fn keeps(mount: &Mount) -> bool {
    let fixed = matches!(mount.source.as_str(), "configMap" | "downwardAPI" | "projected" | "secret");
    !mount.read_only && !fixed && mount.source != "emptyDir"
}

/// Whether one of two paths is above the other, or they are the same.
pub fn meets(one: &str, other: &str) -> bool {
    covers(one, other) || covers(other, one)
}

/// The mount that contains a directory: the closest one at or above it.
pub fn holding<'a>(mounts: &'a [Mount], dir: &str) -> Option<&'a Mount> {
    mounts.iter().filter(|mount| covers(&mount.mount_path, dir)).max_by_key(|mount| mount.mount_path.len())
}
