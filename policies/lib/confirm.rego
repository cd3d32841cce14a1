# A dangerous step is confirmed by an annotation that says which step is meant.
package stategate.lib.confirm

deadline := "stategate.io/confirm-until"

# What the step lacks to be meant, going by the annotations of a view; undefined if nothing.
missing(view, key, wanted) := "nobody has confirmed it" if {
	not view.annotations[key]
} else := sprintf("the confirmation says %s", [said]) if {
	said := view.annotations[key]
	said != wanted
} else := "the confirmation has run out, or its time is not of the form 2026-01-31T12:00:00Z" if {
	until := view.annotations[deadline]
	not to_come(until)
}

# In UTC, times of this form are in the order of their letters: no need to parse what somebody typed.
to_come(until) if {
	regex.match(`^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z$`, until)
	until > input.now
}

# What to type to confirm; the quotes keep a shell from taking `5->3` for a redirection.
command(resource, view, key, wanted) := sprintf(
	"kubectl annotate %s %s%s --overwrite %s='%s'%s",
	[resource, view.name, in_namespace(view), key, wanted, without_deadline(view)],
)

in_namespace(view) := "" if {
	view.namespace == ""
} else := sprintf(" -n %s", [view.namespace])

# kubectl's way to take an annotation away.
without_deadline(view) := sprintf(" %s-", [deadline]) if {
	view.annotations[deadline]
} else := ""
