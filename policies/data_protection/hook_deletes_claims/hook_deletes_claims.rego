# METADATA
# title: No hook of a deploy tool deletes claims
# description: >-
#   A hook runs by itself whenever the deploy tool comes to it. A Job that deletes claims at helm uninstall takes the
#   data along, as whenDeleted: Delete does for the claims of a StatefulSet, and a release is also uninstalled to
#   install it anew, or by mistake. One that runs before or after an upgrade does so each time. This policy looks at
#   Jobs that are hooks of Helm or Argo CD, and flags kubectl delete (or oc delete) of claims, PersistentVolumes or
#   namespaces in their commands, and in scripts of ConfigMaps that they run, as far as these are among the manifests.
#   What a variable names is not known, and neither is a script in the image. Tests (helm test) pass, and so does what
#   is no hook: somebody runs that knowingly.
# related_resources:
# - ref: https://helm.sh/docs/topics/charts_hooks/
# - ref: https://argo-cd.readthedocs.io/en/stable/user-guide/sync-waves/
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [Job.batch], classes: [hook, batch, durable]}
#   fix: Take the deletion out of the hook, and delete claims by hand once nobody needs their data.
#   why: a volume whose reclaim policy is Delete is erased with its claim
package stategate.data_protection.hook_deletes_claims

import data.stategate.lib.hosts
import data.stategate.lib.settings

violation contains v if {
	some container in input.workload.containers
	deletion := first_deletion(container)
	v := {
		"msg": sprintf(
			"%s runs %s %s %s: it deletes %s (%s), and their data with them unless the reclaim policy is Retain",
			[hook.tool, input.workload.kind, input.workload.name, hook.when, kinds[deletion.kind], deletion.command],
		),
		"path": container.path,
		"fix": sprintf(
			"Take %s out of the hook, and delete %s by hand once nobody needs their data",
			[deletion.command, kinds[deletion.kind]],
		),
	}
}

# The event that comes most often.
hook := {"tool": "Helm", "when": in_order[0]} if {
	in_order := [moment.when | some moment in moments_of_helm; some event in listed("helm.sh/hook"); event in moment.events]
	count(in_order) > 0
} else := {"tool": "Argo CD", "when": in_order[0]} if {
	in_order := [moment.when |
		some moment in moments_of_argo_cd
		some event in listed("argocd.argoproj.io/hook")
		event in moment.events
	]
	count(in_order) > 0
}

moments_of_helm := [
	{"when": "at every upgrade", "events": {"pre-upgrade", "post-upgrade"}},
	{"when": "at every rollback", "events": {"pre-rollback", "post-rollback"}},
	{"when": "at every installation", "events": {"pre-install", "post-install"}},
	{"when": "at helm uninstall", "events": {"pre-delete", "post-delete"}},
]

moments_of_argo_cd := [
	{"when": "at every sync", "events": {"PreSync", "Sync", "PostSync"}},
	{"when": "when a sync fails", "events": {"SyncFail"}},
	{"when": "when the application is deleted", "events": {"PreDelete", "PostDelete"}},
]

listed(key) := [trim_space(word) | some word in split(object.get(input.workload.annotations, key, ""), ",")]

# The resources as kubectl knows them, and what they are.
kinds := {
	"pvc": "claims",
	"persistentvolumeclaim": "claims",
	"persistentvolumeclaims": "claims",
	"pv": "volumes",
	"persistentvolume": "volumes",
	"persistentvolumes": "volumes",
	"ns": "namespaces and all claims in them",
	"namespace": "namespaces and all claims in them",
	"namespaces": "namespaces and all claims in them",
}

first_deletion(container) := found[0] if {
	found := [deletion |
		some text in texts(container)
		contains(text, "delete")
		plain := hosts.uncommented(text)
		some deletion in array.concat(direct(plain), by_name(plain))
	]
	count(found) > 0
}

# Scripts in its command, the command's words themselves, and scripts of ConfigMaps that it names.
texts(container) := [text |
	said := array.concat(container.command, container.args)
	some text in array.concat(
		[concat(" ", [word | some word in said; not regex.match(`\s`, word)])],
		array.concat(
			[script | some script in said; regex.match(`\s`, script)],
			[file.text |
				some file in object.get(container, "files", [])
				some word in settings.words(container)
				word.text == file.path
			],
		),
	)
	count(text) <= settings.most
]

# kubectl delete pvc …
direct(text) := [deletion |
	some line in split(apart(text), "\n")
	contains(line, "delete")
	words := words_of(line)
	first := words[0]
	not first in {"echo", "printf", "cat", "grep"}
	calls := [i | some i, word in words; last_of(split(word, "/")) in {"kubectl", "oc"}]
	program := last_of(split(words[calls[0]], "/"))
	deleted := after_delete(array.slice(words, calls[0] + 1, count(words)))
	some kind in named(deleted)
	deletion := {"kind": kind, "command": sprintf("%s delete %s", [program, kind])}
]

# kubectl get pvc -o name | xargs kubectl delete
by_name(text) := [deletion |
	some match in regex.find_n(piped, replace(text, "\\\n", " "), -1)
	found := regex.find_n(`get\s+[a-z]+`, match, 1)[0]
	kind := trim_space(substring(found, 3, -1))
	kinds[kind]
	deletion := {"kind": kind, "command": sprintf("kubectl delete of what kubectl get %s finds", [kind])}
]

piped := concat("|", [
	`(kubectl|oc)\s+get\s+[a-z]+\s[^;\n|]*\|\s*xargs\s[^;\n|]*(kubectl|oc)\s+delete\s*([-;\n|]|$)`,
	`(kubectl|oc)\s+delete\s+\$\(\s*(kubectl|oc)\s+get\s+[a-z]+\s`,
])

# One simple command to a line.
apart(text) := replace(replace(replace(replace(replace(text, "\\\n", " "), "|", "\n"), "&&", "\n"), ";", "\n"), "$(", "\n")

words_of(line) := [word |
	some rough in split(replace(line, "\t", " "), " ")
	word := trim(rough, "\"'`(){}!&\r")
	word != ""
]

# What follows the verb, unless nothing is deleted.
after_delete(words) := array.slice(words, at[0] + 1, count(words)) if {
	at := [i | some i, word in words; word == "delete"]
	every word in array.slice(words, 0, at[0]) {
		not word in {"get", "describe", "apply", "create", "exec", "logs", "patch", "wait"}
	}
	every word in words {
		not startswith(word, "--dry-run")
	}
}

# pvc, pvc,svc, or pvc/data: the resource is the first word that belongs to no flag.
named(words) := [kind |
	plain := [word |
		some i, word in words
		not startswith(word, "-")
		not a_value(words, i)
	]
	some place, word in plain
	of_kind(place, word)
	some part in split(split(word, "/")[0], ",")
	kind := split(lower(part), ".")[0]
	kinds[kind]
]

of_kind(place, _) if place == 0

of_kind(place, word) if {
	place > 0
	contains(word, "/")
}

a_value(words, i) if {
	i > 0
	words[i - 1] in {
		"-n", "--namespace", "-l", "--selector", "--field-selector", "--context", "--kubeconfig", "--timeout", "-o", "-f", "-k", "--grace-period",
		"--cascade", "--as", "--cluster", "--user", "--server", "-s", "--token", "--request-timeout",
	}
}

last_of(parts) := parts[count(parts) - 1]
