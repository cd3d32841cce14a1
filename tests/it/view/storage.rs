//! Storage behind volumes and claims.

use serde_json::{Value, json};

use super::{problems, statefulset, view};

#[test]
fn volumes_tell_what_is_behind_them() {
    let volumes = json!({"volumes": [
        {"name": "a", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}},
        {"name": "b", "emptyDir": {"sizeLimit": 0}},
        {"name": "c", "csi": {"driver": "secrets-store.csi.k8s.io"}},
        {"name": "d", "nfs": {"server": "10.0.0.1", "path": "/x"}},
    ]});
    let view = view(&statefulset(json!({"name": "c", "image": "web"}), volumes));
    let of = |index: usize, key: &str| view["volumes"][index].get(key).cloned();
    assert_eq!((of(0, "size_limit"), of(0, "medium")), (Some(json!(1 << 30)), Some(json!("Memory"))));
    assert_eq!((of(1, "size_limit"), of(1, "driver"), of(1, "nfs_server")), (None, None, None));
    assert_eq!(of(2, "driver"), Some(json!("secrets-store.csi.k8s.io")));
    assert_eq!(of(3, "nfs_server"), Some(json!("10.0.0.1")));
    let bad = json!({"volumes": [{"name": "a", "emptyDir": {"sizeLimit": "1e1000000000"}}]});
    let said = problems(&statefulset(json!({"name": "c", "image": "web"}), bad));
    assert!(said[0].starts_with("spec.template.spec.volumes[0].emptyDir.sizeLimit: "), "{said:?}");
}

#[test]
fn claims_tell_where_their_class_and_data_come_from() {
    let claim = |metadata: Value, spec: Value| {
        let mut metadata = metadata;
        metadata["name"] = json!("c");
        let object =
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec});
        view(&object)["claims"][0].clone()
    };
    let named = |spec: Value| claim(json!({}), spec)["class_named"] == true;
    assert!(!named(json!({})));
    assert!(!named(json!({"storageClassName": null})));
    assert!(named(json!({"storageClassName": ""})));
    assert!(named(json!({"storageClassName": "fast"})));
    let legacy =
        json!({"annotations": {"volume.beta.kubernetes.io/storage-class": "old"}, "labels": {"a": "b"}});
    let view = claim(legacy.clone(), json!({"volumeAttributesClassName": "gold"}));
    assert_eq!((&view["class_named"], &view["storage_class"]), (&json!(true), &json!("old")));
    assert_eq!((&view["annotations"], &view["labels"]), (&legacy["annotations"], &legacy["labels"]));
    assert_eq!(view["volume_attributes_class"], "gold");
    assert_eq!(
        (view.get("data_source"), claim(json!({}), json!({})).get("volume_attributes_class")),
        (None, None)
    );
    let snapshot = json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"});
    assert_eq!(
        claim(json!({}), json!({"dataSource": snapshot}))["data_source"],
        json!({"api_group": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s", "path": ["spec", "dataSource"]})
    );
    let elsewhere = json!({"kind": "PersistentVolumeClaim", "name": "p", "namespace": "other"});
    assert_eq!(
        claim(json!({}), json!({"dataSource": snapshot, "dataSourceRef": elsewhere}))["data_source"],
        json!({"api_group": "", "kind": "PersistentVolumeClaim", "name": "p", "namespace": "other", "path": ["spec", "dataSourceRef"]})
    );
}

#[test]
fn classes_and_volumes_tell_their_places() {
    let class = view(&json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "c"}, "provisioner": "p",
        "allowedTopologies": [
            {"matchLabelExpressions": [{"key": "topology.kubernetes.io/zone", "values": ["a", "b"]}]},
            {"matchLabelExpressions": [{"key": "rack", "values": ["r1"]}]},
        ],
    }));
    assert_eq!(
        class["storage_class"]["allowed_topologies"],
        json!([
            {"key": "topology.kubernetes.io/zone", "values": ["a", "b"], "path": ["allowedTopologies", 0, "matchLabelExpressions", 0]},
            {"key": "rack", "values": ["r1"], "path": ["allowedTopologies", 1, "matchLabelExpressions", 0]},
        ])
    );
    let volume = |labels: Value, spec: Value| {
        let metadata = json!({"name": "v", "labels": labels});
        let object =
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec});
        view(&object)["persistent_volume"].clone()
    };
    let ebs = volume(
        json!({}),
        json!({
            "csi": {"driver": "ebs.csi.aws.com", "readOnly": true, "volumeAttributes": {"encrypted": "true"}},
            "claimRef": {"namespace": "shop", "name": "data-pg-0"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "topology.ebs.csi.aws.com/zone", "operator": "In", "values": ["b"]}]},
                {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["b", "a"]}, {"key": "rack", "operator": "In", "values": ["r"]}]},
            ]}},
        }),
    );
    assert_eq!(ebs["zones"], json!(["a", "b"]));
    assert_eq!((&ebs["claim_namespace"], &ebs["claim_name"]), (&json!("shop"), &json!("data-pg-0")));
    assert_eq!((&ebs["claim"], &ebs["read_only"]), (&json!("shop/data-pg-0"), &json!(true)));
    assert_eq!(ebs["volume_attributes"], json!({"encrypted": "true"}));
    let old = volume(json!({"topology.kubernetes.io/zone": "x__y"}), json!({"nfs": {"server": "s"}}));
    assert_eq!((&old["zones"], &old["read_only"]), (&json!(["x", "y"]), &json!(false)));
    assert_eq!((old.get("claim"), old.get("claim_name")), (None, None));
}
