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
            "reachable",
            policy("\tgraph.reachable({}, [])", ""),
            &["mine.rego:8:", "graph.reachable is not allowed", "some … in"],
        ),
        (
            "cidr of IPv6",
            policy("\tcount(net.cidr_expand(input.workload.name)) > 0", ""),
            &["mine.rego:8:", "net.cidr_expand is not allowed", "compare addresses as text"],
        ),
        (
            "units in a library's name",
            policy("\tu.parse(\"1\") > 1", "").replace(
                "package stategate.own.mine\n",
                "package stategate.own.mine\n\nimport data.units as u\n",
            ),
            &["mine.rego:7:8", "there is no package data.units to import"],
        ),
        (
            "uuid",
            policy("\tuuid.rfc4122(\"a\") == \"\"", ""),
            &["mine.rego:8:", "uuid.rfc4122 is not allowed", "input.review.uid"],
        ),
        ("trace", policy("\ttrace(\"a\")", ""), &["mine.rego:8:", "trace is not allowed"]),
        (
            "walk alone",
            policy("\tcount([1 | walk(input.workload)]) > 0", ""),
            &["mine.rego:8:", "walk takes 2 arguments", "[path, value]"],
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
        (
            "recursion by its whole name",
            policy("\tf(1)", "f(x) := data.stategate.own.mine.f(x)"),
            &["mine.rego:12:1", "uses itself"],
        ),
        (
            "recursion through all rules",
            policy("\ta", "a := count(object.keys(data.stategate.own.mine)) > 0"),
            &["mine.rego:7:1", "own.mine.violation → own.mine.a → own.mine.violation"],
        ),
        (
            "recursion in a comprehension",
            policy("\tcount(a) > 0", "a := [x | some x in b]\n\nb := {\"k\": a}"),
            &["mine.rego:12:1", "own.mine.a → own.mine.b → own.mine.a"],
        ),
        (
            "chain of functions",
            policy(
                "\tf0(1)",
                &((0..3000).map(|n| format!("f{n}(x) := f{}(x)\n\n", n + 1)).collect::<String>()
                    + "f3000(x) := x\n"),
            ),
            &["mine.rego:", "a chain of 300", "500 are the limit"],
        ),
        ("long chain", policy("\tr0", &chain), &["mine.rego:", "a chain of 300", "500 are the limit"]),
        ("14 deep", policy(&nested(14), ""), &["mine.rego:8:", "more than 12 deep"]),
        ("16 deep", policy(&nested(16), ""), &["mine.rego:8:", "more than 12 deep"]),
        ("100 deep", policy(&nested(100), ""), &["mine.rego:8:", "more than 12 deep"]),
        (
            "objects",
            policy(&format!("\tx := {}1{}\n\tx", "{\"a\": ".repeat(14), "}".repeat(14)), ""),
            &["mine.rego:8:", "more than 12 deep"],
        ),
        (
            "sets",
            policy(&format!("\tx := {}1{}\n\tx", "{".repeat(14), "}".repeat(14)), ""),
            &["mine.rego:8:", "more than 12 deep"],
        ),
        (
            "calls",
            policy(&format!("\tx := {}1{}\n\tx", "abs(".repeat(40), ")".repeat(40)), ""),
            &["mine.rego:8:", "more than 12 deep"],
        ),
        (
            "never closed",
            policy(&format!("\tx := {}", "[".repeat(100_000)), ""),
            &["mine.rego:8:", "more than 12 deep"],
        ),
        (
            "many of moderate depth",
            policy(&format!("\tx := {}1{}\n\tx\n", "[".repeat(9), "]".repeat(9)).repeat(5000), ""),
            &["mine.rego:", "would take the parser seconds"],
        ),
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
            "head of an object",
            policy("\ttrue", "tags[c.name] := c.image.tag if some c in input.workload.containers"),
            &[
                "mine.rego:12:17",
                "may be undefined for one of the elements",
                "`tags[k] := v if { …; k := …; v := … }`",
            ],
        ),
        (
            "key of an object",
            policy("\ttrue", "names[c.image.tag] := c.name if some c in input.workload.containers"),
            &["mine.rego:12:7", "may be undefined for one of the elements"],
        ),
        (
            "key of a set",
            policy(
                "\ttrue",
                "names[c.image.tag] contains v if {\n\tsome c in input.workload.containers\n\tv := c.name\n}",
            ),
            &["mine.rego:12:7", "may be undefined for one of the elements"],
        ),
        (
            "head of a value",
            policy("\ttrue", "tag := c.image.tag if some c in input.workload.containers"),
            &["mine.rego:12:8", "`tag := v if { …; v := … }`"],
        ),
        (
            "value without a body",
            policy("\ttrue", "tag := input.workload.containers[_].image.tag"),
            &["mine.rego:12:8", "may be undefined for one of the elements"],
        ),
        (
            "value of an else",
            policy(
                "\ttrue",
                "tag := 1 if {\n\tinput.workload.replicas == 99\n} else := c.image.tag if {\n\tsome c in input.workload.containers\n}",
            ),
            &["mine.rego:14:11", "may be undefined for one of the elements"],
        ),
        (
            "import named like a rule",
            policy("\ttrue", "globs := 1").replace(
                "package stategate.own.mine\n",
                "package stategate.own.mine\n\nimport data.stategate.lib.globs\n",
            ),
            &["mine.rego:7:8", "the import globs has the name of a rule of this package", "as other_name"],
        ),
        (
            "alias named like a rule",
            policy("\ttrue", "g := 1").replace(
                "package stategate.own.mine\n",
                "package stategate.own.mine\n\nimport data.stategate.lib.globs as g\n",
            ),
            &["mine.rego:7:8", "the import g has the name of a rule of this package"],
        ),
        (
            "import of nothing",
            policy("\ttrue", "").replace(
                "package stategate.own.mine\n",
                "package stategate.own.mine\n\nimport data.stategate.lib.glob\n",
            ),
            &[
                "mine.rego:7:8",
                "there is no package data.stategate.lib.glob to import",
                "did you mean stategate.lib.globs?",
            ],
        ),
        (
            "import of no rule",
            policy("\ttrue", "").replace(
                "package stategate.own.mine\n",
                "package stategate.own.mine\n\nimport data.stategate.lib.globs.match_any\n",
            ),
            &["mine.rego:7:8", "has no rule match_any to import", "did you mean matches_any?"],
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

/// Reads that are never there: what the body of the policy reads, what is said, and the remedy.
const NEVER_THERE: &[(&str, &str, &str)] = &[
    ("input.wrkload.name == \"a\"", "8:8: input has no field wrkload", "did you mean workload?"),
    ("input.workload.nmae == \"a\"", "8:17: input.workload has no field nmae", "did you mean name?"),
    ("input.old_workload.replica == 1", "input.old_workload has no field replica", "did you mean replicas?"),
    ("input.workload[\"kind_\"] == \"a\"", "input.workload has no field kind_", "did you mean kind?"),
    ("input.workload.containers[_].imge.tag == \"\"", "has no field imge", "did you mean image?"),
    (
        "input.workload.containers.name == \"a\"",
        "input.workload.containers is a list",
        "some x in input.workload.containers",
    ),
    (
        "input.workload.name.text == \"a\"",
        "input.workload.name is text",
        "compare input.workload.name itself",
    ),
    ("input.review.user.name == \"a\"", "input.review has no field user", "did you mean userInfo?"),
    (
        "input.review.userInfo.name == \"a\"",
        "input.review.userInfo has no field name",
        "it has extra, groups, uid, username",
    ),
    (
        "input.related.namspace.labels.a == \"a\"",
        "input.related has no field namspace",
        "did you mean namespace?",
    ),
    ("input.parameters.limt == 1", "input.parameters has no field limt", "did you mean limit?"),
    ("input.now.day == 1", "input.now is text", "compare input.now itself"),
    (
        "some c in input.workload.containers\n\tc.requests.mem > 1",
        "9:13: c.requests has no field mem",
        "did you mean memory?",
    ),
    (
        "some i, c in input.workload.containers\n\ti >= 0\n\tc.nam == \"a\"",
        "c has no field nam",
        "did you mean name?",
    ),
    (
        "w := input.workload\n\te := w.engine\n\te.vrsion == \"1\"",
        "e has no field vrsion",
        "did you mean version?",
    ),
    (
        "every c in input.workload.containers {\n\t\tc.rol == \"main\"\n\t}",
        "c has no field rol",
        "did you mean role?",
    ),
    ("count([c.nam | some c in input.workload.containers]) > 0", "c has no field nam", "did you mean name?"),
    (
        "mains := [c | some c in input.workload.containers]\n\tsome m in mains\n\tm.nam == \"a\"",
        "m has no field nam",
        "did you mean name?",
    ),
    (
        "object.get(input.workload, \"tire\", \"\") == \"a\"",
        "8:29: input.workload has no field tire",
        "did you mean tier?",
    ),
    (
        "object.get(input.workload, [\"engine\", \"vrsion\"], \"\") == \"a\"",
        "has no field vrsion",
        "did you mean version?",
    ),
    ("some c in input.workload.containers\n\thelped(c)", "13:16: c has no field nam", "did you mean name?"),
    ("some m in collected\n\tm.mount_pth == \"a\"", "m has no field mount_pth", "did you mean mount_path?"),
    ("first.nam == \"a\"", "first has no field nam", "did you mean name?"),
    (
        "some c in input.workload.containers\n\treturned(c).tagg == \"a\"",
        "returned(c) has no field tagg",
        "did you mean tag?",
    ),
    ("w.nmae == \"a\"", "w has no field nmae", "did you mean name?"),
];

#[test]
fn a_read_of_what_is_never_there_is_refused() {
    let rules = "collected contains m if some m in input.workload.containers[_].mounts\n\nfirst := input.workload.containers[0]\n\nreturned(x) := x.image\n";
    for (body, said, remedy) in NEVER_THERE {
        let helper = if body.contains("helped") { "helped(c) if c.nam == \"a\"\n\n" } else { "" };
        let text = policy(&format!("\t{body}"), &format!("{helper}{rules}"))
            .replace("fix: F}", "fix: F, parameters: {limit: {type: integer, default: 1, description: d}}}")
            .replace(
                "package stategate.own.mine\n",
                "package stategate.own.mine\n\nimport input.workload as w\n",
            );
        let said = match said.split_once(':') {
            // Two lines of import stand above.
            Some((line, rest)) if line.parse::<usize>().is_ok() => {
                format!("mine.rego:{}:{rest}", line.parse::<usize>().unwrap() + 2)
            }
            _ => (*said).to_owned(),
        };
        load(&text).expect(2, &[&said, "so this is undefined for every request", remedy]);
    }
}

#[test]
fn a_read_that_may_be_there_is_loaded() {
    let fine = [
        "input.workload.labels.app == \"none\"",
        "input.workload.annotations[\"a/b\"] == \"none\"",
        "input.workload.containers[_].security.capabilities.add[_] == \"none\"",
        "input.workload.pods.selector.matchLabels.app == \"none\"",
        "input.review.object.spec.anything == \"none\"",
        "some key in [\"name\", \"kind\"]\n\tinput.workload[key] == \"none\"",
        "input.parameters.limits.dev.cpu == 1",
        "input.parameters.list[_].anything == 1",
        "either := [input.workload.engine, {\"own\": 1}][_]\n\teither.own == 2",
        "x = input.workload\n\tx.name == \"none\"",
        "some path, value\n\twalk(input.workload, [path, value])\n\tvalue.anything == 1",
        "both(input.workload) == both(input.workload.engine)",
        "object.get(input.workload, input.parameters.list, \"\") == \"none\"",
    ];
    let rules = "both(x) := x.major\n\nboth(x) := x.quorum if x.kind == \"none\"\n";
    let parameters = "fix: F, parameters: {list: {type: list, default: [], description: d}, limits: {type: map, default: {}, description: d}}}";
    for body in fine {
        let text = policy(&format!("\t{body}"), rules).replace("fix: F}", parameters);
        let run = load(&text);
        assert_eq!(run.code, 0, "{body}\n{}{}", run.stdout, run.stderr);
    }
}

/// Keys on the way to every leaf of a document, as a reference.
fn leaves(value: &serde_json::Value, path: &str, found: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                leaves(value, &format!("{path}[{key:?}]"), found);
            }
        }
        serde_json::Value::Array(items) => {
            items.iter().for_each(|item| leaves(item, &format!("{path}[_]"), found))
        }
        _ => drop(found.insert(path.to_owned())),
    }
}

#[test]
fn whatever_a_request_holds_may_be_read() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let files = [
        "reviews/create-statefulset.json",
        "reviews/create-pvc.json",
        "reviews/create-storageclass.json",
        "reviews/create-cronjob.json",
        "reviews/delete-pvc.json",
        "manifests/plain-postgres.yaml",
        "manifests/naive-postgres.yaml",
    ];
    let mut found = std::collections::BTreeSet::new();
    for file in files {
        let run = crate::support::stategate(&["input", root.join(file).to_str().unwrap()]);
        assert_eq!(run.code, 0, "{file}: {}", run.stderr);
        leaves(&serde_json::from_str(&run.stdout).unwrap(), "input", &mut found);
    }
    assert!(found.len() > 100, "{found:?}");
    let body: String = found.iter().map(|path| format!("\t{path} == \"none\"\n")).collect();
    load(&policy(&body, "")).expect(0, &["2 objects checked"]);
}

/// `not` before what OPA computes first: the line, what of it may be undefined.
const NEGATED: &[(&str, &str)] = &[
    ("not f(c.readiness.period)", "c.readiness.period"),
    ("not startswith(c.image.tag, \"a\")", "c.image.tag"),
    ("not c.image.tag in [\"a\"]", "c.image.tag"),
    ("not \"a\" in c.security.capabilities.add", "c.security.capabilities.add"),
    ("not c.readiness.period > 1", "c.readiness.period"),
    ("not c.readiness.period != 1", "c.readiness.period"),
    ("not c.readiness.period + 1 == 2", "c.readiness.period"),
    ("not [c.readiness.period] == [1]", "c.readiness.period"),
    ("not {\"a\": c.readiness.period} == {\"a\": 1}", "c.readiness.period"),
    ("not names[c.image.tag]", "c.image.tag"),
    ("not f(g(1))", "g(1)"),
    ("not g(1) == 2", "g(1)"),
    ("not max([1]) == 2", "max([1])"),
    ("not f(sometimes)", "sometimes"),
    ("not f(input.old_workload.name)", "input.old_workload.name"),
    ("not f(input.workload.labels.app)", "input.workload.labels.app"),
    ("not f(input.review.object.spec)", "input.review.object.spec"),
    ("count([x | some x in [1]; not f(c.image.tag)]) > 0", "c.image.tag"),
    ("not f(c.image.tag)\n\tcount([1 | c.image.tag]) == 0", "c.image.tag"),
    ("not f(c.image.tag)\n\tnot c.image.tag", "c.image.tag"),
];
const NEGATED_RULES: &str = "f(x) if x == 1\n\ng(x) := 5 if x == 2\n\nsometimes := 1 if input.workload.replicas == 99\n\nnames contains \"a\"\n\ndefault otherwise := 1\n\notherwise := 2 if f(2)\n\nconstant := {1, 2}\n\nobjects contains o if {\n\tsome c in input.workload.containers\n\to := {\"name\": c.image.tag}\n}\n";

#[test]
fn a_not_that_opa_takes_differently_is_refused() {
    for (line, part) in NEGATED {
        let text = policy(&format!("\tsome c in input.workload.containers\n\t{line}"), NEGATED_RULES);
        let said =
            format!("{part} may be undefined: then this `not` holds here, but its line does not in OPA");
        load(&text).expect(2, &["mine.rego:9:", &said, &format!("write `x := {part}` on the line before")]);
    }
}

#[test]
fn a_not_that_means_the_same_everywhere_is_loaded() {
    let same = [
        // Bare references, and operands of ==.
        "not c.readiness",
        "not c.readiness.period",
        "not c.readiness.period == 1",
        "not 1 == c.readiness.period",
        "not sometimes",
        "not sometimes == 1",
        "not input.old_workload.name == input.workload.labels.app",
        "not g(1)",
        // What is always there.
        "not f(c.name)",
        "not c.name in [\"a\"]",
        "not f(input.workload.name)",
        "not c.name in input.parameters.names",
        "not startswith(lower(c.name), \"a\")",
        "not f(count([1 | c.readiness.period]))",
        "not c.name in names",
        "not names[c.name]",
        "not f(otherwise)",
        "not 1 in constant",
        "tag := c.image.tag\n\tnot tag in [\"a\"]",
        // What another line needs.
        "c.image.tag != \"latest\"\n\tnot c.image.tag in [\"a\"]",
        "not c.readiness.period > 1\n\tcount([c.readiness.period, 1]) == 2",
        "some o in objects\n\tnot o.name in [\"a\"]",
        "not input.review.operation in [\"CREATE\"]",
    ];
    let parameters = "fix: F, parameters: {names: {type: list, default: [], description: d}}}";
    for line in same {
        let body = format!("\tsome c in input.workload.containers\n\t{line}\n\tc.name == \"none of these\"");
        let run = load(&policy(&body, NEGATED_RULES).replace("fix: F}", parameters));
        assert_eq!(run.code, 0, "{line}\n{}{}", run.stdout, run.stderr);
    }
    // A DELETE has no object, so no view of it.
    let text = policy("\tnot startswith(input.workload.name, \"a\")", "")
        .replace("fix: F}", "fix: F, match: {operations: [CREATE, DELETE]}}");
    load(&text).expect(2, &["input.workload.name may be undefined"]);
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
