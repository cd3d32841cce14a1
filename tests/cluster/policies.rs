//! Policies, PolicyBindings and PolicyExceptions as resources of a real API server: in force as soon as they are
//! applied, refused if they are faulty, and where a faulty one slips in, its condition says why and the rest stays.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{self, ApiServer, Daemon, Kubectl, Output, Stategate, http_get, register, wait_until};
use crate::{GOOD, NAIVE, refused};

/// A change counts in less than a second; a busy machine takes longer.
const SOON: Duration = Duration::from_secs(60);
/// stategate's own namespace.
const OWN: &str = "stategate-system";

/// A policy of the user's own, and where it applies.
const OWNER: &str = concat!(
    include_str!("../fixtures/documents/owner-label.yaml"),
    "---
apiVersion: stategate.io/v1alpha1
kind: PolicyBinding
metadata: {name: owners}
spec:
  policies: {ids: [owner-label]}
"
);

fn exception(namespace: &str, name: &str, policies: &str, more: &str) -> String {
    format!(
        "---\napiVersion: stategate.io/v1alpha1\nkind: PolicyException\n\
         metadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{policies: [{policies}], match: {{}}, reason: until the migration{more}}}\n"
    )
}

fn good() -> &'static str {
    GOOD.split_once("---").unwrap().0
}

/// stategate on the command line.
fn stategate(api: &ApiServer, args: &[&str]) -> Output {
    harness::stategate(api.dir(), args, "")
}

/// The same against the cluster.
fn there(api: &ApiServer, args: &[&str]) -> Output {
    stategate(api, &[args, &["--kubeconfig", api.kubeconfig("admin").to_str().unwrap()]].concat())
}

/// A test server with stategate's definitions and its namespace.
fn cluster() -> ApiServer {
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    let definitions = stategate(&api, &["crds"]);
    admin.ok(&["apply", "--server-side", "-f", "-"], &definitions.stdout);
    admin.ok(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"], "");
    admin.ok(&["create", "namespace", OWN], "");
    // Those who own a namespace may write its exceptions.
    admin.ok(
        &[
            "create",
            "clusterrole",
            "exceptions",
            "--verb=create,get,list,watch,update,patch,delete",
            "--resource=policyexceptions.stategate.io",
        ],
        "",
    );
    admin.ok(
        &["create", "rolebinding", "exceptions", "-n", "shop", "--clusterrole=exceptions", "--user=dev"],
        "",
    );
    api
}

fn follow(api: &ApiServer, dir: &Path) -> Stategate {
    let kubeconfig = api.kubeconfig("admin");
    let kubeconfig = kubeconfig.to_str().unwrap();
    Stategate::start(dir, &["--drain-delay", "0", "--kubeconfig", kubeconfig, "--own-namespace", OWN])
}

/// The condition of a document, once it speaks of the present version.
fn condition(admin: &Kubectl, document: &[&str], reason: &str) -> Value {
    let mut last = Value::Null;
    let found = wait_until(SOON, || {
        let object = admin.get_json(document);
        last = object["status"]["conditions"][0].clone();
        last["reason"] == reason && last["observedGeneration"] == object["metadata"]["generation"]
    });
    assert!(found, "{document:?}: {last}, not {reason}");
    last
}

fn message(condition: &Value) -> String {
    condition["message"].as_str().unwrap_or_default().to_owned()
}

/// What the webhook says of a new StatefulSet, as a dry run.
fn attempt(user: &Kubectl, manifest: &str) -> Output {
    user.run(&["create", "--dry-run=server", "-f", "-"], manifest)
}

#[track_caller]
fn comes_to(user: &Kubectl, manifest: &str, what: &str, wanted: impl Fn(&Output) -> bool) {
    let mut last = String::new();
    let began = Instant::now();
    let came = wait_until(SOON, || {
        let output = attempt(user, manifest);
        last = format!("{output:?}");
        wanted(&output)
    });
    assert!(came, "{what}: {last}");
    println!("{what}: after {} ms", began.elapsed().as_millis());
}

fn names(output: &Output, policy: &str) -> bool {
    output.denied() && output.stderr.contains(policy)
}

#[test]
fn what_is_applied_is_in_force_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let api = cluster();
    let (admin, dev) = (api.kubectl("admin"), api.kubectl("dev"));
    let gate = follow(&api, dir.path());
    register(&api, &gate, &[], |admin| admin.run(&["create", "--dry-run=server", "-f", "-"], NAIVE).denied());
    assert!(attempt(&dev, good()).succeeded(), "{:?}", attempt(&dev, good()));

    // A Policy and its binding in one command, although the one has to be loaded before the other may name it.
    admin.apply(OWNER);
    comes_to(&dev, good(), "a Policy and its binding count", |output| names(output, "owner-label"));
    condition(&admin, &["policy.stategate.io/owner-label"], "InForce");
    condition(&admin, &["policybinding/owners"], "InForce");

    // The owner of a namespace waives a policy there, and only there.
    let legacy = exception("shop", "legacy", "owner-label", ", expiresAt: 2099-01-31T00:00:00Z");
    dev.apply(&legacy);
    comes_to(&dev, good(), "an exception counts", Output::succeeded);
    let elsewhere = good().replace("namespace: shop", "namespace: default");
    assert!(names(&attempt(&admin, &elsewhere), "owner-label"), "{:?}", attempt(&admin, &elsewhere));

    // Every front end sees the same: the audit, a manifest against the cluster, and an export for elsewhere.
    std::fs::write(api.dir().join("pg.yaml"), good()).unwrap();
    std::fs::write(api.dir().join("elsewhere.yaml"), &elsewhere).unwrap();
    let export = there(&api, &["inventory"]);
    assert_eq!(export.code, 0, "{export:?}");
    std::fs::write(api.dir().join("cluster.yaml"), &export.stdout).unwrap();
    let kubeconfig = api.kubeconfig("admin");
    for against in [["--kubeconfig", kubeconfig.to_str().unwrap()], ["--inventory", "cluster.yaml"]] {
        let [flag, value] = against;
        let waived = stategate(&api, &["check", "pg.yaml", flag, value, "-o", "json"]);
        assert!(waived.stdout.contains("until the migration"), "{against:?}: {waived:?}");
        assert!(!waived.stdout.contains("nobody owns it"), "{against:?}: {waived:?}");
        let found = stategate(&api, &["check", "elsewhere.yaml", flag, value]);
        assert!(found.code == 1 && found.stdout.contains("nobody owns it"), "{against:?}: {found:?}");
    }
    for (file, found) in [("waived", false), ("found", true)] {
        let mut review: Value =
            serde_json::from_str(include_str!("../fixtures/reviews/create-statefulset.json")).unwrap();
        let namespace = if file == "waived" { "shop" } else { "default" };
        review["request"]["namespace"] = json!(namespace);
        let manifest = good().replace("namespace: shop", &format!("namespace: {namespace}"));
        let object = dev.run(&["create", "--dry-run=client", "-o", "json", "-f", "-"], &manifest).stdout;
        review["request"]["object"] = serde_json::from_str(&object).unwrap();
        review["request"]["name"] = review["request"]["object"]["metadata"]["name"].clone();
        let file = api.dir().join(format!("{file}.json"));
        std::fs::write(&file, review.to_string()).unwrap();
        let answer = stategate(&api, &["review", file.to_str().unwrap(), "--inventory", "cluster.yaml"]);
        assert!(answer.code <= 1 && answer.stdout.contains("allowed"), "{answer:?}");
        assert_eq!(answer.stdout.contains("nobody owns it"), found, "{answer:?}");
    }
    admin.ok(&["delete", "validatingwebhookconfiguration", "stategate"], "");
    admin.ok(&["create", "-f", "-"], good());
    admin.ok(&["create", "-f", "-"], &elsewhere);
    let audit = there(&api, &["audit", "-o", "json"]);
    let audit: Value = serde_json::from_str(&audit.stdout).unwrap();
    let about = |list: &str, namespace: &str| {
        let mut all = audit[list].as_array().unwrap().iter();
        all.any(|one| one["policy"] == "owner-label" && one["object"]["namespace"] == namespace)
    };
    assert!(about("findings", "default") && !about("findings", "shop"), "{audit:#}");
    assert!(about("waived", "shop") && !about("waived", "default"), "{audit:#}");

    // What a person sees.
    println!("{}", admin.ok(&["get", "policies,policybindings,policyexceptions", "-A"], "").stdout);
    println!("{}", admin.ok(&["describe", "policyexception", "legacy", "-n", "shop"], "").stdout);
    let columns = admin.ok(&["get", "stex", "-n", "shop"], "").stdout;
    for shown in ["POLICIES", "EXPIRES", "READY", "owner-label", "2099-01-31T00:00:00Z", "True"] {
        assert!(columns.contains(shown), "{columns}");
    }
}

#[test]
fn a_faulty_document_is_refused_with_the_error_that_loading_it_gives() {
    let dir = tempfile::tempdir().unwrap();
    let api = cluster();
    let (admin, dev) = (api.kubectl("admin"), api.kubectl("dev"));
    let gate = follow(&api, dir.path());
    register(&api, &gate, &[], |admin| admin.run(&["create", "--dry-run=server", "-f", "-"], NAIVE).denied());
    let policy = OWNER.split("---").next().unwrap();
    let binding = |spec: &str| {
        format!(
            "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {{name: b}}\nspec: {spec}\n"
        )
    };
    for (document, says) in [
        (
            policy
                .replace("metadata.labels.owner", "metadata.lables.owner")
                .replace("input.review.object", "input.workload"),
            "spec.rego:",
        ),
        (policy.replace("not input", "not imput"), "spec.rego:12:"),
        (policy.replace("severity: medium", "severity: grave"), "spec.rego:5:"),
        (policy.replace("name: owner-label", "name: owners"), "but its package says owner-label"),
        (
            policy.replace("owner-label", "pdb-present").replace("owner_label", "pdb_present"),
            "pdb-present is already the id of a shipped policy",
        ),
        (binding("{policies: {ids: [pdb-presnet]}}"), "did you mean pdb-present?"),
        (
            binding("{parameters: {storage-class-allowed: {alowed: {}}}}"),
            "spec.parameters.storage-class-allowed.alowed",
        ),
        (binding("{match: {namespaces: []}}"), "spec.match.namespaces"),
        (exception(OWN, "e", "pdb-presnet", ""), "spec.policies[0]: there is no policy pdb-presnet"),
        (exception(OWN, "e", "pdb-present", ", expiresAt: soon"), "expiresAt"),
        (
            exception("shop", "e", "pdb-present, volume-no-emptydir-data", ""),
            "spec.policies[1]: volume-no-emptydir-data is critical",
        ),
        (
            exception("shop", "e", "pdb-present", "").replace("match: {}", "match: {namespaces: [other]}"),
            "it counts in the namespace shop only",
        ),
    ] {
        let output = admin.run(&["create", "-f", "-"], &document);
        assert!(
            !output.succeeded() && output.stderr.contains(says),
            "{document}\n{says:?} is not in {output:?}"
        );
    }
    // The right of a namespace's owner ends there.
    refused(
        &dev.run(&["create", "-f", "-"], &exception("shop", "e", "volume-no-emptydir-data", "")),
        &["critical"],
    );
    // Own namespace: what is critical, and what lies in no namespace.
    admin.apply(&exception(OWN, "critical", "volume-no-emptydir-data", ""));
    // One that has ended is stored with a warning.
    let ended = admin
        .ok(&["create", "-f", "-"], &exception("shop", "ended", "pdb-present", ", expiresAt: 2026-01-01"));
    assert!(ended.stderr.contains("it waives nothing"), "{ended:?}");
    condition(&admin, &["policyexception/ended", "-n", "shop"], "Expired");
    // `action: off` is what people write, and YAML makes false of it.
    admin.apply(&binding("{policies: {ids: [pdb-present]}, override: true, action: off}"));
    condition(&admin, &["policybinding/b"], "InForce");
    let bindings = admin.ok(&["get", "policybindings"], "").stdout;
    assert!(
        wait_until(SOON, || admin.ok(&["get", "policybindings"], "").stdout.contains("off")),
        "{bindings}"
    );
}

#[test]
fn what_slips_in_says_why_and_takes_nothing_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut api = cluster();
    let (admin, dev) = (api.kubectl("admin"), api.kubectl("dev"));
    let gate = follow(&api, dir.path());
    let registered = |admin: &Kubectl| admin.run(&["create", "--dry-run=server", "-f", "-"], NAIVE).denied();
    register(&api, &gate, &[], registered);
    admin.apply(OWNER);
    condition(&admin, &["policy.stategate.io/owner-label"], "InForce");
    // From now on nobody reviews stategate's own resources.
    let webhooks = admin.get_json(&["validatingwebhookconfiguration", "stategate"])["webhooks"].clone();
    let own = webhooks.as_array().unwrap().iter().enumerate().filter(|(_, webhook)| {
        ["policies.validate.stategate.io", "exceptions.validate.stategate.io"]
            .iter()
            .any(|name| webhook["name"] == *name)
    });
    let silenced = own.map(|(number, _)| {
        serde_json::json!({"op": "replace", "path": format!("/webhooks/{number}/rules/0/operations"), "value": ["DELETE"]})
    });
    let patch = serde_json::Value::from(silenced.collect::<Vec<_>>()).to_string();
    admin.ok(&["patch", "validatingwebhookconfiguration", "stategate", "--type=json", "-p", &patch], "");

    // The last good version of a Policy and of a binding stay in force.
    let broken = OWNER.replace("not input.review", "not imput.review");
    assert!(wait_until(SOON, || admin.run(&["apply", "-f", "-"], &broken).succeeded()));
    let said = message(&condition(&admin, &["policy.stategate.io/owner-label"], "PreviousInForce"));
    assert!(said.contains("spec.rego:12:") && said.contains("the version before this one stays"), "{said}");
    let spec =
        |ids: &str| json!({"spec": {"policies": {"ids": [ids]}, "parameters": {"pdb-present": {"x": 1}}}});
    admin.ok(
        &["patch", "policybinding", "owners", "--type=merge", "-p", &spec("owner-label").to_string()],
        "",
    );
    let said = message(&condition(&admin, &["policybinding/owners"], "PreviousInForce"));
    assert!(said.contains("spec.parameters.pdb-present.x"), "{said}");
    comes_to(&dev, good(), "the last good version counts", |output| names(output, "owner-label"));

    // Policies that take long to try keep no exception waiting.
    let numbers = (0..60).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    let slow = |number: usize| {
        let policy = OWNER.split("---").next().unwrap().replace("owner-label", &format!("slow-{number}"));
        let policy = policy
            .replace("owner_label", &format!("slow_{number}"))
            .replace("match: {kinds: [StatefulSet.apps], ", "match: {");
        policy
            + &format!(
                "    list := [{numbers}]\n\n    violation contains v if {{\n    \tsome a in list\n    \tsome b in list\n    \tsome c in list\n    \ta + b + c == 1000\n    \tv := {{\"msg\": \"x\", \"path\": []}}\n    }}\n"
            )
    };
    let slow: Vec<String> = (0..6).map(slow).collect();
    admin.ok(&["create", "-f", "-"], &slow.join("---"));
    condition(&admin, &["policy.stategate.io/slow-5"], "Loading");
    dev.apply(&exception("shop", "legacy", "owner-label", ""));
    comes_to(&dev, good(), "an exception counts while Policies are tried", Output::succeeded);
    let mut state = Value::Null;
    assert!(
        wait_until(2 * SOON, || {
            state = admin.get_json(&["policy.stategate.io/slow-5"])["status"]["conditions"][0].clone();
            state["status"] != "Unknown"
        }),
        "{state}"
    );
    println!("the last one that takes long: {state}");

    // What an exception must not waive: policies that are critical, and objects that lie in no namespace.
    admin.apply(&exception("shop", "critical", "volume-no-emptydir-data, gone, pdb-present", ""));
    let said = message(&condition(&admin, &["policyexception/critical", "-n", "shop"], "InForceInPart"));
    assert!(said.contains("critical") && said.contains("there is no policy gone"), "{said}");
    assert!(names(&attempt(&dev, NAIVE), "volume-no-emptydir-data"), "{:?}", attempt(&dev, NAIVE));
    admin.apply(
        &exception(OWN, "all", "volume-no-emptydir-data", "")
            .replace("match: {}", "match: {namespaces: [shop]}"),
    );
    comes_to(&dev, NAIVE, "one in stategate's own namespace waives it", |output| {
        !output.stderr.contains("volume-no-emptydir-data")
    });

    // A start without the API server's memory of them, and an API server that starts anew, lose nothing.
    let before = readyz(&gate);
    api.restart_server();
    assert!(
        wait_until(SOON, || readyz(&gate).contains("inventory Policy.stategate.io: complete, 7")),
        "{}",
        readyz(&gate)
    );
    assert_eq!(first_line(&before), first_line(&readyz(&gate)));
    // Definitions that are gone take their documents with them, but not in the first moment.
    admin.ok(&["delete", "crd", "policyexceptions.stategate.io"], "");
    comes_to(&dev, good(), "exceptions are gone with their definition", |output| {
        names(output, "owner-label")
    });
}

fn readyz(gate: &Stategate) -> String {
    http_get(gate.status_port(), "/readyz?verbose").unwrap().1
}

/// The digest of the policy set.
fn first_line(text: &str) -> String {
    text.lines().find(|line| line.starts_with("policy set")).unwrap_or_default().to_owned()
}

#[test]
fn nothing_that_is_stored_keeps_the_rest_from_coming_into_force() {
    let shipped = stategate::source::catalogue::Catalogue::embedded().unbound().policies.len();
    let dir = tempfile::tempdir().unwrap();
    let api = cluster();
    let (admin, dev) = (api.kubectl("admin"), api.kubectl("dev"));
    let mut gate = follow(&api, dir.path());
    register(&api, &gate, &[], |admin| admin.run(&["create", "--dry-run=server", "-f", "-"], NAIVE).denied());
    let share =
        OWNER.split("---").next().unwrap().replace("owner-label", "share").replace("owner_label", "share");
    let share = share
        .replace("#   action: deny", "#   action: deny\n    #   parameters:\n    #     count: {type: integer, default: 1, description: How many share it.}")
        .replace("not input.review.object.metadata.labels.owner", "10 / input.parameters.count > 100");
    admin.apply(&share);
    condition(&admin, &["policy.stategate.io/share"], "InForce");
    let binding = "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {name: shares}\n\
                   spec: {policies: {ids: [share]}, parameters: {share: {count: 0}}}\n";
    // A value with which a policy fails is refused, as is what the API server would drop in silence.
    let output = admin.run(&["create", "-f", "-"], binding);
    assert!(output.denied() && output.stderr.contains("divide by zero"), "{output:?}");
    for (spec, says) in [
        ("{match: {namespaces: null}, action: \"off\", override: true}", "spec.match.namespaces"),
        ("{match: {namespace: [dev]}, action: \"off\", override: true}", "spec.match.namespace"),
        ("{policies: null}", "spec.policies"),
    ] {
        let binding = format!(
            "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {{name: wide}}\nspec: {spec}\n"
        );
        let output = admin.run(&["create", "--validate=ignore", "-f", "-"], &binding);
        assert!(output.denied() && output.stderr.contains(says), "{spec}: {output:?}");
    }
    let many = (0..101).map(|number| format!("p{number}")).collect::<Vec<_>>().join(", ");
    let output = dev.run(&["create", "-f", "-"], &exception("shop", "many", &many, ""));
    assert!(!output.succeeded() && output.stderr.contains("at most 100 items"), "{output:?}");

    // Nobody reviews them any more, and all of it is stored.
    admin.ok(&["delete", "validatingwebhookconfiguration", "stategate"], "");
    admin.ok(&["create", "-f", "-"], binding);
    admin.ok(&["create", "-f", "-"], OWNER);
    for number in 0..3 {
        let name = format!("faulty-{number}");
        let policy = OWNER
            .split("---")
            .next()
            .unwrap()
            .replace("owner-label", &name)
            .replace("owner_label", &name.replace('-', "_"));
        admin.ok(&["create", "-f", "-"], &policy.replace("not input.review", "1 / 0 == input.review"));
    }
    for _ in 0..2 {
        let said = message(&condition(&admin, &["policybinding/shares"], "Invalid"));
        assert!(said.contains("divide by zero"), "{said}");
        condition(&admin, &["policy.stategate.io/owner-label"], "InForce");
        condition(&admin, &["policybinding/owners"], "InForce");
        condition(&admin, &["policy.stategate.io/share"], "InForce");
        condition(&admin, &["policy.stategate.io/faulty-2"], "Invalid");
        assert!(!readyz(&gate).contains("not in force"), "{}", readyz(&gate));
        // What was true before a restart is true after it.
        gate.kill();
        gate.restart();
        assert!(readyz(&gate).contains(&format!("{} policies", shipped + 2)), "{}", readyz(&gate));
    }
    // Whatever somebody else writes into a status is corrected.
    let lie = json!({"status": {"conditions": [{
        "type": "Ready", "status": "False", "reason": "Lie", "message": "no", "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]}});
    let patch = ["patch", "policy.stategate.io", "owner-label", "--subresource=status", "--type=merge", "-p"];
    admin.ok(&[patch.as_slice(), &[&lie.to_string()]].concat(), "");
    condition(&admin, &["policy.stategate.io/owner-label"], "InForce");
}

#[test]
fn two_thousand_exceptions_come_into_force_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let api = cluster();
    let admin = api.kubectl("admin");
    let items: Vec<Value> = (0..2000)
        .map(|number| {
            json!({
                "apiVersion": "stategate.io/v1alpha1", "kind": "PolicyException",
                "metadata": {"name": format!("e{number}"), "namespace": "shop"},
                "spec": {
                    "policies": ["pdb-present", "zone-spread"], "reason": "until the migration",
                    "match": {"names": [format!("store-{number}")], "kinds": ["StatefulSet.apps"]},
                },
            })
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let policies = stategate(&api, &["policy", "list"]).stdout;
    let list = match policies.contains("zone-spread") {
        true => list,
        false => list.replace(", \"zone-spread\"", "").replace(",\"zone-spread\"", ""),
    };
    admin.ok(&["create", "-f", "-"], &list);
    let gate = follow(&api, dir.path());
    register(&api, &gate, &[], |admin| admin.run(&["create", "--dry-run=server", "-f", "-"], NAIVE).denied());
    assert!(
        readyz(&gate).contains("PolicyException.stategate.io: complete, 2000 objects"),
        "{}",
        readyz(&gate)
    );
    let memory = std::fs::read_to_string(format!("/proc/{}/status", gate.id())).unwrap();
    println!("{}", memory.lines().find(|line| line.starts_with("VmRSS")).unwrap());

    let naive = NAIVE.replace("name: pg", "name: one-more");
    assert!(attempt(&admin, &naive).stderr.contains("volume-no-emptydir-data"));
    let waiver = exception(OWN, "one-more", "volume-no-emptydir-data", "");
    admin.apply(&waiver);
    comes_to(&admin, &naive, "one exception of 2,001 counts", |output| {
        !output.stderr.contains("volume-no-emptydir-data")
    });
    admin.ok(&["delete", "-f", "-"], &waiver);
    comes_to(&admin, &naive, "one exception of 2,001 is gone", |output| {
        output.stderr.contains("volume-no-emptydir-data")
    });
    // Their state is written down, at a pace, and then no more.
    let ready = || {
        let all = admin.get_json(&["policyexceptions", "-n", "shop"]);
        let items = all["items"].as_array().unwrap().clone();
        items.iter().filter(|one| one["status"]["conditions"][0]["status"] == "True").count()
    };
    assert!(wait_until(5 * SOON, || ready() == 2000), "{} of 2,000", ready());
}

#[test]
fn an_audit_that_watches_tells_what_appears_and_what_goes() {
    let api = cluster();
    let admin = api.kubectl("admin");
    admin.ok(&["create", "-f", "-"], good());
    let mut command = harness::command(api.dir());
    let kubeconfig = api.kubeconfig("admin");
    command.args([
        "audit",
        "--watch",
        "--every",
        "0.5",
        "-o",
        "text",
        "-o",
        "json=audit.json",
        "--kubeconfig",
    ]);
    let watch = Daemon::start(
        "stategate audit",
        {
            command.arg(kubeconfig);
            command
        },
        api.dir().join("watch.log"),
    );
    let says = |needle: &str| {
        assert!(wait_until(SOON, || watch.log().contains(needle)), "{needle:?} is not in\n{}", watch.log());
    };
    says("checking again");
    admin.ok(&["create", "-f", "-"], &NAIVE.replace("name: pg", "name: other"));
    says("becomes denied (");
    says("StatefulSet shop/other: ");
    // An exception waives it, here as at the webhook; and what is gone is free.
    admin.apply(&exception(OWN, "other", "volume-no-emptydir-data", ""));
    says("becomes free (");
    let report = std::fs::read_to_string(api.dir().join("audit.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(
        report["waived"].as_array().unwrap().iter().any(|one| one["policy"] == "volume-no-emptydir-data")
    );
}
