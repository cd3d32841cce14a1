//! Attempts to evade the policies, and sane workloads that must not be refused.

use serde_json::{Value, json};
use stategate::admission::{Request, wire};
use stategate::decision::Decision;
use stategate::policy::Action;
use stategate::source::manifests::Manifests;

use crate::support::{GOOD, NAIVE, directory, production, stategate_with, validate};

fn judge(manifest: &str) -> Decision {
    let set = production();
    let mut manifests = Manifests::default();
    manifests.add("test.yaml".to_owned(), manifest.as_bytes());
    assert!(manifests.errors.is_empty(), "{:?}", manifests.errors);
    let request = manifests.objects[0].request(set.projections(), None, "default").unwrap();
    validate(&set, &request)
}

fn denied(manifest: &str) -> Vec<String> {
    let decision = judge(manifest);
    assert!(decision.failures.is_empty(), "{:?}", decision.failures);
    decision.findings.iter().filter(|f| f.action == Action::Deny).map(|f| f.policy.to_string()).collect()
}

fn has(manifest: &str, policy: &str) -> bool {
    denied(manifest).iter().any(|id| id == policy)
}

/// The good PostgreSQL manifest with another image and mount path.
fn postgres(image: &str, mount: &str) -> String {
    let pgdata = "            - {name: PGDATA, value: /var/lib/postgresql/data/pgdata}\n";
    assert!(GOOD.contains(pgdata));
    let manifest = GOOD.replace(pgdata, "").replace("postgres:16.4", image);
    manifest.replace("mountPath: /var/lib/postgresql/data", &format!("mountPath: {mount}"))
}

#[test]
fn postgres_18_is_known_by_every_name_and_an_unknown_version_is_not_guessed() {
    let refused = |image: &str, mount: &str| has(&postgres(image, mount), "volume-data-dir-persisted");
    for image in [
        "postgres:18",
        "public.ecr.aws/docker/library/postgres:18.1",
        "pgvector/pgvector:pg18",
        "pgvector/pgvector:0.8.0-pg18",
    ] {
        assert!(!refused(image, "/var/lib/postgresql"), "{image}");
        assert!(refused(image, "/var/lib/postgresql/data"), "{image}");
    }
    for image in ["postgres:17", "pgvector/pgvector:pg16", "postgis/postgis:16-3.4"] {
        assert!(refused(image, "/var/lib/postgresql"), "{image}");
        assert!(!refused(image, "/var/lib/postgresql/data"), "{image}");
    }
    // Another registry may hold another image: it is told, and not refused.
    let mirrored = postgres("mirror.example.com/postgres:18-alpine", "/var/lib/postgresql/data");
    let told = judge(&mirrored)
        .findings
        .into_iter()
        .find(|finding| finding.policy.as_str() == "volume-data-dir-known");
    assert_eq!(told.map(|finding| finding.action), Some(Action::Warn));
    assert!(!has(&mirrored, "volume-data-dir-persisted"));
    for image in ["postgres", "postgres:latest", "postgres:alpine"] {
        assert!(
            !refused(image, "/var/lib/postgresql") && !refused(image, "/var/lib/postgresql/data"),
            "{image}"
        );
        assert!(refused(image, "/data"), "{image}");
    }
}

#[test]
fn annotations_with_typos_switch_nothing_off() {
    let annotated = |more: &str| {
        NAIVE.replace("  namespace: shop\n", &format!("  namespace: shop\n  annotations: {{{more}}}\n"))
    };
    for more in [
        "stategate.io/engine: postgresql",
        "stategate.io/data-paths: var/lib/postgresql/data",
        "stategate.io/data-paths: /",
        "stategate.io/data-paths: \" , \"",
        "stategate.io/stateful: \"no\"",
        "stategate.io/data-durability: cached",
    ] {
        assert!(has(&annotated(more), "volume-no-emptydir-data"), "{more}");
    }
    assert!(!has(&annotated("stategate.io/data-durability: cache"), "volume-no-emptydir-data"));
}

#[test]
fn a_claim_or_class_is_durable_whatever_it_says_of_itself() {
    let class = |annotation: &str| {
        format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: gp2, annotations: {{{annotation}}}}}\nprovisioner: ebs.csi.aws.com\nvolumeBindingMode: WaitForFirstConsumer\n"
        )
    };
    for annotation in ["stategate.io/stateful: \"false\"", "stategate.io/data-durability: cache"] {
        assert!(has(&class(annotation), "encryption-storageclass-at-rest"), "{annotation}");
    }
}

#[test]
fn every_data_store_of_a_pod_is_judged() {
    let second = "      volumes: [{name: tmp, emptyDir: {}}]\n      containers:\n        - {name: cache, image: 'redis:7', volumeMounts: [{name: tmp, mountPath: /data}], readinessProbe: {exec: {command: [redis-cli, ping]}}}\n";
    assert!(has(&GOOD.replace("      containers:\n", second), "volume-no-emptydir-data"));
}

#[test]
fn what_goes_with_the_pod_holds_no_data() {
    let ephemeral = NAIVE.replace("emptyDir: {}", "ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], storageClassName: fast, resources: {requests: {storage: 1Gi}}}}}");
    assert!(has(&ephemeral, "volume-no-ephemeral-claim-data"));
    assert!(!has(&ephemeral, "volume-data-dir-persisted"), "one fault is one finding");
    let outside = GOOD
        .replace("value: /var/lib/postgresql/data/pgdata", "value: /var/lib/postgresql/data/../../../tmp/x");
    assert!(has(&outside, "volume-data-dir-persisted"));
}

#[test]
fn clients_and_configured_servers_are_not_guessed_at() {
    let pod = |container: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{volumes: [{{name: v, persistentVolumeClaim: {{claimName: c}}}}], \
             containers: [{{name: c, {container}}}]}}\n"
        )
    };
    for container in [
        "image: postgres, args: [psql, -h, pg]",
        "image: postgres, command: [/usr/bin/pg_dump]",
        "image: redis, command: [redis-cli]",
        "image: hashicorp/vault, args: [agent, -config=/c]",
        "image: mongo, args: [mongodump]",
    ] {
        assert_eq!(denied(&pod(container)), Vec::<String>::new(), "{container}");
    }
    for container in [
        "image: 'postgres:16', envFrom: [{configMapRef: {name: pg}}], volumeMounts: [{name: v, mountPath: /srv}]",
        "image: redis, args: [redis-server, /etc/redis.conf]",
        "image: minio/minio, args: [server, '/mnt/disk{a...d}']",
        "image: 'postgres:16', command: [sh, -c, 'if prepared; then exec postgres; fi']",
    ] {
        assert!(!has(&pod(container), "volume-data-dir-persisted"), "{container}");
    }
    for container in [
        "image: 'postgres:16', envFrom: [{configMapRef: {name: pg}}]",
        "image: 'postgres:16', args: [-c, data_directory=/elsewhere]",
        "image: minio/minio, args: [server, /storage]",
        "image: minio/minio, args: [server, '/mnt/disk{1...4}']",
        "image: 'postgres:16', command: [sh, -c, 'exec postgres -D /elsewhere']",
    ] {
        assert!(has(&pod(container), "volume-data-dir-persisted"), "{container}");
    }
}

fn update(old: Value, new: Value) -> Decision {
    let set = production();
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "kind": {"group": "apps", "version": "v1", "kind": "StatefulSet"},
        "resource": {"group": "apps", "version": "v1", "resource": "statefulsets"}, "operation": "UPDATE",
        "namespace": "shop", "name": "pg", "userInfo": {"username": "dev"}, "object": new, "oldObject": old}});
    let request: Request = wire::decode(body.to_string().as_bytes()).unwrap();
    validate(&set, &request)
}

fn object(manifest: &str) -> Value {
    stategate::yaml::read(manifest).unwrap().remove(0).value
}

#[test]
fn the_ratchet_forgives_only_what_was_there() {
    let cache = NAIVE.replace(
        "  namespace: shop\n",
        "  namespace: shop\n  annotations: {stategate.io/data-durability: cache}\n",
    );
    assert!(!update(object(&cache), object(NAIVE)).allowed(), "as a cache it was never judged");
    assert!(update(object(NAIVE), object(&NAIVE.replace("16.4", "16.5"))).allowed());
    let schedule = |cron: &str| {
        object(&GOOD.replace("0 */6 * * *", cron).replace("backup-method: operator", "backup-method: velero"))
    };
    assert!(
        !update(schedule("0 0 * * 0"), schedule("0 25 * * *")).allowed(),
        "another fault of the same annotation"
    );
    assert!(update(schedule("0 0 * * 0"), schedule("0 0 * * 1")).allowed(), "the same fault");
}

/// As many as are read; `it limits::` has more.
#[test]
fn a_pod_of_a_thousand_volumes_is_read_whole() {
    let volumes: Vec<Value> = (0..1000).map(|n| json!({"name": format!("v{n}"), "emptyDir": {}})).collect();
    let mounts: Vec<Value> =
        (0..1000).map(|n| json!({"name": format!("v{n}"), "mountPath": format!("/m/{n}")})).collect();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"volumes": volumes, "containers": [{"name": "c", "image": "nginx", "volumeMounts": mounts}]}});
    let set = production();
    let kind = stategate::admission::GroupKind { kind: "Pod".to_owned(), group: String::new() };
    let projected = stategate::workload::project(
        &pod,
        "default",
        set.projections().of(&kind).unwrap(),
        &set.projections().engines,
        stategate::workload::SelfClassification::Believed,
    );
    assert!(projected.problems.is_empty(), "{:?}", projected.problems);
    assert_eq!(projected.workload.containers[0].mounts.len(), 1000);
}

#[test]
fn an_own_table_of_engines_takes_no_shipped_row_away() {
    let own = "engines: [{name: mydb, images: [mydb], data: [{dirs: [/mydb]}]}]\n";
    let policy = "# METADATA\n# title: T\n# description: D.\n# custom: {severity: low, action: audit, fix: F}\npackage stategate.own.never\n\nviolation contains v if {\n\tinput.workload.name == \"never\"\n\tv := {\"msg\": \"m\"}\n}\n";
    let dir = directory(&[("workloads/engines.yaml", own), ("own/never/never.rego", policy)]);
    let check = |manifest: &str| {
        stategate_with(&["check", "--policies", dir.path().to_str().unwrap(), "-"], manifest)
    };
    check(NAIVE).expect(1, &["error[volume-no-emptydir-data]"]);
    check(&NAIVE.replace("postgres:16.4", "team/mydb:1").replace("/var/lib/postgresql/data", "/mydb"))
        .expect(1, &["error[volume-no-emptydir-data]"]);
}

#[test]
fn what_reaches_a_terminal_is_one_line_without_control_characters() {
    let name = NAIVE.replace("        - name: postgres\n", "        - name: \"evil\\e[31m\\nname\"\n");
    let decision = judge(&name);
    assert!(decision.findings.iter().any(|finding| finding.message.contains("evil")));
    assert!(decision.findings.iter().all(|f| !f.message.chars().chain(f.fix.chars()).any(char::is_control)));
}
