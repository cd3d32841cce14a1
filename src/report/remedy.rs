//! What `stategate fix` would write into a file, as one replacement of whole lines.

use std::ops::Range;

use crate::policy::PolicyId;

/// A replacement of lines in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// The policies whose patches it contains.
    pub policies: Vec<PolicyId>,
    /// Line and column (1-based, in characters) of the start of the replaced text.
    pub from: (usize, usize),
    /// Its end; the same place if nothing is removed.
    pub to: (usize, usize),
    /// The new text.
    pub text: String,
}

impl Remedy {
    /// The lines in which two texts differ; `None` if they do not.
    pub fn between(before: &str, after: &str, policies: Vec<PolicyId>) -> Option<Self> {
        let (old, new): (Vec<&str>, Vec<&str>) =
            (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
        let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let (old_rest, new_rest) = (old.get(same..)?, new.get(same..)?);
        let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
        let (gone, put) = (old_rest.get(..old_rest.len() - tail)?, new_rest.get(..new_rest.len() - tail)?);
        if gone.is_empty() && put.is_empty() {
            return None;
        }
        let end = same + gone.len();
        let to = match gone.last() {
            Some(line) if !line.ends_with('\n') => (end, line.chars().count() + 1),
            _ => (end + 1, 1),
        };
        Some(Self { policies, from: (same + 1, 1), to, text: put.concat() })
    }

    /// The bytes of the old text that are replaced.
    pub fn replaces(&self, before: &str) -> Range<usize> {
        let start_of = |line: usize| before.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>();
        let end = match self.to {
            (line, 1) => start_of(line),
            _ => before.len(),
        };
        start_of(self.from.0)..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(before: &str, after: &str) -> Option<Remedy> {
        Remedy::between(before, after, Vec::new())
    }

    fn remedy(from: (usize, usize), to: (usize, usize), text: &str) -> Option<Remedy> {
        Some(Remedy { policies: Vec::new(), from, to, text: text.to_owned() })
    }

    #[test]
    fn whole_lines_are_replaced() {
        assert_eq!(between("a\nb\nc\n", "a\nb\nc\n"), None);
        let replaced =
            |before: &str, after: &str| before[between(before, after).unwrap().replaces(before)].to_owned();
        assert_eq!(replaced("a\nbü\nc\n", "a\nx\ny\nc\n"), "bü\n");
        assert_eq!(replaced("a\nbü", "a\nx"), "bü");
        assert_eq!(replaced("a\nc\n", "a\nb\nc\n"), "");
        assert_eq!(between("a\nb\nc\n", "a\nx\ny\nc\n"), remedy((2, 1), (3, 1), "x\ny\n"));
        assert_eq!(between("a\nc\n", "a\nb\nc\n"), remedy((2, 1), (2, 1), "b\n"));
        assert_eq!(between("a\nb\n", "a\n"), remedy((2, 1), (3, 1), ""));
        assert_eq!(between("a\nbü", "a\nbü\nc\n"), remedy((2, 1), (2, 3), "bü\nc\n"));
        assert_eq!(between("a\na\n", "a\na\na\n"), remedy((3, 1), (3, 1), "a\n"));
    }
}
