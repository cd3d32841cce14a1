//! Structural checks: imports run downward only, some crates belong to one module, no source file is
//! orphaned.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Rooms from the bottom to the top: a room imports from itself and from those before it.
const ROOMS: &[&str] = &[
    "plain",
    "path",
    "diagnostic",
    "yaml",
    "reader",
    "admission",
    "workload",
    "inventory",
    "policy",
    "engine",
    "policyset",
    "decision",
    "review",
    "report",
    "source",
    "telemetry",
    "evaluators",
    "cluster",
    "server",
    "cli",
];

/// Crates that may be used only in the given places.
const OWNED: &[(&str, &str)] = &[
    ("regorus", "engine/ast.rs engine/rego.rs"),
    ("axum", "server/"),
    ("rustls", "server/"),
    ("rcgen", "server/"),
    ("kube", "cluster/"),
    (
        "tokio",
        "evaluators/ cluster/ server/ cli/audit.rs cli/certs.rs cli/cluster.rs cli/serve.rs cli/review_pool.rs cli/check/live.rs \
         cli/check/pipeline.rs cli/test/watch.rs",
    ),
    ("clap", "cli/"),
    ("anyhow", "cli/"),
    ("saphyr_parser", "yaml/"),
    ("annotate_snippets", "report/"),
    ("prometheus_client", "telemetry/ server/"),
    ("procfs", "telemetry/"),
    ("tracing", "telemetry/ evaluators/ cluster/ server/ cli/"),
    ("include_dir", "source/"),
    ("quick_junit", "report/"),
    ("minijinja", "report/"),
    ("opentelemetry", "server/traces.rs server/traces/"),
    ("opentelemetry_sdk", "server/traces.rs server/traces/"),
    ("opentelemetry_otlp", "server/traces.rs server/traces/"),
    ("opentelemetry_http", "server/traces/"),
    ("hyper_rustls", "server/traces/"),
    ("rustls_native_certs", "server/traces/"),
    ("percent_encoding", "report/ cluster/"),
];

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut waiting: Vec<PathBuf> = vec![root.clone()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(files.len() > 30, "the sources were not found");
    files
}

fn room(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

fn level(room: &str) -> Option<usize> {
    ROOMS.iter().position(|known| *known == room)
}

/// Names that follow `prefix` in code, outside comments.
fn mentions<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(move |line| {
        line.match_indices(prefix).filter_map(move |(at, _)| {
            let before = line[..at].chars().next_back();
            let rest = &line[at + prefix.len()..];
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            (!before.is_some_and(|c| c.is_alphanumeric() || c == '_')).then_some(&rest[..end])
        })
    })
}

#[test]
fn imports_run_downward_only() {
    let mut upward = Vec::new();
    for (file, text) in sources() {
        let own = room(&file);
        if ["lib", "main", "build"].contains(&own) {
            continue;
        }
        let here = level(own).unwrap_or_else(|| panic!("src/{file} is in no known room"));
        for target in mentions(&text, "crate::") {
            match level(target) {
                Some(there) if there > here => upward.push(format!("src/{file} imports crate::{target}")),
                _ => {}
            }
        }
    }
    assert!(upward.is_empty(), "upward imports:\n{}", upward.join("\n"));
}

#[test]
fn every_owned_crate_stays_in_its_room() {
    let mut strays = Vec::new();
    for (file, text) in sources() {
        for (name, owners) in OWNED {
            let used = mentions(&text, &format!("{name}::")).next().is_some();
            if used && !owners.split(' ').any(|owner| file.starts_with(owner)) {
                strays.push(format!("src/{file} uses {name}, which belongs to src/{owners}"));
            }
        }
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn no_source_file_is_an_orphan() {
    let sources = sources();
    let mut declared: BTreeSet<String> = ["lib.rs", "main.rs", "build.rs"].map(str::to_owned).into();
    for (file, text) in &sources {
        let directory = match file.as_str() {
            "lib.rs" | "build.rs" => String::new(),
            file if file.ends_with("/mod.rs") => file.trim_end_matches("mod.rs").to_owned(),
            file => format!("{}/", file.trim_end_matches(".rs")),
        };
        for line in text.lines().map(str::trim) {
            let line = line
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub(super) ")
                .trim_start_matches("pub ");
            if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
                declared.insert(format!("{directory}{name}.rs"));
                declared.insert(format!("{directory}{name}/mod.rs"));
            }
        }
    }
    let orphans: Vec<&String> =
        sources.iter().map(|(file, _)| file).filter(|file| !declared.contains(*file)).collect();
    assert!(orphans.is_empty(), "never compiled: {orphans:?}");
}

#[test]
fn files_are_rooms_not_halls() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|(file, _)| !file.ends_with("/tests.rs"))
        .filter_map(|(file, text)| {
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("///")).count();
            (lines > 420).then(|| format!("src/{file}: {lines} lines"))
        })
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn the_pure_rooms_touch_no_clock_and_no_files() {
    // .clippy.toml bans the calls; this finds modules that lift the ban.
    for (file, text) in sources() {
        let lifted = text.contains("clippy::disallowed_methods");
        let edge = ["build.rs", "source/", "evaluators/", "cluster/", "server/", "telemetry/", "cli/"]
            .iter()
            .any(|edge| file.starts_with(edge));
        assert!(!lifted || edge, "src/{file} lifts the ban on clocks and files");
    }
}
