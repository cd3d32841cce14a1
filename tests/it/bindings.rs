//! Bindings, exceptions and skip annotations: tuning policies without touching Rego.

use stategate::admission::ReviewMode;
use stategate::decision::Decision;
use stategate::inventory::Inventory;
use stategate::policy::Action;
use stategate::review::{Unobserved, review};
use stategate::source::manifests::request;
use stategate::source::policies::PolicySource;

use crate::support::{GOOD, NAIVE, directory, stategate_with};

fn binding(spec: &str) -> String {
    format!("apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {{name: own}}\nspec: {spec}\n")
}

fn exception(namespace: &str, spec: &str) -> String {
    format!(
        "apiVersion: stategate.io/v1alpha1\nkind: PolicyException\nmetadata: {{name: legacy{namespace}}}\nspec: {spec}\n"
    )
}

fn check(bindings: &str, manifest: &str) -> crate::support::Run {
    let dir = directory(&[("bindings.yaml", bindings)]);
    let run = stategate_with(
        &["check", "--bindings", dir.path().join("bindings.yaml").to_str().unwrap(), "-"],
        manifest,
    );
    if run.code < 2 {
        crate::schema::bindings_agree(bindings);
    }
    run
}

const UNPROBED: &str = "          readinessProbe:\n            exec: {command: [pg_isready, -U, postgres]}\n            timeoutSeconds: 5\n";

fn unprobed() -> String {
    let manifest = GOOD.replace(UNPROBED, "");
    assert_ne!(manifest, GOOD);
    manifest
}

#[test]
fn an_override_loosens_the_profile_and_only_where_it_matches() {
    check(&binding("{}"), &unprobed()).expect(1, &["error[probe-readiness-required]"]);
    let without = "{policies: {ids: [probe-readiness-required]}, action: warn}";
    check(&binding(without), &unprobed()).expect(1, &["error[probe-readiness-required]"]);
    let with = |more: &str| {
        binding(&format!(
            "{{policies: {{ids: [probe-readiness-required]}}, override: true, action: warn{more}}}"
        ))
    };
    check(&with(""), &unprobed()).expect(0, &["warning[probe-readiness-required]"]);
    check(&with(", match: {excludedNamespaces: [shop]}"), &unprobed())
        .expect(1, &["error[probe-readiness-required]"]);
    check(&with(", match: {objectSelector: {matchLabels: {team: data}}}"), &unprobed())
        .expect(1, &["error[probe"]);
    let labelled = unprobed().replace("  namespace: shop\n", "  namespace: shop\n  labels: {team: data}\n");
    check(&with(", match: {objectSelector: {matchLabels: {team: data}}}"), &labelled)
        .expect(0, &["warning[probe"]);
    let off = binding("{policies: {categories: [health]}, override: true, action: off}");
    let run = check(&off, &unprobed());
    run.expect(0, &[]);
    assert!(!run.stdout.contains("probe-readiness"), "{}", run.stdout);
}

const CLASS: &str = "apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: gp3, labels: {team: data}}
provisioner: ebs.csi.aws.com
parameters: {type: gp3, encrypted: \"false\"}
reclaimPolicy: Retain
allowVolumeExpansion: true
volumeBindingMode: WaitForFirstConsumer
";

#[test]
fn an_override_for_some_namespaces_leaves_the_cluster_alone() {
    let denied = "error[encryption-storageclass-at-rest]";
    check(&binding("{}"), CLASS).expect(1, &[denied]);
    for limit in [
        "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: catalog}}",
        "namespaceSelector: {matchExpressions: [{key: team, operator: DoesNotExist}]}",
        "excludedNamespaces: [payments]",
        "namespaces: [catalog]",
        "namespaces: ['*']",
    ] {
        for action in ["warn", "off"] {
            let with = |more: &str| {
                binding(&format!("{{override: true, action: {action}, match: {{{limit}{more}}}}}"))
            };
            check(&with(""), CLASS).expect(1, &[denied]);
            check(&with(", clusterScoped: false"), CLASS).expect(1, &[denied]);
            check(&with(", clusterScoped: true"), CLASS).expect(0, &["0 errors"]);
        }
    }
    // What does not speak of namespaces applies to the cluster, too, unless it says that it does not.
    let with = |spec: &str| binding(&format!("{{override: true, action: warn, match: {{{spec}}}}}"));
    check(&with(""), CLASS).expect(0, &["warning[encryption-storageclass-at-rest]"]);
    check(&with("objectSelector: {matchLabels: {team: data}}"), CLASS).expect(0, &["0 errors"]);
    check(&with("kinds: [StorageClass.storage.k8s.io]"), CLASS).expect(0, &["0 errors"]);
    check(&with("kinds: [StatefulSet.apps]"), CLASS).expect(1, &[denied]);
    check(&with("clusterScoped: false"), CLASS).expect(1, &[denied]);
}

#[test]
fn what_only_tightens_needs_no_cluster_scoped() {
    let audited = binding("{override: true, action: audit}");
    let with = |spec: &str| {
        let tighter = binding(&format!("{{action: deny, match: {{{spec}}}}}"));
        check(&format!("{audited}---\n{tighter}"), CLASS)
    };
    with("excludedNamespaces: [payments]").expect(1, &["error["]);
    with("namespaceSelector: {matchLabels: {team: a}}").expect(1, &["error["]);
    with("excludedNamespaces: [payments], clusterScoped: false").expect(0, &["audit["]);
    // A list of namespaces is one of namespaces.
    with("namespaces: [payments]").expect(0, &["audit["]);
    with("namespaces: [payments], clusterScoped: true").expect(1, &["error["]);
}

#[test]
fn namespaces_are_chosen_by_name_whatever_is_known_of_them() {
    let warned = |spec: &str, manifest: &str| {
        let text = format!("{{override: true, action: warn, match: {{{spec}}}}}");
        let run = check(&binding(&text), manifest);
        match run.code {
            0 => run.expect(0, &["warning[probe-readiness-required]"]),
            _ => run.expect(1, &["error[probe-readiness-required]"]),
        };
        run.code == 0
    };
    let namespace = |labels: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{{labels}}}}}\n---\n{}",
            unprobed()
        )
    };
    let by_name = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}";
    for manifest in [
        unprobed(),
        namespace(""),
        namespace("kubernetes.io/metadata.name: shop"),
        // The API server sets it to the name, whatever a manifest says.
        namespace("kubernetes.io/metadata.name: other"),
    ] {
        assert!(warned(by_name, &manifest), "{manifest}");
        assert!(!warned(&by_name.replace("shop", "other"), &manifest), "{manifest}");
        let expression = "namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [shop]}]}";
        assert!(!warned(expression, &manifest), "{manifest}");
    }
    for (names, matches) in [
        ("[shop]", true),
        ("[other, shop]", true),
        ("['sh*']", true),
        ("['*']", true),
        ("['*op']", true),
        ("[sho]", false),
        ("['shop-*']", false),
        ("[default]", false),
    ] {
        assert_eq!(warned(&format!("namespaces: {names}"), &unprobed()), matches, "{names}");
    }
    assert!(!warned("namespaces: ['*'], excludedNamespaces: ['sh?p']", &unprobed()));
    assert!(!warned("namespaces: [shop], namespaceSelector: {matchLabels: {a: b}}", &unprobed()));
    // Objects that name no namespace lie in that of the run.
    let nameless = unprobed().replace("  namespace: shop\n", "");
    assert!(warned("namespaces: [default]", &nameless));
    assert!(!warned("namespaces: [shop]", &nameless));
}

#[test]
fn kinds_have_their_group_wherever_they_are_named() {
    let policy = |kind: &str| {
        let policy = format!(
            "# METADATA\n# title: T\n# description: D.\n# custom:\n#   severity: low\n#   action: warn\n#   fix: F\n\
             #   match: {{kinds: [Pod, {kind}]}}\npackage stategate.own.mine\n\n\
             violation contains v if {{\n\tinput.workload.kind == \"StatefulSet\"\n\t\
             v := {{\"msg\": \"found it\", \"path\": []}}\n}}\n"
        );
        let dir = directory(&[("own/mine/mine.rego", &policy)]);
        stategate_with(&["check", "--policies", dir.path().to_str().unwrap(), "-"], GOOD)
    };
    let exempting = |kind: &str| {
        let spec = format!(
            "{{policies: [probe-readiness-required], match: {{kinds: [Pod, {kind}]}}, reason: \"until the migration\"}}"
        );
        check(&exception("", &spec), &unprobed())
    };
    let bound = |kind: &str| {
        let spec = format!(
            "{{policies: {{ids: [probe-readiness-required]}}, override: true, action: warn, match: {{kinds: [Pod, {kind}]}}}}"
        );
        check(&binding(&spec), &unprobed())
    };
    policy("StatefulSet.apps").expect(0, &["warning[mine]: found it"]);
    exempting("StatefulSet.apps").expect(0, &["is exempt from probe-readiness-required"]);
    bound("StatefulSet.apps").expect(0, &["warning[probe-readiness-required]"]);
    for kind in ["StatefulSet", "statefulsets.apps", "StatefulSet.v1.apps", "apps/v1/StatefulSet"] {
        let wrong = format!(
            "`{kind}` is no kind that policies review: kinds are written Kind.group\n  help: did you mean StatefulSet.apps?"
        );
        policy(kind).expect(2, &["mine.rego:8:26: custom.match.kinds[1]: ", &wrong]);
        exempting(kind).expect(2, &["bindings.yaml:4:", &wrong]);
        bound(kind).expect(2, &["bindings.yaml:4:", &wrong]);
    }
    // A custom resource that nobody knows may be meant, but nothing is evaluated on it yet.
    for kind in ["Store.example.com", "StatefulSet.apps.kruise.io"] {
        let unread = format!("no projection reads {kind}, so ");
        policy(kind).expect(0, &["warning: ", "mine.rego:8: ", &unread, "workloads/<kind>.yaml"]);
        exempting(kind).expect(1, &["warning: ", "bindings.yaml:4:", &unread, "error[probe"]);
        bound(kind).expect(1, &["warning: ", "bindings.yaml:4:", &unread, "error[probe"]);
    }
}

#[test]
fn the_strictest_of_several_bindings_wins() {
    let baseline = |bindings: &str| {
        let dir = directory(&[("b.yaml", bindings)]);
        stategate_with(
            &[
                "check",
                "--profile",
                "baseline",
                "--bindings",
                dir.path().join("b.yaml").to_str().unwrap(),
                "-",
            ],
            &unprobed(),
        )
    };
    baseline(&binding("{policies: {ids: [probe-readiness-required]}, action: audit}"))
        .expect(0, &["warning[probe"]);
    baseline(&binding("{policies: {ids: [probe-readiness-required]}, action: deny}"))
        .expect(1, &["error[probe"]);
    baseline(&binding("{policies: {severities: [high]}}")).expect(1, &["error[probe"]);
}

#[test]
fn parameters_reach_the_policy() {
    let excluded = binding(
        "{policies: {ids: [probe-readiness-required]}, override: true, parameters: {probe-readiness-required: {exclude_containers: [\"post*\"]}}}",
    );
    check(&excluded, &unprobed()).expect(0, &["0 errors, 0 warnings"]);
}

#[test]
fn an_exception_exempts_what_it_names_until_it_expires() {
    let exempting = |more: &str| {
        exception(
            "",
            &format!(
                "{{policies: [probe-readiness-required], match: {{kinds: [StatefulSet.apps], names: [pg]}}, reason: \"until the migration, OPS-113\"{more}}}"
            ),
        )
    };
    check(&exempting(""), &unprobed()).expect(
        0,
        &[
            "StatefulSet shop/pg is exempt from probe-readiness-required by exception legacy",
            "OPS-113",
            "0 errors",
        ],
    );
    check(&exempting(", expiresAt: 2999-01-01T00:00:00Z"), &unprobed()).expect(0, &["is exempt from"]);
    check(&exempting(", expiresAt: 2001-01-01T00:00:00Z"), &unprobed())
        .expect(1, &["error[probe-readiness-required]"]);
    check(&exempting("").replace("names: [pg]", "names: [other]"), &unprobed()).expect(1, &["error[probe"]);
    let namespaced = |namespace: &str| {
        exception(
            &format!(", namespace: {namespace}"),
            "{policies: [probe-readiness-required], match: {}, reason: \"until the migration\"}",
        )
    };
    check(&namespaced("shop"), &unprobed()).expect(0, &["is exempt from"]);
    check(&namespaced("elsewhere"), &unprobed()).expect(1, &["error[probe"]);
}

#[test]
fn a_skip_annotation_counts_with_a_reason_and_below_critical() {
    let skipping = |ids: &str, more: &str| {
        unprobed()
            .replace("  annotations:\n", &format!("  annotations:\n    stategate.io/skip: {ids}\n{more}"))
    };
    let reason = "    stategate.io/skip-reason: probed by its operator\n";
    check(&binding("{}"), &skipping("probe-readiness-required", reason))
        .expect(0, &["StatefulSet shop/pg is exempt from probe-readiness-required by its annotation"]);
    check(&binding("{}"), &skipping("probe-readiness-required", ""))
        .expect(1, &["error[probe", "is ignored", "skip-reason"]);
    check(&binding("{}"), &skipping("\"*\"", reason)).expect(1, &["error[probe", "without wildcards"]);
    let expired = format!("{reason}    stategate.io/skip-until: \"2001-01-01\"\n");
    check(&binding("{}"), &skipping("probe-readiness-required", &expired))
        .expect(1, &["error[probe", "ran out"]);
    check(&binding("{}"), &skipping("prob-readiness-required", reason))
        .expect(1, &["error[probe", "which is no policy"]);
    let not = binding("{policies: {ids: [probe-readiness-required]}, skippable: false}");
    check(&not, &skipping("probe-readiness-required", reason))
        .expect(1, &["error[probe", "may not be skipped"]);
    let critical = NAIVE.replace(
        "  namespace: shop\n",
        &format!(
            "  namespace: shop\n  annotations:\n    stategate.io/skip: volume-no-emptydir-data\n{reason}"
        ),
    );
    check(&binding("{}"), &critical).expect(1, &["error[volume-no-emptydir-data]", "may not be skipped"]);
}

#[test]
fn regulated_believes_no_annotation() {
    let cache = NAIVE.replace(
        "  namespace: shop\n",
        "  namespace: shop\n  annotations: {stategate.io/data-durability: cache}\n",
    );
    let under = |profile: &str| stategate_with(&["check", "--profile", profile, "-"], &cache);
    assert!(!under("production").stdout.contains("volume-no-emptydir-data"));
    under("regulated").expect(1, &["error[volume-no-emptydir-data]"]);
}

#[test]
fn mistakes_are_errors_with_their_place() {
    for (text, needles) in [
        (
            binding("{policies: {ids: [storage-clas-required]}}"),
            vec![
                "bindings.yaml:4:25",
                "no policy storage-clas-required",
                "did you mean storage-class-required?",
            ],
        ),
        (
            binding("{policies: {categories: [storge]}}"),
            vec!["bindings.yaml:4", "no category storge", "did you mean storage?"],
        ),
        (
            binding("{parameters: {storage-class-required: {allow_default: true}}}"),
            vec!["bindings.yaml:4", "no parameter allow_default", "did you mean allow_cluster_default?"],
        ),
        (
            binding("{parameters: {storage-class-required: {allow_cluster_default: 1}}}"),
            vec!["bindings.yaml:4", "must be true or false, not 1"],
        ),
        (
            binding("{parameters: {backup-schedule-valid: {max_base_gap: soon}}}"),
            vec!["bindings.yaml:4", "max_base_gap"],
        ),
        (
            binding("{acton: warn}"),
            vec!["bindings.yaml:4:8", "spec.acton: there is no such key", "did you mean action?"],
        ),
        (binding("{action: refuse}"), vec!["bindings.yaml:4", "deny, warn, audit or off"]),
        (
            binding("{match: {namespaceSelector: {matchExpressions: [{key: a, operator: In}]}}}"),
            vec!["bindings.yaml:4"],
        ),
        (binding("{}").replace("v1alpha1", "v1"), vec!["bindings.yaml:1", "apiVersion"]),
        (
            binding("{}").replace("PolicyBinding", "PolicyBindings"),
            vec!["bindings.yaml:1", "PolicyBindings", "PolicyException"],
        ),
        (
            binding("{match: {namespaces: []}}"),
            vec!["bindings.yaml:4:", "spec.match.namespaces is empty", "take the key out"],
        ),
        (binding("{match: {namespaces: }}"), vec!["bindings.yaml:4:", "must be a list, not nothing"]),
        (binding("{match: {kinds: []}}"), vec!["bindings.yaml:4:", "spec.match.kinds is empty"]),
        (
            binding("{match: {namespaces: [shop, Shop]}}"),
            vec!["bindings.yaml:4:", "`Shop` is no name of a namespace", "lower-case"],
        ),
        (binding("{match: {namespaces: ['team-?']}}"), vec!["bindings.yaml:4:", "`team-?` is no name"]),
        (binding("{match: {namespaces: ['-*']}}"), vec!["bindings.yaml:4:", "`-*` is no name"]),
        (binding("{match: {excludedNamespaces: [a.b]}}"), vec!["bindings.yaml:4:", "`a.b` is no name"]),
        (
            binding("{}").replace("{name: own}", "{name: own, namespace: shop}"),
            vec!["bindings.yaml:3:", "metadata.namespace has no effect", "match: {namespaces: [NAME]}"],
        ),
        (
            exception(
                ", namespace: 'team-*'",
                "{policies: [pdb-present], match: {}, reason: \"until the migration\"}",
            ),
            vec!["bindings.yaml:3:", "`team-*` is no name of a namespace"],
        ),
        (
            exception(
                "",
                "{policies: [pdb-present], match: {}, reason: \"until the migration\", expiresAt: 2027-01-31T12:00:00}",
            ),
            vec![
                "bindings.yaml:4:",
                "spec.expiresAt",
                "neither a date (2027-01-31) nor a time with its zone",
            ],
        ),
        (
            exception("", "{policies: [pdb], match: {}, reason: \"until the migration\"}"),
            vec!["bindings.yaml:4", "no policy pdb"],
        ),
        (
            exception("", "{policies: [], match: {}, reason: \"until the migration\"}"),
            vec!["bindings.yaml:4", "waives no policy"],
        ),
        (
            exception("", "{policies: [storage-class-required], match: {}, reason: \"no\"}"),
            vec!["bindings.yaml:4", "no reason"],
        ),
        (
            exception(
                "",
                "{policies: [storage-class-required], match: {}, reason: \"until the migration\", expiresAt: soon}",
            ),
            vec!["bindings.yaml:4", "spec.expiresAt"],
        ),
    ] {
        check(&text, GOOD).expect(2, &needles);
    }
    // All errors are reported at once.
    let two =
        format!("{}---\n{}", binding("{policies: {ids: [first]}}"), binding("{policies: {ids: [second]}}"));
    check(&two, GOOD).expect(2, &["no policy first", "no policy second", "bindings.yaml:9"]);
    stategate_with(&["check", "--bindings", "/no/such/file", "-"], GOOD).expect(2, &["/no/such/file"]);
}

#[test]
fn the_step_before_deny_makes_the_profile_milder_and_nothing_else() {
    let denies = binding("{policies: {ids: [volume-no-emptydir-data]}, action: deny}");
    let off = binding("{policies: {ids: [volume-no-emptydir-data]}, override: true, action: off}");
    let dir = directory(&[("denies.yaml", &*denies), ("off.yaml", &*off)]);
    let document = stategate::yaml::read(NAIVE).unwrap().remove(0);
    let decide = |at_most: Option<Action>, bindings: &[&str]| {
        let source = PolicySource {
            directory: None,
            no_catalogue: false,
            profile: "production".to_owned(),
            bindings: bindings.iter().map(|name| dir.path().join(name)).collect(),
            at_most,
            engine: stategate::engine::EngineKind::default(),
        };
        let set = source.compile(&source.read().unwrap(), None).unwrap();
        let request = request(&document.value, set.projections(), "").unwrap();
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let mode = ReviewMode::MutateAndValidate;
        let decision = review(&set, &Inventory::default(), &request, mode, now, &Unobserved);
        (set, decision)
    };
    let strictest = |decision: &Decision| decision.findings.iter().map(|one| one.action).max();
    let names = |decision: &Decision| {
        let all = decision.findings.iter().map(|one| one.policy.to_string());
        all.collect::<std::collections::BTreeSet<_>>()
    };

    let (strict, denied) = decide(None, &[]);
    assert!(!denied.allowed() && denied.patch.is_some());
    assert!(!strict.mutation_coverage().is_empty());
    for (most, step) in [(Action::Audit, "audit"), (Action::Warn, "warn")] {
        let (set, decision) = decide(Some(most), &[]);
        assert!(decision.allowed() && decision.patch.is_none(), "{step}");
        assert_eq!(strictest(&decision), Some(most));
        // Whatever would be denied is found, and what a patch would have mended.
        assert!(names(&decision).is_superset(&names(&denied)), "{step}");
        assert!(set.mutation_coverage().is_empty());
        assert_eq!(set.coverage(), strict.coverage());
        assert_ne!(set.digest(), strict.digest());
        assert_ne!(set.evaluation_digest(), strict.evaluation_digest());

        // What a user says counts as it does under `deny`.
        let (_, own) = decide(Some(most), &["denies.yaml"]);
        let denying: Vec<String> = own
            .findings
            .iter()
            .filter(|one| one.action == Action::Deny)
            .map(|one| one.policy.to_string())
            .collect();
        assert_eq!(denying, ["volume-no-emptydir-data"], "{step}");
        let (_, without) = decide(Some(most), &["off.yaml"]);
        assert!(!names(&without).contains("volume-no-emptydir-data"), "{step}");
    }
}

/// The bindings that findings of a policy name, as `check -o json` reports them.
fn named(folder: &std::path::Path, files: &[&str], policy: &str) -> Vec<String> {
    let bindings: Vec<String> =
        files.iter().flat_map(|file| ["--bindings", file]).map(str::to_owned).collect();
    let arguments: Vec<&str> = ["check", "-o", "json", "pg.yaml", "--no-config"]
        .into_iter()
        .chain(bindings.iter().map(String::as_str))
        .collect();
    let run = crate::support::run_in(folder, &arguments);
    let report: serde_json::Value =
        serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}", run.stderr));
    let findings = report["findings"].as_array().unwrap().iter().filter(|one| one["policy"] == policy);
    findings.map(|finding| finding["binding"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_finding_names_the_binding_that_decided_its_action() {
    let probe = |name: &str, more: &str| {
        binding(&format!("{{policies: {{ids: [probe-readiness-required]}}{more}}}"))
            .replace("name: own", &format!("name: {name}"))
    };
    let both =
        probe("mild", ", override: true, action: warn") + "---\n" + &probe("strict", ", override: true");
    let dir = directory(&[
        ("pg.yaml", &unprobed()),
        ("a/team.yaml", &probe("same", ", action: deny")),
        ("b/team.yaml", &probe("other", ", override: true, action: warn")),
        ("both.yaml", &both),
        ("production", &probe("production", ", override: true, action: audit")),
        ("policybinding", &probe("x", ", override: true, action: audit")),
        ("found.yaml", &probe("found", ", override: true, action: audit, match: {namespaces: [other]}")),
    ]);
    let named = |files: &[&str]| named(dir.path(), files, "probe-readiness-required");
    assert_eq!(named(&[]), ["production/production"]);
    // It says the same as the profile, which said it first.
    assert_eq!(named(&["a/team.yaml"]), ["production/production"]);
    assert_eq!(named(&["b/team.yaml"]), ["team.yaml/other"]);
    // Two files of one name are told apart, and so is a file from a profile and from the cluster.
    assert_eq!(named(&["b/team.yaml", "a/team.yaml"]), ["a/team.yaml/same"]);
    assert_eq!(named(&["production"]), ["./production/production"]);
    assert_eq!(named(&["policybinding"]), ["./policybinding/x"]);
    // The strictest of those that apply, wherever it stands; none that does not match.
    assert_eq!(named(&["both.yaml"]), ["both.yaml/strict"]);
    assert_eq!(named(&["found.yaml"]), ["production/production"]);
    let text = crate::support::run_in(dir.path(), &["check", "pg.yaml", "--bindings", "b/team.yaml"]);
    text.expect(0, &["warning[probe-readiness-required]", "= binding: team.yaml/other"]);
}

#[test]
fn every_format_names_the_binding() {
    let own = binding("{policies: {ids: [probe-readiness-required]}, override: true, action: deny}");
    let dir = directory(&[("pg.yaml", &unprobed()), ("team.yaml", &own)]);
    let written = |format: &str| {
        let arguments = ["check", "pg.yaml", "--bindings", "team.yaml", "-o", format];
        crate::support::run_in(dir.path(), &arguments).stdout
    };
    for (format, named) in [
        ("text", "= binding: team.yaml/own"),
        ("json", "\"binding\": \"team.yaml/own\""),
        ("sarif", "\"binding\": \"team.yaml/own\""),
        ("junit", "  binding: team.yaml/own\n"),
        ("github", "%0Abinding: team.yaml/own\n"),
        ("gitlab", ". Binding: team.yaml/own\""),
        ("html", "\"binding\":\"team.yaml/own\""),
    ] {
        let text = written(format);
        assert!(text.contains(named), "{format}: {named:?} is not in:\n{text}");
    }
}

#[test]
fn a_refusal_and_a_warning_name_the_binding() {
    let cluster = "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {name: from-cluster}\n\
                   spec: {policies: {ids: [secret-no-literal-env]}, override: true, action: deny}\n";
    let dir = directory(&[("cluster.yaml", cluster)]);
    let review = include_str!("../fixtures/reviews/create-statefulset.json");
    let file = dir.path().join("cluster.yaml").display().to_string();
    let run = stategate_with(&["review", "-", "--inventory", &file], review);
    let answer: serde_json::Value =
        serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}", run.stderr));
    let response = &answer["response"];
    let message = response["status"]["message"].as_str().unwrap();
    for line in [
        "\nsecret-no-literal-env [critical] (binding: policybinding/from-cluster)\n",
        "\nimage-pinned [high] (binding: production/production)\n",
    ] {
        assert!(message.contains(line), "{message}");
    }
    let cause = &response["status"]["details"]["causes"][0];
    assert_eq!(cause["reason"], "secret-no-literal-env");
    assert!(
        cause["message"].as_str().unwrap().ends_with(" (binding: policybinding/from-cluster)"),
        "{cause}"
    );
    let annotation = response["auditAnnotations"]["binding"].as_str().unwrap();
    assert!(annotation.contains("secret-no-literal-env=policybinding/from-cluster"), "{annotation}");
    // A warning that is too long for the API server is cut, and still names it.
    let warnings = response["warnings"].as_array().unwrap().iter().map(|warning| warning.as_str().unwrap());
    // What is about a finding is none.
    for warning in warnings.filter(|warning| !warning.contains("only warns at admission")) {
        assert!(warning.ends_with("; binding: production/production"), "{warning}");
        assert!(warning.chars().count() <= 256, "{warning}");
    }
}
