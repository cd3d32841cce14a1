//! stategate reads manifests as kubectl does: the same files go through both.
//!
//! kubectl prints what it has read with `create --dry-run=client -o json`. The objects are of a kind that
//! preserves all fields, so that nothing is defaulted, dropped or coerced; the kind is cluster-scoped, since
//! kubectl would otherwise fill in a namespace.

mod differences;
mod generate;
mod oracle;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use stategate::source::manifests::Manifests;

use crate::harness::ApiServer;
use differences::{GENERATED, Side, WRITTEN};
use oracle::{Oracle, Read};

/// A text and its name.
struct Case {
    name: String,
    path: PathBuf,
    bytes: Vec<u8>,
}

/// How the two readings of one text compare.
enum Verdict {
    Agree,
    BothRefuse,
    Differ(Side, String),
}

fn ours(case: &Case) -> Read {
    let mut manifests = Manifests::default();
    manifests.add(case.name.clone(), &case.bytes);
    match manifests.errors.first() {
        Some(error) => Read::Refused(error.message.clone()),
        None if manifests.foreign > 0 => Read::Refused("a document is no Kubernetes object".to_owned()),
        None => Read::Objects(
            manifests.objects.iter().map(|manifest| (*manifest.object).clone()).map(Ok).collect(),
        ),
    }
}

fn judge(ours: &Read, kubectl: &Read) -> Verdict {
    match (ours, kubectl) {
        (Read::Refused(_), Read::Refused(_)) => Verdict::BothRefuse,
        (Read::Refused(ours), Read::Objects(_)) => Verdict::Differ(Side::OnlyKubectlReads, ours.clone()),
        (Read::Objects(_), Read::Refused(kubectl)) => Verdict::Differ(Side::OnlyWeRead, kubectl.clone()),
        (Read::Objects(ours), Read::Objects(kubectl)) => match first_difference(ours, kubectl) {
            None => Verdict::Agree,
            Some(difference) => Verdict::Differ(Side::BothReadDifferently, difference),
        },
    }
}

fn first_difference(ours: &[Result<Value, String>], kubectl: &[Result<Value, String>]) -> Option<String> {
    if ours.len() != kubectl.len() {
        return Some(format!("{} objects, of kubectl's {}", ours.len(), kubectl.len()));
    }
    ours.iter().zip(kubectl).enumerate().find_map(|(index, pair)| match pair {
        (Ok(ours), Ok(kubectl)) => differing_node(ours, kubectl, &format!("object {index}: ")),
        (Err(why), _) | (_, Err(why)) => Some(format!("object {index}: {why}")),
    })
}

/// The first node that differs, with both values.
fn differing_node(ours: &Value, kubectl: &Value, at: &str) -> Option<String> {
    match (ours, kubectl) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().find_map(|(key, value)| differing_node(value, &b[key], &format!("{at}/{key}")))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(index, (a, b))| differing_node(a, b, &format!("{at}/{index}"))),
        _ => (!same_leaf(ours, kubectl)).then(|| format!("{at}: {ours}, kubectl has {kubectl}")),
    }
}

/// Integers must be equal. Floats may differ in the last bit, because the JSON parser that reads kubectl's
/// output for this test rounds so; it also types one number as integer or float depending on its notation.
fn same_leaf(ours: &Value, kubectl: &Value) -> bool {
    match (ours, kubectl) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a == b,
            _ => {
                let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
                (a - b).abs() <= a.abs() * f64::EPSILON
            }
        },
        _ => ours == kubectl,
    }
}

fn written() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reading");
    let mut waiting = vec![root.clone()];
    let mut cases = Vec::new();
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                let bytes = std::fs::read(&path).unwrap();
                cases.push(Case { name, path, bytes });
            }
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// Counts, and differences that are not listed.
#[derive(Default)]
struct Tally {
    agree: usize,
    both_refuse: usize,
    listed: BTreeMap<(Side, &'static str), usize>,
    unlisted: Vec<String>,
}

impl Tally {
    fn print(&self, what: &str, total: usize) {
        println!(
            "{what}: {total} files: {} read the same, {} refused by both, {} differ as listed",
            self.agree,
            self.both_refuse,
            self.listed.values().sum::<usize>()
        );
        for ((side, reason), count) in &self.listed {
            println!("  {count:3} {side}: {reason}");
        }
        assert!(self.unlisted.is_empty(), "{} unlisted:\n{}", self.unlisted.len(), self.unlisted.join("\n"));
    }
}

#[test]
fn written_files_are_read_as_kubectl_reads_them() {
    let api = ApiServer::start();
    let oracle = Oracle::new(&api);
    let mut cases = written();
    assert!(cases.len() > 600, "the files were not found");
    cases.push(large(api.dir()));
    let answers = oracle.read(&cases);

    let mut tally = Tally::default();
    let mut listed: BTreeMap<&str, (Side, &'static str)> = BTreeMap::new();
    for (side, reason, names) in WRITTEN {
        for name in *names {
            assert!(listed.insert(name, (*side, reason)).is_none(), "{name} is listed twice");
        }
    }
    let mut met = BTreeSet::new();
    for (case, kubectl) in cases.iter().zip(&answers) {
        match judge(&ours(case), kubectl) {
            Verdict::Agree => tally.agree += 1,
            Verdict::BothRefuse => tally.both_refuse += 1,
            Verdict::Differ(side, what) => match listed.get(case.name.as_str()) {
                Some((expected, reason)) if *expected == side => {
                    met.insert(case.name.as_str());
                    *tally.listed.entry((side, reason)).or_default() += 1;
                }
                _ => tally.unlisted.push(format!("  {}: {side}: {what}", case.name)),
            },
        }
    }
    tally.print("written", cases.len());
    let gone: Vec<_> = listed.keys().filter(|name| !met.contains(*name)).collect();
    assert!(gone.is_empty(), "listed, but read the same by now: {gone:?}");
}

/// A file of five megabytes; too large for the repository.
fn large(dir: &Path) -> Case {
    let mut text = String::new();
    let mut number = 0;
    while text.len() < 5 << 20 {
        text.push_str(&format!(
            "---\napiVersion: {}\nkind: {}\nmetadata: {{name: large-{number}}}\nspec:\n",
            oracle::API_VERSION,
            oracle::KIND
        ));
        for line in 0..4000 {
            text.push_str(&format!("- {{n: {line}, mode: 0{line:o}, text: 'line {line}', on: yes}}\n"));
        }
        number += 1;
    }
    let path = dir.join("large.yaml");
    std::fs::write(&path, &text).unwrap();
    Case { name: "large.yaml".to_owned(), path, bytes: text.into_bytes() }
}

#[test]
fn generated_files_are_read_as_kubectl_reads_them() {
    let api = ApiServer::start();
    let oracle = Oracle::new(&api);
    let seed = std::env::var("READING_SEED").map_or(generate::SEED, |seed| seed.parse().unwrap());
    let count = std::env::var("READING_COUNT").map_or(generate::COUNT, |count| count.parse().unwrap());
    println!("seed {seed}, {count} files");
    let cases: Vec<Case> = (0..count)
        .map(|number| {
            let (name, bytes) = generate::file(seed, number);
            let path = api.dir().join(&name);
            std::fs::write(&path, &bytes).unwrap();
            Case { name, path, bytes }
        })
        .collect();
    let answers = oracle.read(&cases);

    let mut tally = Tally::default();
    for (case, kubectl) in cases.iter().zip(&answers) {
        match judge(&ours(case), kubectl) {
            Verdict::Agree => tally.agree += 1,
            Verdict::BothRefuse => tally.both_refuse += 1,
            Verdict::Differ(side, what) => {
                let class = GENERATED.iter().find(|(of, part, _)| *of == side && what.contains(part));
                match class {
                    Some((_, _, reason)) => *tally.listed.entry((side, reason)).or_default() += 1,
                    None => tally.unlisted.push(format!(
                        "  {}: {side}: {what}\n{:?}",
                        case.name,
                        String::from_utf8_lossy(&case.bytes)
                    )),
                }
            }
        }
    }
    tally.print("generated", cases.len());
    if seed == generate::SEED && count == generate::COUNT {
        let met = |side: Side, reason| tally.listed.contains_key(&(side, reason));
        let gone: Vec<_> = GENERATED.iter().filter(|(side, _, reason)| !met(*side, reason)).collect();
        assert!(gone.is_empty(), "listed, but met no more: {gone:?}");
        assert!(tally.agree > count / 2 && tally.both_refuse > 10, "most files are of no use");
    }
}
