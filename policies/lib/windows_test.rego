package stategate.lib.windows_test

import data.stategate.lib.windows

at(now, text) if windows.open(text) with input.now as now

# 2026-01-03 is a Saturday.
test_open_on_its_day_from_first_to_last_minute if {
	at("2026-01-03T01:00:00Z", "Sat 01:00-05:00 UTC")
	at("2026-01-03T04:59:59Z", "Sat 01:00-05:00 UTC")
	not at("2026-01-03T00:59:59Z", "Sat 01:00-05:00 UTC")
	not at("2026-01-03T05:00:00Z", "Sat 01:00-05:00 UTC")
	not at("2026-01-04T02:00:00Z", "Sat 01:00-05:00 UTC")
}

test_over_midnight_it_belongs_to_the_day_it_begins_on if {
	at("2026-01-03T23:30:00Z", "Sat 23:00-03:00 UTC")
	at("2026-01-04T02:59:00Z", "Sat 23:00-03:00 UTC")
	not at("2026-01-03T02:00:00Z", "Sat 23:00-03:00 UTC")
	not at("2026-01-04T23:30:00Z", "Sat 23:00-03:00 UTC")
	not at("2026-01-04T03:00:00Z", "Sat 23:00-03:00 UTC")
}

test_lists_and_ranges_of_days if {
	every now in ["2026-01-03T12:00:00Z", "2026-01-04T12:00:00Z"] {
		at(now, "Sat,Sun 00:00-24:00 UTC")
		not at(now, "Mon-Fri 00:00-24:00 UTC")
		at(now, "Fri-Sun 00:00-24:00 UTC")
		at(now, "daily 00:00-24:00 UTC")
	}
	at("2026-01-05T12:00:00Z", "Mon-Fri 00:00-24:00 UTC")
	at("2026-01-09T12:00:00Z", "Mon-Fri 00:00-24:00 UTC")
	at("2026-01-02T12:00:00Z", "Fri-Mon 00:00-24:00 UTC")
	not at("2026-01-06T12:00:00Z", "Fri-Mon 00:00-24:00 UTC")
}

test_one_of_several_is_enough if {
	at("2026-01-03T12:00:00Z", "Tue 01:00-02:00 UTC; Sat 11:00-13:00 UTC")
	not at("2026-01-03T14:00:00Z", "Tue 01:00-02:00 UTC; Sat 11:00-13:00 UTC")
}

test_readable if {
	every text in ["Sat 01:00-05:00 UTC", "  Mon-Fri   22:00-04:00 UTC ", "daily 00:00-24:00 UTC; Sun 01:00-02:00 UTC"] {
		windows.readable(text)
	}
}

test_not_readable if {
	every text in [
		"", "Sat", "Sat 01:00-05:00", "Sat 01:00-05:00 CET", "Saturday 01:00-05:00 UTC", "sat 01:00-05:00 UTC",
		"Sat 1:00-5:00 UTC", "Sat 01:00-25:00 UTC", "Sat 01:00 UTC", "Sat 01:00-01:00 UTC", "Sat, 01:00-02:00 UTC",
		"Mon-Fri-Sun 01:00-02:00 UTC", "Sat 01:00-05:00 UTC; soon",
	] {
		not windows.readable(text)
	}
}
