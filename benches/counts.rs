//! The work that `tests/counts/run` counts in instructions, under callgrind. Each call of [`counted`] is one figure; its
//! name is a line on stdout, in the same order.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so by ending")]
#![allow(clippy::print_stdout, reason = "names are for the script that runs it")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hint::black_box;

use stategate::admission::{Request, ReviewMode, wire};
use stategate::decision::FailureCause;
use stategate::decision::answer::respond;
use stategate::engine::{InputDocument, ParameterValues, RuleId};
use stategate::inventory::Inventory;
use stategate::policy::PolicyId;
use stategate::policyset::{CompileOptions, PolicySet};
use stategate::review::{Evaluation, EvaluationObserver, Unobserved, review};
use stategate::source::catalogue::Catalogue;

/// The same allocator as in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const REVIEWS: [(&str, &[u8]); 6] = [
    ("create-statefulset", include_bytes!("../tests/fixtures/reviews/create-statefulset.json")),
    ("update-statefulset", include_bytes!("../tests/fixtures/reviews/update-statefulset-label.json")),
    ("create-pvc", include_bytes!("../tests/fixtures/reviews/create-pvc.json")),
    ("delete-pvc", include_bytes!("../tests/fixtures/reviews/delete-pvc.json")),
    ("create-storageclass", include_bytes!("../tests/fixtures/reviews/create-storageclass.json")),
    ("create-cronjob", include_bytes!("../tests/fixtures/reviews/create-cronjob.json")),
];

/// One figure. callgrind counts what is inside, and writes it down at its end.
#[inline(never)]
fn counted(name: &str, work: &mut dyn FnMut()) {
    work();
    black_box(name);
}

fn count<T>(name: &str, work: impl Fn() -> T) {
    // What is made at first use is no part of it.
    black_box(work());
    counted(name, &mut || drop(black_box(work())));
    println!("{name}");
}

/// What one review asks: policies with their rules, documents and parameters.
#[derive(Default)]
struct Asked {
    policy: RefCell<Option<PolicyId>>,
    questions: RefCell<Vec<(PolicyId, RuleId, InputDocument, ParameterValues)>>,
}

impl EvaluationObserver for Asked {
    fn before(&self, policy: &PolicyId) -> Result<(), FailureCause> {
        self.policy.replace(Some(policy.clone()));
        Ok(())
    }

    fn after(&self, evaluation: &Evaluation<'_>) {
        let Evaluation { rule, document, parameters, .. } = evaluation;
        let policy = self.policy.take().unwrap();
        self.questions.borrow_mut().push((
            policy,
            (*rule).clone(),
            (*document).clone(),
            (*parameters).clone(),
        ));
    }
}

fn main() {
    let sources = Catalogue::embedded().sources("production").unwrap();
    let set = PolicySet::compile(&sources, CompileOptions::default()).unwrap();
    let inventory = Inventory::default();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let decided = |request: &Request, observer: &dyn EvaluationObserver| {
        review(&set, &inventory, request, ReviewMode::Validate, now, observer)
    };
    let mut seen = BTreeSet::new();
    for (name, body) in REVIEWS {
        count(&format!("decode {name}"), || wire::decode(body).unwrap());
        // An object is parsed when it is first needed: each review has its own request.
        count(&format!("decode and review {name}"), || {
            let request = wire::decode(body).unwrap();
            drop(decided(&request, &Unobserved));
        });
        let (request, asked) = (wire::decode(body).unwrap(), Asked::default());
        let decision = decided(&request, &asked);
        count(&format!("answer {name}"), || {
            wire::encode("u", &respond(&request, ReviewMode::Validate, &decision)).unwrap()
        });
        for (policy, rule, document, parameters) in asked.questions.into_inner() {
            if seen.insert(policy.clone()) {
                count(&format!("policy {policy}"), || {
                    set.evaluator().evaluate(&rule, &document, &parameters).unwrap()
                });
            }
        }
    }
}
