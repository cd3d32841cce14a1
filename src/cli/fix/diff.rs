//! Unified diffs for `git apply` and `patch -p1`.

use std::path::{Component, Path, PathBuf};

use similar::TextDiff;

use crate::plain::is_harmful;

/// The name of a file in a diff: relative to the directory, without a leading slash.
pub fn name(file: &str, directory: Option<&Path>) -> String {
    let path = Path::new(file);
    let path = directory.and_then(|directory| path.strip_prefix(directory).ok()).unwrap_or(path);
    let mut name = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => name.push(part),
            // A diff must not leave the directory that it is applied in: that of `../a` is for the one above.
            Component::ParentDir => {
                name.pop();
            }
            _ => {}
        }
    }
    name.display().to_string()
}

/// The changes, with three lines of context.
pub fn unified(name: &str, before: &str, after: &str) -> String {
    let (old, new) = (head("a", name), head("b", name));
    let diff = TextDiff::from_lines(before, after);
    diff.unified_diff().context_radius(3).header(&old, &new).to_string()
}

/// A diff in colours.
pub fn coloured(text: &str) -> String {
    let mut in_hunk = false;
    text.split_inclusive('\n')
        .map(|line| {
            in_hunk |= line.starts_with("@@");
            let colour = match line.chars().next() {
                Some('@') => "36",
                Some('+') if in_hunk => "32",
                Some('-') if in_hunk => "31",
                Some('+' | '-') => "1",
                _ => return line.to_owned(),
            };
            let body = line.trim_end_matches(['\n', '\r']);
            let end = line.get(body.len()..).unwrap_or_default();
            format!("\u{1b}[{colour}m{body}\u{1b}[0m{end}")
        })
        .collect()
}

/// A name as git writes it: with a tab behind a name with blanks, in quotes if something in it could act on a terminal.
fn head(side: &str, name: &str) -> String {
    let name = format!("{side}/{name}");
    if name.contains(|c: char| is_harmful(c) || matches!(c, '"' | '\\')) {
        let quoted: String = name
            .chars()
            .map(|character| match character {
                '"' | '\\' => format!("\\{character}"),
                harmful if is_harmful(harmful) => {
                    let mut bytes = [0; 4];
                    harmful.encode_utf8(&mut bytes).bytes().map(|byte| format!("\\{byte:03o}")).collect()
                }
                other => other.to_string(),
            })
            .collect();
        return format!("\"{quoted}\"");
    }
    if name.contains(' ') { format!("{name}\t") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_seen_from_the_directory() {
        let here = Path::new("/repo/shop");
        for (file, seen) in [
            ("pg.yaml", "pg.yaml"),
            ("./a/./pg.yaml", "a/pg.yaml"),
            ("/repo/shop/a/pg.yaml", "a/pg.yaml"),
            ("/else/pg.yaml", "else/pg.yaml"),
            ("../pg.yaml", "pg.yaml"),
        ] {
            assert_eq!(name(file, Some(here)), seen);
        }
    }

    #[test]
    fn a_diff_has_heads_hunks_and_the_missing_line_break() {
        let diff = unified("a b.yaml", "x: 1\ny: 2", "x: 1\ny: 3");
        assert_eq!(
            diff,
            "--- a/a b.yaml\t\n+++ b/a b.yaml\t\n@@ -1,2 +1,2 @@\n x: 1\n-y: 2\n\\ No newline at end of file\n+y: 3\n\\ No newline at end of file\n"
        );
        let coloured = coloured(&unified("x", "--- a\n", "+++ b\r\n"));
        assert_eq!(coloured.matches("\u{1b}[1m").count(), 2, "{coloured:?}");
        assert!(
            coloured.contains("\u{1b}[31m---- a\u{1b}[0m\n\u{1b}[32m++++ b\u{1b}[0m\r\n"),
            "{coloured:?}"
        );
        assert_eq!(head("a", "x\ny\"é"), "\"a/x\\012y\\\"é\"");
        assert_eq!(head("a", "x\u{202e}"), "\"a/x\\342\\200\\256\"");
    }
}
