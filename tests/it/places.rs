//! A finding points to a place in the file, where the text is the node or its nearest existing parent.

use stategate::path::from_pointer;
use stategate::source::manifests::{Manifest, Manifests};

struct File {
    text: String,
    objects: Vec<Manifest>,
}

impl File {
    fn new(text: &str) -> Self {
        let mut manifests = Manifests::default();
        manifests.add("x.yaml".to_owned(), text.as_bytes());
        assert!(manifests.errors.is_empty(), "{:?}\n{text}", manifests.errors);
        Self { text: text.to_owned(), objects: manifests.objects }
    }

    /// Asserts that the text at the node's place begins with `begin`, and that line and column match.
    #[track_caller]
    fn at(&self, object: usize, pointer: &str, line: usize, begin: &str) {
        let place = self.objects[object].place(&from_pointer(pointer));
        let found = &self.text[place.start..];
        assert!(found.starts_with(begin), "{pointer}: {:?}, not {begin:?}", &found[..found.len().min(30)]);
        // Computed from the text, as an editor counts.
        let before = &self.text[..place.start];
        let lines: Vec<&str> = before.split('\n').collect();
        let column = lines.last().unwrap().trim_start_matches('\u{feff}').chars().count() + 1;
        assert_eq!((place.line, place.column), (lines.len(), column), "{pointer}");
        assert_eq!(place.line, line, "{pointer}");
    }
}

const HEAD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";

#[test]
fn block_and_flow_style() {
    let file = File::new(&format!(
        "{HEAD}spec:\n  containers:\n  - name: db # c\n    image: \"pg:16\"\n    args: [a, 'b', {{c: d}}]\n  -   {{name: web, env: [{{name: A, value: 'x'}}]}}\n  volumes:\n\n  # c\n  - name: |\n      text\n"
    ));
    file.at(0, "/kind", 2, "Pod");
    file.at(0, "/metadata/name", 3, "a}");
    file.at(0, "/spec/containers/0", 6, "name: db");
    file.at(0, "/spec/containers/0/name", 6, "db #");
    file.at(0, "/spec/containers/0/image", 7, "\"pg:16\"");
    file.at(0, "/spec/containers/0/args/1", 8, "'b'");
    file.at(0, "/spec/containers/0/args/2/c", 8, "d}");
    file.at(0, "/spec/containers/1", 9, "{name: web");
    file.at(0, "/spec/containers/1/env/0/value", 9, "'x'");
    file.at(0, "/spec/volumes/0", 13, "name: |");
    file.at(0, "/spec/volumes/0/name", 14, "text");
    // A missing node is located at its parent.
    file.at(0, "/spec/containers/0/resources/limits", 6, "name: db");
    file.at(0, "/spec/containers/1/env/7", 9, "[{name: A");
    file.at(0, "/status", 1, "apiVersion");
}

#[test]
fn anchors_and_merge_keys() {
    let file = File::new(&format!(
        "x: &x\n  a: 1\n  b: {{c: 2}}\n{HEAD}spec:\n  one: *x\n  two:\n    <<: *x\n    d: 3\n  three: {{<<: [*x, {{e: 4}}], a: 5}}\n  &k four: &v five\n  six: *v\n"
    ));
    file.at(0, "/spec/one/a", 2, "1\n");
    file.at(0, "/spec/two/b/c", 3, "2}");
    file.at(0, "/spec/two/d", 11, "3\n");
    file.at(0, "/spec/two/z", 10, "<<: *x");
    file.at(0, "/spec/three/a", 12, "5}");
    file.at(0, "/spec/three/e", 12, "4}");
    file.at(0, "/spec/four", 13, "&v five");
    file.at(0, "/spec/six", 13, "&v five");
}

#[test]
fn documents_deep_in_a_file() {
    let mut text = "---\n# Source: chart/templates/a.yaml\n".to_owned();
    for number in 0..200 {
        text.push_str(&format!("{HEAD}spec: {{number: {number}}}\n--- # {number}\n\n"));
    }
    text.push_str(&format!("# c\n---\n{HEAD}spec:\n  last: here\n"));
    let file = File::new(&text);
    assert_eq!(file.objects.len(), 201);
    file.at(0, "/spec/number", 6, "0}");
    file.at(1, "/spec/number", 12, "1}");
    file.at(150, "/spec/number", 906, "150}");
    let lines = file.text.lines().count();
    file.at(200, "/spec/last", lines, "here");
    file.at(200, "/metadata/name", lines - 2, "a}");
}

#[test]
fn crlf_and_byte_order_marks_and_beyond_ascii() {
    let text = format!(
        "{HEAD}spec:\n  é: {{日本: 語, x: y}}\n  text: |\n    ü\n    ö\n  \"ключ\": [é, 😀, z]\n---\n{HEAD}spec: {{ä: ö}}\n"
    );
    for text in [
        text.clone(),
        text.replace('\n', "\r\n"),
        format!("\u{feff}{text}"),
        format!("\u{feff}{}", text.replace('\n', "\r\n")),
    ] {
        let file = File::new(&text);
        file.at(0, "/apiVersion", 1, "v1");
        file.at(0, "/spec/é/日本", 5, "語,");
        file.at(0, "/spec/é/x", 5, "y}");
        file.at(0, "/spec/text", 7, "ü");
        file.at(0, "/spec/ключ/2", 9, "z]");
        file.at(0, "/spec/ключ/9", 9, "[é");
        file.at(1, "/spec/ä", 14, "ö}");
    }
    // The place in UTF-16 text equals that in the same text as UTF-8.
    let wide: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut manifests = Manifests::default();
    manifests.add("x.yaml".to_owned(), &wide);
    let place = manifests.objects[1].place(&from_pointer("/spec/ä"));
    assert_eq!((place.line, place.column), (14, 11));
}

#[test]
fn items_of_lists() {
    let file = File::new(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  spec: {a: 1}\n-\n  apiVersion: v1\n  kind: Pod\n  spec:\n    b: 2\n---\napiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: c}\n",
    );
    assert_eq!(file.objects.len(), 3);
    file.at(0, "", 4, "apiVersion");
    file.at(0, "/spec/a", 6, "1}");
    file.at(0, "/spec/nope", 6, "{a: 1}");
    file.at(1, "/spec/b", 11, "2\n");
    file.at(1, "/nope", 8, "apiVersion");
    file.at(2, "/metadata/name", 16, "c}");
    // Only the list states the item's kind.
    file.at(2, "/kind", 16, "metadata");
}

#[test]
fn json_on_one_line_and_on_many() {
    let pod = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"spec\":{\"é\":[1,{\"b\":\"\\u00e9\"}],\"c\":null}}";
    let file = File::new(&format!("{pod}{pod}\n{pod}"));
    for (object, line) in [(0, 1), (1, 1), (2, 2)] {
        file.at(object, "/kind", line, "\"Pod\"");
        file.at(object, "/spec/é/1/b", line, "\"\\u00e9\"");
        file.at(object, "/spec/c", line, "null}}");
        file.at(object, "/spec/d", line, "{\"é\"");
    }
    let file = File::new(&format!("{pod}\r\n---\r\n{HEAD}spec: {{a: b}}\r\n---\r\n{pod}\r\n"));
    file.at(0, "/spec/é/0", 1, "1,");
    file.at(1, "/spec/a", 6, "b}");
    file.at(2, "/spec/é/0", 8, "1,");
    let file = File::new(
        "\n {\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Pod\",\n\t\"spec\": {\n\t\t\"a\": 1\n\t}\n}\n",
    );
    file.at(0, "/spec/a", 6, "1\n");
}

#[test]
fn white_space_that_the_parser_is_not_shown() {
    let file = File::new(&format!(
        "{HEAD}spec:\n  a:\té\n  b: [\n  c,\n  {{\n  d:\te\n  }}\n  ]\n  f: g\n---\n{HEAD}spec: 1\n"
    ));
    file.at(0, "/spec/a", 5, "é");
    file.at(0, "/spec/b/0", 7, "c,");
    file.at(0, "/spec/b/1/d", 9, "e\n");
    file.at(0, "/spec/f", 12, "g\n");
    file.at(1, "/spec", 17, "1\n");
}
