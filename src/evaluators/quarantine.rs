//! How the policies of one set have behaved.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::policy::PolicyId;

/// So often a policy may take a thread down.
const STRIKES: u32 = 2;

/// Which policies took threads down, and which are in quarantine for it.
#[derive(Default)]
pub struct Quarantine {
    strikes: Mutex<BTreeMap<PolicyId, u32>>,
    /// Is any policy in quarantine? Asked for every policy of every request.
    any: AtomicBool,
}

impl Quarantine {
    /// Is the policy not asked any more?
    pub fn quarantined(&self, policy: &PolicyId) -> bool {
        self.any.load(Ordering::Relaxed) && self.strikes().get(policy).is_some_and(|count| *count >= STRIKES)
    }

    /// The policies that are not asked any more.
    pub fn quarantine(&self) -> Vec<PolicyId> {
        self.strikes()
            .iter()
            .filter(|(_, count)| **count >= STRIKES)
            .map(|(policy, _)| policy.clone())
            .collect()
    }

    /// Counts against a policy; true if this brings it into quarantine.
    pub(super) fn strike(&self, policy: &PolicyId) -> bool {
        let mut strikes = self.strikes();
        let count = strikes.entry(policy.clone()).or_default();
        *count = count.saturating_add(1);
        if *count >= STRIKES {
            self.any.store(true, Ordering::Relaxed);
        }
        *count == STRIKES
    }

    fn strikes(&self) -> MutexGuard<'_, BTreeMap<PolicyId, u32>> {
        self.strikes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_time_is_once_too_often() {
        let (conduct, policy) = (Quarantine::default(), PolicyId::new("slow"));
        assert!(!conduct.strike(&policy));
        assert!(!conduct.quarantined(&policy) && conduct.quarantine().is_empty());
        assert!(conduct.strike(&policy));
        assert!(conduct.quarantined(&policy) && !conduct.quarantined(&PolicyId::new("other")));
        assert!(!conduct.strike(&policy), "it is said once");
        assert_eq!(conduct.quarantine(), [policy]);
    }
}
