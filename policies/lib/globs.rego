# Globs as parameters use them: `*` stands for any characters, dots and slashes included.
package stategate.lib.globs

# Most parameters are plain words: comparing them costs far less than compiling each into an expression.
matches_any(patterns, text) if text in patterns

# glob.match takes `.` for a separator if it is given no delimiters; null says that there are none.
matches_any(patterns, text) if {
	some pattern in patterns
	some sign in ["*", "?", "[", "{", "\\"]
	contains(pattern, sign)
	glob.match(pattern, null, text)
}
