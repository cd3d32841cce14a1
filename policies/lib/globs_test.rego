package stategate.lib.globs_test

import data.stategate.lib.globs

test_star_crosses_dots_slashes_and_colons if {
	globs.matches_any(["system:serviceaccount:*:velero*"], "system:serviceaccount:my.backup:velero-server")
	globs.matches_any(["*rbd.csi.ceph.com"], "rook-ceph.rbd.csi.ceph.com")
	globs.matches_any(["*/tmp"], "/var/lib/clickhouse/tmp")
	globs.matches_any(["/run*"], "/run/postgresql")
}

test_a_pattern_without_star_is_the_text_itself if {
	globs.matches_any(["efs.csi.aws.com"], "efs.csi.aws.com")
	not globs.matches_any(["efs.csi.aws.com"], "efs.csi.aws.com.example")
}

test_one_of_several_is_enough if globs.matches_any(["a", "b*"], "bc")

test_none_matches if not globs.matches_any(["a", "b*"], "cb")

test_no_patterns_match_nothing if not globs.matches_any([], "")

test_question_mark_is_one_character if {
	globs.matches_any(["?*"], "key")
	not globs.matches_any(["?*"], "")
}

test_other_signs_than_the_star_count if {
	globs.matches_any(["gp[23]"], "gp3")
	globs.matches_any(["{io1,io2}"], "io2")
	not globs.matches_any(["gp[23]"], "gp4")
}
