package stategate.lib.paths_test

import data.stategate.lib.paths

test_within if {
	paths.within("/etc/db", "/etc/db")
	paths.within("/etc/db/x.cnf", "/etc/db")
	paths.within("/etc/db/x.cnf", "/etc/db/")
	paths.within("/etc", "/")
	not paths.within("/etc/db2/x.cnf", "/etc/db")
	not paths.within("/etc", "/etc/db")
}
