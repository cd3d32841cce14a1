//! The reference for the case tables is `sigs.k8s.io/yaml` 1.4.0 (as linked by kubectl 1.32): every
//! expectation in `scalars_are_typed_as_kubectl_types_them` was checked against its `YAMLToJSON`.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::path::{Path, Segment, from_pointer};

fn one(text: &str) -> Document {
    let mut documents = read(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(documents.len(), 1, "{text:?}");
    documents.remove(0)
}

fn wrong(text: &str) -> YamlError {
    match read(text) {
        Ok(documents) => panic!("{text:?} reads as {documents:?}"),
        Err(error) => error,
    }
}

fn at(text: &str, pointer: &str) -> (usize, usize, String) {
    let document = one(text);
    let place = document.positions.place(&from_pointer(pointer));
    (place.line, place.column, text[place.start..place.end].to_owned())
}

fn found(line: usize, column: usize, text: &str) -> (usize, usize, String) {
    (line, column, text.to_owned())
}

#[test]
fn scalars_are_typed_as_kubectl_types_them() {
    let cases = [
        ("", json!(null)),
        ("~", json!(null)),
        ("null", json!(null)),
        ("Null", json!(null)),
        ("NULL", json!(null)),
        ("nULL", json!("nULL")),
        ("true", json!(true)),
        ("True", json!(true)),
        ("TRUE", json!(true)),
        ("tRUE", json!("tRUE")),
        ("yes", json!(true)),
        ("Yes", json!(true)),
        ("YES", json!(true)),
        ("on", json!(true)),
        ("On", json!(true)),
        ("ON", json!(true)),
        ("oN", json!("oN")),
        ("y", json!(true)),
        ("Y", json!(true)),
        ("n", json!(false)),
        ("N", json!(false)),
        ("no", json!(false)),
        ("No", json!(false)),
        ("NO", json!(false)),
        ("off", json!(false)),
        ("Off", json!(false)),
        ("OFF", json!(false)),
        ("false", json!(false)),
        ("False", json!(false)),
        ("FALSE", json!(false)),
        ("0", json!(0)),
        ("12", json!(12)),
        ("-12", json!(-12)),
        ("+12", json!(12)),
        ("-0", json!(0)),
        ("00", json!(0)),
        ("1_000", json!(1000)),
        ("1_", json!(1)),
        ("-_1", json!(-1)),
        ("_1", json!("_1")),
        ("0644", json!(420)),
        ("0_7", json!(7)),
        ("08", json!(8)),
        ("0_8", json!(8)),
        ("0o644", json!(420)),
        ("0O17", json!(15)),
        ("0o8", json!("0o8")),
        ("0x1F", json!(31)),
        ("0X1f", json!(31)),
        ("-0x10", json!(-16)),
        ("0x", json!("0x")),
        ("0xFFFFFFFFFFFFFFFFFF", json!("0xFFFFFFFFFFFFFFFFFF")),
        ("0b101", json!(5)),
        ("+0b11", json!(3)),
        ("-0b11", json!(-3)),
        ("0b-1", json!(-1)),
        ("0b2", json!("0b2")),
        ("9223372036854775807", json!(i64::MAX)),
        ("9223372036854775808", json!(9223372036854776000u64)),
        ("18446744073709551615", json!(18446744073709551615.0)),
        ("18446744073709551616", json!(18446744073709551616.0)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("-9223372036854775809", json!(-9223372036854775809.0)),
        ("123456789012345678901234567890", json!(1.2345678901234568e29)),
        ("1.5", json!(1.5)),
        ("-1.5", json!(-1.5)),
        ("1.0", json!(1)),
        ("0.", json!(0)),
        (".5", json!(0.5)),
        ("+.5", json!(0.5)),
        ("-.5", json!(-0.5)),
        (".5_0", json!(0.5)),
        ("._5", json!("._5")),
        (".", json!(".")),
        ("1e3", json!(1000)),
        ("1E3", json!(1000)),
        ("1.e1", json!(10)),
        ("12e03", json!(12000)),
        ("1e-3", json!(0.001)),
        ("1e21", json!(1e21)),
        ("1e400", json!("1e400")),
        ("1_000.5", json!(1000.5)),
        ("4611686018427387904.0", json!(4611686018427388000i64)),
        ("0x1p3", json!("0x1p3")),
        ("1.2.3", json!("1.2.3")),
        ("1e", json!("1e")),
        ("100m", json!("100m")),
        ("1:30", json!("1:30")),
        ("190:20:30", json!("190:20:30")),
        ("+", json!("+")),
        ("--", json!("--")),
        ("=", json!("=")),
        ("<<", json!("<<")),
        ("2024-01-01", json!("2024-01-01")),
        ("2024-01-01T00:00:00Z", json!("2024-01-01T00:00:00Z")),
        (".INf", json!(".INf")),
        ("inf", json!("inf")),
        ("NaN", json!("NaN")),
        ("'12'", json!("12")),
        ("\"yes\"", json!("yes")),
        ("''", json!("")),
        ("'it''s'", json!("it's")),
        ("\"\\u00e9\\x41\\t\"", json!("éA\t")),
        ("!!str 12", json!("12")),
        ("!!str", json!("")),
        ("!!str null", json!("null")),
        ("!!int \"12\"", json!(12)),
        ("!!int 0o7", json!(7)),
        ("!!float 12", json!(12)),
        ("!!float 1_0", json!(10)),
        ("!!bool \"yes\"", json!(true)),
        ("!!null \"\"", json!(null)),
        ("!!binary aGk=", json!("hi")),
        ("!!binary \"aG\\nk=\"", json!("hi")),
        ("!!binary /w==", json!("\u{fffd}")),
        ("!!binary", json!("")),
        ("!!timestamp 2024-01-01", json!("2024-01-01")),
        ("!<tag:yaml.org,2002:int> \"3\"", json!(3)),
        ("! 12", json!("12")),
        ("!foo 12", json!("12")),
        ("!foo {a: 1}", json!({"a": 1})),
        ("!!map foo", json!("foo")),
        ("!!set {x}", json!({"x": null})),
        ("|\n  a\n  b\n", json!("a\nb\n")),
        ("|-\n  12\n", json!("12")),
        ("|+\n  a\n\n", json!("a\n\n")),
        (">-\n  a\n  b\n", json!("a b")),
        ("'x\n\n  y'", json!("x\ny")),
        ("\"x\\\n   y\"", json!("xy")),
        ("b\t# c", json!("b")),
        ("{x, y: 1,}", json!({"x": null, "true": 1})),
        ("[a, b: c]", json!(["a", {"b": "c"}])),
    ];
    assert!(cases.len() >= 60);
    for (text, value) in cases {
        assert_eq!(one(&format!("a: {text}")).value, json!({"a": value}), "{text:?}");
    }
}

#[test]
fn keys_become_strings_as_in_kubectl() {
    let cases = [
        ("1", "1"),
        ("0x10", "16"),
        ("yes", "true"),
        ("y", "true"),
        ("n", "false"),
        ("true", "true"),
        ("1.5", "1.5"),
        ("1.0", "1"),
        ("1e6", "1e+06"),
        ("123456.7", "123456.7"),
        ("0.00001", "1e-05"),
        ("1e300", ".inf"),
        (".inf", ".inf"),
        ("-.inf", "-.inf"),
        (".nan", ".nan"),
        ("2024-01-01", "2024-01-01"),
        ("\"<<\"", "<<"),
        ("!!str 1", "1"),
        ("''", ""),
    ];
    for (key, name) in cases {
        assert_eq!(one(&format!("{key}: x")).value, json!({name: "x"}), "{key:?}");
    }
    for key in ["~", "null", "", "? [a]\n", "? {a: b}\n", "18446744073709551615"] {
        wrong(&format!("{key}: x"));
    }
}

#[test]
fn what_does_not_fit_its_tag_or_json_is_refused() {
    for value in [
        "!!int 1.5",
        "!!int ''",
        "!!float x",
        "!!bool 1",
        "!!null x",
        "!!binary zz",
        "!!binary a===",
        "!!binary aGk=aGk=",
        "!!timestamp foo",
        ".inf",
        "-.INF",
        ".nan",
        "@b",
        "`b`",
        "%b",
        "b: c",
    ] {
        let error = wrong(&format!("x: 1\na: {value}"));
        assert_eq!((error.line, error.column >= 4), (2, true), "{value}: {error}");
    }
}

#[test]
fn documents_are_split_and_empty_ones_left_out() {
    let text = "# nothing\n---\n---\na: 1\n---\n# only a comment\n---\nnull\n--- # c\nb: 2\n...\n";
    let documents = read(text).unwrap();
    assert_eq!(
        documents.iter().map(|d| d.value.clone()).collect::<Vec<_>>(),
        [json!({"a": 1}), json!({"b": 2})]
    );
    for empty in ["", "\n", "# c", "---", "---\n...\n", "~", "\u{feff}"] {
        assert!(read(empty).unwrap().is_empty(), "{empty:?}");
    }
}

#[test]
fn helm_sources_belong_to_the_document_they_head() {
    let text = "---\n# Source: c/templates/a.yaml\n\n# more\na: 1\n---\nb: '# Source: no'\n---\n\
                # Source: c/templates/empty.yaml\n---\nc: 1\n# Source: tail\n---\n\
                # Source: c/charts/d/e.yaml\nd: 1\n";
    let sources: Vec<_> = read(text).unwrap().into_iter().map(|d| d.source).collect();
    assert_eq!(
        sources,
        [Some("c/templates/a.yaml".to_owned()), None, None, Some("c/charts/d/e.yaml".to_owned())]
    );
    assert_eq!(one("# Source: x.yaml\r\n---\r\na: 1\r\n").source.as_deref(), Some("x.yaml"));
}

#[test]
fn anchors_aliases_and_merges() {
    let cases = [
        ("a: &x {k: [1]}\nb: *x", json!({"a": {"k": [1]}, "b": {"k": [1]}})),
        ("a: &x 1\nb: &x 2\nc: *x", json!({"a": 1, "b": 2, "c": 2})),
        ("&k a: *k", json!({"a": "a"})),
        ("a: &k z\n*k : 1", json!({"a": "z", "z": 1})),
        ("a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}", json!({"a": {"k": 1, "l": 2}, "b": {"k": 3, "l": 2}})),
        (
            "a: &x {k: 1}\nb: &z {k: 2, m: 3}\nc: {<<: [*x, *z, {o: 4}]}",
            json!({"a": {"k": 1}, "b": {"k": 2, "m": 3}, "c": {"k": 1, "m": 3, "o": 4}}),
        ),
        ("<<: {a: 1}\nb: 2", json!({"a": 1, "b": 2})),
        ("!!merge <<: {a: 1}", json!({"a": 1})),
        ("'<<': {a: 1}", json!({"<<": {"a": 1}})),
        (
            "a: &a {x: 1}\nb: &b {<<: *a, z: 2}\nc: {<<: *b}",
            json!({"a": {"x": 1}, "b": {"x": 1, "z": 2}, "c": {"x": 1, "z": 2}}),
        ),
    ];
    for (text, value) in cases {
        assert_eq!(one(text).value, value, "{text}");
    }
    for text in ["<<: 1", "<<: [1]", "a: &l [{b: 1}]\nc: {<<: *l}", "a: &x {b: 1}\nc: {<<: [*x, [1]]}"] {
        assert!(wrong(text).message.contains("<< takes a mapping"), "{text}");
    }
}

#[test]
fn merges_that_kubectl_reads_otherwise_than_yaml_are_refused() {
    let error = wrong("a: &x {k: 1}\nb:\n  k: 2\n  <<: *x\n");
    assert_eq!((error.line, error.column), (4, 3));
    assert!(error.message.contains("line 3"), "{error}");
    assert_eq!(error.help.as_deref(), Some("put << before the other keys"));
    let error = wrong("a: &x {k: 1}\nb:\n  <<: *x\n  <<: *x\n");
    assert_eq!(error.line, 4);
}

#[test]
fn a_key_given_twice_with_one_value_counts_once_and_is_told() {
    for text in [
        "a: 1\na: 1\n",
        "{\"a\": [1, {\"b\": 2}],\n\"a\": [1, {\"b\": 2}]}",
        "x: &x {b: [1]}\na: *x\nc: 1\na: {b: [1]}\n",
    ] {
        assert!(wrong(text).message.contains("with the same value"), "{text}");
        let Readable { documents, faults } = read_each(text);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(documents[0].repeated.len(), 1, "{text}");
    }
    for text in ["a: 1\na: '1'\n", "a: [1]\na: [1, 2]\n", "a: {b: 1}\na: {c: 1}\n", "a: 1\na: 1\na: 2\n"] {
        assert!(!wrong(text).message.contains("with the same value"), "{text}");
        assert_eq!(read_each(text).faults.len(), 1, "{text}");
    }
    // Whichever of the two counts, a merge brings in the same.
    let merged = "a: &x {k: {l: 1}}\nb:\n  k: {l: 1}\n  <<: *x\n";
    assert_eq!(one(merged).value["b"], json!({"k": {"l": 1}}));
    let many = "a: 1\na: 1\n".repeat(1000);
    assert!(read_each(&many).documents[0].repeated.len() <= 20);
}

#[test]
fn comparing_values_costs_no_more_than_reading_them() {
    let mut text = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..60 {
        text.push_str(&format!("a{level}: &a{level} [*a{}, *a{}]\n", level - 1, level - 1));
    }
    // Each level twice would take for ever.
    read_each(&(text.clone() + "b: *a59\nb: *a58\n"));
    let mut deep = "a0: &a0 [x]\nb0: &b0 [x]\n".to_owned();
    for level in 1..400 {
        for name in ["a", "b"] {
            let (open, close) = ("[".repeat(90), "]".repeat(90));
            deep.push_str(&format!("{name}{level}: &{name}{level} {open}*{name}{}{close}\n", level - 1));
        }
    }
    read_each(&(deep + "c: *a20\nc: *b20\n"));
}

#[test]
fn a_document_that_cannot_be_read_costs_only_itself() {
    let text = "a: 1\n---\nb: [1\n---\n# Source: x/y.yaml\nc: 3\n---\nd: 1\nd: 2\n";
    let Readable { documents, faults } = read_each(text);
    let values: Vec<_> = documents.iter().map(|document| document.value.clone()).collect();
    assert_eq!(values, [json!({"a": 1}), json!({"c": 3})]);
    assert_eq!(documents[1].source.as_deref(), Some("x/y.yaml"));
    assert_eq!(documents[1].positions.place(&[]).line, 6);
    assert_eq!(faults.len(), 2);
    assert_eq!(text[faults[0].part.clone()].trim_end(), "b: [1");
    assert_eq!((faults[1].error.line, faults[1].error.column), (9, 1));
    assert_eq!(wrong(text), faults[0].error);
    // What follows a bad separator is nothing to kubectl, but will be once that is put right.
    let text = "a: 1\n--- b\nc: 1\n--- !x\nd: 1\n---\n# Source: x/y.yaml\ne: 1\n";
    let Readable { documents, faults } = read_each(text);
    assert_eq!((documents.len(), faults.len()), (2, 2));
    assert_eq!(text[faults[0].part.clone()].trim_end(), "--- b\nc: 1");
    assert_eq!((faults[1].error.line, documents[1].positions.place(&["e".into()]).line), (4, 8));
    assert_eq!(documents[1].source.as_deref(), Some("x/y.yaml"));
    assert!(read_each(&"a: 1\n----\n".repeat(100_000)).faults.len() <= 20);
    let hopeless = "a: [\n---\n".repeat(1000);
    assert!(read_each(&hopeless).faults.len() <= 20);
}

#[test]
fn an_item_of_a_list_of_objects_costs_only_itself() {
    let text = "kind: List\nitems:\n- a: 1\n- b: {c: 1, c: 2}\n- d: 1\n";
    let json = r#"{"kind": "List", "items": [{"a": 1}, {"b": {"c": 1, "c": 2}}, {"d": 1}]}"#;
    for text in [text, json] {
        let Readable { documents, faults } = read_each(text);
        assert_eq!(documents[0].value["items"], json!([{"a": 1}, NO_CHARACTER, {"d": 1}]), "{text}");
        assert_eq!(faults.len(), 1, "{text}");
        assert!(text[faults[0].part.clone()].contains('b'), "{text}");
        assert!(wrong(text).message.contains("given twice"), "{text}");
    }
    // An alias would bring a part of it back.
    for text in [
        "items:\n- &x {c: 1, c: 2}\n- *x\n",
        "items:\n- x: &x {a: {c: 1, c: 2}}\n- *x\n",
        "more:\n- {c: 1, c: 2}\n",
    ] {
        let Readable { documents, faults } = read_each(text);
        assert_eq!((documents.len(), faults.len()), (0, 1), "{text}");
    }
}

#[test]
fn a_byte_that_is_no_character_costs_only_its_document() {
    let (text, read) = read_file(b"a: 1\n---\nb: \xe9\xff\n---\nc: 1\n", RepeatedKeys::Ambiguous).unwrap();
    assert_eq!((read.documents.len(), read.faults.len()), (2, 1));
    let error = &read.faults[0].error;
    assert_eq!((error.line, error.column, error.message.as_str()), (3, 4, "a byte is not UTF-8"));
    assert!(text.contains('\u{ffff}') && super::read(&text).is_err());
    assert!(read_file(b"{\"a\": \"\xe9\"}", RepeatedKeys::Ambiguous).is_err());
    assert!(read_file(b"\xff\xfea", RepeatedKeys::Ambiguous).is_err());
}

#[test]
fn many_quotes_without_indentation_are_read_at_once() {
    let many: String = (0..5000).map(|at| format!("  k{at}: 'one\n  two'\n")).collect();
    // More than would be corrected one by one.
    let document = one(&format!("d:\n{many}"));
    assert_eq!(document.value["d"]["k4999"], json!("one two"));
    let text = "d:\n  a: 'one\n  two'\n  b: |\n    x: 'y\n    z: 'w\n  c: 1 # '\n  e: 'f\n  g'\n";
    let expected = json!({"a": "one two", "b": "x: 'y\nz: 'w\n", "c": 1, "e": "f g"});
    assert_eq!(one(text).value["d"], expected);
}

#[test]
fn quotes_need_no_indentation() {
    for (text, expected) in [
        ("a: 'x\n\n  y''\n  z'", "x\ny' z"),
        ("a: \"x \n\n\n\ty \\\" z\"", "x\n\ny \" z"),
        ("a: \"x\r\ny\"", "x y"),
        ("a: 'é\nü'", "é ü"),
    ] {
        let document = one(text);
        assert_eq!(document.value["a"], json!(expected), "{text:?}");
    }
    let text = "d:\n  a: 'one\n  two'\n  b: 'three\n  four'\n  c: 5\n";
    assert_eq!(one(text).value, json!({"d": {"a": "one two", "b": "three four", "c": 5}}));
    assert_eq!(at(text, "/d/b"), found(4, 6, "'three\n  four'"));
    assert_eq!(at(text, "/d/c"), found(6, 6, "5"));
    // Escapes of line ends and of the marks are left to those who indent.
    for text in
        ["a: \"x\\\ny\"", "a: \"\\x01\ny\"", "d:\n  a: 'x\n...\n  y'", "d:\n  'a\n  b': 1", "a: 'x\ny"]
    {
        wrong(text);
    }
    assert_eq!(one("a: \"\\x01\n y\"").value["a"], json!("\u{1} y"));
}

#[test]
fn duplicate_keys_name_both_lines() {
    for text in ["a: 1\nb: 2\na: 3\n", "{\"a\": 1,\n\"b\": 2,\n\"a\": 3}", "1: x\nb: 2\n'1': y"] {
        let error = wrong(text);
        assert_eq!((error.line, error.column), (3, 1), "{text}");
        assert!(error.message.contains("first in line 1"), "{error}");
    }
}

#[test]
fn bad_aliases_are_errors() {
    let error = wrong("a: 1\nb: *nope\n");
    assert_eq!((error.line, error.column), (2, 4));
    assert!(error.message.contains("*nope has no anchor"), "{error}");
    assert!(wrong("a: &x [1, *x]").message.contains("inside the very value"));
    assert!(wrong("a: &x\n  b: {<<: *x}").message.contains("inside the very value"));
    assert!(wrong("a: &x 1\n---\nb: *x").message.contains("no anchor"));
}

#[test]
fn nesting_is_bounded() {
    let deep = |open: &str, count: usize| open.repeat(count);
    for text in [
        deep("[", 100_000),
        deep("- ", 100_000),
        deep("{a: ", 101),
        deep("{\"a\":", 100_000),
        format!("x: {}", deep("[", 300)),
        format!("\n\n{}", deep("? ", 1000)),
    ] {
        let error = wrong(&text);
        assert!(error.message.contains("100 levels") || text.contains('?'), "{error}");
    }
    let full = format!("{}{}", deep("[", 100), deep("]", 100));
    assert!(one(&full).value.is_array());
    assert!(one(&format!("# yaml\n{full}")).value.is_array());
    let half = format!("{}1{}", deep("[", 60), deep("]", 60));
    let error = wrong(&format!("a: &a {half}\nb: {}*a{}", deep("[", 60), deep("]", 60)));
    assert!(error.message.contains("100 levels"), "{error}");
}

#[test]
fn alias_expansion_is_bounded() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut merges = "m: &m {k0: 1}\nl:\n".to_owned();
    for i in 1..12 {
        let all = format!("*a{},", i - 1).repeat(9);
        laughs.push_str(&format!("a{i}: &a{i} [{all}]\n"));
    }
    assert!(wrong(&laughs).message.contains("aliases expand"));

    let wide: String = (0..2000).map(|i| format!("  k{i}: 1\n")).collect();
    merges.push_str("- &w\n");
    merges.push_str(&wide);
    merges.push_str(&"- <<: *w\n".repeat(2000));
    assert!(wrong(&merges).message.contains("aliases expand"));
}

/// Where aliases ask for too much: 1-based line and column of the alias that no longer fits.
fn bomb(text: &str) -> (usize, usize) {
    let error = wrong(text);
    assert!(error.message.contains("aliases expand"), "{error}");
    assert!(error.help.is_some_and(|help| help.contains("write the value out")));
    (error.line, error.column)
}

#[test]
fn aliases_are_bounded_by_the_bytes_that_they_copy() {
    let big = "x".repeat(16 << 10);
    let many = |what: &str| what.repeat(2000);
    assert_eq!(bomb(&format!("a: &a {big}\nb:\n{}", many("- *a\n"))).1, 3);
    // 2 MiB and 8 times the text are room for some of them.
    let (line, _) = bomb(&format!("a: &a {big}\nb:\n{}", many("- *a\n")));
    assert!((120..180).contains(&line), "{line}");
    assert_eq!(bomb(&format!("a: &a {big}\nb: [{}]\n", many("*a,"))).0, 2);
    // As keys, within keys, of merged keys, through anchored keys and in copies of copies.
    assert_eq!(bomb(&format!("a: &a {big}\nb:\n{}", many("- {*a : 1}\n"))).1, 4);
    assert_eq!(bomb(&format!("a: &a {{? {big} : 1}}\nb:\n{}", many("- {<<: *a}\n"))).1, 8);
    assert_eq!(bomb(&format!("a: &a {{? {big} : 1}}\nb:\n{}", many("- {<<: [*a, *a]}\n"))).1 % 4, 1);
    assert_eq!(bomb(&format!("? &a {big}\n: 1\n? b\n: [{}]\n", many("*a,"))).0, 4);
    assert_eq!(bomb(&format!("a: &a {big}\nb: &b [{}]\nc: [{}]\n", "*a,".repeat(20), many("*b,"))).0, 3);
    // Many documents are as large as one.
    let document = format!("a: &a [{}]\nb: [{}]\n---\n", "x,".repeat(100), "*a,".repeat(100));
    let (line, _) = bomb(&document.repeat(1000));
    assert!(line > 3 && (line - 2) % 3 == 0, "{line}");
    // The white space that is corrected, and then read again, counts once.
    let corrected =
        format!("b: &b [{}]\nc: [{}]\nd: {{a:\t1,\n\te: 2}}\n", "x,".repeat(50), "*b,".repeat(200));
    assert_eq!(one(&corrected).value["c"].as_array().unwrap().len(), 200);
}

#[test]
fn anchors_as_people_use_them_are_read() {
    let defaults = "image: registry.example.com/ci:1\n  retry: {max: 2, when: [runner_system_failure, stuck_or_timeout_failure]}\n  variables: {A: a, B: b}\n";
    let mut ci = format!(".defaults: &defaults\n  {defaults}.script: &script [set -e, make, make test]\n");
    for job in 0..500 {
        ci.push_str(&format!("job{job}:\n  <<: *defaults\n  script: *script\n"));
    }
    assert_eq!(one(&ci).value["job499"]["retry"]["max"], 2);
}

#[test]
fn texts_beyond_64_mib_are_refused() {
    let text = " ".repeat(MAX_BYTES + 1);
    assert!(wrong(&text).message.contains("at most"));
    assert!(read_bytes(text.as_bytes()).is_err());
}

#[test]
fn positions_in_block_and_flow() {
    let text =
        "metadata:\n  name: web # c\n  labels: {app: \"a b\", x: }\nlist:\n- one\n-\n- |\n  t\n\nend: 1\n";
    assert_eq!(at(text, "/metadata/name"), found(2, 9, "web"));
    assert_eq!(at(text, "/metadata/labels"), found(3, 11, "{app: \"a b\", x: }"));
    assert_eq!(at(text, "/metadata/labels/app"), found(3, 17, "\"a b\""));
    assert_eq!(at(text, "/metadata").2, "name: web # c\n  labels: {app: \"a b\", x: }");
    assert_eq!(at(text, "/list").0, 5);
    assert_eq!(at(text, "/list/0"), found(5, 3, "one"));
    assert_eq!(at(text, "/list/1"), found(6, 2, ""));
    assert_eq!(at(text, "/list/2"), found(8, 3, "t"));
    assert_eq!(at(text, "/end"), found(10, 6, "1"));
    assert_eq!(at(text, "").0, 1);
}

#[test]
fn missing_nodes_stand_at_their_nearest_parent() {
    let text = "a:\n  b:\n  - c: 1\n";
    assert_eq!(at(text, "/a/b/0/nope/0/x"), found(3, 5, "c: 1"));
    assert_eq!(at(text, "/a/b/7"), at(text, "/a/b"));
    assert_eq!(at(text, "/nope"), at(text, ""));
    let positions = one(text).positions;
    let key = |pointer: &str| positions.key_place(&from_pointer(pointer));
    let place = key("/a/b/0/c").unwrap();
    assert_eq!((place.line, place.column, place.start, place.end), (3, 5, 12, 13));
    assert_eq!(key("/a/nope"), None);
    assert_eq!(key("/a/b/0"), None);
    assert_eq!(key(""), None);
}

#[test]
fn positions_with_crlf_and_beyond_ascii() {
    let text = "a: \"ééé\"\r\nb: {c: 日本, d: x}\r\ne: |\r\n  1\r\n  2\r\nf: y\r\n";
    assert_eq!(one(text).value["e"], json!("1\n2\n"));
    assert_eq!(at(text, "/a"), found(1, 4, "\"ééé\""));
    assert_eq!(at(text, "/b/c"), found(2, 8, "日本"));
    assert_eq!(at(text, "/b/d"), found(2, 15, "x"));
    assert_eq!(at(text, "/f"), found(6, 4, "y"));
    let long = format!("a: {}\nb: {{k: {}, l: z}}", "é".repeat(1000), "日".repeat(500));
    assert_eq!(at(&long, "/b/l"), found(2, 513, "z"));
    for length in 60..70 {
        let text = format!("# {}\na: z", "é".repeat(length));
        assert_eq!(at(&text, "/a"), found(2, 4, "z"), "{length}");
    }
}

#[test]
fn positions_in_many_documents() {
    let text = "---\na: é\n---\n# c\nb: [1,\n  2]\n---\n{\"c\": true}\n";
    let documents = read(text).unwrap();
    let part = |document: usize, pointer: &str| {
        let place = documents[document].positions.place(&from_pointer(pointer));
        (place.line, place.column, text[place.start..place.end].to_owned())
    };
    assert_eq!(part(0, "/a"), found(2, 4, "é"));
    assert_eq!(part(1, "/b/1"), found(6, 3, "2"));
    assert_eq!(part(2, "/c"), found(8, 7, "true"));
}

#[test]
fn positions_through_anchors_and_merges() {
    let text = "a: &x\n  k: v\nb: *x\nc:\n  <<: *x\n  l: w\n";
    assert_eq!(at(text, "/b/k"), found(2, 6, "v"));
    assert_eq!(at(text, "/c/k"), found(2, 6, "v"));
    assert_eq!(at(text, "/c/l"), found(6, 6, "w"));
    let positions = one(text).positions;
    assert_eq!(positions.key_place(&from_pointer("/c/k")).map(|p| p.line), Some(2));
    assert_eq!(positions.key_place(&from_pointer("/b")).map(|p| p.line), Some(3));
}

#[test]
fn json_is_read_as_json() {
    let text =
        "{\r\n\t\"a\": [\"\\ud83d\\ude00\", \"\\ud83d\", \"\\/\", 1E3, -0],\n\t\"é\": {\"b\": null}}\n";
    let value = json!({"a": ["😀", "\u{fffd}", "/", 1000, 0], "é": {"b": null}});
    assert_eq!(one(text).value, value);
    assert_eq!(at(text, "/a/3"), found(2, 40, "1E3"));
    assert_eq!(at(text, "/é/b"), found(3, 13, "null"));
    assert_eq!(at(text, "/é"), found(3, 7, "{\"b\": null}"));
    let key = format!("{{\"{}\": 1, \"b\u{7f}\u{85}\": 2}}", "k".repeat(5000));
    assert_eq!(one(&key).value["b\u{7f}\u{85}"], json!(2));

    assert_eq!(read("{\"a\":1}{\"a\":2}\n{\"a\":3}\n").unwrap().len(), 3);
    assert_eq!(read("{\"a\":1}\n---\n{\"a\":2}\n---\n{\"a\":3}\n").unwrap().len(), 3);
    assert_eq!(read("{\"a\":1}\nb: 2\n").unwrap().len(), 2, "kubectl goes on in YAML");
    let error = wrong("{\"a\":1}{\"a\":2}\n---\n{\"a\":3}\n");
    assert_eq!((error.line, error.column), (2, 1));
    assert!(error.message.contains("nothing but JSON"), "{error}");
    assert_eq!(wrong("{\"a\":\n 1e400}").line, 2);
    assert_eq!(read("{\"a\":1}\n---\na: 4\n").unwrap().len(), 2);
    assert_eq!(one("{a: 1, \"b\": x}").value, json!({"a": 1, "b": "x"}));
    assert_eq!(one("{\"a\": 01}").value, json!({"a": 1}));
    assert_eq!(one("{\t\"a\":\t[1,\t2]\t, b: c}").value, json!({"a": [1, 2], "b": "c"}));
}

#[test]
fn byte_order_marks_and_utf16() {
    let text = "a: é\r\nb: 1\r\n";
    let marked = format!("\u{feff}{text}");
    let wide = |unit: fn(u16) -> [u8; 2]| marked.encode_utf16().flat_map(unit).collect::<Vec<_>>();
    for bytes in [text.into(), marked.clone().into_bytes(), wide(u16::to_le_bytes), wide(u16::to_be_bytes)] {
        let documents = read_bytes(&bytes).unwrap();
        assert_eq!(documents[0].value, json!({"a": "é", "b": 1}));
        assert_eq!(documents[0].positions.place(&from_pointer("/a")).column, 4);
    }
    assert_eq!(at(&marked, "/b"), found(2, 4, "1"));
    assert_eq!(at("\u{feff}{\"a\": 1}", "/a"), found(1, 7, "1"));

    let error = read_bytes(b"a: 1\nb: \xc3\xa9\xff\n").unwrap_err();
    assert_eq!((error.line, error.column), (2, 5));
    assert!(error.message.contains("byte 10"), "{error}");
    assert!(read_bytes(&[0xff, 0xfe, 0x00, 0xd8]).is_err());
    assert!(read_bytes(&[0xff, 0xfe, 0x61]).is_err());
}

#[test]
fn tabs_for_indentation_are_named() {
    for text in ["a:\n\tb: c\n", "\ta: b\n", "a:\n  b: 1\n\tc: 2\n", "- a\n\t- b: c\n- |\n\tx\n"] {
        let error = wrong(text);
        assert!(error.message.contains("tab"), "{text:?}: {error}");
        let help = error.help.unwrap_or_default();
        assert!(help.contains("replace the tab by spaces"), "{text:?}: {help}");
    }
    assert_eq!(one("{\n\tb: 1,\n\tc: [d: 2,\n\t3]\n\t}").value, json!({"b": 1, "c": [{"d": 2}, 3]}));
}

#[test]
fn unclosed_quotes_and_brackets_name_where_they_open() {
    for text in ["x: 1\na: \"b\nc: d\n", "x: 1\na: 'b\n  c", "x: 1\na: 'b\nc: 'd'\n"] {
        let error = wrong(text);
        assert_eq!((error.line, error.column), (2, 4), "{text:?}");
        assert!(error.help.unwrap_or_default().contains("quote"), "{text:?}");
    }
    for text in ["x: 1\na: [1, 2\nc: d\n", "x: 1\na: {b: c\n", "x: 1\na: [1, 2}\n"] {
        let help = wrong(text).help.unwrap_or_default();
        assert!(help.contains("line 2, column 4"), "{text:?}: {help}");
    }
}

#[test]
fn a_colon_against_a_comma_is_refused() {
    for text in ["[a:,b]", "{a:,b: 1}", "x: {a:}", "- [a, b:]"] {
        let error = wrong(text);
        assert!(error.help.unwrap_or_default().contains("space after the colon"), "{text}");
    }
    assert_eq!(one("{a: , b: , \"c\":, 'd':}").value.as_object().unwrap().len(), 4);
}

#[test]
fn what_yaml_versions_read_differently_is_refused() {
    for text in ["a: &x:y z", "[&a/b c]", "[!a, 1]", "[!!str]", "[?a, b]", "{?a: 1}"] {
        assert!(wrong(text).message.contains("kubectl takes"), "{text}");
    }
    let text = "[&a-b_1 x, *a-b_1, &c, !!int '1', !<tag:yaml.org,2002:int> 2, '?', &d !x [1], *d]";
    assert_eq!(one(text).value, json!(["x", "x", null, 1, 2, "?", [1], [1]]));
}

#[test]
fn pieces_begin_at_lines_with_three_dashes() {
    for text in ["--- {a: 1}\n", "a: 1\n--- |\n  x\n", "a: 1\n---b: 2\n", "a: 1\n----\n"] {
        let error = wrong(text);
        assert!(error.message.contains("nothing but a comment after ---"), "{text:?}: {error}");
    }
    for (text, line) in [("a: 1\n...\nb: 2\n", 3), ("a: 1\r---\rb: 2\r", 2)] {
        let error = wrong(text);
        assert_eq!((error.line, error.column), (line, 1), "{text:?}");
        assert!(error.message.contains("kubectl reads nothing from here"), "{error}");
    }
    wrong("%YAML 1.2\n---\na: 1\n");
    let text = "\u{feff}a: 1\n---\n\u{feff}b: é\n--- # c\r\nc: 3\n...\n---\n\nd: 4\n";
    let documents = read(text).unwrap();
    assert_eq!(documents.len(), 4);
    let at = |index: usize, key: &'static str| {
        let place = documents[index].positions.place(&[Segment::from(key)]);
        (place.line, place.column, &text[place.start..place.end])
    };
    assert_eq!(
        [at(0, "a"), at(1, "b"), at(2, "c"), at(3, "d")],
        [(1, 4, "1"), (3, 4, "é"), (5, 4, "3"), (9, 4, "4")]
    );
}

#[test]
fn characters_that_yaml_versions_read_differently_are_refused() {
    for (text, code) in [
        ("a: b\n# \u{7f}", "U+007F"),
        ("a: b\u{85}c", "U+0085"),
        ("a: '\u{2028}'", "U+2028"),
        ("a: \u{1}", "U+0001"),
    ] {
        let error = wrong(text);
        assert!(error.message.contains(code), "{text:?}: {error}");
    }
    for text in ["# \u{feff}\na: 1\n", "a: 1\n\u{feff}", "a: b\u{feff}c\n"] {
        assert!(wrong(text).message.contains("byte order mark"), "{text:?}");
    }
    assert_eq!(one("a: '\u{feff}'\nb: \"\\u2028\"").value, json!({"a": "\u{feff}", "b": "\u{2028}"}));
    assert!(wrong("a: \"\\/\"").message.contains("does not know the escape"));
    assert_eq!(one("a: \"\\\\/\"").value, json!({"a": "\\/"}));
}

#[test]
fn white_space_that_only_the_parser_minds_is_read() {
    let text = "a:\tx\nb: {c:\tz,\n\td: [\n1,\n2\n]}\nf: é\n";
    assert_eq!(one(text).value, json!({"a": "x", "b": {"c": "z", "d": [1, 2]}, "f": "é"}));
    assert_eq!(at(text, "/a"), found(1, 4, "x"));
    assert_eq!(at(text, "/b/d/0"), found(4, 1, "1"));
    assert_eq!(at(text, "/b/d/1"), found(5, 1, "2"));
    assert_eq!(at(text, "/f"), found(7, 4, "é"));
    wrong("a: [ # d,\nc]");
}

#[test]
fn tabs_count_on_empty_lines_too() {
    for text in ["a:\n  b: 1\n\t\n  c: 2\n", "a: 1\n\t# c\n", "a: 1\n\t", "-\ta: 1\n", "\t\n"] {
        assert!(wrong(text).message.contains("a tab is used for indentation"), "{text:?}");
    }
    assert_eq!(
        one("# -\tc\na: |\n  \tx\n\n  - \ty\nb: 1 \t\n").value,
        json!({"a": "\tx\n\n- \ty\n", "b": 1})
    );
}

#[test]
fn merged_keys_of_another_type_are_refused() {
    for text in ["a: &x {1: b}\nc: {<<: *x, '1': d}", "a: &x {1: b}\nc: {<<: [*x, {'1': d}]}"] {
        assert!(wrong(text).message.contains("with another type"), "{text}");
    }
    assert_eq!(one("a: &x {0x1: b}\nc: {<<: *x, 1: d}").value["c"], json!({"1": "d"}));
}

#[test]
fn template_remnants_are_recognised() {
    for text in [
        "image: {{ .Values.x }}\n",
        "{{- if .Values.a }}\na: b\n{{- end }}\n",
        "a: b\n{{ include \"x\" . }}\nc: d\n",
        "a: {b: {{ .Values.x }}}\n",
        "{\"a\": {{ .Values.x }}}\n",
    ] {
        let help = wrong(text).help.unwrap_or_default();
        assert!(help.contains("this looks like a template"), "{text:?}: {help}");
    }
    assert_eq!(one("a: '{{ x }}'").value, json!({"a": "{{ x }}"}));
}

/// Number changes that reading makes on purpose: whole floats become integers, and integers beyond `i64` are
/// rounded like floats.
fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.as_i64().is_none() && float.fract() == 0.0 => {
                let digits = float.to_string();
                digits
                    .parse::<i64>()
                    .map(Value::from)
                    .or_else(|_| digits.parse::<u64>().map(Value::from))
                    .unwrap_or_else(|_| value.clone())
            }
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), normal(v))).collect(),
        _ => value.clone(),
    }
}

fn any_json<S: Strategy<Value = String> + Clone + 'static>(text: S) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn only(text: &str) -> Value {
    match read(text).map(|documents| documents.into_iter().next()) {
        Ok(document) => document.map_or(Value::Null, |document| document.value),
        Err(error) => panic!("{text:?}: {error}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_json_reads_back(value in any_json(any::<String>())) {
        let expected = normal(&value);
        prop_assert_eq!(&only(&value.to_string()), &expected);
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        prop_assert_eq!(&only(&pretty), &expected);
        prop_assert_eq!(&only(&pretty.replace("\n  ", "\n\t")), &expected);
    }

    #[test]
    fn any_odd_json_reads_back(value in any_json("[ -~\t\n\u{80}-\u{a0}\u{feff}\u{2028}😀]{0,8}")) {
        prop_assert_eq!(&only(&value.to_string()), &normal(&value));
    }

    #[test]
    fn what_is_written_reads_back(value in any_json(any::<String>())) {
        let value = json!({"written": value});
        prop_assert_eq!(&only(&write(&value)), &normal(&value));
    }

    #[test]
    fn written_texts_stay_texts(text in "(on|no|y|null|~|0x1f|1e3|1_000|-?\\.inf|0644|[ -~\t\n\u{80}-\u{a0}\u{feff}\u{2028}]{0,12})") {
        let value = json!({"text": text, "list": [text, [text, {"in": text}]], text.clone(): {}});
        prop_assert_eq!(&only(&write(&value)), &value);
    }

    // The YAML parser rejects raw control characters, so only printable ones are generated.
    #[test]
    fn json_within_yaml_reads_back(value in any_json("[^\\p{C}\\p{Zl}\\p{Zp}]{0,12}")) {
        prop_assert_eq!(&only(&format!("# c\n- {value}"))[0], &normal(&value));
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = read(&text);
    }

    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
        let _ = read_bytes(&bytes);
    }

    #[test]
    fn no_punctuation_panics(text in "([-:?,#&*!|>'\"%@`{}\\[\\]<~\\\\ \t\n\r.a01é\u{feff}]|---|\\.\\.\\.|<<: |: |- |\n  |\n    ){0,40}") {
        for document in read(&text).unwrap_or_default() {
            let mut paths = vec![(Path::new(), &document.value)];
            while let Some((path, value)) = paths.pop() {
                let place = document.positions.place(&path);
                prop_assert!(place.start <= place.end && text.get(place.start..place.end).is_some());
                let step = |segment: Segment| [path.clone(), vec![segment]].concat();
                match value {
                    Value::Array(items) => paths.extend(items.iter().enumerate().map(|(i, v)| (step(i.into()), v))),
                    Value::Object(fields) => {
                        for (key, value) in fields {
                            prop_assert!(document.positions.key_place(&step(key.clone().into())).is_some());
                            paths.push((step(key.clone().into()), value));
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}
