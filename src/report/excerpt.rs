//! The lines of a file that show a node. A report keeps these, not the files.

use std::ops::Range;

use crate::yaml::SourceSpan;

/// An excerpt shows at most this many lines of the node.
const LINES: usize = 4;

/// The whole lines of a file that contain a node; of a large node only the first line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The lines, without the last line's end. Empty if they may contain a credential.
    pub lines: String,
    /// The number of the first line, 1-based.
    pub first_line: usize,
    /// The node's byte range in `lines`.
    pub node: Range<usize>,
    /// Line and column (1-based, in characters) after the last character of the whole node.
    pub end: (usize, usize),
}

impl Excerpt {
    /// The lines of a text around a place in it; no lines if one of them overlaps a hidden range.
    pub fn of(text: &str, place: &SourceSpan, hidden: &[Range<usize>]) -> Self {
        let start = place.start.min(text.len());
        let node = text.get(start..place.end.min(text.len())).unwrap_or_default().trim_end();
        let last = node.rsplit('\n').next().unwrap_or_default().chars().count();
        let breaks = node.matches('\n').count();
        let end =
            (place.line.max(1) + breaks, if breaks == 0 { place.column.max(1) + last } else { last + 1 });
        let node = if breaks < LINES { node } else { node.lines().next().unwrap_or_default() };
        let to = start + node.len();
        let from = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
        let line_end =
            text.get(to..).and_then(|after| after.find('\n')).map_or(text.len(), |newline| to + newline);
        if hidden.iter().any(|part| part.start < line_end && from < part.end.max(part.start + 1)) {
            return Self { first_line: place.line.max(1), end, ..Self::default() };
        }
        Self {
            lines: text.get(from..line_end).unwrap_or_default().to_owned(),
            first_line: place.line.max(1),
            node: start - from..to - from,
            end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, node: &str) -> SourceSpan {
        let start = text.find(node).unwrap();
        let before = &text[..start];
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        SourceSpan { line: before.matches('\n').count() + 1, column, start, end: start + node.len() }
    }

    #[test]
    fn whole_lines_are_shown() {
        let text = "a: 1\nb:\n  - grün: x\n    y: 2\nc: 3\n";
        let excerpt = Excerpt::of(text, &place(text, "grün: x\n    y: 2\n"), &[]);
        assert_eq!((excerpt.lines.as_str(), excerpt.first_line), ("  - grün: x\n    y: 2", 3));
        assert_eq!(&excerpt.lines[excerpt.node.clone()], "grün: x\n    y: 2");
        assert_eq!(excerpt.end, (4, 9));
        assert_eq!(Excerpt::of(text, &place(text, "grün"), &[]).end, (3, 9));
    }

    #[test]
    fn hidden_lines_are_not_shown() {
        let text = "a: 1\nb: secret\nc: 3\n";
        let secret = place(text, "secret");
        let of =
            |node| Excerpt::of(text, &place(text, node), std::slice::from_ref(&(secret.start..secret.end)));
        assert_eq!(of("secret"), Excerpt { first_line: 2, end: (2, 10), ..Excerpt::default() });
        assert_eq!(of("b:").lines, "");
        assert_eq!(of("c: 3").lines, "c: 3");
    }

    #[test]
    fn of_a_large_node_the_first_line_is_shown() {
        let text = "a:\n  b: 1\n  c: 2\n  d: 3\n  e: 4\n  f: 5\n";
        let excerpt = Excerpt::of(text, &place(text, "b: 1\n  c: 2\n  d: 3\n  e: 4\n  f: 5"), &[]);
        assert_eq!((excerpt.lines.as_str(), excerpt.end), ("  b: 1", (6, 7)));
        assert_eq!(
            Excerpt::of("", &SourceSpan::default(), &[]),
            Excerpt { first_line: 1, end: (1, 1), ..<_>::default() }
        );
    }
}
