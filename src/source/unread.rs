//! The kind of a document that cannot be read as a whole.

use crate::admission::GroupVersionKind;

/// The kind of a document, by the lines that begin at its margin. None if anything else than plain keys is there, since
/// another reader may then find another kind, or if it may be a list of objects.
pub(super) fn kind(document: &str) -> Option<GroupVersionKind> {
    // Characters that end a line for some readers only, or that nobody sees.
    let is_odd = |char: char| {
        matches!(char, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
            || char.is_control() && !['\n', '\t'].contains(&char)
    };
    if document.replace("\r\n", "\n").contains(is_odd) {
        return None;
    }
    let is_separator = |line: &&str| !line.starts_with("---");
    let lines = document.lines().map(str::trim_end).filter(is_separator);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.trim_start().starts_with('#')).peekable();
    // The margin is where the first key is.
    lines.peek().filter(|line| !line.starts_with([' ', '\t']))?;
    let (mut kind, mut version) = (None, None);
    for line in lines.filter(|line| !line.starts_with([' ', '\t'])) {
        // An item of a list that is indented like its key.
        if line.starts_with("- ") || line == "-" {
            continue;
        }
        let (key, value) = line.split_once(':')?;
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) || key == "items" {
            return None;
        }
        let seen = match key {
            "kind" => &mut kind,
            "apiVersion" => &mut version,
            _ => continue,
        };
        if seen.replace(plain(value)?).is_some() {
            return None;
        }
    }
    let (kind, version) = (kind?, version?);
    (!kind.ends_with("List")).then(|| GroupVersionKind::new(version, kind))
}

/// A value that every reader takes for the same text.
fn plain(value: &str) -> Option<&str> {
    let value = value.split(" #").next().unwrap_or_default().trim();
    let unquoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let value = unquoted.unwrap_or(value);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'-');
    (value.bytes().next()?.is_ascii_alphabetic() && value.bytes().all(is_plain)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_only_if_no_reader_finds_another_one() {
        let crd = "# made\n---\nkind: CustomResourceDefinition # x\napiVersion: 'apiextensions.k8s.io/v1'\nspec:\n- a: [\n";
        assert_eq!(kind(crd).unwrap().kind, "CustomResourceDefinition");
        for hidden in [
            "",
            "kind: A",
            "apiVersion: v1\nkind: PodList",
            "apiVersion: v1\nkind: A\nitems: [",
            "apiVersion: v1\nkind: A\nkind: StatefulSet",
            "apiVersion: v1\nx: '\nkind: A\n'\n\"kind\": StatefulSet",
            "apiVersion: v1\nx: '\nkind: A\n'\n? kind\n: StatefulSet",
            "apiVersion: v1\nx: '\nkind: A\n'\n\"\\x6bind\": StatefulSet",
            "apiVersion: v1\nx: '\nkind: A\n'\n<<: *workload",
            "  apiVersion: v1\n  x: '\nkind: A\napiVersion: v1'\n  kind: StatefulSet",
            "{apiVersion: v1,\nkind: A\n}",
            "kind: &k A\napiVersion: v1",
            "kind: |\n  A\napiVersion: v1",
            "apiVersion: v1\nkind: A\nx: |\n  a\u{2028}kind: StatefulSet",
            "apiVersion: v1\nkind: A # \rkind: StatefulSet",
            "apiVersion: v1\nkind: A\n...\n",
        ] {
            assert!(kind(hidden).is_none(), "{hidden:?}");
        }
    }
}
