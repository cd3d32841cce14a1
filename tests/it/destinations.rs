//! Objects that name no namespace are where Argo CD or Flux deploys their directory to.

use crate::sources::repository;
use crate::support::{directory, run_in, write};

const APPLICATION: &str = "apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop, namespace: argocd}
spec:
  source: {repoURL: https://git.example.com/gitops, path: apps/shop}
  destination: {namespace: shop}
";

const KUSTOMIZATION: &str = "apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: shop, namespace: flux-system}
spec: {path: ./apps, targetNamespace: shop, prune: true}
";

const SCHEDULE: &str = "apiVersion: velero.io/v1
kind: Schedule
metadata: {name: nightly, namespace: velero}
spec: {schedule: '0 3 * * *', template: {includedNamespaces: [shop]}}
";

const CLAIM: &str = "apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: documents}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 20Gi}}}
";

const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  strategy: {type: Recreate}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: 'shop/web:1.2.3', volumeMounts: [{name: v, mountPath: /srv/documents}]}
      volumes: [{name: v, persistentVolumeClaim: {claimName: documents}}]
";

#[test]
fn a_schedule_counts_for_what_is_deployed_to_its_namespace() {
    for (tool, schedule, lacks) in [
        (APPLICATION, SCHEDULE, false),
        (KUSTOMIZATION, SCHEDULE, false),
        (APPLICATION, &SCHEDULE.replace("[shop]", "[blog]"), true),
        (&APPLICATION.replace("apps/shop", "apps"), SCHEDULE, true),
        (&APPLICATION.replace("apps/shop}", "apps, directory: {recurse: true}}"), SCHEDULE, false),
    ] {
        let files = directory(&[
            ("argocd/shop.yaml", tool),
            ("velero/nightly.yaml", schedule),
            ("apps/shop/web.yaml", WEB),
            ("apps/shop/claim.yaml", CLAIM),
        ]);
        let run = run_in(files.path(), &["check", ".", "--profile", "production"]);
        assert_eq!(run.stdout.contains("[backup-declared]"), lacks, "{tool}{schedule}{}", run.stdout);
        // Whoever names one means it for all.
        let run = run_in(files.path(), &["check", ".", "--profile", "production", "--namespace", "blog"]);
        assert_eq!(run.stdout.contains("[backup-declared]"), schedule == SCHEDULE, "{}", run.stdout);
    }
}

#[test]
fn what_is_deployed_elsewhere_is_the_same_object_as_before() {
    let smaller = CLAIM.replace("20Gi", "10Gi");
    let repository = repository(&[("argocd/shop.yaml", APPLICATION), ("apps/shop/claim.yaml", CLAIM)]);
    write(repository.path(), "apps/shop/claim.yaml", &smaller);
    let run = run_in(repository.path(), &["check", ".", "--changed-since", "HEAD"]);
    run.expect(1, &["error[pvc-no-shrink]", "PersistentVolumeClaim shop/documents"]);

    let files = directory(&[
        ("old/argocd/shop.yaml", APPLICATION),
        ("old/apps/shop/claim.yaml", CLAIM),
        ("new/argocd/shop.yaml", APPLICATION),
        ("new/apps/shop/claim.yaml", &smaller),
    ]);
    let run = run_in(files.path(), &["check", "new", "--old", "old"]);
    run.expect(1, &["error[pvc-no-shrink]", "PersistentVolumeClaim shop/documents"]);
    let run = run_in(files.path(), &["check", "new", "--old", "old", "--namespace", "blog"]);
    run.expect(1, &["error[pvc-no-shrink]", "PersistentVolumeClaim blog/documents"]);
}

#[test]
fn fix_and_diff_have_it_in_the_same_namespace() {
    let exception = "apiVersion: stategate.io/v1alpha1
kind: PolicyException
metadata: {name: shop}
spec:
  policies: [workload-rwo-rollout-deadlock]
  match: {namespaces: [shop]}
  reason: made for this test
";
    let rolling = WEB.replace("  strategy: {type: Recreate}\n", "");
    for (application, changed) in [(APPLICATION, false), ("", true)] {
        let files = directory(&[
            ("argocd/shop.yaml", application),
            ("apps/shop/web.yaml", &rolling),
            ("apps/shop/claim.yaml", CLAIM),
            ("exceptions.yml", exception),
        ]);
        let arguments =
            ["apps", "argocd", "--policy", "workload-rwo-rollout-deadlock", "--bindings", "exceptions.yml"];
        let run = run_in(files.path(), &[["fix"].as_slice(), &arguments].concat());
        assert_eq!(run.stdout.contains("type: Recreate"), changed, "{}{}", run.stdout, run.stderr);
    }
    let files = directory(&[
        ("argocd/shop.yaml", APPLICATION),
        ("apps/shop/web.yaml", WEB),
        ("apps/shop/claim.yaml", CLAIM),
    ]);
    let arguments = ["diff", ".", "--against-profile", "baseline"];
    let run = run_in(files.path(), &arguments);
    run.expect(run.code, &["shop/web"]);
}
