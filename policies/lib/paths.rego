# Paths of files and directories.
package stategate.lib.paths

# It is the directory, or somewhere below it.
within(path, directory) if path == directory

within(path, directory) if startswith(path, concat("", [trim_suffix(directory, "/"), "/"]))
