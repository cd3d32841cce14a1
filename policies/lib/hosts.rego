# Which machine an address or a command line refers to: the pod itself, or another one.
package stategate.lib.hosts

# For these, `-h` is the host; for others it may be anything.
clients := {
	"pg_isready", "psql", "mysqladmin", "mysql", "mariadb", "redis-cli", "valkey-cli", "mongosh",
	"mongo", "nodetool", "clickhouse-client", "mariadb-admin",
}

# For these, the first word that is neither a flag nor a number is the host: `nc -z db 5432`.
connectors := {"nc", "ncat", "netcat", "telnet"}

host_flags := {"--host", "--hostname", "--bootstrap-server", "--bootstrap-servers", "--endpoints"}

# The other machines that a command connects to.
foreign_in(command) := [host |
	may_connect(command)
	words := words_of(command)
	some i, word in words
	address := named(words, i, word)
	host := of(address)
	foreign(host)
]

# Whether anything there can name a host. A script may have a hundred thousand words, and most have none for these.
may_connect(command) if {
	some argument in command
	regex.match(`-h|--bootstrap-server|--endpoints|://|(^|[^A-Za-z])(nc|ncat|netcat|telnet)($|[^A-Za-z])`, argument)
}

words_of(command) := [word |
	some argument in command
	some rough in split(replace(replace(uncommented(argument), "\"", " "), "'", " "), " ")
	word := trim(rough, ";|&()\n\t")
	word != ""
]

# A script without its comments. A comment begins with a word outside of quotes, and goes to the end of the line.
uncommented(argument) := regex.replace(argument, comment_or_quoted, "${1}${2}") if {
	contains(argument, "#")
} else := argument

# Of a comment, the second group keeps what is before it.
comment_or_quoted := `("(?:[^"\\]|(?s:\\.))*"|'[^']*'|(?s:\\.))|(^|[\s;&|(])#[^\n]*`

named(words, i, word) := words[i + 1] if word in host_flags

named(words, i, word) := words[i + 1] if {
	word == "-h"
	asked_by_a_client(words, i)
}

# Without a space, as is common with MySQL's clients: -hdb.
named(words, i, word) := substring(word, 2, -1) if {
	startswith(word, "-h")
	not word in {"-h", "-help"}
	asked_by_a_client(words, i)
}

named(words, i, word) := hosts_named[0] if {
	program_of(word) in connectors
	hosts_named := [next | some next in array.slice(words, i + 1, count(words)); not regex.match(`^(-.*|[0-9]+)$`, next)]
}

named(_, _, word) := substring(word, indexof(word, "=") + 1, -1) if {
	some flag in host_flags
	startswith(word, concat("", [flag, "="]))
}

named(_, _, word) := substring(word, indexof(word, "http"), -1) if {
	contains(word, "://")
	indexof(word, "http") >= 0
	not startswith(word, "--endpoints=")
}

asked_by_a_client(words, i) if {
	some earlier in array.slice(words, 0, i)
	program_of(earlier) in clients
}

program_of(word) := parts[count(parts) - 1] if parts := split(word, "/")

# Without scheme, user, port and path.
of(address) := host if {
	after_scheme := split(address, "://")
	authority := split(after_scheme[count(after_scheme) - 1], "/")[0]
	after_user := split(authority, "@")
	host := split(trim_prefix(after_user[count(after_user) - 1], "["), ":")[0]
}

# A host that contains a variable is known only in the pod, and is mostly the pod itself.
foreign(host) if {
	not host in {"", "localhost", "0.0.0.0"}
	not startswith(host, "127.")
	not startswith(host, "-")
	every sign in ["$", "`", "%", "{"] {
		not contains(host, sign)
	}
}
