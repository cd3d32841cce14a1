package stategate.lib.settings_test

import data.stategate.lib.settings

container(command, args) := {
	"command": command,
	"args": args,
	"path": ["spec"],
	"env": [{"name": "SIZE", "value": "3", "path": ["spec", "env", 0]}, {"name": "SECRET", "path": []}],
}

given(command, args) := {[item.name, item.value] | some item in settings.given(container(command, args))}

test_the_forms_of_a_setting if {
	given(["mysqld", "--innodb_force_recovery=1"], []) == {["innodb-force-recovery", "1"]}
	given([], ["--max-conn", "10", "--quiet", "--last"]) == {["max-conn", "10"], ["quiet", ""], ["last", ""]}
	["zero-damaged-pages", "on"] in given(["postgres", "-c", "zero_damaged_pages=on"], [])
	given(["server", "x=y"], []) == set()
}

test_scripts_are_looked_into if {
	said := given(["sh", "-c", "exec etcd \\\n  --name \"kv-0\" --force-new-cluster"], [])
	["name", "kv-0"] in said
	["force-new-cluster", ""] in said
}

test_places if {
	some item in settings.given(container(["a"], ["b", "--c=1"]))
	item.path == ["spec", "args", 1]
}

test_long_scripts_are_left_alone if {
	digits := "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
	option := concat("", ["-", digits, " "])
	long := concat("", [option | some _ in split(digits, ""); some _ in ["a", "b", "c"]])
	settings.given(container([long], [])) == []
	count(settings.given(container([substring(long, 0, 1020)], []))) == 10
}

test_files_say_it_too if {
	text := "[mysqld]\n# port = 1\ninnodb_force_recovery = 6\nwsrep-new-cluster\nwsrep_cluster_address=\"gcomm://\"\r\n"
	one := object.union(container([], []), {
		"files": [{"path": "/etc/mysql/conf.d/a.cnf", "text": text}, {"path": "/x/b.cnf", "text": "a=b"}],
		"mounts": [{"mount_path": "/etc/mysql/conf.d", "path": ["mounts", 0]}],
	})
	found := settings.in_files(one, `^/etc/mysql/`)
	{[item.name, item.shown, item.value] | some item in found} == {
		["innodb-force-recovery", "innodb_force_recovery", "6"],
		["wsrep-new-cluster", "wsrep-new-cluster", ""],
		["wsrep-cluster-address", "wsrep_cluster_address", "gcomm://"],
	}
	found[0].path == ["mounts", 0]
	settings.in_files(container([], []), `.`) == []
}

test_variables if {
	settings.variable(container([], []), "SIZE").value == "3"
	not settings.variable(container([], []), "SECRET")
	not settings.variable(container([], []), "OTHER")
}

test_scripts_that_decide if {
	settings.decides(container(["sh", "-c", "if x; then y; fi"], []))
	settings.decides(container(["sh", "-c", "[ -e /x ] || mysqld"], []))
	not settings.decides(container(["sh", "-c", "exec mysqld --verify-case"], []))
	not settings.decides(container(["mysqld"], ["--a=b"]))
}
