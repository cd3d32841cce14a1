# METADATA
# title: Credentials come from Secrets
# description: >-
#   A password written into a manifest is in Git, in every backup of it, in CI logs and in the annotation
#   last-applied-configuration, readable by everyone who may read workloads; and only a rollout can change it. A
#   variable is flagged by its name (it ends in PASSWORD, SECRET, TOKEN, ACCESS_KEY and the like, in any spelling) or by
#   its value (a URL with a password, or a connection string with password= or AccountKey=). These pass: valueFrom,
#   $(OTHER_VARIABLE), placeholders such as ${PASSWORD} and <password>, an empty value, true and false, the path of a
#   file in a mounted volume or of credentials, the name of a Secret that the pods refer to, and constants that are
#   published and the same for everybody, such as the passphrases of Stellar's networks and the key of Azure's storage
#   emulator. So do replace-me and your-password-here, except in a data store, which takes them for its password, and
#   what a client sends as the API key to a service that asks for none (sk-no-key-required, none, ollama), unless the
#   variable is named after its own image; changeme is flagged anywhere, as a placeholder. The value is never shown. Add names that end like this but hold no
#   credential, such as the name of a Secret, to allow_names. Init containers, sidecars, Jobs and caches are checked,
#   too. What variables take from ConfigMaps (valueFrom, envFrom) is checked if the ConfigMap is one of the manifests or
#   in the inventory, and told once for each entry; at admission ConfigMaps are not known. So are files of ConfigMaps
#   that a data store reads: the passwords of Redis (requirepass, masterauth, users, those of Sentinel), of MySQL's
#   clients and its Galera transfers, of RabbitMQ (default_pass, ssl_options.password), of NATS, of ClickHouse's users
#   and in Kafka's JAAS settings. Hashes and what RabbitMQ decrypts itself (encrypted:…) pass, and so does what a
#   variable, a script (such as a sed that names it) or a template fills in.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/configuration/secret/
# - ref: https://kubernetes.io/docs/tasks/inject-data-application/distribute-credentials-secure/
# - ref: https://kubernetes.io/docs/concepts/configuration/configmap/
# - ref: https://kubernetes.io/docs/concepts/storage/projected-volumes/
# - ref: https://redis.io/docs/latest/operate/oss_and_stack/management/security/
# - ref: https://github.com/rabbitmq/rabbitmq-server/pull/11989
#   description: Encrypted values in rabbitmq.conf.
# - ref: https://developers.stellar.org/docs/networks
#   description: The passphrases of the networks, which are no secrets.
# - ref: https://learn.microsoft.com/en-us/azure/storage/common/storage-connect-azurite
#   description: The key that the storage emulator has by default.
# - ref: https://github.com/Graylog2/graylog2-server/blob/master/misc/graylog.conf
#   description: A new password_secret makes what is encrypted in the database invalid.
# - ref: https://github.com/ollama/ollama/blob/main/docs/api/openai-compatibility.mdx
#   description: An API key that is required, and ignored.
# - ref: https://docs.drone.io/server/reference/drone-database-secret
# - ref: https://docs.joinmastodon.org/admin/config/#secrets
# - ref: https://distribution.github.io/distribution/about/configuration/#http
#   description: The secret signs what clients bring back, and is the same for all registries.
# custom:
#   severity: critical
#   action: deny
#   match:
#     kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod, Job.batch, CronJob.batch]
#     classes: [durable, cache, batch, backup]
#   sensitive: true
#   parameters:
#     allow_names:
#       type: list
#       of: string
#       default: ["*CLUSTER_TOKEN", ETCD_AUTH_TOKEN, "KAFKA_SSL_*_CREDENTIALS", "*NETWORK_PASSPHRASE", MINIO_ACCESS_KEY]
#       description: Variables (globs) that are named like a credential but hold none.
#   fix: >-
#     Put the value into a Secret and write: valueFrom: {secretKeyRef: {name: SECRET, key: KEY}}. It has been exposed:
#     change it first in what issues or checks it, then in the Secret. Never just replace a key that encrypts data.
#   why: everyone who can read the workload, its Git history or its CI logs can read the password
package stategate.encryption.secret_no_literal_env

import data.stategate.lib.credentials
import data.stategate.lib.globs
import data.stategate.lib.paths

violation contains v if {
	allowed := input.parameters.allow_names
	some container in input.workload.containers
	some variable in written(container)
	variable.from == ""
	what := credential(container, variable)
	name := variable.name
	not globs.matches_any(allowed, name)
	v := {
		"msg": sprintf("variable %s of container %s %s, in plain text", [variable.name, container.name, what]),
		"path": array.concat(variable.path, ["name"]),
		"fix": fix(
			variable, what,
			"Put it as it is into a Secret and write valueFrom.secretKeyRef instead of its value",
			"Take it from a Secret (valueFrom.secretKeyRef)",
		),
	}
}

# Those without effect can be read, too.
written(container) := array.concat(container.env, container.overridden_env) if {
	container.overridden_env
} else := container.env

# A ConfigMap is as readable as a manifest. Several containers may take the same entry.
violation contains v if {
	some key in {[one.variable.config_map, one.variable.name] | some one in taken}
	use := [other | some other in taken; [other.variable.config_map, other.variable.name] == key][0]
	variable := use.variable
	v := {
		"msg": sprintf(
			"variable %s of container %s %s, in plain text in ConfigMap %s",
			[variable.name, use.container, use.what, variable.config_map],
		),
		"path": variable.path,
		"key": sprintf("%s/%s", [variable.config_map, variable.name]),
		"fix": fix(
			variable, use.what,
			sprintf(
				"%s as it is into a Secret, refer to it by %s here and wherever else ConfigMap %s is read, %s",
				[unless_replaced(use), reference(variable), variable.config_map, "and only then take it out there"],
			),
			sprintf("Take %s from a Secret (%s) instead of ConfigMap %s", [variable.name, reference(variable), variable.config_map]),
		),
	}
}

# Of two sources with one name, the later one counts: what is dead here may not replace what is in use.
unless_replaced(use) := text if {
	use.variable.from == "configMapRef"
	container := object.get(input.review.object, use.at, {})
	some i, source in container.envFrom
	source.configMapRef.name == use.variable.config_map
	later := [one.secretRef.name | some j, one in container.envFrom; j > i]
	count(later) > 0
	text := sprintf("If Secret %s has this name too, only take it out of the ConfigMap. Else put it", [concat(" or ", later)])
} else := "Put it"

# So are its files.
violation contains v if {
	some use in first_of(filed)
	v := {
		"msg": sprintf(
			"%s in %s of container %s is a credential in plain text, in a ConfigMap (volume %s)",
			[use.directive, use.file, use.container, use.volume],
		),
		"path": use.path,
		"key": concat("/", [use.volume, use.name, use.directive]),
		"fix": sprintf(
			"Put file %s as it is into a Secret, and %s%s; take it out of the ConfigMap once nothing reads it there; %s",
			[use.name, in_its_place(use), or_rather(use.engine), "it has been seen, so change it later: in the store and its clients, and in the Secret"],
		),
	}
}

# A Secret in place of the volume would hide its other files.
in_its_place(use) := "project both into that volume (projected: sources: configMap, secret)" if {
	[use.at, use.mount_path] in shared
} else := "mount that in place of the ConfigMap"

# By containers and where they are mounted, the volumes with several files.
shared contains place if {
	some i, container in input.workload.containers
	some mount in container.mounts
	mount.source in {"configMap", "projected"}
	files := [file.path | some file in container.files; paths.within(file.path, mount.mount_path)]
	count(files) > 1
	place := [i, mount.mount_path]
}

or_rather(engine) := sprintf(", or %s", [ways[engine]]) if {
	ways[engine]
} else := ""

ways := {
	"clickhouse": "write <password from_env=\"VARIABLE\"/>, with the variable from a Secret",
	"nats": "write $VARIABLE (unquoted) in its place, with the variable from a Secret",
	"redis": "the line alone into a file of a Secret, which the configuration includes (include /PATH)",
}

filed := [[[use.volume, use.name, use.directive], use] |
	some visit in first_of(visits)
	container := input.workload.containers[visit.container]
	file := container.files[visit.file]
	some form in forms[visit.engine]
	regex.match(form.files, file.path)
	regex.match(form.hint, file.text)
	some directive in plain(visit.engine, form.line, uncommented(visit.engine, file))
	mount := container.mounts[visit.mount]
	use := {
		"at": visit.container,
		"container": container.name,
		"engine": visit.engine,
		"directive": directive,
		"file": file.path,
		"mount_path": mount.mount_path,
		"name": visit.name,
		"volume": mount.volume,
		"path": mount.path,
	}
]

# The settings that hold a credential.
plain(engine, line, text) := {directive |
	some found in regex.find_all_string_submatch_n(line, text, 50)
	given := trim_suffix(found[2], ";")
	credentials.own(given)
	not filled_in(given)
	not encrypted(engine, given)
	not trim(given, `"'`) in replaced
	directive := regex.replace(trim_space(found[1]), `\s+`, " ")
}

main_engine := object.get(input.workload, ["engine", "name"], "")

# Where the containers see files of ConfigMaps. Several may mount the same one.
visits := [[[mount.volume, name, engine, file.text], {"container": i, "mount": j, "file": k, "name": name, "engine": engine}] |
	some i, container in input.workload.containers
	some engine in {container.engine, main_engine, cache_in(container)}
	forms[engine]
	some j, mount in container.mounts
	mount.source in {"configMap", "projected"}
	some k, file in container.files
	startswith(file.path, mount.mount_path)
	paths.within(file.path, mount.mount_path)
	parts := split(file.path, "/")
	name := parts[count(parts) - 1]
]

# Of pairs with the same key, the first.
first_of(pairs) := [pair[1] |
	sorted := sort(pairs)
	some i, pair in sorted
	not sorted[i - 1][0] == pair[0]
]

# A Redis that keeps nothing counts as no data store, and has its password all the same.
cache_in(container) := "redis" if {
	regex.match(`(^|/)(redis|valkey|keydb)$`, container.image.repository)
} else := ""

# Of each data store, the files that it reads, a text without which there is nothing to look for, and the line: the
# first group names the setting, the second is its value.
forms := {
	"redis": [
		{
			"files": `\.(conf|acl)$`,
			"hint": `requirepass|masterauth`,
			"line": `(?mi)^[ \t]*(requirepass|masterauth)[ \t]+(\S+)`,
		},
		{
			"files": `\.(conf|acl)$`,
			"hint": `(?m)^[ \t]*user[ \t]`,
			"line": `(?m)^[ \t]*(user[ \t]+\S+)[ \t][^\n]*?>(\S+)`,
		},
		{
			"files": `\.conf$`,
			"hint": `sentinel`,
			"line": `(?mi)^[ \t]*(sentinel[ \t]+(?:auth-pass[ \t]+\S+|sentinel-pass))[ \t]+(\S+)`,
		},
	],
	"mysql": [
		{"files": `\.cnf$`, "hint": `password`, "line": `(?m)^[ \t]*(password)[ \t]*=[ \t]*(\S+)`},
		{
			"files": `\.cnf$`,
			"hint": `wsrep`,
			"line": `(?m)^[ \t]*(wsrep[_-]sst[_-]auth)[ \t]*=[ \t]*["']?[^\s:]*:([^\s"']+)`,
		},
	],
	"rabbitmq": [{
		"files": `\.conf$`,
		"hint": `default_pass|password`,
		"line": `(?m)^[ \t]*(default_pass|[a-z_.]*ssl_options\.password)[ \t]*=[ \t]*(\S+)`,
	}],
	"nats": [{
		"files": `\.(conf|cfg)$`,
		"hint": `pass|token`,
		"line": `(?m)(?:^|[{,;])[ \t]*(password|pass|token)[ \t]*[:= ][ \t]*["']?([^\s"',;}]+)`,
	}],
	"clickhouse": [{
		"files": `\.xml$`,
		"hint": `<password>`,
		"line": `<(password)>\s*([^<\s]+)\s*</password>`,
	}],
	"kafka": [{
		"files": `(\.properties|jaas\.conf)$`,
		"hint": `password|user_`,
		"line": `(?m)^[^#\n]*?\b(password|user_[A-Za-z0-9_-]+)[ \t]*=[ \t]*["']([^\s"';]+)`,
	}],
}

# Where a comment may look like a line.
uncommented(engine, file) := regex.replace(file.text, `(?s)<!--.*?-->`, "") if {
	engine == "clickhouse"
} else := regex.replace(file.text, `(?m)(^|\s)(#|//)[^\n]*`, "") if {
	engine == "nats"
} else := file.text

# What a script or a tool replaces before the data store reads it.
filled_in(value) if regex.match(`^["']?(%.*%|__.*__|@.*@|#.*#|\{.*\}|\[.*\]|[A-Z_]*PASS[A-Z_]*|(?i:replace[-_].*))["']?$`, value)

# The words that a sed of these pods replaces, such as replace-default-auth in the chart redis-ha.
replaced contains word if {
	some text in scripts
	contains(text, "sed ")
	some found in regex.find_all_string_submatch_n(substitution, text, 100)
	some pattern in array.slice(found, 1, count(found))
	some rough in split(pattern, " ")
	word := trim(rough, `^$"'`)
}

scripts contains text if {
	some container in input.workload.containers
	some field in ["command", "args"]
	some text in container[field]
}

scripts contains text if {
	some container in input.workload.containers
	some file in container.files
	text := file.text
}

substitution := `["'\s]s(?:/([^/\n]+)/|\|([^|\n]+)\||#([^#\n]+)#|@([^@\n]+)@|,([^,\n]+),|~([^~\n]+)~|%([^%\n]+)%|:([^:\n]+):)`

# RabbitMQ decrypts it with a passphrase that is kept elsewhere.
encrypted("rabbitmq", value) if startswith(value, "encrypted:")

# RabbitMQ's own default, which lets in nobody from elsewhere.
filled_in(value) if value == "guest"

# A placeholder is no secret yet, unless something runs with it.
fix(variable, what, moved, taken_from) := sprintf(
	"%s, with a value of your own; if something runs with the placeholder already, put that in as it is: %s",
	[taken_from, afterwards(variable.name)],
) if {
	what == a_placeholder
} else := sprintf("%s; %s", [moved, afterwards(variable.name)])

# What becomes of the value that has been seen, by the first pattern that matches the name.
afterwards(name) := [kind.then | some kind in kinds; regex.match(kind.names, name)][0]

kinds := [
	{"names": `(?i)(^|_)(aws|s3|b2|spaces|stripe|recaptcha|hcaptcha|turnstile)_([a-z0-9]+_)*secret_?key$`, "then": issued},
	{
		"names": keeps_readable,
		"then": "what is stored may be encrypted or hashed with it: never just replace it, rotate it as its program documents",
	},
	{
		"names": `(?i)replica_?set_?key|erlang_?cookie`,
		"then": "a shared key of a cluster: change it only while all members are stopped",
	},
	{
		"names": `(?i)(http|session|cookie|jwt|rpc|webhook)_?secret$`,
		"then": "it has been seen, so change it in all pods that share it at once: what it has signed, such as sessions, ends",
	},
	{"names": outside, "then": issued},
	{
		"names": `(?i)secret$`,
		"then": "it has been seen, so change it as its program documents: some encrypt with it what they store",
	},
	{
		"names": "",
		"then": "it has been seen, so change it: first where it is checked (a data store reads it for a new data directory only), then here",
	},
]

issued := "it has been seen, so change it: first in what issues or checks it, then here"

# Django and its like, Graylog (GRAYLOG_PASSWORD_SECRET), Mastodon (OTP_SECRET), Drone (DRONE_DATABASE_SECRET), Appsmith
# (APPSMITH_ENCRYPTION_PASSWORD), the key storage of Rundeck, key stores, and repositories of backups.
keeps_readable := concat("", [
	`(?i)(^|[^s])encrypt|cipher|(private|secret)_?key|passphrase|(key|trust)_?store|password_?secret|otp_?secret`,
	`|database_?secret|storage_?converter|(^|_)(restic|kopia|borg|duplicati|rclone)_([a-z0-9]+_)*pass`,
])

# Tokens, and accounts of outside services.
outside := concat("", [
	`(?i)(token|api_?key|access_?key|client_?secret|credentials)$`,
	`|(^|_)(docker_?hub|github|gitlab|ghcr|quay|npm|smtp|e?mail|slack|telegram|twilio)_([a-z0-9]+_)*(pass(word)?|pwd|secret)$`,
])

# The credentials that come from ConfigMaps, in the order of the containers.
taken := [use |
	allowed := input.parameters.allow_names
	some container in input.workload.containers
	some variable in written(container)
	variable.config_map != ""
	name := variable.name
	not globs.matches_any(allowed, name)
	use := {"container": container.name, "at": container.path, "variable": variable, "what": credential(container, variable)}
]

reference(variable) := "envFrom.secretRef" if {
	variable.from == "configMapRef"
} else := "valueFrom.secretKeyRef"

credential(container, variable) := called(variable.value) if {
	named_like_one(upper(variable.name))
	literal(container, variable.value)
	not names_where_it_is(upper(variable.name), variable.value)
	not nobody_asks_for_it(container, variable)
} else := "has a password within its value" if {
	credentials.embedded(variable.value)
}

# The key that a client must send to a service that asks for none. A server would take it for its own.
nobody_asks_for_it(container, variable) if {
	endswith(upper(variable.name), "API_KEY")
	credentials.dummy_key(variable.value)
	container.engine == ""
	whose := split(lower(variable.name), "_")[0]
	not whose in own_names
	repository := container.image.repository
	not names(repository, whose)
}

own_names := {"admin", "api", "app", "auth", "authentication", "global", "internal", "master", "root", "server", "service"}

names(repository, word) if {
	count(word) > 2
	contains(repository, word)
}

called(value) := a_placeholder if {
	credentials.unwritten(value)
} else := "holds a credential"

a_placeholder := "holds a placeholder for a credential"

named_like_one(name) if strings.any_suffix_match(replace(replace(name, "_", ""), ".", ""), endings)

# With the underscore, because many words end in these letters.
named_like_one(name) if strings.any_suffix_match(name, ["_PASS", "_PWD"])

endings := [
	"PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "ACCESSKEY", "SECRETKEY", "PRIVATEKEY", "APIKEY",
	"ENCRYPTIONKEY", "REPLICASETKEY", "CREDENTIALS", "ERLANGCOOKIE", "CLIAUTH",
]

literal(container, value) if {
	value != ""
	not contains(value, "$(")
	not credentials.switch(value)
	not credentials.placeholder(value)
	not to_be_written(container, value)
	not credentials.published(value)
	not mounted_file(container, value)
}

# A data store takes it for its password.
to_be_written(container, value) if {
	container.engine == ""
	credentials.to_be_written(value)
}

mounted_file(container, value) if {
	some mount in container.mounts
	paths.within(value, mount.mount_path)
}

# Service account tokens are mounted by the kubelet.
mounted_file(_, value) if startswith(value, "/var/run/secrets/")

# Google's libraries read a path from it.
names_where_it_is("GOOGLE_APPLICATION_CREDENTIALS", value) if startswith(value, "/")

# A user with a password is seldom written as a path; a password alone may begin with a slash.
names_where_it_is(name, value) if {
	endswith(name, "CREDENTIALS")
	regex.match(`^(/[a-z0-9._-]+){2,}$`, value)
}

names_where_it_is(name, value) if {
	regex.match(`(SECRET|CREDENTIALS)$`, name)
	value in secrets
}

names_where_it_is(name, value) if {
	endswith(name, "SECRET")
	regex.match(`^[a-z0-9][a-z0-9.-]*-(credentials|creds)$`, value)
}

# The names of Secrets that the pods refer to.
secrets contains name if {
	some pull in pod_spec.imagePullSecrets
	name := pull.name
}

secrets contains name if {
	some volume in pod_spec.volumes
	name := volume.secret.secretName
}

secrets contains name if {
	some list in ["containers", "initContainers"]
	some container in pod_spec[list]
	some name in names_in(container)
}

names_in(container) := array.concat(
	[source.secretRef.name | some source in container.envFrom],
	[variable.valueFrom.secretKeyRef.name | some variable in container.env],
)

pod_spec := object.get(input.review.object, input.workload.pods.spec_path, {})
