package stategate.lib.hosts_test

import data.stategate.lib.hosts

test_the_pod_itself_is_not_foreign if {
	every address in ["localhost", "localhost:9200", "127.0.0.1:6379", "0.0.0.0", "[::1]:2379", "::1", "/run/postgresql"] {
		not hosts.foreign(hosts.of(address))
	}
}

test_what_the_pod_fills_in_is_not_foreign if {
	every address in ["$HOSTNAME", "$(hostname", "`hostname`", "http://${POD_IP}:9200/", "{{ host }}"] {
		not hosts.foreign(hosts.of(address))
	}
}

test_other_machines_are if {
	every address in ["pg-0.pg", "10.0.0.7", "http://search:9200/_cat", "https://user:secret@search.shop.svc:9200"] {
		hosts.foreign(hosts.of(address))
	}
}

test_a_host_after_its_flag if {
	hosts.foreign_in(["pg_isready", "-h", "pg-primary", "-U", "app"]) == ["pg-primary"]
	hosts.foreign_in(["sh", "-c", "/usr/bin/redis-cli -h redis-master ping; exit $?"]) == ["redis-master"]
	hosts.foreign_in(["mongosh", "--host", "mongo-0.mongo:27017"]) == ["mongo-0.mongo"]
	hosts.foreign_in(["clickhouse-client", "--host=other"]) == ["other"]
	hosts.foreign_in(["kafka-topics.sh", "--bootstrap-server", "kafka:9092", "--list"]) == ["kafka"]
}

test_a_host_in_an_address if {
	hosts.foreign_in(["bash", "-ec", "curl -sf 'http://search:9200/'"]) == ["search"]
	hosts.foreign_in(["etcdctl", "--endpoints=https://etcd-1.etcd:2379", "endpoint", "status"]) == ["etcd-1.etcd"]
}

test_the_pod_s_own_commands if {
	every command in [
		["pg_isready", "-U", "app"],
		["mysqladmin", "ping", "-h", "127.0.0.1"],
		["pg_isready", "-h", "/run/postgresql"],
		["redis-cli", "-h", "$(hostname)", "ping"],
		["curl", "-f", "https://localhost:9200/"],
		["etcdctl", "--endpoints=https://127.0.0.1:2379", "endpoint", "status"],
		["df", "-h", "data"],
		["pg_isready", "-h"],
	] {
		hosts.foreign_in(command) == []
	}
}

test_a_host_without_a_blank if {
	hosts.foreign_in(["pg_isready", "-hpg-primary"]) == ["pg-primary"]
	hosts.foreign_in(["mysqladmin", "ping", "-hlocalhost"]) == []
	hosts.foreign_in(["pg_isready", "-help"]) == []
	hosts.foreign_in(["df", "-hT"]) == []
}

test_a_host_of_a_connector if {
	hosts.foreign_in(["sh", "-c", "nc -z pg-primary 5432"]) == ["pg-primary"]
	hosts.foreign_in(["sh", "-c", "echo ruok | /bin/nc -w 2 localhost 2181"]) == []
	hosts.foreign_in(["sh", "-c", "nc -w 2 zk-1.zk 2181"]) == ["zk-1.zk"]
	hosts.foreign_in(["nc"]) == []
}

test_a_comment_connects_to_nothing if {
	script := "# See https://github.com/curl/curl\nset -e # as in https://example.com\ncurl -sf http://localhost:8080/health;#http://db"
	hosts.foreign_in(["sh", "-c", script]) == []
	hosts.foreign_in(["sh", "-c", concat("\n", [script, "curl -sf http://search:9200/${x#a}#top"])]) == ["search"]
	hosts.foreign_in(["sh", "-c", "echo $#; nc -z db 5432"]) == ["db"]
}

test_a_comment_begins_with_a_word_outside_of_quotes if {
	every script, without in {
		"a # b": "a ",
		"# a\n#b\nc": "\n\nc",
		"a;#b\n(# c": "a;\n(",
		"echo \"(#1)\"; b # c": "echo \"(#1)\"; b ",
		"echo '; #1' \"\\\" # 2\" # 3": "echo '; #1' \"\\\" # 2\" ",
		"echo \\\" # \"": "echo \\\" ",
		"# don't\na # it's": "\na ",
		"a#b ${x#y} $#": "a#b ${x#y} $#",
		"a \"b\n # c\"": "a \"b\n # c\"",
	} {
		hosts.uncommented(script) == without
	}
}
