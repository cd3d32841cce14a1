//! The shadow of the evaluation threads: asks the interpreter a sample of what compiled rules have answered, and takes
//! the compiled form away from a policy whose answers differ.
//!
//! One thread of the lowest priority does so, after the caller has its answer. Nobody waits for it: what does not fit
//! into its queue, which is bounded by the memory that it holds, is dropped and counted. The interpreter keeps the
//! limits of every evaluation; if it does not return nevertheless, all that comes later is dropped, and the process ends
//! without it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tracing::{error, warn};

use super::quarantine::Quarantine;
use crate::engine::{Comparison, Question, STACK, held};
use crate::policy::PolicyId;
use crate::telemetry::EVALUATION_THREADS;
use crate::telemetry::metrics::Metrics;

/// Bytes that may wait: the inputs of many usual reviews, or of one with the largest objects.
const WAITING: usize = 16 << 20;
/// Questions that are compared by one interpreter. It is made for them and dropped after them: one of all modules would
/// take as much memory as all else.
const AT_ONCE: usize = 8;
/// What a question takes beside its values.
const QUESTION: usize = 512;
/// The least of all priorities of the system.
const LOWEST: i32 = 19;

/// Compares a sample of answers.
pub struct Shadow {
    samples: Sender<Sample>,
    waiting: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
    /// Of all values of a hash, those below are in the sample.
    below: u128,
    hasher: RandomState,
    jobs: AtomicU64,
}

/// A question that compiled rules answered for a policy.
pub struct Asked {
    pub policy: PolicyId,
    pub question: Question,
}

/// What compiled rules answered in one review.
struct Sample {
    quarantine: Arc<Quarantine>,
    asked: Vec<Asked>,
    /// Its part of what waits.
    bytes: usize,
}

impl Shadow {
    /// Begins to compare a share of all reviews, from 0 to 1.
    ///
    /// # Errors
    /// If the system cannot start the thread.
    pub fn start(share: f64, metrics: Arc<Metrics>) -> io::Result<Self> {
        let (shadow, samples) = Self::new(share, metrics);
        let (waiting, metrics) = (Arc::clone(&shadow.waiting), Arc::clone(&shadow.metrics));
        // Its panics may quote objects, too.
        let name = format!("{EVALUATION_THREADS}shadow");
        thread::Builder::new().name(name).stack_size(STACK).spawn(move || {
            // On Linux this is about the thread.
            if let Err(error) = rustix::process::setpriority_process(None, LOWEST) {
                warn!(%error, "the comparison with the interpreter runs at the priority of everything else");
            }
            for sample in samples {
                let bytes = sample.bytes;
                sample.compare(&metrics);
                waiting.fetch_sub(bytes, Ordering::Relaxed);
            }
        })?;
        Ok(shadow)
    }

    fn new(share: f64, metrics: Arc<Metrics>) -> (Self, Receiver<Sample>) {
        metrics.shadow.begin();
        let (samples, receiver) = channel();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 2^64")]
        let below = (share * 2f64.powi(64)) as u128;
        let (waiting, jobs) = (Arc::default(), AtomicU64::new(0));
        (Self { samples, waiting, metrics, below, hasher: RandomState::new(), jobs }, receiver)
    }

    /// Whether the next review is in the sample. It is chosen at random: reviews come in pairs and in loops, and of
    /// these a fixed step would always find the same ones.
    pub fn wants(&self) -> bool {
        let number = self.jobs.fetch_add(1, Ordering::Relaxed);
        u128::from(self.hasher.hash_one(number)) < self.below
    }

    /// Has answers compared, unless too much waits.
    pub fn compare(&self, quarantine: Arc<Quarantine>, asked: Vec<Asked>) {
        if asked.is_empty() {
            return;
        }
        let values = held(asked.iter().map(|asked| &asked.question), WAITING);
        let bytes = asked.len().saturating_mul(QUESTION).saturating_add(values);
        let before = self.waiting.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= WAITING;
        if !fits || self.samples.send(Sample { quarantine, asked, bytes }).is_err() {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            self.metrics.shadow.dropped();
        }
    }
}

impl Sample {
    fn compare(self, metrics: &Metrics) {
        self.asked.chunks(AT_ONCE).for_each(|asked| self.compare_some(asked, metrics));
    }

    fn compare_some(&self, asked: &[Asked], metrics: &Metrics) {
        let questions: Vec<&Question> = asked.iter().map(|asked| &asked.question).collect();
        let mut interpreter = None;
        for Asked { policy, question } in asked {
            if self.quarantine.distrusts(policy) {
                continue;
            }
            // After a panic another evaluator goes on. A policy is not left to what panics.
            let compared = catch_unwind(AssertUnwindSafe(|| {
                let mut evaluator = match interpreter.take() {
                    Some(evaluator) => evaluator,
                    None => Question::interpreter(&questions)?.ok()?,
                };
                let result = question.compare(&mut evaluator);
                interpreter = Some(evaluator);
                Some(result)
            }));
            let result = compared.ok().flatten().unwrap_or(Comparison::Undecided);
            metrics.shadow.compared(policy.as_str(), result);
            if result == Comparison::Different && self.quarantine.distrust(policy) {
                error!(
                    policy = policy.as_str(),
                    rule = question.rule().as_str(),
                    input_sha256 = question.digest(),
                    "a compiled rule gave another answer than the interpreter, which evaluates the policy from now on"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::admission::{Request, ReviewMode, wire};
    use crate::diagnostic::SourceText;
    use crate::engine::WRONG;
    use crate::evaluators::{EvaluationPool, InForce, PendingRequest};
    use crate::inventory::Inventory;
    use crate::policyset::{API_VERSION, CompileOptions, PolicySet, Sources};
    use crate::telemetry::exposition::Exposition;

    fn policy(name: &str, start: &str) -> SourceText {
        let text = format!(
            r#"# METADATA
# title: Names
# description: D.
# custom: {{severity: high, action: deny, match: {{kinds: [PersistentVolumeClaim]}}, fix: F}}
package stategate.own.{name}

violation contains v if {{
	startswith(input.review.name, "{start}")
	v := {{"msg": "it has that name", "path": []}}
}}
"#
        );
        SourceText::new(format!("policies/own/{name}/{name}.rego"), text)
    }

    /// Two policies with the same rule, of which the compiled form of one answers wrongly.
    fn in_force() -> Arc<InForce> {
        let binding = format!(
            "apiVersion: {API_VERSION}\nkind: PolicyBinding\nmetadata: {{name: own}}\n\
             spec: {{policies: {{ids: [right, wrong]}}, match: {{}}, action: deny}}\n"
        );
        let projection = include_str!("../../policies/workloads/persistentvolumeclaim.yaml");
        let sources = Sources {
            policies: vec![policy("right", "answered"), policy("wrong", WRONG)],
            projections: vec![SourceText::new("policies/workloads/persistentvolumeclaim.yaml", projection)],
            bindings: vec![SourceText::new("bindings.yaml", binding)],
            ..Sources::default()
        };
        let set = PolicySet::compile(&sources, CompileOptions::default()).unwrap();
        let unsupported: Vec<_> = set.policies().filter_map(|policy| set.unsupported(policy)).collect();
        assert!(unsupported.is_empty(), "{unsupported:?}");
        Arc::new(InForce::new(set, Inventory::default()))
    }

    fn request(name: &str) -> Arc<Request> {
        let review = serde_json::json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "one", "operation": "CREATE", "name": name, "namespace": "shop",
                "kind": {"group": "", "version": "v1", "kind": "PersistentVolumeClaim"},
                "resource": {"group": "", "version": "v1", "resource": "persistentvolumeclaims"},
                "userInfo": {"username": "dev"},
                "object": {
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                    "metadata": {"name": name, "namespace": "shop"},
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
                },
            },
        });
        Arc::new(wire::decode(review.to_string().as_bytes()).unwrap())
    }

    /// What is refused, by which policies.
    fn findings(pool: &EvaluationPool, in_force: &Arc<InForce>, name: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (deadline, now) = (Instant::now() + Duration::from_secs(60), jiff::Timestamp::UNIX_EPOCH);
        let decision = pool.review(in_force, Wrapped::of(name), ReviewMode::Validate, now, deadline);
        let decision = runtime.block_on(decision).unwrap();
        assert!(decision.failures.is_empty(), "{:?}", decision.failures);
        decision.findings.iter().map(|finding| finding.policy.to_string()).collect()
    }

    struct Wrapped(Arc<Request>);

    impl Wrapped {
        fn of(name: &str) -> Arc<Self> {
            Arc::new(Self(request(name)))
        }
    }

    impl PendingRequest for Wrapped {
        fn request(&self) -> &Request {
            &self.0
        }
    }

    fn says(metrics: &Metrics, line: &str) -> bool {
        metrics.encode(Exposition::OpenMetrics).unwrap().lines().any(|said| said == line)
    }

    fn wait_for(metrics: &Metrics, line: &str) {
        let until = Instant::now() + Duration::from_secs(60);
        while !says(metrics, line) {
            let text = metrics.encode(Exposition::OpenMetrics).unwrap();
            assert!(Instant::now() < until, "{line} is not in\n{text}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_policy_whose_compiled_rules_answer_wrongly_is_left_to_the_interpreter() {
        let metrics = Arc::new(Metrics::new("digest", "", 0));
        let shadow = Shadow::start(1.0, Arc::clone(&metrics)).unwrap();
        let pool = EvaluationPool::start_with(2, 8, Arc::clone(&metrics), Some(shadow), None).unwrap();
        let in_force = in_force();
        assert!(findings(&pool, &in_force, "harmless").is_empty());
        wait_for(&metrics, r#"stategate_shadow_comparisons_total{result="same"} 2"#);
        assert!(in_force.quarantine.distrusted().is_empty());

        assert_eq!(findings(&pool, &in_force, WRONG), ["right"], "the first answer is wrong");
        wait_for(&metrics, r#"stategate_shadow_differences_total{policy="wrong"} 1"#);
        wait_for(&metrics, r#"stategate_shadow_comparisons_total{result="same"} 3"#);
        // It is counted before the policy is taken from the compiled rules.
        let until = Instant::now() + Duration::from_secs(60);
        while in_force.quarantine.distrusted() != [PolicyId::new("wrong")] {
            assert!(Instant::now() < until, "{:?}", in_force.quarantine.distrusted());
        }
        // On every thread, and with another inventory.
        let changed = Arc::new(in_force.with_inventory(Inventory::default()));
        for in_force in [&in_force, &changed, &in_force, &changed] {
            assert_eq!(findings(&pool, in_force, WRONG), ["right", "wrong"]);
        }
        // The other one is still compared, and no difference is found again.
        wait_for(&metrics, r#"stategate_shadow_comparisons_total{result="same"} 7"#);
        assert!(says(&metrics, r#"stategate_shadow_comparisons_total{result="different"} 1"#));
        assert!(says(&metrics, "stategate_shadow_dropped_total 0"));
        assert!(in_force.quarantine.policies().is_empty(), "a wrong answer costs no thread");

        let reloaded = self::in_force();
        assert_eq!(findings(&pool, &reloaded, WRONG), ["right"], "it begins anew with another set");
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_nobody_waits() {
        let metrics = Arc::new(Metrics::new("digest", "", 0));
        // Nothing takes what is in the queue.
        let (shadow, samples) = Shadow::new(1.0, Arc::clone(&metrics));
        let asked = || {
            let (document, parameters) =
                crate::engine::InputDocument::from_json(&serde_json::json!({"a": "x".repeat(WAITING / 2)}))
                    .unwrap();
            let set = in_force();
            let mut evaluator = set.set.evaluator();
            let rule = set.set.select(&request("one"), &Inventory::default())[0].violation_rule().unwrap();
            let answer = evaluator.evaluate(rule, &document, &parameters);
            let question = evaluator.question(rule, &document, &parameters, &answer).unwrap();
            vec![Asked { policy: PolicyId::new("right"), question }]
        };
        shadow.compare(Arc::default(), Vec::new());
        shadow.compare(Arc::default(), asked());
        assert!(says(&metrics, "stategate_shadow_dropped_total 0"));
        shadow.compare(Arc::default(), asked());
        assert!(says(&metrics, "stategate_shadow_dropped_total 1"));
        let waiting: Vec<Sample> = samples.try_iter().collect();
        assert_eq!(waiting.len(), 1);
        assert!((WAITING / 2..WAITING).contains(&shadow.waiting.load(Ordering::Relaxed)));
    }

    #[test]
    fn a_sample_is_the_share_that_was_asked_for() {
        let metrics = Arc::new(Metrics::new("digest", "", 0));
        for (share, range) in [(1.0, 20_000..=20_000), (0.0, 0..=0), (0.1, 1_500..=2_500)] {
            let (shadow, _samples) = Shadow::new(share, Arc::clone(&metrics));
            // Also of every second one, as of those of one webhook of two.
            let wanted = (0..40_000).filter(|number| shadow.wants() && number % 2 == 0).count();
            assert!(range.contains(&wanted), "{share}: {wanted}");
        }
    }
}
