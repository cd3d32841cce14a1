# Globs as used in parameters: `*` matches any characters, dots and slashes included.
package stategate.lib.globs

# Most parameters are plain words, and comparing them costs far less than compiling each into a glob.
matches_any(patterns, text) if text in patterns

# With an empty list of delimiters, glob.match treats `.` as a separator; null means that there are none.
matches_any(patterns, text) if {
	some pattern in patterns
	some sign in ["*", "?", "[", "{", "\\"]
	contains(pattern, sign)
	glob.match(pattern, null, text)
}
