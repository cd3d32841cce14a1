//! What the bindings make of a policy in one place, binding by binding: for people who ask why.

use std::collections::BTreeMap;

use super::PolicySet;
use super::enforcement::Enforcement;
use crate::admission::{GroupKind, UserInfo};
use crate::policy::Policy;
use crate::policy::binding::{Binding, Mismatch};
use crate::policy::exception::Exception;
use crate::policy::parameters::Parameters;

/// Where objects lie: those of one kind in one namespace.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Their kind.
    pub kind: &'a GroupKind,
    /// Their namespace; empty if they lie in none.
    pub namespace: &'a str,
    /// The labels of the namespace.
    pub labels: &'a BTreeMap<String, String>,
}

/// A binding that selects a policy, and what it does in a place.
#[derive(Clone, Debug)]
pub struct Link<'a> {
    /// The binding.
    pub binding: &'a Binding,
    /// The values that it gives to the parameters.
    pub parameters: &'a Parameters,
    /// What it says alone; none: the policy is off.
    pub enforcement: Option<Enforcement>,
    /// Why it does not apply to any object there.
    pub mismatch: Option<Mismatch>,
    /// It is one of the profile's, and another one overrides those.
    pub overridden: bool,
}

/// What the bindings make of a policy in a place, for objects without labels and users without a name.
#[derive(Clone, Debug, Default)]
pub struct Effect<'a> {
    /// All bindings that select the policy, in their order.
    pub links: Vec<Link<'a>>,
    /// What counts, once for each set of parameters with which the policy is evaluated; empty: it is not.
    pub outcomes: Vec<(&'a Parameters, Enforcement)>,
}

impl PolicySet {
    /// What the bindings make of a policy in a place. `also` is a binding that counts although it applies to objects
    /// with certain labels only.
    pub fn effect<'a>(&'a self, policy: &Policy, place: &Place<'_>, also: Option<&Binding>) -> Effect<'a> {
        let mut all = self.compiled.policies.iter().zip(&self.of_policies);
        let Some((_, of)) = all.find(|(compiled, _)| compiled.policy.id == policy.id) else {
            return Effect::default();
        };
        let bindings = &self.bindings.bindings;
        let mismatch = |binding: &Binding| binding.spec.mismatch(place.kind, place.namespace, place.labels);
        let counts = |binding: &Binding| {
            let everywhere = binding.spec.matches.object_selector.is_empty();
            let everywhere = everywhere || also.is_some_and(|also| std::ptr::eq(also, binding));
            everywhere && mismatch(binding).is_none()
        };
        let applies: Vec<bool> = bindings.iter().map(counts).collect();
        let user = UserInfo::default();
        let all = || of.pairs(bindings);
        let overridden = all().any(|(binding, _)| binding.spec.overrides && counts(binding));
        let links = all().map(|(binding, parameters)| Link {
            binding,
            parameters,
            enforcement: of.enforcement(binding, &user),
            mismatch: mismatch(binding),
            overridden: overridden && binding.shipped,
        });
        Effect { links: links.collect(), outcomes: of.outcomes(bindings, &applies, &user) }
    }

    /// Whether the profile leaves the policy out, whatever its bindings select.
    pub fn leaves_out(&self, policy: &Policy) -> bool {
        self.bindings.profile.spec.without.contains(&policy.id)
    }

    /// Whether any patch of the policy could apply: it has a rule for one.
    pub fn has_patch(&self, policy: &Policy) -> bool {
        let mut all = self.compiled.policies.iter();
        all.any(|compiled| compiled.policy.id == policy.id && compiled.patch.is_some())
    }

    /// The exceptions that may waive a policy for objects in a namespace, those that have expired among them.
    pub fn exceptions_in(&self, policy: &Policy, namespace: &str) -> impl Iterator<Item = &Exception> {
        let naming = self.bindings.exceptions_naming(&policy.id, namespace);
        let all = naming.filter_map(|position| self.bindings.exceptions.get(position));
        all.filter(move |exception| exception.may_waive(policy) && exception.reaches(namespace))
    }
}
