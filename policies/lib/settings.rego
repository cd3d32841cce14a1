# Settings on a container's command line, also in scripts there, in its environment and in files of ConfigMaps.
package stategate.lib.settings

import data.stategate.lib.paths

# Longer scripts are not looked into.
most := 20000

# Each word of command and arguments, with the place of the text it is in.
words(container) := [{"text": word, "path": array.concat(container.path, [field, i])} |
	sum([count(text) | some text in array.concat(container.command, container.args)]) <= most
	some field in ["command", "args"]
	some i, text in container[field]
	some word in parts(text)
]

parts(text) := apart(text) if {
	regex.match(`\s`, text)
} else := [text]

apart(text) := [word |
	some rough in split(spaced(text), " ")
	word := trim(rough, "\"';")
	word != ""
]

spaced(text) := replace(replace(replace(replace(text, "\\\n", " "), "\n", " "), "\t", " "), " = ", "=")

# What is set by `--name=value`, `--name value`, `--name` alone (an empty value) and `-c name=value`: names in small
# letters, without dashes in front and with dashes for underscores. An item has `name`, `value` and `path`.
given(container) := [{"name": name, "value": value, "path": said[i].path} |
	said := words(container)
	some i, word in said
	[name, value] := setting(said, i, word.text)
]

setting(_, _, text) := [plain(before), substring(text, count(before) + 1, -1)] if {
	startswith(text, "-")
	contains(text, "=")
	before := split(text, "=")[0]
}

setting(said, i, text) := [plain(text), following(said, i)] if {
	startswith(text, "-")
	not contains(text, "=")
}

setting(said, i, text) := [plain(before), substring(text, count(before) + 1, -1)] if {
	not startswith(text, "-")
	contains(text, "=")
	i > 0
	said[i - 1].text in {"-c", "-E", "--set"}
	before := split(text, "=")[0]
}

following(said, i) := said[i + 1].text if {
	next := said[i + 1].text
	not startswith(next, "-")
} else := ""

plain(name) := lower(replace(trim_left(name, "-"), "_", "-"))

# What lines of the form `name = value`, `name value` or `name` in files say whose paths match a pattern: an item has also
# `file` and `shown`, the name as written. Only files of ConfigMaps among the manifests are known.
in_files(container, pattern) := [item |
	some file in object.get(container, "files", [])
	regex.match(pattern, file.path)
	mounts := [mount | some mount in container.mounts; paths.within(file.path, mount.mount_path)]
	count(mounts) > 0
	some part in parts_of(file)
	some line in split(part, "\n")
	said := [word | some word in split(replace(replace(replace(line, "\t", " "), "\r", " "), "=", " "), " "); word != ""]
	count(said) > 0
	not regex.match(`^[#;\[!]`, said[0])
	value := trim(concat("", array.slice(said, 1, 2)), "\"'")
	name := trim_suffix(said[0], ":") # YAML
	item := {"name": plain(name), "shown": name, "value": value, "file": file.path, "path": mounts[0].path}
]

# Of MySQL's files, only what is above all groups and in those of the server: clients have their own.
parts_of(file) := [text |
	some i, rest in split(regex.replace(concat("", ["\n", file.text]), `\n\s*\[`, "\n["), "\n[")
	text := part_of(i, rest)
] if {
	endswith(file.path, ".cnf")
} else := [file.text]

part_of(0, rest) := rest

part_of(i, rest) := text if {
	i > 0
	at := indexof(rest, "]")
	trim_space(substring(rest, 0, at)) in {"mysqld", "server", "mariadb", "mariadbd", "galera"}
	text := substring(rest, at + 1, -1)
}

# The literal value of a variable, and its place.
variable(container, name) := {"name": name, "value": item.value, "path": item.path} if {
	some item in container.env
	item.name == name
	item.value
}

# Does it show all that is run? A script in a file and a variable may add to it.
shown(container) if {
	every text in array.concat(container.command, container.args) {
		not regex.match(`\.sh\b|\$`, text)
	}
}

# Does a script there decide what it runs?
decides(container) if {
	some text in array.concat(container.command, container.args)
	regex.match(`\s`, text)
	regex.match(`(^|[\s;(])(if|case|test|\[|\[\[)\s|&&|\|\|`, text)
}
