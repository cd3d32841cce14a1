//! Finds out what holds of a policy in a namespace.

use std::collections::BTreeMap;

use serde_json::json;

use super::explanation::{Explanation, OfKinds, OneBinding, OneException, Outcome, Setting};
use crate::admission::GroupKind;
use crate::inventory::NAME_LABEL;
use crate::policy::binding::{Binding, BindingAction, Mismatch, OnFailure};
use crate::policy::exception::Exception;
use crate::policy::parameters::Parameters;
use crate::policy::{Action, Patches, Policy, Severity};
use crate::policyset::{API_VERSION, Effect, Enforcement, Link, Place, PolicySet};

/// What is asked.
struct Question<'a> {
    set: &'a PolicySet,
    policy: &'a Policy,
    namespace: &'a str,
    labels: BTreeMap<String, String>,
    labels_known: bool,
    at_most: Option<Action>,
}

impl Explanation {
    /// What holds of a policy in a namespace with these labels; none: they are not known.
    pub fn of(
        set: &PolicySet,
        policy: &Policy,
        namespace: &str,
        labels: Option<BTreeMap<String, String>>,
        at_most: Option<Action>,
        now: jiff::Timestamp,
    ) -> Self {
        let name = (NAME_LABEL.to_owned(), namespace.to_owned());
        let question = Question {
            set,
            policy,
            namespace,
            labels: labels.clone().unwrap_or_else(|| [name].into()),
            labels_known: labels.is_some(),
            at_most,
        };
        let all: Vec<(&GroupKind, bool)> = set
            .projections()
            .iter()
            .filter(|(kind, _)| policy.matches.kinds.is_empty() || policy.matches.kinds.contains(kind))
            // A Namespace lies in itself.
            .map(|(kind, projection)| (kind, projection.namespaced || kind.to_string() == "Namespace"))
            .collect();
        let exceptions = set.exceptions_in(policy, namespace).map(|one| exception(one, now)).collect();
        Self {
            api_version: API_VERSION,
            kind: "PolicyExplanation",
            policy: policy.id.to_string(),
            title: policy.title.to_string(),
            severity: policy.severity,
            namespace: namespace.to_owned(),
            profile: set.profile().to_owned(),
            enforcement: at_most,
            namespace_labels: labels,
            of_kinds: question.of_kinds(all),
            exceptions,
        }
    }
}

impl Question<'_> {
    /// What holds for kinds, each with whether its objects lie in the namespace.
    fn of_kinds(&self, kinds: Vec<(&GroupKind, bool)>) -> Vec<OfKinds> {
        let (mut groups, none): (Vec<(_, OfKinds)>, _) = (Vec::new(), BTreeMap::new());
        for (kind, inside) in kinds {
            let (namespace, labels) = if inside { (self.namespace, &self.labels) } else { ("", &none) };
            let place = Place { kind, namespace, labels };
            let effect = self.set.effect(self.policy, &place, None);
            // What applies to two kinds is the same if the same bindings do.
            let mismatches: Vec<Option<Mismatch>> = effect.links.iter().map(|link| link.mismatch).collect();
            let key = (inside, mismatches);
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, of)) => of.kinds.push(kind.to_string()),
                None => groups.push((key, self.of_kind(&place, &effect))),
            }
        }
        groups.into_iter().map(|(_, of)| of).collect()
    }

    fn of_kind(&self, place: &Place<'_>, effect: &Effect<'_>) -> OfKinds {
        let mut outcomes: Vec<Outcome> =
            effect.outcomes.iter().map(|outcome| self.outcome(effect, outcome, None)).collect();
        let off = outcomes.is_empty().then(|| self.why_off(effect));
        let some =
            effect.links.iter().filter(|link| is_for_some_objects(link.binding) && link.mismatch.is_none());
        for link in some {
            let also = self.set.effect(self.policy, place, Some(link.binding));
            outcomes
                .extend(also.outcomes.iter().map(|outcome| self.outcome(&also, outcome, Some(link.binding))));
        }
        let cluster_scoped = place.namespace.is_empty();
        let bindings = effect.links.iter().map(|link| self.binding(link, !cluster_scoped)).collect();
        OfKinds { kinds: vec![place.kind.to_string()], cluster_scoped, outcomes, off, bindings }
    }

    fn why_off(&self, effect: &Effect<'_>) -> String {
        let applies = |link: &&Link<'_>| counts(link, None);
        match effect.links.iter().find(applies) {
            Some(link) => format!("{} says off", link.binding.id),
            None if self.set.leaves_out(self.policy) => {
                format!("the profile {} leaves it out (spec.without)", self.set.profile())
            }
            None if effect.links.is_empty() => "no binding selects it".to_owned(),
            None => "no binding that selects it applies".to_owned(),
        }
    }

    fn outcome(
        &self,
        effect: &Effect<'_>,
        (parameters, enforcement): &(&Parameters, Enforcement),
        also: Option<&Binding>,
    ) -> Outcome {
        let links: Vec<&Link<'_>> = effect
            .links
            .iter()
            .filter(|link| counts(link, also) && link.parameters == *parameters && link.enforcement.is_some())
            .collect();
        let first = |is: &dyn Fn(&Enforcement) -> bool| {
            let mut fitting = links.iter().filter(|link| link.enforcement.as_ref().is_some_and(is));
            fitting.next().map(|link| link.binding)
        };
        let policy = self.policy;
        let at_admission = policy.at_admission.filter(|most| *most < enforcement.action);
        let has_patch = self.set.has_patch(policy) && policy.patches == Patches::Admission;
        let mutating = first(&|one| one.mutate);
        let required = first(&|one| one.require_inventory);
        let parameters = parameters.iter().map(|(name, value)| {
            let sets = |binding: &Binding| {
                binding.spec.parameters.get(&policy.id).is_some_and(|values| values.contains_key(name))
            };
            let by = links.iter().find(|link| sets(link.binding)).map(|link| link.binding.id.to_string());
            (name.clone(), Setting::new(value.clone(), by.unwrap_or_else(|| "default".to_owned())))
        });
        Outcome {
            objects: also.map(|also| also.spec.matches.object_selector.to_string()),
            action: self.action(enforcement, first(&|one| one.action == enforcement.action)),
            at_admission: at_admission
                .map(|most| Setting::new(most.as_str(), "METADATA (atAdmission): others may still arrive")),
            on_failure: self.on_failure(enforcement, first(&|one| one.on_failure == enforcement.on_failure)),
            mutate: has_patch.then(|| match mutating {
                Some(binding) => Setting::new(true, &*binding.id),
                None if self.lowers() => Setting::new(false, self.cap()),
                None => Setting::new(false, "default"),
            }),
            skippable: self.skippable(enforcement, first(&|one| one.skippable == enforcement.skippable)),
            require_inventory: required.map(|binding| Setting::new(true, &*binding.id)),
            parameters: parameters.collect(),
        }
    }

    fn action(&self, enforcement: &Enforcement, by: Option<&Binding>) -> Setting {
        let asked = by.map(|by| by.spec.action.map_or(Some(self.policy.action), BindingAction::action));
        let own = by.is_some_and(|by| by.spec.action.is_none());
        let set_by = match asked.flatten() {
            Some(asked) if asked > enforcement.action => {
                format!("{}, instead of {asked} of {}", self.cap(), enforcement.binding)
            }
            _ if own => format!("METADATA, bound by {}", enforcement.binding),
            _ => enforcement.binding.to_string(),
        };
        Setting::new(enforcement.action.as_str(), set_by)
    }

    fn on_failure(&self, enforcement: &Enforcement, by: Option<&Binding>) -> Setting {
        let set_by = match by {
            Some(by) if by.shipped && self.lowers() => self.cap(),
            Some(by) if by.spec.on_failure.is_some() => by.id.to_string(),
            _ if self.policy.severity == Severity::Critical => "default of critical policies".to_owned(),
            _ => "default below critical".to_owned(),
        };
        let value = match enforcement.on_failure {
            OnFailure::Deny => "deny",
            OnFailure::Warn => "warn",
        };
        Setting::new(value, set_by)
    }

    fn skippable(&self, enforcement: &Enforcement, by: Option<&Binding>) -> Setting {
        let set_by = match by {
            Some(by) if by.spec.skippable.is_some() => by.id.to_string(),
            _ if self.policy.severity == Severity::Critical => "default of critical policies".to_owned(),
            _ => "default below critical".to_owned(),
        };
        Setting::new(enforcement.skippable, set_by)
    }

    /// Whether the profile may refuse and patch nothing.
    fn lowers(&self) -> bool {
        self.at_most.is_some_and(|most| most < Action::Deny)
    }

    fn cap(&self) -> String {
        format!("--enforcement {}", self.at_most.map_or("deny", Action::as_str))
    }

    fn binding(&self, link: &Link<'_>, inside: bool) -> OneBinding {
        let (binding, matches) = (link.binding, &link.binding.spec.matches);
        let mut limits = Vec::new();
        if let Some(mismatch) = link.mismatch {
            limits.push(self.mismatch(binding, mismatch));
        } else if link.overridden {
            limits.push("another one overrides the profile's".to_owned());
        } else {
            if is_for_some_objects(binding) {
                limits.push(format!("only objects with the labels {}", matches.object_selector));
            }
            if inside && !self.labels_known && !matches.namespace_selector.is_empty() {
                limits.push(format!("if the labels of the namespace fit: {}", matches.namespace_selector));
            }
        }
        if !matches.excluded_users.is_empty() {
            limits.push(format!("not for users {}", matches.excluded_users.join(", ")));
        }
        OneBinding {
            binding: binding.id.to_string(),
            place: binding.place(),
            applies: link.mismatch.is_none() && !link.overridden,
            limits,
            says: self.says(binding),
        }
    }

    fn mismatch(&self, binding: &Binding, mismatch: Mismatch) -> String {
        let matches = &binding.spec.matches;
        let listed = |list: &[String]| list.join(", ");
        match mismatch {
            Mismatch::Kinds => {
                let kinds = matches.kinds.iter().flatten().map(ToString::to_string);
                format!("kinds: only {}", listed(&kinds.collect::<Vec<_>>()))
            }
            Mismatch::Namespaces => {
                format!("namespaces: only {}", listed(matches.namespaces.as_deref().unwrap_or_default()))
            }
            Mismatch::ExcludedNamespaces => {
                format!("excludedNamespaces: {}", listed(&matches.excluded_namespaces))
            }
            Mismatch::NamespaceSelector if self.labels_known => {
                format!("namespaceSelector: only {}", matches.namespace_selector)
            }
            Mismatch::NamespaceSelector => {
                format!(
                    "namespaceSelector: only {}, and the labels are not known",
                    matches.namespace_selector
                )
            }
            Mismatch::ClusterScoped => "clusterScoped: not for objects in no namespace".to_owned(),
        }
    }

    fn says(&self, binding: &Binding) -> Vec<String> {
        let spec = &binding.spec;
        let action = match spec.action.map(BindingAction::action) {
            None => format!("{} (METADATA)", self.policy.action),
            Some(Some(action)) => action.to_string(),
            Some(None) => "off".to_owned(),
        };
        let on_failure = spec.on_failure.map(|on_failure| match on_failure {
            OnFailure::Deny => "onFailure: deny".to_owned(),
            OnFailure::Warn => "onFailure: warn".to_owned(),
        });
        let parameters = spec.parameters.get(&self.policy.id).filter(|values| !values.is_empty());
        let parameters = parameters.map(|values| format!("sets {}", json!(values)));
        let warned = (!spec.matches.warn_only_users.is_empty())
            .then(|| format!("only warns users {}", spec.matches.warn_only_users.join(", ")));
        let all = [
            Some(action),
            spec.overrides.then(|| "override".to_owned()),
            on_failure,
            (spec.mutate && self.set.has_patch(self.policy)).then(|| "mutate".to_owned()),
            spec.skippable.map(|skippable| format!("skippable: {skippable}")),
            spec.require_inventory.then(|| "requireInventory".to_owned()),
            parameters,
            warned,
        ];
        all.into_iter().flatten().collect()
    }
}

/// Whether a binding is among those that count, for objects without labels or for those of `also`.
fn counts(link: &Link<'_>, also: Option<&Binding>) -> bool {
    let asked = also.is_some_and(|also| std::ptr::eq(also, link.binding));
    link.mismatch.is_none() && !link.overridden && (asked || !is_for_some_objects(link.binding))
}

fn is_for_some_objects(binding: &Binding) -> bool {
    !binding.spec.matches.object_selector.is_empty()
}

fn exception(exception: &Exception, now: jiff::Timestamp) -> OneException {
    let matches = &exception.spec.matches;
    OneException {
        exception: exception.display_name(),
        place: exception.place(),
        state: exception.state(now),
        expires_at: exception.spec.expires_at.map(|end| end.to_string()),
        kinds: matches.kinds.iter().map(ToString::to_string).collect(),
        names: matches.names.clone(),
        reason: exception.spec.reason.clone(),
    }
}
