//! Counts the evaluation threads that each policy cost, and quarantines policies that cost too many.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::policy::PolicyId;

/// Number of faults after which a policy is quarantined.
const FAULTS: u32 = 2;

/// The faults of each policy in a set, and the policies quarantined because of them.
#[derive(Default)]
pub struct Quarantine {
    faults: Mutex<BTreeMap<PolicyId, u32>>,
    /// Whether any policy is in quarantine; checked for every policy of every request.
    any: AtomicBool,
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
}
