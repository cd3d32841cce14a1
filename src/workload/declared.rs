//! What a workload says of itself in annotations, and how far that counts.

use super::view::{DataDir, Engine, Workload};

/// Whether the workload holds data.
pub const STATEFUL: &str = "stategate.io/stateful";
/// Whether its data can be rebuilt.
pub const DATA_DURABILITY: &str = "stategate.io/data-durability";
/// The data store that it runs.
pub const ENGINE: &str = "stategate.io/engine";
/// The directories that the data store writes to.
pub const DATA_PATHS: &str = "stategate.io/data-paths";
/// Whether the data store needs a majority of its members.
pub const QUORUM: &str = "stategate.io/quorum";

/// The annotations by which a workload classifies itself. Policies read others; those declare what a single
/// policy asks for.
pub const SELF_CLASSIFYING: [&str; 5] = [STATEFUL, DATA_DURABILITY, ENGINE, DATA_PATHS, QUORUM];

/// How far the annotations by which a workload classifies itself count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SelfClassification {
    /// They override what is observed.
    Believed,
    /// They only add to what is observed.
    #[default]
    Additional,
    /// They do not count.
    Ignored,
}

/// Whether the workload classifies itself, on the object or on its pod template.
pub fn classifies_itself(workload: &Workload) -> bool {
    let of_pods = workload.pods.as_ref().map(|pods| &pods.annotations);
    let mut all = std::iter::once(&workload.annotations).chain(of_pods);
    all.any(|annotations| SELF_CLASSIFYING.iter().any(|key| annotations.contains_key(*key)))
}

/// The annotations by which a workload is held to less than what is observed. `believed` is its view with
/// these annotations, `held` the view to which they only add.
pub fn lowering(believed: &Workload, held: &Workload) -> Vec<&'static str> {
    let mut keys = Vec::new();
    if believed.class != held.class {
        let says = believed.annotations.get(STATEFUL).is_some_and(|said| said == "false");
        keys.push(if says { STATEFUL } else { DATA_DURABILITY });
    }
    let Some(observed) = &held.engine else { return keys };
    let told = |same: fn(&Engine, &Engine) -> bool| {
        believed.engine.as_ref().is_some_and(|engine| !same(engine, observed))
    };
    if told(|believed, held| believed.name == held.name) {
        keys.push(ENGINE);
    }
    if told(|believed, held| held.data_dirs.iter().all(|dir| has(&believed.data_dirs, dir))) {
        keys.push(DATA_PATHS);
    }
    if told(|believed, held| believed.quorum || !held.quorum) {
        keys.push(QUORUM);
    }
    keys.retain(|key| {
        let of_pods = believed.pods.as_ref().is_some_and(|pods| pods.annotations.contains_key(*key));
        of_pods || believed.annotations.contains_key(*key)
    });
    keys
}

fn has(dirs: &[DataDir], wanted: &DataDir) -> bool {
    dirs.iter().any(|dir| dir.dir == wanted.dir && dir.container == wanted.container)
}
