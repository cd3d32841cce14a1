//! What `tests/bench/run` needs of stategate as a library: the requests that it sends, the questions that a review
//! asks of the policies, and what their evaluation costs without a server.
//!
//! ```text
//! questions traffic DIRECTORY         writes one file of AdmissionReviews for each kind of traffic
//! questions record REVIEWS            prints what reviews of them ask, and the answers
//! questions evaluate REVIEWS ENGINE   evaluates these questions over and over
//! questions review REVIEWS ENGINE     reviews over and over, from the body to the response
//! ```
//!
//! `REVIEWS` has a body in each line. The last two read from standard input for how many seconds they are to measure,
//! and print a line of JSON with what that took, until the input ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark that cannot go on says so by ending"
)]
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program: it reads files, and the clock"
)]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use stategate::admission::{GroupVersionKind, Request, ReviewMode, wire};
use stategate::decision::FailureCause;
use stategate::decision::answer::respond;
use stategate::engine::{Answer, EngineKind, InputDocument, ParameterValues, RuleId};
use stategate::inventory::Inventory;
use stategate::policy::PolicyId;
use stategate::policyset::{CompileOptions, PolicySet};
use stategate::review::{Evaluation, EvaluationObserver, Unobserved, review};
use stategate::source::catalogue::Catalogue;
use stategate::source::manifests::{Manifest, Manifests};

/// The same allocator as in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

/// Who applies: the policies treat it as they treat any user.
const USER: &str = "system:serviceaccount:argocd:argocd-application-controller";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["traffic", directory] => traffic(Path::new(directory)),
        ["record", reviews] => record(reviews),
        ["evaluate", reviews, engine] => {
            let set = compile(engine);
            let questions: Vec<Vec<Question>> =
                bodies(reviews).iter().map(|body| asked(&set, body)).collect();
            let count = questions.iter().map(Vec::len).sum();
            measure(questions.len(), count, || {
                for request in &questions {
                    // As in a review: the rules that one question has evaluated are known to the next.
                    let mut evaluator = set.evaluator();
                    for Question { rule, document, parameters, .. } in request {
                        std::hint::black_box(
                            evaluator.evaluate(rule, document, parameters).expect("an answer"),
                        );
                    }
                }
            });
        }
        ["review", reviews, engine] => {
            let (set, bodies, inventory) = (compile(engine), bodies(reviews), Inventory::default());
            let count = bodies.iter().map(|body| asked(&set, body).len()).sum();
            measure(bodies.len(), count, || {
                for body in &bodies {
                    let request = wire::decode(body).expect("an AdmissionReview");
                    let mode = ReviewMode::Validate;
                    let decision = review(&set, &inventory, &request, mode, now(), &Unobserved);
                    let response = respond(&request, mode, &decision);
                    std::hint::black_box(wire::encode(&request.uid, &response).expect("a response"));
                }
            });
        }
        _ => panic!("usage: questions traffic|record|evaluate|review, see tests/bench/questions.rs"),
    }
}

fn now() -> jiff::Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

fn compile(engine: &str) -> PolicySet {
    let engine = match engine {
        "compiled" => EngineKind::Compiled,
        "interpreter" => EngineKind::Interpreter,
        _ => panic!("no engine {engine}"),
    };
    let mut sources = Catalogue::embedded().sources("production").expect("the profile");
    sources.engine = engine;
    PolicySet::compile(&sources, CompileOptions::default()).expect("the catalogue")
}

fn bodies(reviews: &str) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(reviews).expect("the file of reviews");
    text.lines().map(|line| line.as_bytes().to_vec()).collect()
}

/// Runs passes for as many seconds as each line of the input says, and prints what they took.
fn measure(requests: usize, questions: usize, mut pass: impl FnMut()) {
    // Caches and lazily built patterns are filled first, as in a server that runs.
    pass();
    for line in std::io::stdin().lines() {
        let time = Duration::from_secs_f64(line.expect("a line").parse().expect("seconds"));
        let (started, before, mut passes) = (Instant::now(), cpu_seconds(), 0_u32);
        while started.elapsed() < time {
            pass();
            passes += 1;
        }
        let cpu_seconds = cpu_seconds() - before;
        let line = json!({
            "passes": passes, "requests": requests, "questions": questions, "cpu_seconds": cpu_seconds,
        });
        println!("{line}");
    }
}

fn cpu_seconds() -> f64 {
    let stat =
        procfs::process::Process::myself().and_then(|process| process.stat()).expect("/proc/self/stat");
    (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64
}

/// A question to a rule, and its answer.
struct Question {
    rule: RuleId,
    document: InputDocument,
    parameters: ParameterValues,
    answer: Answer,
}

#[derive(Default)]
struct Recorder(RefCell<Vec<Question>>);

impl EvaluationObserver for Recorder {
    fn before(&self, _: &PolicyId) -> Result<(), FailureCause> {
        Ok(())
    }

    fn after(&self, evaluation: &Evaluation<'_>) {
        self.0.borrow_mut().push(Question {
            rule: evaluation.rule.clone(),
            document: evaluation.document.clone(),
            parameters: evaluation.parameters.clone(),
            answer: evaluation.answer.clone().expect("no rule of the catalogue fails"),
        });
    }
}

/// What a review of this body asks.
fn asked(set: &PolicySet, body: &[u8]) -> Vec<Question> {
    let (request, recorder) = (wire::decode(body).expect("an AdmissionReview"), Recorder::default());
    review(set, &Inventory::default(), &request, ReviewMode::Validate, now(), &recorder);
    recorder.0.into_inner()
}

fn record(reviews: &str) {
    let set = compile("compiled");
    for (number, body) in bodies(reviews).iter().enumerate() {
        for Question { rule, document, parameters, answer } in asked(&set, body) {
            let line = json!({
                "request": number,
                "rule": rule.as_str(),
                "input": document.to_json(&parameters).expect("the input as JSON"),
                "answer": answer.to_json().expect("the answer as JSON"),
            });
            println!("{line}");
        }
    }
}

/// Writes the requests, made of the fixtures of other tests.
fn traffic(directory: &Path) {
    std::fs::create_dir_all(directory).expect("the directory");
    let set = compile("compiled");
    let write = |name: &str, reviews: &[Value]| {
        assert!(!reviews.is_empty(), "{name}: the fixtures hold no such request");
        let lines: String = reviews.iter().map(|review| format!("{review}\n")).collect();
        std::fs::write(directory.join(format!("{name}.jsonl")), lines).expect("the file of reviews");
    };
    let recorded = format!("{FIXTURES}/reviews/create-statefulset.json");
    let recorded: Value =
        serde_json::from_slice(&std::fs::read(recorded).expect("the fixture")).expect("JSON");
    for containers in [1, 4, 16] {
        write(&format!("containers-{containers}"), &[with_containers(&recorded, containers)]);
    }
    let suite = |name: &str| read(&PathBuf::from(format!("{FIXTURES}/suites/{name}")));
    // Policies match the kinds of stateless objects, too: only a look at the object shows that none is to be asked.
    let (mut well_made, mut stateless) = (Vec::new(), Vec::new());
    let (mut reapplied, mut unmatched) = (Vec::new(), Vec::new());
    for manifest in suite("well-made") {
        let created = admission_review(&manifest, None);
        if matches(&set, &created) {
            reapplied.push(admission_review(&manifest, Some(&manifest)));
            let none = asked(&set, created.to_string().as_bytes()).is_empty();
            if none { &mut stateless } else { &mut well_made }.push(created);
        } else if !manifest.object["kind"].as_str().unwrap_or_default().ends_with('s') {
            unmatched.push(created);
        }
    }
    let naive = suite("naive").iter().map(|manifest| admission_review(manifest, None)).collect::<Vec<_>>();
    let naive: Vec<Value> = naive.into_iter().filter(|review| matches(&set, review)).collect();
    let mut changed = Vec::new();
    let transitions = format!("{FIXTURES}/suites/transitions");
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(transitions).expect("transitions").map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for folder in folders {
        let (old, new) = (read(&folder.join("old.yaml")), read(&folder.join("new.yaml")));
        for new in &new {
            let same = |old: &&Manifest| old.reference("default") == new.reference("default");
            changed.extend(old.iter().find(same).map(|old| admission_review(new, Some(old))));
        }
    }
    changed.retain(|review| matches(&set, review));
    write("naive", &naive);
    write("well-made", &well_made);
    write("stateless", &stateless);
    write("re-applied", &reapplied);
    write("changed", &changed);
    write("unmatched", &unmatched);
}

fn read(path: &Path) -> Vec<Manifest> {
    let manifests = Manifests::read(&[path.to_owned()]);
    assert!(manifests.errors.is_empty(), "{}: cannot be read", path.display());
    manifests.objects
}

fn matches(set: &PolicySet, review: &Value) -> bool {
    let request: Request = wire::decode(review.to_string().as_bytes()).expect("an AdmissionReview");
    set.matches(&request)
}

/// The recorded request with more containers like its own.
fn with_containers(recorded: &Value, count: usize) -> Value {
    let mut review = recorded.clone();
    let object = &mut review["request"]["object"];
    let containers = object["spec"]["template"]["spec"]["containers"].as_array_mut().expect("containers");
    for number in 1..count {
        let mut container = containers[0].clone();
        container["name"] = format!("{}-{number}", container["name"].as_str().unwrap()).into();
        container.as_object_mut().unwrap().remove("ports");
        containers.push(container);
    }
    if count > 1 {
        manage(object);
    }
    review
}

/// What the API server would ask about an object of a manifest that is applied.
fn admission_review(manifest: &Manifest, old: Option<&Manifest>) -> Value {
    let kind = GroupVersionKind::new(manifest.api_version(), manifest.kind());
    let resource = match manifest.kind().to_lowercase() {
        kind if kind.ends_with('y') => format!("{}ies", kind.trim_end_matches('y')),
        kind if kind.ends_with('s') => format!("{kind}es"),
        kind => format!("{kind}s"),
    };
    let reference = manifest.reference("default");
    let uid = uid(&format!("{}{}", manifest.file.name, reference.name));
    let kind = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
    let resource = json!({"group": kind["group"], "version": kind["version"], "resource": resource});
    let stored = |manifest: &Manifest| {
        let mut object = Value::clone(&manifest.object);
        let metadata = &mut object["metadata"];
        metadata["namespace"] = reference.namespace.as_str().into();
        metadata["uid"] = uid.as_str().into();
        metadata["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        metadata["generation"] = 1.into();
        manage(&mut object);
        object
    };
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": uid,
            "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "name": reference.name,
            "namespace": reference.namespace,
            "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
            "userInfo": {"username": USER, "groups": ["system:serviceaccounts", "system:authenticated"]},
            "object": stored(manifest),
            "oldObject": old.map(stored),
            "dryRun": false,
            "options": {"kind": "PatchOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "argocd-controller"},
        },
    })
}

/// Made of a text, so that every run asks the same.
fn uid(text: &str) -> String {
    let [a, b] = ["a", "b"].map(|salt| {
        let bytes = salt.bytes().chain(text.bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    });
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        a >> 32,
        a & 0xffff,
        (a >> 16) & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}

/// Writes down who owns which field, as the API server does: it is a good part of every object.
fn manage(object: &mut Value) {
    let kept = ["apiVersion", "kind"];
    let fields =
        object.as_object().expect("an object").iter().filter(|(key, _)| !kept.contains(&key.as_str()));
    let fields: Value = fields.map(|(key, value)| (format!("f:{key}"), owned(value))).collect();
    let version = object["apiVersion"].clone();
    object["metadata"]["managedFields"] = json!([{
        "manager": "argocd-controller", "operation": "Apply", "apiVersion": version,
        "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields,
    }]);
}

fn owned(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(key, _)| *key != "managedFields");
            fields.map(|(key, value)| (format!("f:{key}"), owned(value))).collect()
        }
        Value::Array(items) => {
            let named = items.iter().filter_map(|item| Some((item.get("name")?, item)));
            named.map(|(name, item)| (format!("k:{}", json!({"name": name})), owned(item))).collect()
        }
        _ => json!({}),
    }
}
