//! Where in a manifest a credential may stand. Excerpts and diffs do not show these places, whichever policies apply.

use std::collections::BTreeSet;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use serde_json::Value;

use super::manifests::Manifest;
use crate::admission::LAST_APPLIED;
use crate::path::{self, Path, Segment};

/// How names of credentials end, in lower case, without punctuation and digits.
const ENDINGS: &[&str] = &[
    "passphrase",
    "secret",
    "token",
    "accesskey",
    "secretkey",
    "privatekey",
    "apikey",
    "authkey",
    "encryptionkey",
    "replicasetkey",
    "accountkey",
    "credential",
    "credentials",
    "connectionstring",
    "erlangcookie",
    "cliauth",
    "requirepass",
    "masterauth",
];
/// Names with one of these are of credentials, whatever follows, unless one of [`ABOUT`] does.
const WORDS: &[&str] = &["password", "passwd"];
/// What tells of a credential without being one.
const ABOUT: &[&str] = &[
    "file",
    "path",
    "dir",
    "name",
    "ref",
    "policy",
    "length",
    "enabled",
    "required",
    "algorithm",
    "encryption",
    "reset",
    "expiry",
    "provider",
    "type",
];
/// Below a name of a credential, these keys say where it is stored.
const REFERENCES: &[&str] =
    &["name", "key", "namespace", "optional", "path", "kind", "apiVersion", "secretName", "audience"];
/// A shorter text is in many a word.
const SHORTEST: usize = 6;
/// What stands for a credential.
const MASK: &str = "***";
/// Searching for texts takes some thirty times their length in memory: beyond this, the whole file is hidden.
const MOST_TEXT: usize = 1 << 20;

/// The places in the file whose values are credentials by their names, by the kind of their object, or by what they
/// look like.
pub fn places(manifest: &Manifest) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let secret = manifest.kind() == "Secret";
    walk(&manifest.object, &mut Path::new(), false, &mut |path, value, named| {
        let of_secret = || {
            let above = path.first().map(Segment::as_key).unwrap_or_default();
            secret && matches!(above.as_ref(), "data" | "stringData") && path.len() > 1
        };
        if named || of_secret() || value.as_str().is_some_and(embeds_one) {
            let place = manifest.place(path);
            found.push(place.start..place.end);
        }
    });
    found
}

/// The object with every value masked that is a credential by its name, or looks like one.
pub fn redacted(object: &Value) -> Value {
    let mut found = Vec::new();
    walk(object, &mut Path::new(), false, &mut |path, value, named| {
        if named || value.as_str().is_some_and(embeds_one) {
            found.push(path.to_vec());
        }
    });
    let mut object = object.clone();
    for place in found {
        if let Some(value) = path::get_mut(&mut object, &place) {
            *value = Value::from(MASK);
        }
    }
    object
}

/// The values that policies take for credentials, all of one file.
#[derive(Default)]
pub struct Flagged {
    places: Vec<Range<usize>>,
    texts: BTreeSet<String>,
}

impl Flagged {
    /// Adds the value at a path, and what stands beside it: the next argument, `value`.
    pub fn add(&mut self, manifest: &Manifest, path: &[Segment]) {
        let Some((last, parent)) = path.split_last() else { return };
        let beside = match last {
            Segment::Key(_) => Segment::from("value"),
            Segment::Index(index) => Segment::Index(index + 1),
        };
        for segment in [last.clone(), beside] {
            let place: Path = parent.iter().cloned().chain([segment]).collect();
            let Some(value) = path::get(&manifest.object, &place) else { continue };
            let span = manifest.place(&place);
            self.places.push(span.start..span.end);
            walk(value, &mut Path::new(), true, &mut |_, value, _| {
                let telling =
                    |text: &&str| text.len() >= SHORTEST && (text.contains('=') || !text.starts_with('-'));
                self.texts.extend(value.as_str().filter(telling).map(str::to_owned));
            });
        }
    }

    /// Their places, and wherever else in the file their texts are. One pass, however many there are.
    pub fn ranges(self, text: &str) -> Vec<Range<usize>> {
        let mut ranges = self.places;
        let bytes: usize = self.texts.iter().map(String::len).sum();
        // A DFA of a few long texts would take a minute to build.
        let search = || {
            AhoCorasick::builder()
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .match_kind(MatchKind::LeftmostLongest)
                .build(&self.texts)
                .ok()
        };
        match (bytes <= MOST_TEXT).then(search).flatten() {
            Some(search) => ranges.extend(search.find_iter(text).map(|found| found.range())),
            None => ranges.push(0..text.len()),
        }
        ranges
    }
}

/// The text with these ranges masked; line breaks stay.
pub fn masked(text: &str, ranges: &[Range<usize>]) -> String {
    let mut ranges: Vec<&Range<usize>> = ranges.iter().collect();
    ranges.sort_by_key(|range| (range.start, range.end));
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for range in ranges {
        let Some(part) = text.get(range.start.max(done)..range.end).filter(|part| !part.is_empty()) else {
            continue;
        };
        out.push_str(text.get(done..range.start).unwrap_or_default());
        for line in part.split_inclusive('\n') {
            let content = line.trim();
            let (before, after) = line.split_once(content).unwrap_or_default();
            match content {
                "" => out.push_str(line),
                _ => out.push_str(&format!("{before}{MASK}{after}")),
            }
        }
        done = range.end;
    }
    out + text.get(done..).unwrap_or_default()
}

/// Calls `found` with every scalar; `named`: by its name it is a credential.
fn walk<'v>(
    value: &'v Value,
    path: &mut Path,
    named: bool,
    found: &mut dyn FnMut(&[Segment], &'v Value, bool),
) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Segment::Index(index));
                walk(item, path, named, found);
                path.pop();
            }
        }
        Value::Object(fields) => {
            let variable = fields.get("name").and_then(Value::as_str).is_some_and(names_one);
            for (key, value) in fields {
                let reference = REFERENCES.contains(&key.as_str());
                let here = names_one(key) || key == LAST_APPLIED || (variable && key == "value");
                path.push(Segment::from(key.clone()));
                walk(value, path, here || (named && !reference), found);
                path.pop();
            }
        }
        // A switch such as `automountServiceAccountToken: true`, or nothing.
        Value::Null | Value::Bool(_) => {}
        Value::Number(_) | Value::String(_) => found(path, value, named),
    }
}

/// Is it the name of a credential, such as `POSTGRES_PASSWORD` or `apiKey`?
fn names_one(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    // With the underscore, because many words end in these letters.
    if lower.ends_with("_pass") || lower.ends_with("_pwd") {
        return true;
    }
    let letters: String = lower.chars().filter(char::is_ascii_lowercase).collect();
    ENDINGS.iter().any(|ending| letters.ends_with(ending))
        || WORDS.iter().any(|word| letters.contains(word))
            && !ABOUT.iter().any(|about| letters.ends_with(about))
}

/// A URL with a password, a connection string, or a private key.
fn embeds_one(text: &str) -> bool {
    let with_password = |after: &str| {
        let authority = after.split(['/', ' ', '\n']).next().unwrap_or_default();
        authority.split_once('@').is_some_and(|(user, _)| user.contains(':'))
    };
    let lower = || text.to_ascii_lowercase();
    text.split("://").skip(1).any(with_password)
        || text.contains("PRIVATE KEY-----")
        || text.contains('=')
            && ["password=", "accountkey=", "sharedaccesskey="].iter().any(|mark| lower().contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::manifests::Manifests;

    fn shown(text: &str) -> String {
        let mut manifests = Manifests::default();
        manifests.add("x.yaml".to_owned(), text.as_bytes());
        assert!(manifests.errors.is_empty(), "{:?}", manifests.errors);
        let ranges: Vec<Range<usize>> = manifests.objects.iter().flat_map(places).collect();
        masked(text, &ranges)
    }

    #[test]
    fn credentials_are_masked_and_nothing_else() {
        let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: pg-secret}\n";
        let text = format!(
            "{head}data: {{user: cG9zdGdyZXM=, deep: [a, {{b: c}}]}}\nstringData:\n  a: |\n    line\n      more\n\n  b: 4711\ntype: Opaque\n"
        );
        assert_eq!(
            shown(&text),
            format!(
                "{head}data: {{user: ***, deep: [***, {{b: ***}}]}}\nstringData:\n  a: |\n    ***\n      ***\n\n  b: ***\ntype: Opaque\n"
            )
        );
        for (yaml, expected) in [
            ("env: [{name: PG_PASSWORD, value: [hunter2]}]", "env: [{name: PG_PASSWORD, value: [***]}]"),
            ("env: [{name: PASSWORD_1, value: x}]", "env: [{name: PASSWORD_1, value: ***}]"),
            (
                "env: [{value: x, name: DB_PASS}, {name: COMPASS, value: n}]",
                "env: [{value: ***, name: DB_PASS}, {name: COMPASS, value: n}]",
            ),
            (
                "env: [{name: PASSWORD_FILE, value: /p}, {name: PWD, value: /}]",
                "env: [{name: PASSWORD_FILE, value: /p}, {name: PWD, value: /}]",
            ),
            ("password: {plain: hunter2}", "password: {plain: ***}"),
            ("password: {secretKeyRef: {name: a, key: b}}", "password: {secretKeyRef: {name: a, key: b}}"),
            (
                "password: {valueFrom: {secretKeyRef: {name: a, key: b}}}",
                "password: {valueFrom: {secretKeyRef: {name: a, key: b}}}",
            ),
            (
                "apiToken: 12\nsecretName: x\nautomountServiceAccountToken: true",
                "apiToken: ***\nsecretName: x\nautomountServiceAccountToken: true",
            ),
            ("args: ['postgres://u:p@h/db', a, 'host=x password=y']", "args: [***, a, ***]"),
            ("url: https://h/a@b:c", "url: https://h/a@b:c"),
            (
                "volumes: [{name: v, secret: {secretName: s, items: [{key: k, path: p}]}}]",
                "volumes: [{name: v, secret: {secretName: s, items: [{key: k, path: p}]}}]",
            ),
            ("imagePullSecrets: [{name: registry}]", "imagePullSecrets: [{name: registry}]"),
        ] {
            let head = "apiVersion: v1\nkind: Pod\n";
            assert_eq!(shown(&format!("{head}{yaml}\n")), format!("{head}{expected}\n"));
        }
        let json = format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"annotations\":{{\"{LAST_APPLIED}\":\"{{}}\"}}}}}}"
        );
        assert_eq!(shown(&json), json.replace("\"{}\"", "***"));
    }

    #[test]
    fn what_a_policy_flags_is_masked_everywhere() {
        let text = "apiVersion: v1\nkind: Pod\nargs: [--pass, hunter2]\nother: say hunter2 aloud\n";
        let mut manifests = Manifests::default();
        manifests.add("x.yaml".to_owned(), text.as_bytes());
        let mut flagged = Flagged::default();
        flagged.add(&manifests.objects[0], &["args".into(), 0.into()]);
        let ranges = flagged.ranges(text);
        assert_eq!(
            masked(text, &ranges),
            "apiVersion: v1\nkind: Pod\nargs: [***, ***]\nother: say *** aloud\n"
        );
    }
}
