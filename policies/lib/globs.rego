# Globs as used in parameters: `*` matches any characters, dots and slashes included.
package stategate.lib.globs

# With an empty list of delimiters, glob.match treats `.` as a separator; null means that there are none.
matches_any(patterns, text) if {
	some pattern in patterns
	glob.match(pattern, null, text)
}
