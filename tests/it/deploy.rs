//! The chart says what the binary needs, and its documentation what the chart takes. What helm makes of it is in
//! `cluster/chart.rs` and `cluster/chart_values.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::support::stategate;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/chart/stategate");
const PROFILES: [&str; 3] = ["baseline", "production", "regulated"];

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(CHART).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn document(name: &str) -> Value {
    stategate::yaml::read(&file(name)).unwrap().remove(0).value
}

#[track_caller]
fn is_current(name: &str, printed: &str) {
    assert!(file(name) == printed, "{name} is not what stategate prints: run deploy/render");
}

#[test]
fn the_chart_has_what_the_binary_prints() {
    is_current("files/crds.yaml", &stategate(&["crds"]).expect(0, &[]).stdout);
    for profile in PROFILES {
        // The chart has one role for all profiles.
        let flags = ["--policy-reports", "--events", "--webhooks", "manage", "--tls-secret", "stategate-tls"];
        let rights = [&["rbac", "--profile", profile][..], &flags].concat();
        is_current("files/rbac.yaml", &stategate(&rights).expect(0, &[]).stdout);
        let steps =
            [("deny", &[][..]), ("warn", &["--enforcement", "warn"]), ("fail-open", &["--fail-open"])];
        for (step, flags) in steps {
            let args = ["webhook-config", "--profile", profile, "--service", "stategate-system/stategate"];
            let webhooks = stategate(&[&args[..], flags].concat());
            let lines = webhooks.expect(0, &[]).stdout.lines().filter(|line| !line.starts_with('#'));
            let printed: String = lines.map(|line| format!("{line}\n")).collect();
            is_current(&format!("files/webhooks/{profile}.{step}.yaml"), &printed);
        }
    }
    let image = include_str!("../../deploy/Dockerfile");
    assert!(image.contains(concat!("FROM rust:", env!("CARGO_PKG_RUST_VERSION"), "-")), "{image}");
    let version = env!("CARGO_PKG_VERSION");
    let chart = document("Chart.yaml");
    assert_eq!((&chart["version"], &chart["appVersion"]), (&version.into(), &version.into()));
}

#[test]
fn rights_are_those_of_the_policies_and_never_all() {
    let flags =
        ["rbac", "--policy-reports", "--events", "--webhooks", "manage", "--tls-secret", "stategate-tls"];
    let all = stategate(&flags).expect(0, &[]).stdout.clone();
    assert!(!all.contains('*'), "{all}");
    let guide = include_str!("../../deploy/README.md");
    let shown = guide
        .split(&format!("$ stategate {}\n", flags.join(" ")))
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    assert_eq!(shown, all, "deploy/README.md shows other rights");

    // With one policy, what the others need is left out.
    let policy = include_str!("../../policies/storage/pvc_no_shrink/pvc_no_shrink.rego");
    let one = crate::support::directory(&[("storage/pvc_no_shrink/pvc_no_shrink.rego", policy)]);
    let one = one.path().to_str().unwrap();
    let few = stategate(&["rbac", "--policies", one, "--no-catalogue", "--profile", "baseline"]);
    let few = &few.expect(0, &["resources: [namespaces], verbs: [get, list, watch]"]).stdout;
    for kind in ["nodes", "limitranges", "poddisruptionbudgets", "reports"] {
        assert!(all.contains(kind) && !few.contains(kind), "{kind}: {few}");
    }
    let bound = stategate(&["rbac", "--service-account", "gates/one"]);
    bound.expect(0, &["kind: RoleBinding\nmetadata: {name: stategate, namespace: gates}\n"]);
    assert_eq!(bound.stdout.matches("- {kind: ServiceAccount, name: one, namespace: gates}").count(), 2);
    for wrong in ["one", "gates/", "/one", "gates/One", "gates/one}"] {
        stategate(&["rbac", "--service-account", wrong]).expect(2, &["NAMESPACE/NAME"]);
    }
}

/// Dotted paths of all values with their defaults and descriptions.
fn values(schema: &Value, defaults: &Value, path: &str, rows: &mut Vec<(String, String)>) {
    let properties = schema["properties"].as_object().unwrap();
    let known: BTreeSet<&String> = properties.keys().filter(|key| *key != "global").collect();
    let given: BTreeSet<&String> = defaults.as_object().unwrap().keys().collect();
    assert_eq!(known, given, "values.schema.json and values.yaml differ below {path:?}");
    assert_eq!(schema["additionalProperties"], false, "{path:?} takes values that do not exist");
    for key in given {
        let (schema, default) = (&properties[key], &defaults[key]);
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if schema["properties"].is_object() {
            values(schema, default, &path, rows);
        } else {
            let says = schema["description"].as_str().unwrap_or_else(|| panic!("{path} has no description"));
            rows.push((path.clone(), format!("| `{path}` | `{default}` | {says} |")));
        }
    }
}

#[test]
fn every_value_is_described_and_used() {
    let schema: Value = serde_json::from_str(&file("values.schema.json")).unwrap();
    let mut rows = Vec::new();
    values(&schema, &document("values.yaml"), "", &mut rows);
    assert!(rows.len() > 30, "{rows:?}");
    let readme = file("README.md");
    let missing: Vec<&String> =
        rows.iter().map(|(_, row)| row).filter(|row| !readme.contains(*row)).collect();
    assert!(missing.is_empty(), "deploy/chart/stategate/README.md lacks these rows:\n{missing:#?}");
    assert_eq!(
        readme.lines().filter(|line| line.starts_with("| `")).count(),
        rows.len(),
        "it has rows of other values"
    );

    let templates: String = std::fs::read_dir(Path::new(CHART).join("templates"))
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    for (path, _) in rows {
        assert!(templates.contains(&format!(".Values.{path}")), "no template uses {path}");
    }
}

#[test]
fn alerts_dashboard_and_guide_name_metrics_that_exist() {
    let sources = [
        include_str!("../../src/telemetry/metrics.rs"),
        include_str!("../../src/telemetry/audit_metrics.rs"),
        include_str!("../../src/telemetry/decision_log.rs"),
        include_str!("../../src/telemetry/shadow_metrics.rs"),
        include_str!("../../src/telemetry/trace_metrics.rs"),
    ];
    let known: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| source.split("registry.register(").skip(1))
        .filter_map(|call| Some(format!("stategate_{}", call.split('"').nth(1)?)))
        .collect();
    assert!(known.len() > 20, "{known:?}");
    let words = |text: String| -> Vec<String> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        text.split(|c| !word(c)).filter(|name| name.starts_with("stategate_")).map(str::to_owned).collect()
    };
    let asked = [words(file("files/alerts.yaml")), words(file("files/dashboard.json"))];
    for name in asked.iter().inspect(|all| assert!(all.len() > 8, "{all:?}")).flatten() {
        let base =
            ["_total", "_bucket", "_info"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(known.contains(base) || known.contains(name), "{name} is no metric of stategate");
    }
    let guide = include_str!("../../deploy/README.md");
    let guide = guide.split("\n### Metrics\n").nth(1).unwrap().split("\n### ").next().unwrap();
    let listed = words(guide.to_owned());
    let missing: Vec<&String> =
        known.iter().filter(|name| !listed.iter().any(|listed| listed.starts_with(*name))).collect();
    assert!(missing.is_empty(), "the table of metrics in deploy/README.md lacks {missing:?}");
}

/// `tests/alerts/run` has promtool run the tests of the alerts.
#[test]
fn every_alert_is_tested_and_has_a_runbook() {
    let guide = include_str!("../../deploy/README.md");
    let tests = include_str!("../alerts/alerts_test.yaml");
    let tests = stategate::yaml::read(tests).unwrap().remove(0).value;
    let groups = tests["tests"].as_array().unwrap();
    let healthy = groups[0]["input_series"].to_string();
    assert_eq!(groups[0]["promql_expr_test"][0]["exp_samples"], Value::Array(Vec::new()));
    let fires: String = groups.iter().map(|group| group["promql_expr_test"].to_string()).collect();
    for alert in document("files/alerts.yaml").as_array().unwrap() {
        let name = alert["alert"].as_str().unwrap();
        let says = |key: &str| alert["annotations"][key].as_str().is_some_and(|text| text.len() > 20);
        assert!(says("summary") && says("description"), "{alert}: what is one to do?");

        let page = "https://github.com/YOUR-ORG/stategate/blob/main/deploy/README.md";
        let link = format!("{page}#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], link, "{name}");
        let section = guide.split(&format!("\n#### {name}\n")).nth(1);
        let section = section.unwrap_or_else(|| panic!("deploy/README.md has no section {name}"));
        let section = section.split("\n#").next().unwrap();
        assert!(section.contains("```sh\n"), "the section {name} has no commands: {section}");

        assert!(fires.contains(&format!("alertname=\\\"{name}\\\"")), "no test has {name} fire");
        let metric = alert["expr"].as_str().unwrap().split('{').next().unwrap();
        let metric = metric.rsplit(['(', ' ']).next().unwrap();
        assert!(healthy.contains(&format!("{metric}{{")), "no test has a healthy {metric} for {name}");
    }
}

/// A replica that the commands do not ask may be the one with the fault. Without `--tail`, kubectl shows ten lines of
/// each Pod that a selector selects.
#[test]
fn the_guide_asks_all_replicas() {
    let guide = include_str!("../../deploy/README.md");
    let logs: Vec<&str> =
        guide.lines().filter(|line| line.starts_with("kubectl ") && line.contains(" logs ")).collect();
    assert!(logs.len() > 6, "{logs:?}");
    for line in logs {
        let all = [" -l app.kubernetes.io/name=stategate ", " --prefix ", " --tail="];
        assert!(all.iter().all(|flag| line.contains(flag)), "{line}");
        assert!(!line.contains("--previous") || line.contains("--ignore-errors"), "{line}");
    }
    for one in ["logs deployment/", "services/stategate:", "exec deployment/"] {
        assert!(!guide.contains(one), "{one} asks one replica of several");
    }
}

/// Text that a template puts in as it is may be something else to YAML: a number, a list, a comment.
#[test]
fn templates_quote_what_may_be_any_text() {
    let schema: Value = serde_json::from_str(&file("values.schema.json")).unwrap();
    let (mut seen, mut quoted) = (0, 0);
    for entry in std::fs::read_dir(Path::new(CHART).join("templates")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for action in text.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap().trim()) {
            let Some(value) = action.strip_prefix(".Values.") else { continue };
            seen += 1;
            if value.ends_with("| quote") {
                quoted += 1;
                continue;
            }
            let pointer = value.split('.').map(|key| format!("/properties/{key}")).collect::<String>();
            let kind = schema.pointer(&pointer).unwrap_or_else(|| panic!("{value} is no value"));
            let plain = ["integer", "number", "boolean"].iter().any(|one| kind["type"] == *one)
                || kind["enum"].is_array()
                || kind["pattern"].is_string();
            assert!(plain, "{}: {value} may be any text, and is not quoted", path.display());
        }
    }
    assert!(seen > 10 && quoted > 1, "{seen} values, {quoted} quoted");
}

#[test]
fn the_dashboard_is_one_that_grafana_can_draw() {
    let dashboard: Value = serde_json::from_str(&file("files/dashboard.json")).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert!(variables.iter().any(|one| one["name"] == "datasource" && one["type"] == "datasource"));
    let source = serde_json::json!({"type": "prometheus", "uid": "${datasource}"});
    let (mut ids, mut covered) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is taken");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
        assert_eq!(panel["datasource"], source, "{title}");
        let mut references = BTreeSet::new();
        for target in panel["targets"].as_array().unwrap() {
            assert!(references.insert(target["refId"].as_str().unwrap()), "{title}: {target}");
            assert!(target["expr"].as_str().unwrap().contains("namespace=\"$namespace\""), "{title}");
        }
        // Nothing lies on something else, or outside of the 24 columns.
        let place = &panel["gridPos"];
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| place[key].as_u64().unwrap());
        assert!(x + w <= 24, "{title} is wider than the page");
        for (column, row) in (x..x + w).flat_map(|column| (y..y + h).map(move |row| (column, row))) {
            assert!(covered.insert((column, row)), "{title} lies on another panel");
        }
    }
}
