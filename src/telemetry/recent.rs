//! What was reviewed in the last hour, in numbers. It is bounded, whatever clients send: of too many namespaces, the
//! policies are counted and the names are not kept.
#![expect(clippy::disallowed_methods, reason = "an edge: it reads the clock")]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::metrics::Answer;
use crate::decision::Decision;
use crate::policy::{Action, PolicyId};

/// Everything is counted in slots of this length, and forgotten slot by slot.
const SLOT: Duration = Duration::from_secs(300);
const SLOTS: u64 = 12;
/// Pairs of policy and namespace of one slot, beyond which other namespaces are counted together.
const PAIRS: usize = 512;
/// No namespace has a longer name.
const NAME: usize = 63;

/// How often a policy said something about the objects of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// Violations that refuse.
    pub denied: u64,
    /// Violations that warn.
    pub warned: u64,
    /// Violations that are only recorded.
    pub recorded: u64,
    /// Requests about which the policy could not decide.
    pub failed: u64,
}

impl Said {
    fn add(&mut self, other: Self) {
        self.denied += other.denied;
        self.warned += other.warned;
        self.recorded += other.recorded;
        self.failed += other.failed;
    }
}

/// Where objects lie.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// In this namespace; empty for cluster-scoped objects.
    Namespace(String),
    /// In one of many namespaces.
    Others,
}

/// The numbers of the last hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// How many requests got each answer.
    pub answers: BTreeMap<Answer, u64>,
    /// What policies said, by policy and namespace.
    pub said: BTreeMap<(PolicyId, Place), Said>,
}

#[derive(Default)]
struct Slot {
    number: u64,
    answers: BTreeMap<Answer, u64>,
    said: HashMap<(PolicyId, Place), Said>,
}

/// Counts what was reviewed in the last hour.
pub struct Recent {
    began: Instant,
    slots: Mutex<VecDeque<Slot>>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { began: Instant::now(), slots: Mutex::default() }
    }
}

impl Recent {
    /// Counts one answer.
    pub fn answered(&self, answer: Answer) {
        self.change(Instant::now(), |slot| *slot.answers.entry(answer).or_default() += 1);
    }

    /// Counts what policies said about an object of a namespace.
    pub fn decided(&self, namespace: &str, decision: &Decision) {
        self.decided_at(Instant::now(), namespace, decision);
    }

    fn decided_at(&self, now: Instant, namespace: &str, decision: &Decision) {
        if decision.findings.is_empty() && decision.failures.is_empty() {
            return;
        }
        let findings = decision.findings.iter().map(|finding| {
            let said = match finding.action {
                Action::Deny => Said { denied: 1, ..Said::default() },
                Action::Warn => Said { warned: 1, ..Said::default() },
                Action::Audit => Said { recorded: 1, ..Said::default() },
            };
            (&finding.policy, said)
        });
        let failed = Said { failed: 1, ..Said::default() };
        let failures = decision.failures.iter().map(|failure| (&failure.policy, failed));
        self.change(now, |slot| {
            for (policy, said) in findings.chain(failures) {
                let key = (policy.clone(), Place::Namespace(namespace.to_owned()));
                let known = slot.said.contains_key(&key);
                let key = match known || slot.said.len() < PAIRS && namespace.len() <= NAME {
                    true => key,
                    false => (policy.clone(), Place::Others),
                };
                slot.said.entry(key).or_default().add(said);
            }
        });
    }

    /// The numbers of the last hour.
    pub fn activity(&self) -> Activity {
        self.activity_at(Instant::now())
    }

    fn activity_at(&self, now: Instant) -> Activity {
        let mut activity = Activity::default();
        let oldest = (self.number(now) + 1).saturating_sub(SLOTS);
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in slots.iter().filter(|slot| slot.number >= oldest) {
            for (answer, count) in &slot.answers {
                *activity.answers.entry(*answer).or_default() += count;
            }
            for (key, said) in &slot.said {
                activity.said.entry(key.clone()).or_default().add(*said);
            }
        }
        activity
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs() / SLOT.as_secs()
    }

    fn change(&self, now: Instant, change: impl FnOnce(&mut Slot)) {
        let number = self.number(now);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // Two threads may come here in another order than that of their times.
        if slots.back().is_none_or(|last| last.number < number) {
            slots.push_back(Slot { number, ..Slot::default() });
            slots.retain(|slot| slot.number + SLOTS > number);
        }
        if let Some(slot) = slots.back_mut() {
            change(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Failure, Finding};
    use crate::engine::EvaluationError;
    use crate::policy::binding::OnFailure;

    fn decision(policy: &str, action: Action) -> Decision {
        let finding = Finding::sample(policy, action);
        Decision { findings: vec![finding], ..Decision::default() }
    }

    fn of(activity: &Activity, policy: &str, namespace: &str) -> Said {
        let key = (PolicyId::new(policy), Place::Namespace(namespace.to_owned()));
        activity.said.get(&key).copied().unwrap_or_default()
    }

    #[test]
    fn an_hour_is_remembered_and_no_more() {
        let recent = Recent::default();
        let at = |minutes: u64| recent.began + Duration::from_secs(minutes * 60);
        recent.decided_at(at(0), "shop", &decision("one", Action::Deny));
        recent.decided_at(at(4), "shop", &decision("one", Action::Warn));
        recent.decided_at(at(30), "shop", &decision("one", Action::Audit));
        let stopped = EvaluationError::StepsExceeded;
        let failure =
            Failure { policy: PolicyId::new("two"), cause: stopped.into(), on_failure: OnFailure::Warn };
        recent.decided_at(at(30), "", &Decision { failures: vec![failure], ..Decision::default() });
        let now = recent.activity_at(at(59));
        assert_eq!(of(&now, "one", "shop"), Said { denied: 1, warned: 1, recorded: 1, failed: 0 });
        assert_eq!(of(&now, "two", "").failed, 1);
        // Nothing has to happen for something to be forgotten.
        assert_eq!(of(&recent.activity_at(at(60)), "one", "shop"), Said { recorded: 1, ..Said::default() });
        assert_eq!(recent.activity_at(at(90)), Activity::default());
        recent.decided_at(at(200), "shop", &decision("one", Action::Deny));
        assert_eq!(recent.slots.lock().unwrap().len(), 1, "old slots are kept");
    }

    #[test]
    fn any_number_of_namespaces_takes_little_memory_and_is_counted() {
        let recent = Recent::default();
        let now = recent.began;
        recent.decided_at(now, "first", &decision("one", Action::Deny));
        for number in 0..10_000 {
            recent.decided_at(now, &format!("team-{number}"), &decision("one", Action::Deny));
        }
        recent.decided_at(now, "first", &decision("one", Action::Deny));
        recent.decided_at(now, &"long".repeat(100_000), &decision("two", Action::Deny));
        let activity = recent.activity_at(now);
        assert_eq!(activity.said.len(), PAIRS + 2);
        assert_eq!(of(&activity, "one", "first").denied, 2);
        assert_eq!(activity.said.values().map(|said| said.denied).sum::<u64>(), 10_003);
        assert_eq!(activity.said[&(PolicyId::new("two"), Place::Others)].denied, 1);
    }
}
