//! External policies are tried in a child process: whatever would kill or stall a process affects only the
//! child.

use crate::support::{LARGE, directory, stategate};

/// Loads and passes every check; its effect shows only on evaluation.
fn policy(body: &str) -> String {
    format!(
        r#"# METADATA
# title: T
# description: D.
# custom: {{severity: high, action: deny, match: {{kinds: [StatefulSet.apps]}}, fix: F}}
package stategate.own.tried

ten(x) := concat("", [x, x, x, x, x, x, x, x, x, x])

long := ten(ten(ten(ten("a,"))))

{LARGE}
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
            // Loops take few steps to make values that hold one another ten thousand million times.
            "\tlarge == also_large",
            ["evaluating policy tried on a StatefulSet took longer than 10 s", "multiplies its input"],
        ),
        (
            "\tcontains(concat(\"\", [long | some _ in split(long, \",\")]), \"never\")",
            [
                "tried.rego: policy tried fails on a recorded CREATE of a StatefulSet",
                "its builtins exceeded 16 MiB",
            ],
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
