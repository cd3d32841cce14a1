//! Policies that took evaluation threads down, and those that are not evaluated any more because of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::policy::PolicyId;

/// A policy that takes down so many threads is quarantined.
const FAULTS: u32 = 2;

/// How often each policy of one set took a thread down, and which are in quarantine for it.
#[derive(Default)]
pub struct Quarantine {
    faults: Mutex<BTreeMap<PolicyId, u32>>,
    /// Is any policy in quarantine? Looked at for every policy of every request.
    any: AtomicBool,
}

impl Quarantine {
    /// Is the policy not evaluated any more?
    pub fn contains(&self, policy: &PolicyId) -> bool {
        self.any.load(Ordering::Relaxed) && self.faults().get(policy).is_some_and(|count| *count >= FAULTS)
    }

    /// The policies that are not evaluated any more.
    pub fn policies(&self) -> Vec<PolicyId> {
        let faults = self.faults();
        let quarantined = faults.iter().filter(|(_, count)| **count >= FAULTS);
        quarantined.map(|(policy, _)| policy.clone()).collect()
    }

    /// Counts a fault of a policy; true if this one brings it into quarantine.
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
