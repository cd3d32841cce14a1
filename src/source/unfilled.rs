//! Values of manifests that a tool fills in before they are applied, such as `$SIZE`, `${SIZE}`, `{{ size }}` and
//! `<your-storage-class>`: nobody knows what they will be.
//!
//! What a policy finds is told only if it holds whatever the values are. Two variants of the object stand for them: one
//! in which each is there, and one in which it is not, or is another one. Names stay as written, since those that are
//! written alike will be alike.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::placeholders::{OF_TEXTS, TEXTS, content};
use crate::path::{self, Path, Segment};
use crate::workload::image::ImageRef;

/// Names of objects and of parts of them, what is said about an object, and texts that programs or Kubernetes itself
/// read: `$(POD_NAME)` is no placeholder there.
const AS_WRITTEN: [&str; 17] = [
    "apiVersion",
    "claimName",
    "containerName",
    "env",
    "envFrom",
    "generateName",
    "kind",
    "labelSelector",
    "matchExpressions",
    "metadata",
    "name",
    "namespace",
    "secretName",
    "serviceAccountName",
    "serviceName",
    "subPathExpr",
    "volumeName",
];
/// Words in capitals that ask for a value where they are the whole of it.
const REQUESTS: [&str; 12] = [
    "CHANGEME",
    "CHANGE_",
    "CHANGE-",
    "FIXME",
    "INSERT_",
    "INSERT-",
    "PLACEHOLDER",
    "REPLACE_",
    "REPLACE-",
    "TODO",
    "YOUR_",
    "YOUR-",
];
/// Fields whose values are never words in capitals.
const WITHOUT_CAPITALS: [&str; 7] =
    ["cpu", "memory", "priorityClassName", "replicas", "sizeLimit", "storage", "storageClassName"];
/// What a word in small letters holds that stands for something else. Any other may be a fault, or a credential at the
/// wrong place.
const MARKERS: [&str; 5] = ["change_me", "changeme", "placeholder", "replace", "todo"];
/// More of one object than anybody writes.
const MOST: usize = 200;
/// A digest that no image has: it stands for a tag that is not known, since it says which image it is, but no version.
const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A value that nothing fills in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfilled {
    /// The path to it.
    pub path: Path,
    /// The placeholder in it, as written.
    pub placeholder: String,
}

/// The values of an object that hold placeholders, other than names.
pub fn unfilled(object: &Value) -> Vec<Unfilled> {
    let (mut found, mut waiting) = (Vec::new(), vec![(Vec::new(), object)]);
    while let Some((path, value)) = waiting.pop()
        && found.len() < MOST
    {
        let within = |segment: Segment| path.iter().cloned().chain([segment]).collect::<Path>();
        match value {
            Value::String(text) if path.last().is_some_and(|last| asks(last, text)) => {
                found.push(Unfilled { path, placeholder: text.clone() });
            }
            Value::String(text) => found.extend(
                placeholder(text)
                    .map(|placeholder| Unfilled { path: path.clone(), placeholder: placeholder.to_owned() }),
            ),
            Value::Array(items) => {
                waiting.extend(items.iter().enumerate().map(|(at, item)| (within(Segment::Index(at)), item)));
            }
            Value::Object(fields) => {
                let judged = fields.iter().filter(|(key, _)| is_judged(key));
                waiting.extend(judged.map(|(key, value)| (within(key.clone().into()), value)));
            }
            _ => {}
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Words in small letters where a number or an amount must be, as `replace_port` for `sed`. `unreadable` are the paths of
/// fields whose type is not the one that the API defines.
pub fn words_for_numbers(object: &Value, unreadable: impl Fn(&Value) -> Vec<Path>) -> Vec<Unfilled> {
    let is_lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    let word = |path: Path| {
        let text = path::get(object, &path)?.as_str()?;
        let is_word =
            is_word(text) && text.bytes().all(is_lower) && MARKERS.iter().any(|marker| text.contains(marker));
        is_word.then(|| Unfilled { path, placeholder: text.to_owned() })
    };
    let words: Vec<Unfilled> = unreadable(object).into_iter().filter_map(word).collect();
    if words.is_empty() {
        return words;
    }
    let mut numbers = object.clone();
    words.iter().for_each(|one| put(&mut numbers, &one.path, Some(json!(3))));
    let wrong = unreadable(&numbers);
    words.into_iter().filter(|one| !wrong.contains(&one.path)).collect()
}

/// Is it a word in capitals, as in the documentation of clouds, where the value is an amount or a name without any?
fn asks(field: &Segment, text: &str) -> bool {
    matches!(field, Segment::Key(key) if WITHOUT_CAPITALS.contains(&&**key))
        && text.len() > 2
        && is_constant(text)
}

fn is_judged(key: &str) -> bool {
    let texts = TEXTS.contains(&key) || OF_TEXTS.contains(&key) && key != PARAMETERS;
    !texts && !AS_WRITTEN.contains(&key)
}

/// Parameters of a StorageClass.
const PARAMETERS: &str = "parameters";

/// The first placeholder in a text.
pub fn placeholder(text: &str) -> Option<&str> {
    let asks = |word: &&str| text.starts_with(word);
    let blank = text.len() > 2 && text.bytes().all(|byte| byte == b'_');
    let in_capitals = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if blank || REQUESTS.iter().any(asks) && text.bytes().all(in_capitals) {
        return Some(text);
    }
    text.char_indices().find_map(|(at, first)| {
        let rest = text.get(at..)?;
        let length = match first {
            '$' => variable(rest),
            '{' => between(rest, "{{", "}}", |_| true),
            '<' => between(rest, "<", ">", |inner| {
                inner.starts_with(|first: char| first.is_alphabetic()) && !inner.contains('<')
            }),
            '@' => between(rest, "@@", "@@", is_word).or_else(|| between(rest, "@", "@", is_constant)),
            '%' => between(rest, "%%", "%%", is_word).or_else(|| between(rest, "%", "%", is_constant)),
            '_' => between(rest, "__", "__", is_word),
            '#' => between(rest, "#{", "}", |_| true),
            _ => None,
        }?;
        rest.get(..length)
    })
}

/// The length of `$NAME`, `${…}` or `$(NAME)`.
fn variable(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('$')?;
    if let Some(inner) = rest.strip_prefix('{') {
        let (inner, after) = content(inner)?;
        return (!inner.is_empty()).then(|| text.len() - after.len());
    }
    if rest.starts_with('(') {
        return between(rest, "(", ")", is_word).map(|length| length + 1);
    }
    let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let name = rest.get(..end.unwrap_or(rest.len()))?;
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_').then(|| name.len() + 1)
}

/// The length of what stands between two marks, with them.
fn between(text: &str, open: &str, close: &str, is_name: impl Fn(&str) -> bool) -> Option<usize> {
    let rest = text.strip_prefix(open)?;
    let end = rest.find(close)?;
    let inner = rest.get(..end)?;
    (!inner.trim().is_empty() && is_name(inner)).then(|| open.len() + end + close.len())
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn is_constant(text: &str) -> bool {
    is_word(text)
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The two variants of an object; `unreadable` are the paths of fields whose type is not the one that the API defines.
/// The object stays unreadable if a list or map has a placeholder in its place.
pub fn variants(
    object: &Value,
    unfilled: &[Unfilled],
    unreadable: impl Fn(&Value) -> Vec<Path>,
) -> [Value; 2] {
    let mut with = object.clone();
    let mut without = object.clone();
    // The last items of a list come first, so that those before them keep their places.
    for Unfilled { path, .. } in unfilled.iter().rev() {
        let Some(Value::String(text)) = path::get(object, path) else { continue };
        let in_parameters = path.iter().rev().nth(1).is_some_and(|above| is_key(above, PARAMETERS));
        let (there, other) = match path.last() {
            Some(Segment::Key(key)) if key == "image" => images(text),
            Some(Segment::Key(key)) if ["devicePath", "mountPath"].contains(&&**key) => {
                (text.clone(), Some(above(text)))
            }
            // A switch that is turned on.
            _ if in_parameters => (text.clone(), Some("true".to_owned())),
            _ => (text.clone(), None),
        };
        put(&mut with, path, Some(there.into()));
        put(&mut without, path, other.map(Value::from));
    }
    give_types(&mut with, unfilled, unreadable);
    [with, without]
}

/// Puts values of the right type in the place of those that cannot be read.
fn give_types(object: &mut Value, unfilled: &[Unfilled], unreadable: impl Fn(&Value) -> Vec<Path>) {
    let mut tried: HashMap<&Path, usize> = HashMap::new();
    loop {
        let wrong = unreadable(object);
        let mut changed = false;
        for Unfilled { path, .. } in unfilled.iter().filter(|one| wrong.contains(&one.path)) {
            let amount = if path.last().is_some_and(|last| is_key(last, "cpu")) { "2" } else { "10Gi" };
            let guesses = [json!(amount), json!(3), json!(true)];
            let at = tried.entry(path).or_default();
            if let Some(guess) = guesses.get(*at) {
                put(object, path, Some(guess.clone()));
                *at += 1;
                changed = true;
            }
        }
        if !changed {
            return;
        }
    }
}

fn is_key(segment: &Segment, name: &str) -> bool {
    matches!(segment, Segment::Key(key) if key == name)
}

fn put(object: &mut Value, path: &[Segment], value: Option<Value>) {
    let Some((last, parent)) = path.split_last() else { return };
    match (path::get_mut(object, parent), last, value) {
        (Some(parent), Segment::Key(key), None) => {
            parent.as_object_mut().and_then(|fields| fields.remove(&**key));
        }
        (Some(Value::Array(items)), Segment::Index(at), None) if *at < items.len() => drop(items.remove(*at)),
        (_, _, Some(value)) => {
            path::get_mut(object, path).into_iter().for_each(|place| *place = value.clone());
        }
        _ => {}
    }
}

/// The directory that holds what a path with a placeholder names.
fn above(text: &str) -> String {
    let start = placeholder(text).and_then(|placeholder| text.find(placeholder)).unwrap_or(text.len());
    let before = text.get(..start).unwrap_or_default();
    before
        .rsplit_once('/')
        .map(|(above, _)| above)
        .filter(|above| !above.is_empty())
        .unwrap_or("/")
        .to_owned()
}

/// Two images that agree in what can be read of one: its name, and what of its version is written out.
fn images(text: &str) -> (String, Option<String>) {
    let unknown = || (text.to_owned(), None);
    let slash = text.rfind('/').map_or(0, |at| at + 1);
    let (Some(place), Some(last)) = (text.get(..slash), text.get(slash..)) else { return unknown() };
    let end = last.find([':', '@']).unwrap_or(last.len());
    let (Some(name), Some(version)) = (last.get(..end), last.get(end..)) else { return unknown() };
    if name.is_empty() || placeholder(name).is_some() {
        return unknown();
    }
    let tag = version.split('@').next().unwrap_or_default();
    let of_digest = version.len() > tag.len();
    let (there, other) = match (placeholder(tag), placeholder(version)) {
        (Some(placeholder), _) => {
            let before = tag.split(placeholder).next().unwrap_or_default();
            let whole = before.strip_suffix(['.', '-']).unwrap_or_default();
            (format!("{whole}@{DIGEST}"), whole.to_owned())
        }
        (None, Some(_)) if of_digest => (format!("{tag}@{DIGEST}"), tag.to_owned()),
        _ => (version.to_owned(), version.to_owned()),
    };
    // Of a place with a placeholder, what is written after it counts: `$REGISTRY/bitnami/`.
    let known = |place: &str| {
        let parts = place.trim_end_matches('/').split('/');
        let parts: Vec<&str> = parts.filter(|part| placeholder(part).is_none() && !part.is_empty()).collect();
        parts.iter().map(|part| format!("{part}/")).collect::<String>()
    };
    let (here, there_place) = match placeholder(place) {
        Some(_) => (known(place), format!("registry.invalid/{}", known(place))),
        None => (place.to_owned(), place.to_owned()),
    };
    let (one, two) = (format!("{here}{name}{there}"), format!("{there_place}{name}{other}"));
    match ImageRef::parse(&one).is_ok() && ImageRef::parse(&two).is_ok() {
        true => (one, Some(two)),
        false => unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_known_by_their_marks() {
        for (text, expected) in [
            ("$SIZE", Some("$SIZE")),
            ("${SIZE}Gi", Some("${SIZE}")),
            ("${A:-${B}}", Some("${A:-${B}}")),
            ("x-$(NAME).y", Some("$(NAME)")),
            ("{{ size }}Gi", Some("{{ size }}")),
            ("<your-storage-class>", Some("<your-storage-class>")),
            ("__SIZE__", Some("__SIZE__")),
            ("@@size@@", Some("@@size@@")),
            ("a@SIZE@", Some("@SIZE@")),
            ("%SIZE%", Some("%SIZE%")),
            ("#{size}#", Some("#{size}")),
            ("YOUR_CLASS", Some("YOUR_CLASS")),
            ("REPLACE_ME", Some("REPLACE_ME")),
            ("_____", Some("_____")),
            ("10Gi", None),
            ("a__b", None),
            ("postgres@sha256:00", None),
            ("$1", None),
            ("5$", None),
            ("${}", None),
            ("<=5", None),
            ("me@example.com, you@example.com", None),
            ("50%", None),
            ("your-class", None),
            ("TODO: write", None),
        ] {
            assert_eq!(placeholder(text), expected, "{text}");
        }
    }

    #[test]
    fn a_word_in_capitals_asks_where_no_value_has_any() {
        let object = json!({"storage": "CAPACITY", "storageClassName": "STORAGE_CLASS", "cpu": "5M", "tier": "BASIC_HDD"});
        let found: Vec<String> = unfilled(&object).into_iter().map(|one| one.placeholder).collect();
        assert_eq!(found, ["CAPACITY", "STORAGE_CLASS"]);
    }

    #[test]
    fn a_word_in_small_letters_stands_for_a_number() {
        let object = json!({"port": "replace_port", "size": "placeholder", "on": "replace_it", "n": "three", "Up": "ABC"});
        let unreadable = |value: &Value| {
            let wrong = |key: &&str| match &value[*key] {
                Value::Number(_) => *key == "on",
                _ => true,
            };
            ["port", "size", "on", "n", "Up"]
                .iter()
                .filter(|key| wrong(key))
                .map(|key| vec![(*key).into()])
                .collect()
        };
        let found: Vec<String> =
            words_for_numbers(&object, unreadable).into_iter().map(|one| one.placeholder).collect();
        assert_eq!(found, ["replace_port", "placeholder"]);
    }

    #[test]
    fn the_name_and_what_is_written_of_a_version_stay() {
        for (text, one, other) in [
            ("$R/postgres:$TAG", format!("postgres@{DIGEST}"), "registry.invalid/postgres"),
            ("${R}/bitnami/redis:7", "bitnami/redis:7".to_owned(), "registry.invalid/bitnami/redis:7"),
            (
                "ghcr.io/$ORG/mysql:8.$P",
                format!("ghcr.io/mysql:8@{DIGEST}"),
                "registry.invalid/ghcr.io/mysql:8",
            ),
            ("mongo:{{ version }}", format!("mongo@{DIGEST}"), "mongo"),
            ("mongo:v$V", format!("mongo@{DIGEST}"), "mongo"),
            ("mongo:7@$D", format!("mongo:7@{DIGEST}"), "mongo:7"),
        ] {
            assert_eq!(images(text), (one, Some(other.to_owned())), "{text}");
        }
        for text in ["$IMAGE", "postgres-$X:1", "$R/", "{{ .Values.image }}:17"] {
            assert_eq!(images(text), (text.to_owned(), None));
        }
    }

    #[test]
    fn one_variant_has_the_value_and_the_other_has_not() {
        let object = json!({
            "metadata": {"name": "$NAME"},
            "spec": {
                "replicas": "$N", "storageClassName": "<class>", "serviceName": "$NAME",
                "accessModes": ["$MODE", "ReadWriteOnce"], "requests": {"cpu": "$CPU", "storage": "${S}Gi"},
                "on": "__ON__", "mountPath": "/data/$DIR", "env": [{"value": "$X"}], "command": ["$X"],
                "type": "NET_ADMIN", "memory": "10G",
            },
            "parameters": {"encrypted": "$ON"},
        });
        let found = unfilled(&object);
        assert_eq!(found.len(), 8, "{found:?}");
        let unreadable = |object: &Value| {
            let wrong = |path: &Path, value: &Value| match path.last() {
                Some(Segment::Key(key)) if key == "replicas" => !value.is_i64(),
                Some(Segment::Key(key)) if key == "on" => !value.is_boolean(),
                Some(Segment::Key(key)) if key == "storage" || key == "cpu" => {
                    value.as_str().is_some_and(|text| text.contains('$'))
                }
                _ => false,
            };
            let paths = found.iter().map(|one| one.path.clone());
            paths.filter(|path| path::get(object, path).is_some_and(|value| wrong(path, value))).collect()
        };
        let [with, without] = variants(&object, &found, unreadable);
        assert_eq!(
            with["spec"],
            json!({
                "replicas": 3, "storageClassName": "<class>", "serviceName": "$NAME",
                "accessModes": ["$MODE", "ReadWriteOnce"], "requests": {"cpu": "2", "storage": "10Gi"},
                "on": true, "mountPath": "/data/$DIR", "env": [{"value": "$X"}], "command": ["$X"],
                "type": "NET_ADMIN", "memory": "10G",
            })
        );
        assert_eq!(
            without,
            json!({
                "metadata": {"name": "$NAME"},
                "spec": {
                    "serviceName": "$NAME", "accessModes": ["ReadWriteOnce"], "requests": {},
                    "mountPath": "/data", "env": [{"value": "$X"}], "command": ["$X"],
                    "type": "NET_ADMIN", "memory": "10G",
                },
                "parameters": {"encrypted": "true"},
            })
        );
    }
}
