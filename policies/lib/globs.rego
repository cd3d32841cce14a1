# Globs as parameters use them: `*` stands for any characters, dots and slashes included.
package stategate.lib.globs

# glob.match takes `.` for a separator if it is given no delimiters; null says that there are none.
matches_any(patterns, text) if {
	some pattern in patterns
	glob.match(pattern, null, text)
}
