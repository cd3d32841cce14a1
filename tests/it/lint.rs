//! Adversarial policies: each is refused at load with its place and what to write instead, and the
//! process lives to say so.

use crate::support::{GOOD, directory, stategate_with};

/// A policy with this body, at line 8 of its file, and these rules behind it.
fn policy(body: &str, more: &str) -> String {
    format!(
        "# METADATA\n# title: T\n# description: D.\n# custom: {{severity: high, action: deny, fix: F}}\npackage stategate.own.mine\n\nviolation contains v if {{\n{body}\n\tv := {{\"msg\": \"m\"}}\n}}\n\n{more}\n"
    )
}

fn load(text: &str) -> crate::support::Run {
    let dir = directory(&[("own/mine/mine.rego", text)]);
    stategate_with(&["check", "--policies", dir.path().to_str().unwrap(), "-"], GOOD)
}

#[test]
fn adversarial_policies_are_refused_with_their_place_and_a_remedy() {
    let nested = |depth: usize| format!("\tx := {}1{}\n\tx", "[".repeat(depth), "]".repeat(depth));
    let mixed = format!("\tx := {}1{}\n\tx", "{\"a\":[".repeat(7), "]}".repeat(7));
    let chain: String =
        (0..3000).map(|n| format!("r{n} := r{}\n\n", n + 1)).collect::<String>() + "r3000 := 1\n";
    let cases: Vec<(&str, String, &[&str])> = vec![
        (
            "range",
            policy("\tcount(numbers.range(1, 1000000000)) > 0", ""),
            &["mine.rego:8:", "numbers.range is not allowed", "some i, x in list"],
        ),
        (
            "range_step",
            policy("\tcount(numbers.range_step(1, 1000000000, 2)) > 0", ""),
            &["mine.rego:8:", "numbers.range_step is not allowed"],
        ),
        (
            "cidr",
            policy("\tcount(net.cidr_expand(\"10.0.0.0/8\")) > 0", ""),
            &["mine.rego:8:", "net.cidr_expand is not allowed"],
        ),
        (
            "graph",
            policy("\tgraph.reachable_paths({}, [])", ""),
            &["mine.rego:8:", "graph.reachable_paths is not allowed"],
        ),
        (
            "units",
            policy("\tunits.parse(input.workload.name) > 1", ""),
            &["mine.rego:8:", "units.parse is not allowed", "the view has quantities as numbers"],
        ),
        (
            "units bytes",
            policy("\tunits.parse_bytes(\"1e1000000000\") > 1", ""),
            &["mine.rego:8:", "units.parse_bytes is not allowed"],
        ),
        (
            "clock",
            policy("\ttime.now_ns() > 1", ""),
            &["mine.rego:8:", "time.now_ns is not allowed", "input.now"],
        ),
        ("network", policy("\thttp.send({})", ""), &["mine.rego:8:", "http.send is not allowed"]),
        ("random", policy("\trand.intn(\"a\", 5) == 1", ""), &["mine.rego:8:", "rand.intn is not allowed"]),
        ("runtime", policy("\topa.runtime()", ""), &["mine.rego:8:", "opa.runtime is not allowed"]),
        ("print", policy("\tprint(input)", ""), &["mine.rego:8:", "print is not allowed", "_test.rego"]),
        (
            "sprintf width",
            policy("\tsprintf(\"%1000000000d\", [1]) != \"\"", ""),
            &["mine.rego:8:", "wider than 100"],
        ),
        (
            "sprintf arity",
            policy("\tsprintf(\"%s %s\", [\"a\"]) != \"\"", ""),
            &["mine.rego:8:", "2 verbs, but there are 1"],
        ),
        (
            "sprintf verb",
            policy("\tsprintf(\"%q\", [\"a\"]) != \"\"", ""),
            &["mine.rego:8:", "%q is not supported"],
        ),
        (
            "sprintf flag",
            policy("\tsprintf(\"%+d\", [1]) != \"\"", ""),
            &["mine.rego:8:", "flags such as in %+d"],
        ),
        (
            "sprintf format",
            policy("\tsprintf(input.workload.name, []) != \"\"", ""),
            &["mine.rego:8:", "must be a literal"],
        ),
        (
            "unknown builtin",
            policy("\tstartwith(input.workload.name, \"a\")", ""),
            &["mine.rego:8:", "no function startwith", "did you mean startswith?"],
        ),
        (
            "unknown function",
            policy("\tlonly(1)", "lonely(x) := x"),
            &["mine.rego:8:", "no function lonly", "did you mean lonely?"],
        ),
        (
            "lacking builtin",
            policy("\tany([true])", ""),
            &["mine.rego:8:", "no function any", "some x in list"],
        ),
        (
            "arity",
            policy("\tstartswith(input.workload.name)", ""),
            &["mine.rego:8:", "startswith takes 2 arguments, but is given 1"],
        ),
        (
            "own arity",
            policy("\tf(1, 2)", "f(x) := x"),
            &["mine.rego:8:", "f takes 1 argument, but is given 2"],
        ),
        ("recursive function", policy("\tf(1)", "f(x) := f(x + 1)"), &["mine.rego:12:1", "uses itself"]),
        (
            "mutual recursion",
            policy("\tf(1)", "f(x) := g(x)\n\ng(x) := f(x)"),
            &["mine.rego:12:1", "own.mine.f → own.mine.g → own.mine.f"],
        ),
        ("recursive rules", policy("\ta", "a if b\n\nb if a"), &["mine.rego:12:1", "no recursion"]),
        ("long chain", policy("\tr0", &chain), &["mine.rego:", "a chain of 300", "500 are the limit"]),
        ("14 deep", policy(&nested(14), ""), &["mine.rego:8:", "more than 12 deep"]),
        ("16 deep", policy(&nested(16), ""), &["mine.rego:8:", "more than 12 deep"]),
        ("100 deep", policy(&nested(100), ""), &["mine.rego:8:", "more than 12 deep"]),
        ("mixed", policy(&mixed, ""), &["mine.rego:8:", "more than 12 deep"]),
        (
            "operators",
            policy(&format!("\tx := 1{}\n\tx", " +\n1".repeat(5000)), ""),
            &["mine.rego:", "more than 250 operators"],
        ),
        (
            "size",
            policy("\ttrue", &"# filler filler filler\n".repeat(20_000)),
            &["mine.rego:1", "256 are the limit"],
        ),
        (
            "head call",
            policy("\ttrue", "names contains f(c.name) if some c in input.workload.containers\n\nf(x) := x"),
            &["mine.rego:12:16", "must be a variable that its body binds", "contains v if"],
        ),
        (
            "head reference",
            policy("\ttrue", "names contains c.name if some c in input.workload.containers"),
            &["mine.rego:12:16", "must be a variable that its body binds"],
        ),
        (
            "head object",
            policy("\ttrue", "names contains {\"msg\": c.name} if some c in input.workload.containers"),
            &["mine.rego:12:", "must be a variable that its body binds"],
        ),
        (
            "shadowing",
            policy("\tfound := 1\n\tfound", "found := 2"),
            &["mine.rego:8:2", "found hides a rule"],
        ),
        ("shadowed input", policy("\tsome input in [1]\n\tinput", ""), &["mine.rego:8:7", "input hides"]),
        (
            "dynamic data",
            policy("\tsome p\n\tdata.stategate.own[p].violation", ""),
            &["mine.rego:9:", "only known when it runs"],
        ),
        (
            "missing package",
            policy("\tdata.stategate.lib.globz.x", ""),
            &["mine.rego:8:", "no package", "stategate.lib.glob"],
        ),
        (
            "missing rule",
            policy("\tdata.stategate.lib.globs.matches", ""),
            &["mine.rego:8:", "has no rule matches", "matches_any"],
        ),
        (
            "with",
            policy("\tinput.workload.name == \"a\" with input as {}", ""),
            &["mine.rego:8:", "`with`", "for tests"],
        ),
    ];
    for (name, text, needles) in cases {
        let run = load(&text);
        assert_eq!(run.code, 2, "{name}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains("help: "), "{name} names no remedy: {}", run.stderr);
        run.expect(2, needles);
    }
}

#[test]
fn several_faults_are_named_in_one_go() {
    let text = policy("\tnumbers.range(1, 2)\n\tunits.parse(\"1\")\n\tlonly(1)", "");
    load(&text).expect(2, &["mine.rego:8:", "mine.rego:9:", "mine.rego:10:"]);
}

#[test]
fn what_only_looks_bad_is_loaded() {
    let fine = [
        policy(
            "\tx := \"[[[[[[[[[[[[[[[[[[[[\"\n\tx == `{{{{{{{{{{{{{{{{{{{{`\n\tfalse # [[[[[[[[[[[[[[[[[[",
            "",
        ),
        policy("\tsome path, value\n\twalk(input.workload, [path, value])\n\tcount(path) > 99\n\tvalue", ""),
        policy("\tsprintf(\"%d %% of %s: %v, %5d, %.2f\", [1, \"a\", [1], 2, 1.5]) == \"\"", ""),
        policy("\tx := [[y | some y in z] | some z in [[1]]]\n\tx == []", ""),
        policy("\tevery k, v in {\"a\": 1} {\n\t\tk == \"b\"\n\t\tv == 2\n\t}", ""),
        policy(
            "\tkind(input.workload.name) == \"none\"",
            "kind(x) := \"short\" if {\n\tcount(x) < 2\n} else := \"long\" if {\n\tcount(x) > 100\n} else := \"other\"",
        ),
        policy("\tg.matches_any([\"nobody\"], input.workload.name)", "").replace(
            "package stategate.own.mine\n",
            "package stategate.own.mine\n\nimport data.stategate.lib.globs as g\n",
        ),
        policy("\tsome name\n\tinput.workload.labels[name] == \"none of these\"", ""),
        policy(
            "\tcount(names) > 99",
            "names contains name if {\n\tsome c in input.workload.containers\n\tname := c.name\n}",
        ),
    ];
    for text in fine {
        let run = load(&text);
        assert_eq!(run.code, 0, "{text}\n{}{}", run.stdout, run.stderr);
    }
}
