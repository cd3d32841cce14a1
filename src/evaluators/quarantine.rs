//! What is known against the policies of a set: the evaluation threads that each cost, for which it is quarantined if
//! they are too many, and whether its compiled rules answered something else than the interpreter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::policy::PolicyId;

/// Number of faults after which a policy is quarantined.
const FAULTS: u32 = 2;

/// The faults of each policy in a set, and what follows from them until the set is replaced.
#[derive(Default)]
pub struct Quarantine {
    faults: Mutex<BTreeMap<PolicyId, u32>>,
    /// Whether any policy is in quarantine; checked for every policy of every request.
    any: AtomicBool,
    /// The policies that only the interpreter may evaluate; also asked for every policy of every request.
    distrusted: ArcSwap<BTreeSet<PolicyId>>,
}

impl Quarantine {
    /// Whether the policy is in quarantine.
    pub fn contains(&self, policy: &PolicyId) -> bool {
        self.any.load(Ordering::Relaxed) && self.faults().get(policy).is_some_and(|count| *count >= FAULTS)
    }

    /// The policies in quarantine.
    pub fn policies(&self) -> Vec<PolicyId> {
        let faults = self.faults();
        let quarantined = faults.iter().filter(|(_, count)| **count >= FAULTS);
        quarantined.map(|(policy, _)| policy.clone()).collect()
    }

    /// How many policies are in quarantine, and how many only the interpreter may evaluate. Neither number ever falls.
    pub(super) fn counts(&self) -> [usize; 2] {
        let quarantined = if self.any.load(Ordering::Relaxed) { self.policies().len() } else { 0 };
        [quarantined, self.distrusted.load().len()]
    }

    /// Counts a fault of a policy; returns true if this fault puts it in quarantine.
    pub(super) fn count(&self, policy: &PolicyId) -> bool {
        let mut faults = self.faults();
        let count = faults.entry(policy.clone()).or_default();
        *count = count.saturating_add(1);
        if *count >= FAULTS {
            self.any.store(true, Ordering::Relaxed);
        }
        *count == FAULTS
    }

    /// Whether only the interpreter may evaluate the policy.
    pub fn distrusts(&self, policy: &PolicyId) -> bool {
        self.distrusted.load().contains(policy)
    }

    /// The policies that only the interpreter may evaluate.
    pub fn distrusted(&self) -> Vec<PolicyId> {
        self.distrusted.load().iter().cloned().collect()
    }

    /// Leaves a policy to the interpreter; returns true if it was not before.
    pub(super) fn distrust(&self, policy: &PolicyId) -> bool {
        let before = self.distrusted.rcu(|known| {
            let mut all = BTreeSet::clone(known);
            all.insert(policy.clone());
            all
        });
        !before.contains(policy)
    }

    fn faults(&self) -> MutexGuard<'_, BTreeMap<PolicyId, u32>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_fault_brings_a_policy_into_quarantine() {
        let (quarantine, policy) = (Quarantine::default(), PolicyId::new("slow"));
        assert!(!quarantine.count(&policy));
        assert!(!quarantine.contains(&policy) && quarantine.policies().is_empty());
        assert!(quarantine.count(&policy));
        assert!(quarantine.contains(&policy) && !quarantine.contains(&PolicyId::new("other")));
        assert!(!quarantine.count(&policy), "it is reported once");
        assert_eq!(quarantine.policies(), [policy]);
    }

    #[test]
    fn a_policy_is_left_to_the_interpreter_once() {
        let (quarantine, policy) = (Quarantine::default(), PolicyId::new("other-answer"));
        assert!(!quarantine.distrusts(&policy));
        assert!(quarantine.distrust(&policy) && !quarantine.distrust(&policy));
        assert!(quarantine.distrusts(&policy) && !quarantine.distrusts(&PolicyId::new("other")));
        assert_eq!(quarantine.distrusted(), [policy]);
        assert!(quarantine.policies().is_empty(), "it is evaluated");
    }
}
