//! External policies are tried in a child process: whatever would kill or stall a process affects only the
//! child.

use crate::support::{directory, stategate};

/// Loads and passes every check; its effect shows only on evaluation.
fn policy(body: &str) -> String {
    format!(
        r#"# METADATA
# title: T
# description: D.
# custom: {{severity: high, action: deny, match: {{kinds: [StatefulSet.apps]}}, fix: F}}
package stategate.own.tried

ten(x) := concat("", [x, x, x, x, x, x, x, x, x, x])

long := ten(ten(ten(ten(ten(ten("a,"))))))

violation contains v if {{
	input.workload.kind
{body}
	v := {{"msg": "m", "path": []}}
}}
"#
    )
}

#[test]
fn what_the_child_dies_of_is_an_error_that_names_the_policy() {
    for (body, needles) in [
        (
            // 2 GB.
            "\tcontains(ten(ten(ten(long))), \"never\")",
            [
                "evaluating policy tried on a StatefulSet ended the process that tried it",
                "more than 1024 MiB",
            ],
        ),
        (
            "\tstrings.any_prefix_match(split(long, \"a\"), split(trim_suffix(replace(long, \"a\", \"b\"), \",\"), \",\"))",
            ["evaluating policy tried on a StatefulSet took longer than 10 s", "multiplies its input"],
        ),
        (
            "\ttime.parse_rfc3339_ns(input.workload.name) > 1",
            ["tried.rego: policy tried fails on a recorded CREATE of a StatefulSet", "parse datetime"],
        ),
    ] {
        let policies = directory(&[("own/tried/tried.rego", &policy(body))]);
        let path = policies.path().to_str().unwrap();
        stategate(&["policy", "list", "--policies", path]).expect(2, &needles);
    }
}

#[test]
fn a_sound_policy_passes_the_sandbox() {
    let policies = directory(&[("own/tried/tried.rego", &policy("\tcount(long) == 0"))]);
    stategate(&["policy", "list", "--policies", policies.path().to_str().unwrap()]).expect(0, &["tried"]);
    stategate(&["test", policies.path().to_str().unwrap()]).expect(1, &["tried"]);
}
