//! Checks what an example asserts by its name.

use serde_json::Value;

use crate::admission::Request;
use crate::cli::example::{self, Example, ReviewedExample};
use crate::decision::{Decision, Unknown};
use crate::policy::Action;
use crate::policyset::PolicySet;
use crate::review::{EvaluationObserver, review};

/// Puts the example through the pipeline and compares. `flags` make other subcommands see the policy.
pub fn assert(
    example: &Example<'_>,
    set: &PolicySet,
    flags: &str,
    observer: &dyn EvaluationObserver,
) -> anyhow::Result<()> {
    if example.text.text.lines().any(|line| line.trim_start().starts_with("# TODO")) {
        anyhow::bail!("a comment still says TODO, and the README would show it");
    }
    let reviewed = example.review(set, observer)?;
    let decisions = &reviewed.decisions;
    if let Some(failure) = decisions.iter().flat_map(|decision| &decision.failures).next() {
        anyhow::bail!("the policy could not decide: {}", failure.cause);
    }
    let unknown: Vec<String> =
        decisions.iter().flat_map(|decision| &decision.unknown).map(Unknown::reason).collect();
    match (example.expects(), unknown.is_empty(), strictest(decisions)) {
        ("unknown", false, None) => return Ok(()),
        ("unknown", false, Some(_)) => anyhow::bail!("{}", describe(decisions)),
        ("unknown", true, _) => anyhow::bail!("the policy did not lack any object"),
        (_, false, _) => anyhow::bail!(
            "the outcome is unknown: {}; add an object of that kind to the example, or to NAME.inventory.yaml beside it, \
             the objects of the cluster",
            unknown.join("; ")
        ),
        (_, true, _) => {}
    }
    if decisions.iter().all(|decision| decision.evaluated == 0) {
        anyhow::bail!("the policy was not evaluated: check kind, operation and class in its `match`");
    }
    let mut unwritten = decisions.iter().flat_map(|decision| &decision.findings);
    if let Some(finding) = unwritten.find(|finding| finding.message.contains("TODO")) {
        anyhow::bail!("the message still says TODO: {}", finding.message);
    }
    match (example.expects(), strictest(decisions)) {
        ("pass", None) | ("deny", Some(Action::Deny)) | ("warn", Some(Action::Warn)) => Ok(()),
        ("deny" | "warn", None) => anyhow::bail!(
            "no finding; to see the input of the rule: stategate input{flags} --policy {} {}",
            example.folder.rsplit('/').next().unwrap_or_default().replace('_', "-"),
            example.text.name
        ),
        ("pass" | "deny" | "warn", _) => anyhow::bail!("{}", describe(decisions)),
        ("patch", _) => assert_patch(example, set, &reviewed, observer),
        _ => anyhow::bail!(
            "an example is named pass_*.yaml, deny_*.yaml, warn_*.yaml, unknown_*.yaml or patch_*.in.yaml"
        ),
    }
}

/// The patched object is the expected one, passes, and gets no further patch.
fn assert_patch(
    example: &Example<'_>,
    set: &PolicySet,
    reviewed: &ReviewedExample,
    observer: &dyn EvaluationObserver,
) -> anyhow::Result<()> {
    let out = example.out.ok_or_else(|| anyhow::anyhow!("there is no .out.yaml file beside it"))?;
    let expected = example::one_object(out)?;
    let patched = reviewed.decisions.iter().find_map(|decision| decision.patch.as_ref());
    let Some(patched) = patched else { anyhow::bail!("no patch was made") };
    if patched.object != *expected.object {
        let difference = json_patch::diff(&expected.object, &patched.object);
        anyhow::bail!(
            "the patched object differs from {}:\n{}",
            out.name,
            serde_json::to_string_pretty(&difference)?
        );
    }
    let patched_ones =
        reviewed.requests.iter().zip(&reviewed.decisions).filter(|(_, decision)| decision.patch.is_some());
    for (request, _) in patched_ones {
        let again = Request { object: Some(patched.object.clone().into()), ..request.clone() };
        let second = review(set, &reviewed.inventory, &again, example.mode(set), example::now()?, observer);
        if second.patch.is_some() {
            anyhow::bail!("the patched object is patched again: the patch is not idempotent");
        }
        if second.strictest().is_some() {
            anyhow::bail!("the patched object does not pass its own policy: {}", describe(&[second]));
        }
    }
    Ok(())
}

fn strictest(decisions: &[Decision]) -> Option<Action> {
    decisions.iter().filter_map(Decision::strictest).max()
}

fn describe(decisions: &[Decision]) -> String {
    let found: Vec<String> = decisions
        .iter()
        .flat_map(|decision| &decision.findings)
        .map(|finding| {
            let value: Value = finding.path.iter().map(|segment| serde_json::json!(segment)).collect();
            format!("{} {}: {} at {value}", finding.action, finding.policy, finding.message)
        })
        .collect();
    if found.is_empty() { "no finding".to_owned() } else { found.join("\n") }
}
