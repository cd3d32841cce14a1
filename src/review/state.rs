//! One state of the object under review: everything that a policy may see of it, and nothing of any other
//! state.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::Value;

use super::effective_request::EffectiveRequest;
use super::returns::Before;
use super::unreadable;
use crate::admission::{Object, Operation, Request};
use crate::decision::Patched;
use crate::inventory::Doubts;
use crate::policy::selector::Match;
use crate::policyset::PolicySet;
use crate::workload::declared::{classifies_itself, lowering};
use crate::workload::projection::Projection;
use crate::workload::{Class, ConfigMaps, Earlier, Problem, SelfClassification, Workload, project_with};

/// Projects the objects of one request into views.
#[derive(Clone, Copy)]
pub struct ViewReader<'a> {
    pub set: &'a PolicySet,
    /// The ConfigMaps that workloads refer to.
    pub config_maps: &'a dyn ConfigMaps,
    pub projection: &'a Projection,
    pub namespace: &'a str,
    pub tier: Option<&'a String>,
    /// How far the annotations count by which a workload classifies itself.
    pub said: SelfClassification,
    /// Whether the request carries objects of its kind. For most subresources, only the envelope is reviewed.
    pub has_views: bool,
}

impl ViewReader<'_> {
    /// The same without the annotations by which objects classify themselves.
    pub fn observing(self) -> Self {
        Self { said: SelfClassification::Ignored, ..self }
    }

    /// The view of an object; an error if a field that it needs cannot be read.
    pub fn read(&self, object: Option<&Value>) -> Result<Option<Workload>, Problem> {
        match self.read_part(object) {
            (_, Some(problem)) => Err(problem),
            (view, None) => Ok(view),
        }
    }

    /// The view of what can be read of an object, and what cannot.
    fn read_part(&self, object: Option<&Value>) -> (Option<Workload>, Option<Problem>) {
        let Some(object) = object.filter(|_| self.has_views) else { return (None, None) };
        let engines = &self.set.projections().engines;
        let projected =
            project_with(self.config_maps, object, self.namespace, self.projection, engines, self.said);
        let view = Workload { tier: self.tier.cloned(), ..projected.workload };
        (Some(view), projected.problems.into_iter().next())
    }
}

/// The object and the old object in one state of a request, with their views. Input documents are built only
/// from such a value, so a view and the raw object always agree.
#[derive(Clone)]
pub struct RequestState<'a> {
    /// The operation on the object.
    pub operation: Operation,
    /// The object as it will be stored.
    pub object: Option<Cow<'a, Value>>,
    /// The object as it is currently stored.
    pub old_object: Option<Cow<'a, Value>>,
    /// The view of `object`.
    pub workload: Option<Cow<'a, Workload>>,
    /// The view of `old_object`.
    pub old_workload: Option<Cow<'a, Workload>>,
    /// Why the stored object cannot be read, so that nothing can be compared with it.
    pub unreadable_old: Option<Problem>,
    /// What cannot be read of a stored object that is compared in the rest.
    pub unread_part: Option<Problem>,
    /// What it is about of the objects that are not known, once somebody has asked.
    pub doubts: OnceCell<Doubts>,
}

impl<'a> RequestState<'a> {
    /// The requested state.
    ///
    /// # Errors
    /// If an object that the review needs cannot be read.
    pub fn requested(request: &'a EffectiveRequest<'_>, views: ViewReader<'_>) -> Result<Self, Problem> {
        let Request { operation, object, old_object, .. } = request.reviewed();
        let value = |object: &'a Option<Object>| -> Result<Option<&'a Value>, Problem> {
            object.as_ref().map(Object::value).transpose().map_err(unreadable)
        };
        let object = value(object)?;
        // The stored object was accepted before, perhaps by nobody: a change is compared with what can be read
        // of it, so that the change which makes it readable can pass.
        let (old_object, unreadable_old) = match (value(old_object), object, old_object) {
            (Err(_), Some(_), Some(old)) => match old.beginning_of_lists() {
                Ok(old) => (Some(Cow::Owned(old)), None),
                Err(error) => (None, Some(unreadable(error))),
            },
            (old, _, _) => (old?.map(Cow::Borrowed), None),
        };
        let workload = views.read(object)?;
        let earlier = Earlier(views.config_maps);
        let before = ViewReader { config_maps: &earlier, ..views };
        let (old_workload, unread_part) = match before.read_part(old_object.as_deref()) {
            (_, Some(problem)) if workload.is_none() => return Err(problem),
            read => read,
        };
        Ok(Self {
            operation: *operation,
            object: object.map(Cow::Borrowed),
            old_object,
            workload: workload.map(Cow::Owned),
            old_workload: old_workload.map(Cow::Owned),
            unreadable_old,
            unread_part,
            doubts: OnceCell::new(),
        })
    }

    /// Whether a claim is populated from something in another namespace.
    pub fn names_elsewhere(&self) -> bool {
        let views = self.workload.iter().chain(&self.old_workload);
        let named = views.flat_map(|view| {
            let sources = view.claims.iter().filter_map(|claim| claim.data_source.as_ref());
            sources
                .filter_map(|source| source.namespace.as_ref())
                .map(|namespace| *namespace != view.namespace)
        });
        named.into_iter().any(|elsewhere| elsewhere)
    }

    /// The state after applying patches.
    ///
    /// # Errors
    /// If the patched object cannot be read.
    pub fn patched(&'a self, patched: &'a Patched, views: ViewReader<'_>) -> Result<Self, Problem> {
        Ok(Self {
            operation: self.operation,
            object: Some(Cow::Borrowed(&patched.object)),
            old_object: self.old_object.as_deref().map(Cow::Borrowed),
            workload: views.read(Some(&patched.object))?.map(Cow::Owned),
            old_workload: self.old_workload.as_deref().map(Cow::Borrowed),
            unreadable_old: self.unreadable_old.clone(),
            unread_part: self.unread_part.clone(),
            doubts: OnceCell::new(),
        })
    }

    /// The state before an update: the old object alone, with nothing before it. The operation stays: a rule
    /// for CREATE says nothing of an update, and a rule that compares with the old object finds nothing. None
    /// if there is nothing to compare with.
    pub fn baseline(&self) -> Option<RequestState<'_>> {
        if self.operation != Operation::Update {
            return None;
        }
        Some(self.alone(self.old_object.as_deref()?, self.old_workload.as_deref()?))
    }

    /// The state in which what a request brings back ran before, like [`RequestState::baseline`].
    pub fn returned<'s>(&self, before: &'s Before) -> RequestState<'s> {
        self.alone(&before.object, &before.workload)
    }

    fn alone<'s>(&self, object: &'s Value, workload: &'s Workload) -> RequestState<'s> {
        RequestState {
            operation: self.operation,
            object: Some(Cow::Borrowed(object)),
            old_object: None,
            workload: Some(Cow::Borrowed(workload)),
            old_workload: None,
            unreadable_old: None,
            unread_part: None,
            doubts: OnceCell::new(),
        }
    }

    /// The same state as if its objects did not classify themselves. None if they do not, or if the profile
    /// believes them.
    ///
    /// A policy may find less in a view to which an annotation adds something, for example because it then
    /// knows the data directory. Where annotations must not lower anything, both states are judged.
    pub fn observed(&self, views: ViewReader<'_>) -> Option<RequestState<'_>> {
        let mut all = [&self.workload, &self.old_workload].into_iter().flatten();
        if views.said != SelfClassification::Additional || !all.any(|workload| classifies_itself(workload)) {
            return None;
        }
        let views = views.observing();
        let view = |object: &Option<Cow<'_, Value>>| views.read_part(object.as_deref()).0.map(Cow::Owned);
        Some(RequestState {
            operation: self.operation,
            object: self.object.as_deref().map(Cow::Borrowed),
            old_object: self.old_object.as_deref().map(Cow::Borrowed),
            workload: view(&self.object),
            old_workload: self.old_workload.as_ref().and_then(|_| view(&self.old_object)),
            unreadable_old: self.unreadable_old.clone(),
            unread_part: self.unread_part.clone(),
            doubts: OnceCell::new(),
        })
    }

    /// The annotations by which the subject is held to less than what is observed.
    pub fn lowered_by(&self, views: ViewReader<'_>) -> Vec<&'static str> {
        let believed = self
            .subject()
            .filter(|workload| views.said == SelfClassification::Believed && classifies_itself(workload));
        let views = ViewReader { said: SelfClassification::Additional, ..views };
        let held = |_: &Workload| views.read(Some(self.subject_object())).ok().flatten();
        match (believed, believed.and_then(held)) {
            (Some(believed), Some(held)) => lowering(believed, &held),
            _ => Vec::new(),
        }
    }

    /// The view of the object under review or, on DELETE, of the stored object.
    pub fn subject(&self) -> Option<&Workload> {
        self.workload.as_deref().or(self.old_workload.as_deref())
    }

    /// The object under review or, on DELETE, the stored object.
    pub fn subject_object(&self) -> &Value {
        self.object.as_deref().or(self.old_object.as_deref()).unwrap_or(&Value::Null)
    }

    /// The class of the workload; None if there is no view.
    pub fn class(&self) -> Option<Class> {
        self.subject().map(|workload| workload.class)
    }

    /// Whether its class is one that a policy judges. What is only about changes judges what the workload was, too.
    pub fn is_judged_by(&self, matches: &Match) -> bool {
        let only_changes = || !matches.operations.contains(&Operation::Create);
        self.class().is_none_or(|class| matches.classes.contains(&class))
            || matches.classes.contains(&Class::Durable) && only_changes() && self.loses_its_data()
    }

    /// Whether the workload had data until this very change, which makes it one without data or of a data store a mere
    /// cache.
    fn loses_its_data(&self) -> bool {
        let (Some(was), Some(now)) = (self.old_workload.as_deref(), self.workload.as_deref()) else {
            return false;
        };
        let evicts = |workload: &Workload| workload.engine.as_ref().is_some_and(|engine| engine.evicts);
        let is_lost = now.class == Class::None || now.class == Class::Cache && evicts(now) && !evicts(was);
        was.class == Class::Durable && is_lost
    }
}
