# Times of the week, written as `Sat 01:00-05:00 UTC`, `Mon-Fri 22:00-04:00 UTC`, `Sat,Sun 00:00-24:00 UTC` or
# `daily 02:00-04:00 UTC`. Several are separated by semicolons.
package stategate.lib.windows

readable(text) if {
	every one in split(text, ";") {
		window(one)
	}
}

open(text) if {
	some one in split(text, ";")
	holds(window(one))
}

window(text) := {"days": days, "from": times[0], "to": times[1]} if {
	words := [word | some word in split(text, " "); word != ""]
	count(words) == 3
	words[2] == "UTC"
	days := days_of(words[0])
	times := split(words[1], "-")
	count(times) == 2
	clock(times[0])
	clock(times[1])
	times[0] != times[1]
}

clock(text) if text == "24:00"

clock(text) if regex.match(`^([01][0-9]|2[0-3]):[0-5][0-9]$`, text)

number_of := {"Sun": 0, "Mon": 1, "Tue": 2, "Wed": 3, "Thu": 4, "Fri": 5, "Sat": 6}

days_of("daily") := {0, 1, 2, 3, 4, 5, 6}

days_of(text) := {day | some item in items; some _, day in number_of; between(ends(item), day)} if {
	text != "daily"
	items := split(text, ",")
	every item in items {
		ends(item)
	}
}

# First and last day of `Mon-Fri`; for `Sat` both are the same.
ends(item) := [number_of[days[0]], number_of[days[count(days) - 1]]] if {
	days := split(item, "-")
	count(days) <= 2
}

between([first, last], day) if {
	first <= last
	first <= day
	day <= last
}

between([first, last], day) if {
	first > last
	day >= first
}

between([first, last], day) if {
	first > last
	day <= last
}

# Times in this form sort as text.
holds(w) if {
	w.from < w.to
	weekday(0) in w.days
	w.from <= time_of_day
	time_of_day < w.to
}

# Across midnight: the window belongs to the day it begins on.
holds(w) if {
	w.from > w.to
	weekday(0) in w.days
	w.from <= time_of_day
}

holds(w) if {
	w.from > w.to
	weekday(1) in w.days
	time_of_day < w.to
}

time_of_day := substring(input.now, 11, 5)

weekday(days_ago) := number_of[substring(time.weekday(time.parse_rfc3339_ns(input.now) - (days_ago * day_ns)), 0, 3)]

day_ns := 86400000000000
