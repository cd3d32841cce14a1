use serde_json::{Value, json};

use super::{Change, Refusal, edit};
use crate::path::from_pointer;
use crate::yaml::read;

fn change(document: usize, pointer: &str, value: Value) -> Change {
    Change { document, path: from_pointer(pointer), value }
}

/// The text after setting the node at a pointer in the first document.
fn set(text: &str, pointer: &str, value: Value) -> Result<String, Refusal> {
    edit(text, &[change(0, pointer, value)])
}

/// The text after adding fields to the mapping at a pointer.
#[track_caller]
fn with(text: &str, pointer: &str, added: Value) -> String {
    let document = read(text).unwrap().remove(0).value;
    let mut value = document.pointer(pointer).unwrap().clone();
    if value.is_null() {
        value = json!({});
    }
    value.as_object_mut().unwrap().extend(added.as_object().unwrap().clone());
    set(text, pointer, value).unwrap_or_else(|refusal| panic!("{refusal}"))
}

#[track_caller]
fn refused(text: &str, pointer: &str, value: Value, line: usize, reason: &str) {
    let refusal = set(text, pointer, value).unwrap_err();
    assert!(refusal.line == line && refusal.reason.contains(reason), "{refusal}");
}

#[test]
fn what_is_there_already_changes_nothing() {
    let text = "a:   1 # one\nb: {c: 'd' }\n";
    assert_eq!(set(text, "/b", json!({"c": "d"})).unwrap(), text);
    assert_eq!(edit(text, &[]).unwrap(), text);
}

#[test]
fn a_key_goes_below_its_siblings() {
    assert_eq!(
        with("a:\n  b: 1 # one\n  # below\nc: 2\n", "/a", json!({"d": true})),
        "a:\n  b: 1 # one\n  d: true\n  # below\nc: 2\n"
    );
    assert_eq!(with("a:\n    b: 1", "/a", json!({"d": {"e": 1}})), "a:\n    b: 1\n    d:\n        e: 1");
    assert_eq!(with("a: 1\n\n\n---\nb: 1\n", "", json!({"d": 1})), "a: 1\nd: 1\n\n\n---\nb: 1\n");
    assert_eq!(with("---\na: 1\n...\n", "", json!({"d": 1})), "---\na: 1\nd: 1\n...\n");
    assert_eq!(
        with("l:\n  - a: 1\n    b:\n      c: 2\n  - x: 1\n", "/l/0", json!({"d": 1})),
        "l:\n  - a: 1\n    b:\n      c: 2\n    d: 1\n  - x: 1\n"
    );
    assert_eq!(with("\u{feff}é: ü # ö\n", "", json!({"ß": "日本"})), "\u{feff}é: ü # ö\n\"ß\": \"日本\"\n");
}

#[test]
fn line_breaks_are_those_of_the_text() {
    assert_eq!(
        with("a:\r\n  b: 1 # c\r\nc: 2\r\n", "/a", json!({"d": {"e": [1]}})),
        "a:\r\n  b: 1 # c\r\n  d:\r\n    e:\r\n    - 1\r\nc: 2\r\n"
    );
    assert_eq!(with("a: 1\r\nb: 2", "", json!({"d": 1})), "a: 1\r\nb: 2\r\nd: 1");
}

#[test]
fn lists_are_indented_as_others_are() {
    let added = json!({"d": [{"e": 1, "f": 2}, "g"]});
    assert_eq!(
        with("a:\n- 1\nb:\n- 2\nc:\n  x: 1\n", "/c", added.clone()),
        "a:\n- 1\nb:\n- 2\nc:\n  x: 1\n  d:\n  - e: 1\n    f: 2\n  - g\n"
    );
    assert_eq!(
        with("a:\n  - 1\nc:\n  x: 1\n", "/c", added),
        "a:\n  - 1\nc:\n  x: 1\n  d:\n    - e: 1\n      f: 2\n    - g\n"
    );
}

#[test]
fn what_is_empty_is_filled() {
    let d = json!({"d": 1});
    assert_eq!(
        with("a:\n  b: {} # none\n  c: 1\n", "/a/b", d.clone()),
        "a:\n  b: # none\n    d: 1\n  c: 1\n"
    );
    assert_eq!(with("a:\n  b: # none\n  c: 1\n", "/a/b", d.clone()), "a:\n  b: # none\n    d: 1\n  c: 1\n");
    assert_eq!(with("a:\n  b: null\n", "/a/b", d.clone()), "a:\n  b:\n    d: 1\n");
    assert_eq!(with("a:\n- x:\n", "/a/0/x", d.clone()), "a:\n- x:\n    d: 1\n");
    assert_eq!(with("a:\n-\n- {}\n", "/a/0", d.clone()), "a:\n- d: 1\n- {}\n");
    assert_eq!(with("a:\n-\n- {} # c\n", "/a/1", d.clone()), "a:\n-\n- d: 1 # c\n");
    assert_eq!(with("a: {b: {}, c: }\n", "/a/b", d.clone()), "a: {b: {d: 1}, c: }\n");
    assert_eq!(set("a: []\n", "/a", json!([1])).unwrap(), "a:\n- 1\n");
    assert_eq!(set("a:\nb: 1\n", "/a", json!(5)).unwrap(), "a: 5\nb: 1\n");
    assert_eq!(set("a: # c\nb: 1\n", "/a", json!(5)).unwrap(), "a: 5 # c\nb: 1\n");
}

#[test]
fn missing_parents_are_made() {
    assert_eq!(
        with("spec:\n  replicas: 3\n", "/spec", json!({"template": {"spec": {"x": {"z": 1}}}})),
        "spec:\n  replicas: 3\n  template:\n    spec:\n      x:\n        z: 1\n"
    );
}

#[test]
fn brackets_keep_their_form() {
    let d = json!({"d": {"e": "f,g"}});
    assert_eq!(with("a: {b: 1, c: [x]} # c\n", "/a", d.clone()), "a: {b: 1, c: [x], d: {e: \"f,g\"}} # c\n");
    assert_eq!(with("a: {b: 1,}\n", "/a", d.clone()), "a: {b: 1, d: {e: \"f,g\"},}\n");
    assert_eq!(with("a: {\n  b: 1 # one\n}\n", "/a", json!({"d": 1})), "a: {\n  b: 1, # one\n  d: 1\n}\n");
    assert_eq!(with("a: {\n  b: 1, # one\n}\n", "/a", json!({"d": 1})), "a: {\n  b: 1, # one\n  d: 1,\n}\n");
    assert_eq!(with("a: {\"b\": 1}\n", "/a", json!({"d": "e"})), "a: {\"b\": 1, \"d\": \"e\"}\n");
    assert_eq!(set("a: [x, v]\n", "/a", json!(["x", "v", "w"])).unwrap(), "a: [x, v, w]\n");
    assert_eq!(set("a: [x, v]\n", "/a", json!(["w", "x", "v"])).unwrap(), "a: [w, x, v]\n");
    assert_eq!(set("a: [x, v, z]\n", "/a", json!(["x", "z"])).unwrap(), "a: [x, z]\n");
    assert_eq!(set("a: [x, v, z]\n", "/a", json!(["x", "v"])).unwrap(), "a: [x, v]\n");
    assert_eq!(set("a: {b: 1, c: 2}\n", "/a", json!({"c": 2})).unwrap(), "a: {c: 2}\n");
}

#[test]
fn json_keeps_its_indents() {
    let d = json!({"d": {"e": [1, {}]}});
    assert_eq!(
        with("{\"a\":{\"b\":1},\"c\":[]}", "/a", d.clone()),
        "{\"a\":{\"b\":1,\"d\":{\"e\":[1,{}]}},\"c\":[]}"
    );
    assert_eq!(
        with("{\"a\": {\"b\": 1}}\n", "/a", d.clone()),
        "{\"a\": {\"b\": 1, \"d\": {\"e\": [1, {}]}}}\n"
    );
    let pretty = "{\n    \"a\": {\n        \"b\": 1\n    },\n    \"c\": {}\n}\n";
    assert_eq!(
        with(pretty, "/a", d.clone()),
        "{\n    \"a\": {\n        \"b\": 1,\n        \"d\": {\n            \"e\": [\n                1,\n                {}\n            ]\n        }\n    },\n    \"c\": {}\n}\n"
    );
    assert_eq!(
        with(pretty, "/c", json!({"d": "e"})),
        "{\n    \"a\": {\n        \"b\": 1\n    },\n    \"c\": {\n        \"d\": \"e\"\n    }\n}\n"
    );
    assert_eq!(
        with("{\r\n\t\"a\": {\r\n\t\t\"b\": 1\r\n\t}\r\n}", "/a", json!({"d": 1})),
        "{\r\n\t\"a\": {\r\n\t\t\"b\": 1,\r\n\t\t\"d\": 1\r\n\t}\r\n}"
    );
    assert_eq!(
        edit("{\"a\":1}\n{\"a\":2}\n", &[change(1, "/a", json!("yes"))]).unwrap(),
        "{\"a\":1}\n{\"a\":\"yes\"}\n"
    );
}

#[test]
fn scalars_keep_quotes_and_comments() {
    assert_eq!(set("a: 'x' # c\n", "/a", json!("it's")).unwrap(), "a: 'it''s' # c\n");
    assert_eq!(set("a: \"x # y\" # c\n", "/a", json!("z")).unwrap(), "a: \"z\" # c\n");
    assert_eq!(set("a: \"x\n  y\" # c\nb: 1\n", "/a", json!(3)).unwrap(), "a: 3 # c\nb: 1\n");
    assert_eq!(set("a: x\n  y # c\nb: 1\n", "/a", json!(3)).unwrap(), "a: 3 # c\nb: 1\n");
    assert_eq!(set("a: |+\n  x\n\nb: 1\n", "/a", json!(3)).unwrap(), "a: 3\nb: 1\n");
    assert_eq!(set("a: &x !!str 5 # c\n", "/a", json!("6")).unwrap(), "a: &x !!str \"6\" # c\n");
    assert_eq!(set("'a' : 5\n", "/a", json!(6)).unwrap(), "'a' : 6\n");
}

#[test]
fn texts_that_others_would_misread_are_quoted() {
    let cases = [
        ("yes", "\"yes\""),
        ("y", "\"y\""),
        ("0644", "\"0644\""),
        ("1", "\"1\""),
        ("1e3", "\"1e3\""),
        ("null", "\"null\""),
        ("~", "\"~\""),
        ("", "\"\""),
        ("12:30", "\"12:30\""),
        ("2024-01-01", "\"2024-01-01\""),
        ("a: b", "\"a: b\""),
        ("*a", "\"*a\""),
        ("a #b", "\"a #b\""),
        ("-", "\"-\""),
        (" a", "\" a\""),
        ("a\tb", "\"a\\tb\""),
        ("\u{2028}", "\"\\u2028\""),
        (".5", "\".5\""),
        ("0x1", "\"0x1\""),
        ("1_0", "\"1_0\""),
        (".inf", "\".inf\""),
        ("a\\b", "\"a\\\\b\""),
        ("Retain", "Retain"),
        ("100m", "100m"),
        ("1.5Gi", "1.5Gi"),
        ("kubernetes.io/hostname", "kubernetes.io/hostname"),
        ("/data", "/data"),
    ];
    for (value, written) in cases {
        assert_eq!(with("b: 1\n", "", json!({"a": value})), format!("b: 1\na: {written}\n"), "{value:?}");
    }
    assert_eq!(with("b: 'x'\n", "", json!({"a": "yes"})), "b: 'x'\na: 'yes'\n");
    assert_eq!(
        with("b: 1\n", "", json!({"yes": 1, "a.b/c": 2, "1": 3})),
        "b: 1\n\"1\": 3\na.b/c: 2\n\"yes\": 1\n"
    );
}

#[test]
fn texts_of_several_lines_become_blocks() {
    assert_eq!(
        with("b: 1\n", "", json!({"a": {"c": "x\n  y\n\nz\n"}})),
        "b: 1\na:\n  c: |\n    x\n      y\n\n    z\n"
    );
    assert_eq!(with("b: 1\n", "", json!({"a": ["x\ny"]})), "b: 1\na:\n- |-\n  x\n  y\n");
    assert_eq!(with("b: 1\n", "", json!({"a": "x\n\n"})), "b: 1\na: \"x\\n\\n\"\n");
    assert_eq!(with("b: {c: 1}\n", "/b", json!({"a": "x\ny\n"})), "b: {c: 1, a: \"x\\ny\\n\"}\n");
}

#[test]
fn what_ends_with_a_block_scalar_goes_on_below_it() {
    assert_eq!(with("a: |\n  # x\n  y\n\n# c\n", "", json!({"d": 1})), "a: |\n  # x\n  y\nd: 1\n\n# c\n");
    assert_eq!(with("a: |+ # c\n  y\n\n", "", json!({"d": 1})), "a: |+ # c\n  y\n\nd: 1\n");
    assert_eq!(with("a: >-\n  x\n\n  y", "", json!({"d": 1})), "a: >-\n  x\n\n  y\nd: 1");
    let last = "a: |\n  x";
    assert!(with_or_refused(last), "one more line break would change the text");
}

fn with_or_refused(text: &str) -> bool {
    let value = read(text).unwrap().remove(0).value;
    let mut more = value.clone();
    more["d"] = json!(1);
    match set(text, "", more.clone()) {
        Ok(edited) => read(&edited).unwrap()[0].value == more,
        Err(refusal) => refusal.reason.contains("something else"),
    }
}

#[test]
fn items_are_added_and_removed() {
    assert_eq!(
        set("a:\n- x # c\n# d\nb: 1\n", "/a", json!(["x", {"u": 1, "z": [2]}])).unwrap(),
        "a:\n- x # c\n- u: 1\n  z:\n  - 2\n# d\nb: 1\n"
    );
    assert_eq!(set("a:\n  # c\n  - x\n", "/a", json!(["w", "x"])).unwrap(), "a:\n  # c\n  - w\n  - x\n");
    assert_eq!(set("a:\n  - x\n  - z\n", "/a", json!(["x", "t", "z"])).unwrap(), "a:\n  - x\n  - t\n  - z\n");
    assert_eq!(
        set("a:\n  - x: 1\n    y: 2\n  # z\n  - z\n", "/a", json!(["z"])).unwrap(),
        "a:\n  # z\n  - z\n"
    );
    assert_eq!(set("- - a\n  - b\n", "/0", json!(["b"])).unwrap(), "- - b\n");
    assert_eq!(set("- - a\n  - b\n", "/0", json!(["z", "a", "b"])).unwrap(), "- - z\n  - a\n  - b\n");
    assert_eq!(set("a:\n- x\nb: 1\n", "/a", json!([])).unwrap(), "a: []\nb: 1\n");
}

#[test]
fn keys_are_removed() {
    assert_eq!(set("a:\n  b: 1 # c\n  d: 2\n", "/a", json!({"d": 2})).unwrap(), "a:\n  d: 2\n");
    assert_eq!(
        set("a:\n  b: 1\n  # d\n  d:\n    e: 1\nf: 1", "/a", json!({"b": 1})).unwrap(),
        "a:\n  b: 1\n  # d\nf: 1"
    );
    assert_eq!(set("- a: 1\n  b: 2\n", "/0", json!({"b": 2})).unwrap(), "- b: 2\n");
    assert_eq!(set("a:\n  b: 1\nc: 1\n", "/a", json!({})).unwrap(), "a: {}\nc: 1\n");
    assert_eq!(set("a:\n  b: 1\nc: 1\n", "/a", json!({"d": 2})).unwrap(), "a:\n  d: 2\nc: 1\n");
    assert_eq!(
        set("a:\n  b: 1\n  c: 2\nd: 1\n", "/a", json!({"b": 1, "e": 2})).unwrap(),
        "a:\n  b: 1\n  e: 2\nd: 1\n"
    );
    refused("a:\n  b:\n    # why\n    c: 1\n  d: 2\n", "/a", json!({"d": 2}), 2, "a comment");
    refused("- a: 1\n  # two\n  b: 2\n", "/0", json!({"b": 2}), 1, "a comment");
}

#[test]
fn only_the_document_that_is_meant_changes() {
    let text = "# nothing\n---\na: 1\n---\n# null\n---\na: 1\n...\n---\na: 1\n";
    assert_eq!(
        edit(text, &[change(1, "/a", json!(2))]).unwrap(),
        "# nothing\n---\na: 1\n---\n# null\n---\na: 2\n...\n---\na: 1\n"
    );
    let both = [change(0, "/a", json!(2)), change(2, "", json!({"a": 1, "b": 1}))];
    assert_eq!(
        edit(text, &both).unwrap(),
        "# nothing\n---\na: 2\n---\n# null\n---\na: 1\n...\n---\na: 1\nb: 1\n"
    );
}

#[test]
fn what_is_used_elsewhere_is_refused() {
    let text = "a: &x\n  k: v\nb: *x\nc:\n  <<: *x\n  l: w\n";
    refused(text, "/a/k", json!(1), 1, "used in line 3");
    refused(text, "/b/k", json!(1), 3, "*x stands for");
    refused(text, "/b", json!(1), 3, "*x stands for");
    refused(text, "/c/k", json!(1), 5, "<<");
    assert_eq!(with(text, "/c", json!({"d": 1})), format!("{text}  d: 1\n"));
    assert_eq!(set("a: &x\n  k: v\n", "/a/k", json!(1)).unwrap(), "a: &x\n  k: 1\n");
    assert_eq!(set("a: &x foo # c\n", "/a", json!("bar")).unwrap(), "a: &x bar # c\n");
    refused("a: &x foo\nb: *x\n", "/a", json!("bar"), 1, "used in line 2");
    refused("a: &x\nb: 1\n", "/a", json!("bar"), 1, "a tag or an anchor");
}

#[test]
fn odd_forms_are_refused() {
    refused("? a\n: b\n", "/a", json!(1), 1, "not edited");
    refused("a: [b: c]\n", "/a/0/b", json!(1), 1, "not edited");
    refused("a: 1\n", "/b", json!(1), 1, "there is no b");
}
