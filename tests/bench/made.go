package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"stategate.io/tests/bench/common"
)

// ownPolicy is a policy as users add them beside the catalogue: on the view, about labels, images, resources and
// replicas, each with a table of its own.
const ownPolicy = `# METADATA
# title: Own rule %[1]d
# description: A rule as users add them beside the shipped ones.
# custom:
#   severity: low
#   action: warn
#   match: {kinds: [%[2]s], operations: [CREATE, UPDATE]}
#   parameters:
#     allowed: {type: list, of: string, default: [%[3]s], description: What is allowed.}
#   fix: Use what is allowed.
package stategate.governance.own_rule_%[1]d

`

// The bodies of own policies; each finds nothing in most objects, as most rules do.
var ownRules = []string{
	`violation contains v if {
	owner := input.workload.labels["example.com/owner-%[1]d"]
	allowed := input.parameters.allowed
	not owner in allowed
	v := {"msg": sprintf("%%s belongs to %%s, which is no team", [input.workload.name, owner])}
}
`,
	`violation contains v if {
	some container in input.workload.containers
	some registry in input.parameters.allowed
	startswith(container.image_name, concat("/", [registry, "retired-%[1]d"]))
	v := {"msg": sprintf("container %%s runs an image that is retired", [container.name]), "path": container.path}
}
`,
	`violation contains v if {
	some container in input.workload.containers
	container.limits.memory > %[1]d * 1099511627776
	count(input.parameters.allowed) > 0
	v := {"msg": sprintf("container %%s may take more than a node has", [container.name]), "path": container.path}
}
`,
	`violation contains v if {
	input.workload.replicas > 1000 + %[1]d
	namespace := input.workload.namespace
	allowed := input.parameters.allowed
	not namespace in allowed
	v := {"msg": sprintf("%%s has %%d replicas", [input.workload.name, input.workload.replicas])}
}
`,
}

// A kind that no request is about.
const otherKind = `kind: Widget
group: example.com
versions: [v1]
plural: widgets
namespaced: true
class: workload
replicas: {path: spec.replicas, default: 1}
template: spec.template
`

// writeOwn makes policies that match workloads, and others that match only a kind that no request is about.
func writeOwn(directory string, matching, others int) error {
	for number := range matching + others {
		kinds := "StatefulSet.apps, Deployment.apps"
		if number >= matching {
			kinds = "Widget.example.com"
		}
		allowed := make([]string, 8)
		for i := range allowed {
			allowed[i] = fmt.Sprintf("name-%d-%d", number, i)
		}
		name := fmt.Sprintf("own_rule_%d", number)
		text := fmt.Sprintf(ownPolicy, number, kinds, strings.Join(allowed, ", ")) +
			fmt.Sprintf(ownRules[number%len(ownRules)], number)
		if err := common.WriteFile(filepath.Join(directory, "governance", name, name+".rego"), []byte(text)); err != nil {
			return err
		}
	}
	return common.WriteFile(filepath.Join(directory, "workloads", "widget.yaml"), []byte(otherKind))
}

// objects is how many of each kind the inventory has: those of a cluster with some hundred applications.
var objects = []struct {
	apiVersion, kind string
	count            int
	spec             func(number int) object
}{
	{"v1", "Namespace", 250, nil},
	{"v1", "Node", 100, node},
	{"v1", "PersistentVolumeClaim", 2500, claim},
	{"v1", "PersistentVolume", 2500, volume},
	{"v1", "Service", 1400, func(number int) object {
		return object{"spec": object{"selector": labels(number), "ports": []object{{"port": 80}}}}
	}},
	{"apps/v1", "StatefulSet", 500, workload},
	{"apps/v1", "Deployment", 1200, workload},
	{"apps/v1", "DaemonSet", 58, workload},
	{"policy/v1", "PodDisruptionBudget", 700, func(number int) object {
		return object{"spec": object{"maxUnavailable": 1, "selector": object{"matchLabels": labels(number)}}}
	}},
	{"v1", "ResourceQuota", 250, func(int) object {
		return object{"spec": object{"hard": object{"requests.storage": "1Ti"}}}
	}},
	{"batch/v1", "CronJob", 300, func(number int) object {
		return object{"spec": object{"schedule": "0 3 * * *", "jobTemplate": object{"spec": workload(number)["spec"]}}}
	}},
	{"autoscaling/v2", "HorizontalPodAutoscaler", 100, func(number int) object {
		target := object{"apiVersion": "apps/v1", "kind": "Deployment", "name": fmt.Sprint("deployment-", number)}
		return object{"spec": object{"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 6}}
	}},
	{"storage.k8s.io/v1", "StorageClass", 5, func(number int) object {
		return object{
			"provisioner": "ebs.csi.aws.com", "reclaimPolicy": "Retain", "volumeBindingMode": "WaitForFirstConsumer",
			"allowVolumeExpansion": true, "parameters": object{"type": "gp3", "encrypted": "true"},
		}
	}},
	{"scheduling.k8s.io/v1", "PriorityClass", 5, func(number int) object { return object{"value": number * 1000} }},
	{"v1", "LimitRange", 90, func(int) object {
		return object{"spec": object{"limits": []object{{"type": "PersistentVolumeClaim", "max": object{"storage": "1Ti"}}}}}
	}},
	{"storage.k8s.io/v1", "VolumeAttributesClass", 2, func(int) object { return object{"driverName": "ebs.csi.aws.com"} }},
	{"snapshot.storage.k8s.io/v1", "VolumeSnapshot", 40, func(number int) object {
		of := object{"persistentVolumeClaimName": fmt.Sprint("persistentvolumeclaim-", number)}
		return object{"spec": object{"source": of}, "status": object{"readyToUse": true}}
	}},
}

type object = map[string]any

// clusterScoped are the kinds without a namespace.
var clusterScoped = []string{
	"Namespace", "Node", "PersistentVolume", "StorageClass", "PriorityClass", "VolumeAttributesClass",
}

func labels(number int) object {
	return object{"app.kubernetes.io/name": fmt.Sprint("app-", number)}
}

func node(number int) object {
	return object{
		"status": object{
			"allocatable": object{"cpu": "16", "memory": "64Gi"},
			"conditions":  []object{{"type": "Ready", "status": "True"}},
		},
	}
}

func claim(number int) object {
	return object{
		"spec": object{
			"accessModes": []string{"ReadWriteOnce"}, "storageClassName": fmt.Sprint("storageclass-", number%5),
			"resources": object{"requests": object{"storage": "20Gi"}}, "volumeName": fmt.Sprint("persistentvolume-", number),
		},
		"status": object{"phase": "Bound", "capacity": object{"storage": "20Gi"}},
	}
}

func volume(number int) object {
	return object{
		"spec": object{
			"capacity": object{"storage": "20Gi"}, "accessModes": []string{"ReadWriteOnce"},
			"persistentVolumeReclaimPolicy": "Retain", "storageClassName": fmt.Sprint("storageclass-", number%5),
			"csi":      object{"driver": "ebs.csi.aws.com", "volumeHandle": fmt.Sprint("vol-", number)},
			"claimRef": object{"namespace": namespace(number), "name": fmt.Sprint("persistentvolumeclaim-", number)},
		},
		"status": object{"phase": "Bound"},
	}
}

func workload(number int) object {
	container := object{
		"name": "app", "image": "registry.example.com/team/app:1.4.2",
		"resources": object{"requests": object{"cpu": "100m", "memory": "128Mi"}, "limits": object{"memory": "128Mi"}},
	}
	template := object{"metadata": object{"labels": labels(number)}, "spec": object{"containers": []object{container}}}
	return object{
		"spec": object{"replicas": 3, "selector": object{"matchLabels": labels(number)}, "template": template},
	}
}

// namespace spreads objects over namespaces; `default` is that of the requests.
func namespace(number int) string {
	if number%250 == 0 {
		return "default"
	}
	return fmt.Sprint("namespace-", number%250)
}

// writeInventory makes an export of a cluster, and says how many objects it has.
func writeInventory(path string) (int, error) {
	items := []object{}
	for _, kind := range objects {
		for number := range kind.count {
			item := object{"apiVersion": kind.apiVersion, "kind": kind.kind}
			if kind.spec != nil {
				for key, value := range kind.spec(number) {
					item[key] = value
				}
			}
			metadata := object{"name": fmt.Sprint(strings.ToLower(kind.kind), "-", number), "labels": labels(number)}
			if !slices.Contains(clusterScoped, kind.kind) {
				metadata["namespace"] = namespace(number)
			}
			if kind.kind == "Namespace" {
				metadata["name"] = namespace(number)
			}
			if kind.kind == "Node" {
				zone := fmt.Sprint("zone-", number%3)
				metadata["labels"] = object{"kubernetes.io/hostname": metadata["name"], "topology.kubernetes.io/zone": zone}
			}
			item["metadata"] = metadata
			items = append(items, item)
		}
	}
	text, err := json.Marshal(object{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		return 0, err
	}
	return len(items), common.WriteFile(path, text)
}

// unlike has each body of a change say which change it is.
func unlike(bodies [][]byte) ([][]byte, error) {
	var numbered [][]byte
	for _, body := range bodies {
		var review object
		if err := json.Unmarshal(body, &review); err != nil {
			return nil, err
		}
		asked, _ := review["request"].(object)
		changed, _ := asked["object"].(object)
		metadata, _ := changed["metadata"].(object)
		if metadata == nil {
			return nil, fmt.Errorf("a change without an object")
		}
		annotations, _ := metadata["annotations"].(object)
		if annotations == nil {
			annotations = object{}
		}
		annotations["example.com/revision"] = unnumbered
		metadata["annotations"] = annotations
		text, err := json.Marshal(review)
		if err != nil {
			return nil, err
		}
		numbered = append(numbered, text)
	}
	return numbered, nil
}

// mixed is what a webhook sees where everything is delivered by GitOps: Argo CD and Flux apply all objects of an
// application again when they sync it (on each commit, and at an interval of some minutes), and most have not changed.
// The shares are an assumption that follows from this, not a measurement: 70 % re-applies, 15 % stateful objects that
// are new or have changed, and 15 % that no policy is about, which the webhook configurations of stategate leave out
// but a wider registration would send.
func mixed(traffic map[string][][]byte) [][]byte {
	const all = 400
	parts := []struct {
		share int
		of    [][]byte
	}{
		{70, traffic["re-applied"]},
		{15, slices.Concat(traffic["naive"], traffic["changed"])},
		{15, traffic["unmatched"]},
	}
	var bodies [][]byte
	random := rand.New(rand.NewPCG(1, 2))
	for _, part := range parts {
		order := random.Perm(len(part.of))
		for i := range all * part.share / 100 {
			bodies = append(bodies, part.of[order[i%len(order)]])
		}
	}
	random.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
	return bodies
}
