//! What became of the exceptions in a run.

use std::collections::BTreeSet;

use crate::admission::Request;
use crate::cli::review_pool::ReviewPool;
use crate::decision::Decision;
use crate::policy::Policy;
use crate::policy::exception::{Authority, Exception, ExceptionState};
use crate::policyset::PolicySet;
use crate::report::{Report, ReportedException};

/// The exceptions that waived something for this request, also those behind another one that came first.
pub fn matching(set: &PolicySet, request: &Request, decision: &Decision, now: jiff::Timestamp) -> Vec<usize> {
    let Some(target) = set.target(request) else { return Vec::new() };
    let waived = decision.waived.iter().filter(|waived| waived.exception.is_some());
    let policies = waived.filter_map(|waived| set.policy(waived.policy.as_str()));
    let matching = policies.flat_map(|policy| set.exceptions_for(policy, &target, now));
    matching.map(|(position, _)| position).collect()
}

/// What became of the exceptions. Whether one that matched nothing could have matched anything is only known if
/// the run evaluates one of its policies: manifests are never deleted, and updated only with `--old`.
pub fn exceptions(pool: &ReviewPool, report: &Report, matched: &BTreeSet<usize>) -> Vec<ReportedException> {
    let set = pool.set();
    let asked = |policy: &Policy| {
        let matches = &policy.matches;
        (matches.subresources.is_empty() || matches.subresources.iter().any(String::is_empty))
            && report.objects.iter().any(|object| matches.operations.contains(&object.operation))
    };
    let reported = |(position, exception): (usize, &Exception)| {
        let mut policies = exception.spec.policies.iter().filter_map(|id| set.policy(id.as_str()));
        let state = exception.state(pool.now());
        let matched = match matched.contains(&position) {
            true => Some(true),
            false if state == ExceptionState::Expired => None,
            false => policies.any(asked).then_some(false),
        };
        ReportedException { exception: exception.clone(), state, matched }
    };
    // Those of a cluster are mostly about other objects, and their own conditions say how they stand.
    let told =
        |one: &ReportedException| one.exception.authority == Authority::File || one.matched == Some(true);
    set.exceptions().iter().enumerate().map(reported).filter(told).collect()
}
