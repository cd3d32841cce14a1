# A dangerous step is confirmed by an annotation that names the step.
package stategate.lib.confirm

deadline := "stategate.io/confirm-until"

form := `^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z$`

# What the step still lacks to be confirmed, from the annotations of a view; undefined if it is confirmed.
missing(view, key, wanted) := "nobody has confirmed it" if {
	not view.annotations[key]
} else := sprintf("the confirmation says %s", [said]) if {
	said := view.annotations[key]
	said != wanted
} else := "the confirmation has run out, or its time is not of the form 2026-01-31T12:00:00Z" if {
	until := view.annotations[deadline]
	not to_come(until)
} else := sprintf("it was confirmed at %s, and a confirmation counts for an hour", [view.confirmed_at[key]]) if {
	not view.annotations[deadline]
	is_old(view, key)
}

# Only the API server tells when an annotation was set; in a file it is part of the change that it confirms.
is_old(view, key) if {
	at := view.confirmed_at[key]
	regex.match(form, at)
	time.parse_rfc3339_ns(input.now) - time.parse_rfc3339_ns(at) > 3600000000000 # one hour
}

# In UTC, times of this form sort as text, so there is no need to parse user input.
to_come(until) if {
	regex.match(form, until)
	until > input.now
}

# The command that confirms the step. Setting an annotation to what it says already changes nothing, not even its
# time, so an old one is removed first. The quotes keep a shell from reading `5->3` as a redirection.
command(resource, view, key, wanted) := sprintf(
	"%skubectl annotate %s %s%s --overwrite %s='%s'%s",
	[renewal(resource, view, key), resource, view.name, in_namespace(view), key, wanted, without_deadline(view)],
)

renewal(resource, view, key) := text if {
	is_old(view, key)
	text := sprintf("kubectl annotate %s %s%s %s- && ", [resource, view.name, in_namespace(view), key])
} else := ""

in_namespace(view) := "" if {
	view.namespace == ""
} else := sprintf(" -n %s", [view.namespace])

# kubectl's syntax for removing an annotation.
without_deadline(view) := sprintf(" %s-", [deadline]) if {
	view.annotations[deadline]
} else := ""
