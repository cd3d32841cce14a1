package stategate.encryption.secret_no_literal_args_test

import data.stategate.encryption.secret_no_literal_args as policy

container(overrides) := object.union(
	{"name": "db", "command": [], "args": [], "path": ["spec", "template", "spec", "containers", 0]},
	overrides,
)

request(overrides) := {
	"workload": {"containers": [container(overrides)]},
	"parameters": {"secret_flags": ["requirepass", "masterauth", "password", "root-password"]},
}

found(overrides) := violations if violations := policy.violation with input as request(overrides)

args(list) := found({"args": list})

test_flag_and_value_fail_and_the_value_is_not_shown if {
	some v in args(["--appendonly", "yes", "--requirepass", "hunter2"])
	v.msg == "args[2] of container db holds a credential in plain text"
	v.path == ["spec", "template", "spec", "containers", 0, "args", 2]
	not contains(v.fix, "hunter2")
}

test_joined_by_an_equals_sign_fails if {
	every text in ["--password=hunter2", "--root_password=hunter2", `--password="hunter2"`, "--Password=a=b"] {
		count(args([text])) == 1
	}
}

test_a_flag_is_a_whole_word if {
	every text in ["a--password hunter2", "--password--password", "--password-hunter2", "--password.x hunter2"] {
		args([text]) == set()
	}
	every text in ["---password hunter2", "x  --password   hunter2", `"--password" 'hunter2'`, `'--password=hunter2'`] {
		count(args([text])) == 1
	}
}

test_script_fails if {
	some v in found({"command": ["sh", "-c", "exec redis-server --appendonly yes \\\n\t--masterauth hunter2 --port 6379"]})
	v.msg == "command[2] of container db holds a credential in plain text"
}

test_url_and_connection_string_fail if {
	count(args(["--source", "postgres://app:hunter2@pg/shop"])) == 1
	count(args(["PGPASSWORD=hunter2 pg_dump shop"])) == 1
}

test_references_pass if {
	every text in ["$(REDIS_PASSWORD)", "$REDIS_PASSWORD", `"${REDIS_PASSWORD}"`, "/run/secrets/redis", "<password>"] {
		args(["--requirepass", text]) == set()
		args([sprintf("--requirepass=%s", [text])]) == set()
		args([sprintf("redis-server --requirepass %s", [text])]) == set()
	}
}

test_flag_without_value_passes if {
	args(["--password", "--host", "pg"]) == set()
	args(["--password"]) == set()
	args(["--password="]) == set()
}

test_other_flags_and_words_pass if {
	args(["--password-file", "/run/secrets/x", "--passwordless", "yes"]) == set()
	args(["password", "hunter2", "-password", "x"]) == set()
}

test_one_item_is_one_finding if {
	count(args(["--password=hunter2 --requirepass hunter3"])) == 1
}

test_no_command_passes if found({}) == set()

test_file_of_an_ethereum_node_passes if {
	every text in ["--password data/keystore/pw", "--password=data/pw"] {
		node := {"image": {"repository": "ethereum/client-go"}, "command": [], "args": [text]}
		found(node) == set()
		count(found(object.union(node, {"image": {"repository": "shop/app"}}))) == 1
	}
	count(args(["geth --password data/pw --token hunter2"])) == 1
}

test_password_of_an_ethereum_node_fails if {
	every text in ["--password hunter2abc", "--password=hunter2abc", "geth --datadir /d --password=hunter2abc"] {
		count(found({"image": {"repository": "ethereum/client-go"}, "command": [], "args": [text]})) == 1
	}
	every text in ["--password pw.txt", "--password=password", "geth --password=/d/pw --datadir /d"] {
		found({"image": {"repository": "ethereum/client-go"}, "command": [], "args": [text]}) == set()
	}
}
