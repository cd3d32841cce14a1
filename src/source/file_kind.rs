//! What a file of a policy directory is, by its path. build.rs reads this file, too.

/// The table of engines.
pub const ENGINES: &str = "workloads/engines.yaml";
/// The shipped table below a user's own. Sorts after [`ENGINES`].
pub const SHIPPED_ENGINES: &str = "workloads/engines.yaml.shipped";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    Policy,
    Library,
    Test,
    Projection,
    Engines,
    Profile,
    Example,
    Other,
}

/// Classifies a file by its path below `policies/`.
pub fn kind(path: &str) -> FileKind {
    let steps: Vec<&str> = path.split(['/', '\\']).collect();
    let yaml = path.ends_with(".yaml") || path.ends_with(".yml");
    match steps.as_slice() {
        [.., file] if file.ends_with("_test.rego") => FileKind::Test,
        ["lib", ..] if path.ends_with(".rego") => FileKind::Library,
        _ if path == ENGINES || path == SHIPPED_ENGINES => FileKind::Engines,
        ["workloads", _] if yaml => FileKind::Projection,
        ["profiles", _] if yaml => FileKind::Profile,
        [_, _, "examples", _] if yaml => FileKind::Example,
        [.., file] if file.ends_with(".rego") => FileKind::Policy,
        _ => FileKind::Other,
    }
}
