//! Requirements on a policy besides its rule: METADATA without TODO, tests, examples, coverage.

use std::time::Duration;

use super::coverage::Reached;
use super::run::Outcome;
use crate::diagnostic::Diagnostics;
use crate::policy::metadata;
use crate::source::catalogue::Catalogue;

/// Policies without tests or examples, or whose METADATA is not filled in.
pub fn faults(tested: &Catalogue, outcomes: &[Outcome]) -> Result<Vec<Outcome>, Diagnostics> {
    let mut missing = Vec::new();
    for text in tested.unbound().policies {
        let policy = metadata::read(&text, None)?;
        let folder = text.name.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let mut fault = |name: &str, failure: String| {
            missing.push(Outcome {
                package: policy.package.clone(),
                name: name.to_owned(),
                title: format!("{} ({})", policy.id, text.name),
                place: text.name.to_string(),
                time: Duration::ZERO,
                failure: Some(failure),
            });
        };
        // A scaffold (`policy new`) that was not filled in.
        let texts = [&policy.title, &policy.description, &policy.fix].into_iter().chain(&policy.why);
        if texts.into_iter().any(|text| text.starts_with("TODO")) {
            fault("METADATA", "its METADATA still says TODO".to_owned());
        }
        let has = |kinds: &[&str]| {
            outcomes
                .iter()
                .any(|outcome| kinds.iter().any(|kind| outcome.place.contains(&format!("{folder}/{kind}"))))
        };
        let test = format!("{}_test.rego", policy.package.rsplit('.').next().unwrap_or_default());
        let wanted: [(&[&str], &str); 3] = [
            (&[&test], "no test_* rule"),
            (&["examples/pass_"], "no pass_ example"),
            (&["examples/deny_", "examples/warn_", "examples/patch_"], "no deny_, warn_ or patch_ example"),
        ];
        if let Some((_, what)) = wanted.iter().find(|(kinds, _)| !has(kinds)) {
            fault("tests and examples", format!("the policy has {what}"));
        }
    }
    Ok(missing)
}

/// Texts of which the tests reach too little.
pub fn coverage(reached: &Reached, least: u8) -> impl Iterator<Item = Outcome> {
    reached.below(least).map(move |file| Outcome {
        package: file.package.clone(),
        name: "coverage".to_owned(),
        title: file.source.clone(),
        place: file.source.clone(),
        time: Duration::ZERO,
        failure: Some(format!("tests reach {} % of its lines, not {least} %{}", file.percent, file.missed())),
    })
}
