//! Where stategate and kubectl differ, and why. Unlisted differences fail the tests, and so do listed ones
//! that do not occur.

use std::fmt;

/// Which side reads what the other does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    OnlyKubectlReads,
    OnlyWeRead,
    BothReadDifferently,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnlyKubectlReads => "refused by us alone",
            Self::OnlyWeRead => "refused by kubectl alone",
            Self::BothReadDifferently => "read differently",
        })
    }
}

/// Differences in the written files.
pub const WRITTEN: &[(Side, &str, &[&str])] = &[
    (
        Side::OnlyKubectlReads,
        "bytes that are no text become U+FFFD in kubectl, and would be stored so",
        &[
            "bytes/beyond-unicode.yaml",
            "bytes/cut-off-at-end.yaml",
            "bytes/cut-off.yaml",
            "bytes/latin-1-in-block-scalar.yaml",
            "bytes/latin-1-in-comment.yaml",
            "bytes/latin-1-in-json.yaml",
            "bytes/latin-1-in-key.yaml",
            "bytes/latin-1-in-name.yaml",
            "bytes/latin-1-in-quotes.yaml",
            "bytes/latin-1-in-value.yaml",
            "bytes/overlong.yaml",
            "bytes/surrogate-in-utf-8.yaml",
            "bytes/utf-16-be-half-a-pair.yaml",
            "bytes/utf-16-le-half-a-pair.yaml",
        ],
    ),
    (
        Side::OnlyKubectlReads,
        "a byte order mark within a document is invisible, and to kubectl a part of the text",
        &[
            "bytes/byte-order-mark-at-line-start.yaml",
            "bytes/byte-order-mark-before-value.yaml",
            "bytes/byte-order-mark-in-block-scalar.yaml",
            "bytes/byte-order-mark-in-comment.yaml",
            "bytes/byte-order-mark-in-text.yaml",
        ],
    ),
    (
        Side::OnlyKubectlReads,
        "kubectl drops the rest of the document without a word",
        &[
            "bytes/cr-before-separator-both.yaml",
            "bytes/cr-before-separator.yaml",
            "bytes/cr-documents.yaml",
            "bytes/cr-end-marker.yaml",
            "documents/directive-1.1-after-separator.yaml",
            "documents/end-marker-then-directive.yaml",
            "documents/end-marker-then-document.yaml",
            "documents/end-marker-then-garbage.yaml",
            "documents/end-marker-with-text.yaml",
            "json/flow-yaml-then-json.json",
            "json/separator-first-then-two.json",
        ],
    ),
    (
        Side::OnlyKubectlReads,
        "kubectl ends a line at this character, as YAML 1.1 does; YAML 1.2 does not",
        &[
            "bytes/line-separator-after-value.yaml",
            "bytes/line-separator-as-line-end.yaml",
            "bytes/line-separator-before-separator.yaml",
            "bytes/line-separator-in-block-scalar.yaml",
            "bytes/line-separator-in-comment.yaml",
            "bytes/line-separator-in-flow.yaml",
            "bytes/line-separator-in-folded.yaml",
            "bytes/line-separator-in-plain-indented.yaml",
            "bytes/line-separator-in-quotes.yaml",
            "bytes/line-separator-in-single-quotes.yaml",
            "bytes/nel-after-value.yaml",
            "bytes/nel-as-line-end.yaml",
            "bytes/nel-before-separator.yaml",
            "bytes/nel-in-block-scalar.yaml",
            "bytes/nel-in-comment.yaml",
            "bytes/nel-in-flow.yaml",
            "bytes/nel-in-folded.yaml",
            "bytes/nel-in-plain-indented.yaml",
            "bytes/nel-in-quotes.yaml",
            "bytes/nel-in-single-quotes.yaml",
            "bytes/paragraph-separator-after-value.yaml",
            "bytes/paragraph-separator-as-line-end.yaml",
            "bytes/paragraph-separator-before-separator.yaml",
            "bytes/paragraph-separator-in-block-scalar.yaml",
            "bytes/paragraph-separator-in-comment.yaml",
            "bytes/paragraph-separator-in-flow.yaml",
            "bytes/paragraph-separator-in-folded.yaml",
            "bytes/paragraph-separator-in-plain-indented.yaml",
            "bytes/paragraph-separator-in-quotes.yaml",
            "bytes/paragraph-separator-in-single-quotes.yaml",
        ],
    ),
    (
        Side::OnlyKubectlReads,
        "YAML wants white space before a comment",
        &[
            "scalars/block-comment-without-space.yaml",
            "scalars/quoted-with-comment-after.yaml",
            "structure/comment-against-value.yaml",
            "structure/flow-comment-against.yaml",
        ],
    ),
    (
        Side::OnlyKubectlReads,
        "a key given twice with two values: kubectl keeps either, and does not say which",
        &[
            "documents/indented-separator.yaml",
            "documents/separator-after-missing-newline.yaml",
            "json/duplicate-keys-nested.json",
            "keys/duplicate-at-the-root.yaml",
            "keys/duplicate-by-notation.yaml",
            "keys/duplicate-by-type-bool.yaml",
            "keys/duplicate-by-type.yaml",
            "keys/duplicate-in-flow.yaml",
            "keys/duplicate.yaml",
            "keys/floats-without-a-json-form.yaml",
        ],
    ),
    (
        Side::OnlyKubectlReads,
        "two merges in one mapping: kubectl mixes them, YAML has no meaning for it",
        &["merges/twice.yaml"],
    ),
    (
        Side::OnlyKubectlReads,
        "a merge after the key that it overrides: kubectl takes the merged value, YAML the other",
        &["merges/overridden-before.yaml"],
    ),
    (
        Side::OnlyKubectlReads,
        "a merged key of another type is a second key to kubectl, which then keeps either",
        &["merges/key-typed-own-first.yaml", "merges/key-typed.yaml"],
    ),
    (
        Side::OnlyKubectlReads,
        "nested deeper than any kind of Kubernetes is",
        &[
            "json/nested-deep-200.json",
            "structure/deep-by-aliases.yaml",
            "structure/deep-dashes-200.yaml",
            "structure/deep-flow-120.yaml",
        ],
    ),
    (
        Side::OnlyKubectlReads,
        "YAML 1.1 and 1.2 take this punctuation for different things",
        &[
            "anchors/alias-as-key-without-space.yaml",
            "scalars/begins-with-colon-at-end.yaml",
            "scalars/begins-with-colon-comma.yaml",
            "scalars/begins-with-dash-comma.yaml",
            "scalars/begins-with-question-in-flow.yaml",
            "scalars/tag-comma.yaml",
        ],
    ),
    (Side::OnlyKubectlReads, "YAML has no such escape", &["scalars/escape-single-quote.yaml"]),
    (
        Side::OnlyKubectlReads,
        "kubectl makes an object without a name of a null in a list",
        &["lists/of-one-kind-item-null.yaml"],
    ),
    (
        Side::OnlyWeRead,
        "the API server judges the types of metadata",
        &[
            "documents/annotations-bool.yaml",
            "documents/labels-numbers.yaml",
            "documents/metadata-text.yaml",
            "documents/name-number.yaml",
            "documents/name-yes.yaml",
        ],
    ),
    (
        Side::OnlyWeRead,
        "kubectl takes no list within a list; we judge what is in it",
        &[
            "lists/nested-empty.yaml",
            "lists/nested-kind-with-items.yaml",
            "lists/nested.yaml",
            "lists/of-one-kind-nested-items-without-kind.yaml",
            "lists/of-one-kind-nested.yaml",
        ],
    ),
    (
        Side::OnlyWeRead,
        "something without a list in items is judged as what its kind says",
        &[
            "lists/items-a-map.yaml",
            "lists/items-number.yaml",
            "lists/items-text.yaml",
            "lists/kind-with-items-a-map.yaml",
        ],
    ),
    (
        Side::OnlyWeRead,
        "the API server says which kinds there are",
        &["lists/kind-list-lowercase.yaml", "lists/of-an-unknown-group.yaml", "lists/v2.yaml"],
    ),
    (
        Side::OnlyWeRead,
        "aliases are bounded by what they make of the text",
        &["anchors/bomb-of-ten-thousand.yaml"],
    ),
    (
        Side::OnlyWeRead,
        "YAML allows a document to begin with its end marker",
        &["documents/end-marker-first-then-separator.yaml", "documents/end-marker-first.yaml"],
    ),
    (Side::OnlyWeRead, "JSON that ends with an end marker of YAML", &["json/then-end-marker.json"]),
    (
        Side::OnlyWeRead,
        "a key in brackets may be long or go over lines in YAML 1.2",
        &["keys/longer-than-1024-quoted.yaml", "structure/flow-multiline-key.yaml"],
    ),
    (
        Side::OnlyWeRead,
        "a tab after the indent of a block text is text in YAML 1.2",
        &["scalars/block-tab-after-spaces.yaml"],
    ),
    (Side::OnlyWeRead, "an empty tag is no tag", &["scalars/tag-empty-verbatim.yaml"]),
    (Side::OnlyWeRead, "a date that no calendar has stays a string", &["scalars/tag-timestamp-partly.yaml"]),
];

/// Differences in the generated files: side, part of the other side's message, reason.
pub const GENERATED: &[(Side, &str, &str)] = &[
    (Side::OnlyKubectlReads, "given twice, first in line", "a key given twice: kubectl keeps either"),
    (Side::OnlyKubectlReads, "a byte order mark", "a byte order mark within a document is invisible"),
    (Side::OnlyKubectlReads, "kubectl reads nothing from here", DROPPED),
    (Side::OnlyKubectlReads, "misplaced bracket", DROPPED),
    (Side::OnlyKubectlReads, "kubectl takes this", PUNCTUATION),
    (Side::OnlyKubectlReads, "plain scalar cannot start with '-'", PUNCTUATION),
    (Side::OnlyKubectlReads, "parsing a flow mapping, did not find expected ',' or '}'", PUNCTUATION),
    (Side::OnlyKubectlReads, "while scanning a tag", PUNCTUATION),
    (Side::OnlyKubectlReads, "invalid indentation", "YAML wants brackets indented deeper"),
    (Side::OnlyKubectlReads, "comments must be separated", "YAML wants white space before a comment"),
    (Side::OnlyWeRead, "did not find expected ',' or '}'", "a key in brackets may go over lines in YAML 1.2"),
    (Side::OnlyWeRead, "did not find expected whitespace", "a tag may stand against a closing brace"),
    (Side::OnlyWeRead, "where an indentation space", "a tab may begin the line of a block text"),
];

const DROPPED: &str = "kubectl drops the rest of the document without a word";
const PUNCTUATION: &str = "YAML 1.1 and 1.2 take this punctuation for different things";
