//! The messages of `fix` on stderr.

use std::collections::{BTreeMap, BTreeSet};

use super::STDIN;
use super::plan::{Fixed, ReviewedManifest};
use crate::cli::{Exit, count, say};
use crate::plain;
use crate::policy::PolicyId;
use crate::policy::binding::OnFailure;

/// Lists what was fixed, and by which policies.
pub fn fixed(fixed: &[Fixed], written: bool) {
    let mut objects: BTreeMap<(&str, &str), BTreeSet<&PolicyId>> = BTreeMap::new();
    for one in fixed {
        objects.entry((&one.file, &one.object)).or_default().extend(&one.policies);
    }
    for ((file, object), policies) in objects {
        let verb = if written { "fixed" } else { "can be fixed" };
        let policies: Vec<&str> = policies.into_iter().map(PolicyId::as_str).collect();
        let (file, object) = (plain::line(file), plain::line(object));
        say(&format!("{file}: {object}: {verb}: {}\n", policies.join(", ")));
    }
    let of_stdin = fixed.iter().filter(|one| &*one.file == STDIN);
    let templates: BTreeSet<&str> = of_stdin.filter_map(|one| one.template.as_deref()).collect();
    if !templates.is_empty() {
        let templates: Vec<&str> = templates.into_iter().collect();
        say(&format!(
            "note: Helm rendered this from {}: fix it there, or in the values\n",
            plain::line(&templates.join(", "))
        ));
    }
}

/// Lists failed policies and the findings that are left.
pub fn left(judged: &[ReviewedManifest]) -> Exit {
    let mut exit = Exit::Clean;
    for judged in judged {
        let name = judged.request.display_name();
        let object = plain::line(&name);
        for failure in &judged.decision.failures {
            say(&format!(
                "error: {object}: {} could not decide: {}\n",
                failure.policy,
                plain::line(&failure.cause.to_string())
            ));
            if failure.on_failure == OnFailure::Deny {
                exit = Exit::Broken;
            }
        }
    }
    let mut left: BTreeMap<&PolicyId, usize> = BTreeMap::new();
    for finding in judged.iter().flat_map(|judged| &judged.decision.findings) {
        *left.entry(&finding.policy).or_default() += 1;
    }
    if !left.is_empty() {
        let findings = count(left.values().sum(), "finding", "findings");
        let by_policy: Vec<String> =
            left.iter().map(|(policy, count)| format!("{policy} ({count})")).collect();
        say(&format!(
            "{findings} left to fix by hand: {}; stategate check shows them\n",
            by_policy.join(", ")
        ));
    }
    exit
}
