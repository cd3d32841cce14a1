//! The compiled rules answer every question as the interpreter does: values and errors.
//!
//! `RECORD` names recorded questions, `STEP=1` asks all of them; `MODULES` and `SEED` are for more generated ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use stategate::diagnostic::SourceText;
use stategate::engine::{EngineKind, EvaluationError, Evaluator, InputDocument, Rego, RuleId};

use crate::support::stategate;

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

fn texts(dir: &Path, found: &mut Vec<SourceText>) {
    let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            texts(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rego") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push(SourceText::new(path.to_str().unwrap(), text));
        }
    }
}

fn catalogue(change: impl Fn(&SourceText) -> SourceText + Sync) -> Rego {
    stategate::engine::on_large_stack(|| {
        let mut found = Vec::new();
        texts(Path::new(POLICIES), &mut found);
        Rego::load(&found.iter().map(&change).collect::<Vec<_>>()).unwrap()
    })
    .unwrap()
}

/// The text with the whole path in place of each imported name. regorus evaluates all rules of a package that is named
/// by an import, and so meets faults in rules that nobody asked about; by their whole path, it evaluates what is named.
fn without_imports(text: &SourceText) -> SourceText {
    let mut changed = text.text.to_string();
    for line in text.text.lines() {
        let Some(path) = line.strip_prefix("import data.") else { continue };
        let Some((package, name)) = path.rsplit_once('.').filter(|(_, name)| !name.contains(' ')) else {
            continue;
        };
        let dotted = format!("{name}.");
        let mut parts = changed.split(&dotted);
        let mut built = parts.next().unwrap().to_owned();
        for part in parts {
            let whole = !built.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.')
                && part.starts_with(|c: char| c.is_ascii_lowercase());
            built += &if whole { format!("data.{package}.{name}.{part}") } else { format!("{name}.{part}") };
        }
        changed = built;
    }
    SourceText::new(text.name.clone(), changed)
}

/// An error without its column.
fn without_column<T>(said: Result<T, EvaluationError>) -> Result<T, String> {
    said.map_err(|error| {
        let text = error.to_string();
        let column = text.rsplit_once(':').filter(|(_, column)| column.ends_with(')'));
        format!("{}: {}", error.kind(), column.map_or(&*text, |(before, _)| before))
    })
}

/// What an evaluator says, in a form that can be compared.
fn say(evaluator: &mut Evaluator, rule: &RuleId, question: &Value) -> Result<Option<Value>, EvaluationError> {
    let (document, parameters) = InputDocument::from_json(question).unwrap();
    evaluator.evaluate(rule, &document, &parameters).map(|answer| answer.to_json().unwrap())
}

/// The question with one value of another type, empty, or twice.
fn changed(question: &Value, choice: usize) -> Value {
    fn count(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(count).sum(),
            Value::Object(fields) => fields.values().map(count).sum(),
            _ => 0,
        }
    }
    fn change(value: &mut Value, left: &mut usize, how: usize) {
        if *left == 0 {
            *value = match (how, &*value) {
                (0, _) => Value::Null,
                (1, Value::String(_)) => Value::from(7),
                (1, _) => Value::from("text"),
                (2, Value::Array(_)) => Value::Array(Vec::new()),
                (2, Value::Object(_)) => Value::Object(serde_json::Map::new()),
                (2, _) => Value::Bool(true),
                (_, Value::Array(items)) => items.iter().chain(items).cloned().collect(),
                (_, other) => Value::Array(vec![other.clone(), other.clone()]),
            };
            *left = usize::MAX;
            return;
        }
        *left -= 1;
        let mut each = |value: &mut Value| {
            if *left != usize::MAX {
                change(value, left, how);
            }
        };
        match value {
            Value::Array(items) => items.iter_mut().for_each(&mut each),
            Value::Object(fields) => fields.values_mut().for_each(&mut each),
            _ => {}
        }
    }
    let mut changed = question.clone();
    let mut left = 1 + choice.wrapping_mul(7919) % (count(question) - 1).max(1);
    change(&mut changed, &mut left, choice / 2 % 4);
    changed
}

#[test]
fn every_recorded_question_has_one_answer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let path = std::env::var("RECORD").unwrap_or_else(|_| path.to_str().unwrap().to_owned());
    if std::env::var("RECORD").is_err() {
        let objects: Vec<String> = ["manifests", "reviews"].map(|kind| format!("{FIXTURES}/{kind}")).into();
        let mut arguments = vec!["test", POLICIES, "--thin", "--record", &path];
        objects.iter().for_each(|objects| arguments.extend(["--objects", objects]));
        stategate(&arguments).expect(0, &[": 0 failed"]);
    }
    let record = std::fs::read_to_string(&path).unwrap();
    let step = std::env::var("STEP").map_or(10, |step| step.parse().unwrap());
    let (rego, plain) = (catalogue(Clone::clone), catalogue(without_imports));
    let rules: BTreeMap<String, RuleId> = rego
        .modules()
        .iter()
        .flat_map(|module| module.rules.iter().filter_map(|name| module.rule(name)))
        .map(|rule| (rule.as_str().to_owned(), rule))
        .collect();
    let (answers, errors, differences, left) = stategate::engine::on_large_stack(|| {
        let (mut compiled, mut interpreter) =
            (rego.evaluator(EngineKind::Compiled), plain.evaluator(EngineKind::Interpreter));
        let (mut answers, mut errors) = (0, 0);
        let (mut differences, mut left) = (Vec::new(), BTreeSet::new());
        // OPA is asked all of them (tests/opa).
        for line in record.lines().step_by(step) {
            let line: Value = serde_json::from_str(line).unwrap();
            let Some(rule) = rules.get(line["rule"].as_str().unwrap()) else { continue };
            if let Some(reason) = rego.unsupported(rule) {
                if !rule.as_str().contains("_test.") {
                    left.insert(format!("{rule}: {reason}"));
                }
                continue;
            }
            for question in [line["input"].clone(), changed(&line["input"], answers)] {
                let [one, other] = [&mut compiled, &mut interpreter]
                    .map(|evaluator| without_column(say(evaluator, rule, &question)));
                answers += 1;
                errors += usize::from(one.is_err());
                if one != other {
                    differences.push(format!("{rule}: compiled {one:?}\n  interpreted {other:?}"));
                }
            }
        }
        (answers, errors, differences, left)
    })
    .unwrap();
    println!("{answers} answers, {errors} of them errors; left to the interpreter: {left:#?}");
    for difference in differences.iter().take(20) {
        println!("{difference}");
    }
    assert!(differences.is_empty(), "{} differences", differences.len());
    assert!(left.is_empty(), "all of the catalogue is compiled");
}

/// Small modules made of random choices: every construct that the compiler takes, in every combination, over values of
/// every type.
mod generated {
    use std::fmt::Write as _;

    use serde_json::{Value, json};

    /// Decides by bytes, so that fewer and smaller bytes make a simpler module.
    pub struct Choices<'b> {
        bytes: std::slice::Iter<'b, u8>,
        /// What is bound here.
        names: Vec<String>,
        /// Functions that may be called, by the number of their arguments.
        functions: Vec<(String, usize)>,
        rules: Vec<String>,
        /// For new names.
        next: usize,
    }

    const INPUTS: [&str; 4] = ["a", "b", "c", "d"];
    const TEXTS: [&str; 6] = ["", "a", "ab", "a/b", "x-y", "é"];

    impl<'b> Choices<'b> {
        pub fn new(bytes: &'b [u8]) -> Self {
            Self { bytes: bytes.iter(), names: Vec::new(), functions: Vec::new(), rules: Vec::new(), next: 0 }
        }

        fn of(&mut self, number: usize) -> usize {
            usize::from(*self.bytes.next().unwrap_or(&0)) % number
        }

        fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
            of[self.of(of.len())]
        }

        fn name(&mut self) -> String {
            self.next += 1;
            format!("v{}", self.next)
        }

        pub fn value(&mut self, depth: usize) -> Value {
            match self.of(if depth == 0 { 5 } else { 8 }) {
                0 => json!(self.of(5)),
                1 => json!(self.one(&TEXTS)),
                2 => json!(self.of(2) == 0),
                3 => Value::Null,
                4 => json!(-1.5),
                5 | 6 => Value::from((0..self.of(4)).map(|_| self.value(depth - 1)).collect::<Vec<_>>()),
                _ => {
                    let fields =
                        (0..self.of(4)).map(|_| (self.one(&INPUTS).to_owned(), self.value(depth - 1)));
                    Value::Object(fields.collect())
                }
            }
        }

        fn simple(&mut self) -> String {
            match self.of(8) {
                0 | 1 if !self.names.is_empty() => {
                    let names = self.names.clone();
                    names[self.of(names.len())].clone()
                }
                2 => self.of(4).to_string(),
                3 => format!("{:?}", self.one(&TEXTS)),
                4 => self.one(&["true", "false", "null", "[]", "{}", "set()", "-1", "`a`"]).to_owned(),
                5 if !self.rules.is_empty() => {
                    let rules = self.rules.clone();
                    rules[self.of(rules.len())].clone()
                }
                _ => format!("input.parameters.{}", self.one(&INPUTS)),
            }
        }

        fn expr(&mut self, depth: usize) -> String {
            if depth == 0 {
                return self.simple();
            }
            let depth = depth - 1;
            match self.of(24) {
                0..=3 => self.simple(),
                4 => {
                    let base = self.simple_reference();
                    format!("{base}.{}", self.one(&INPUTS))
                }
                5 => {
                    let base = self.simple_reference();
                    format!("{base}[{}]", self.of(3))
                }
                6 => {
                    let (base, key) = (self.simple_reference(), self.simple());
                    // A name in brackets may be what binds it.
                    if key.starts_with('v') { base } else { format!("{base}[{key}]") }
                }
                7 => format!("[{}, {}]", self.expr(depth), self.expr(depth)),
                8 => format!("{{{}, {}}}", self.expr(depth), self.expr(depth)),
                9 => {
                    format!("{{{:?}: {}, \"z\": {}}}", self.one(&INPUTS), self.expr(depth), self.expr(depth))
                }
                10 => self.call(depth),
                11 | 12 => self.builtin(depth),
                13 => {
                    let operator = self.one(&["==", "!=", "<", "<=", ">", ">="]);
                    format!("({} {operator} {})", self.expr(depth), self.expr(depth))
                }
                14 => {
                    let operator = self.one(&["+", "-", "*", "/", "%"]);
                    format!("({} {operator} {})", self.expr(depth), self.expr(depth))
                }
                15 => format!("({} {} {})", self.expr(depth), self.one(&["|", "&", "-"]), self.expr(depth)),
                16 => format!("({} in {})", self.expr(depth), self.expr(depth)),
                17 => format!("({}, {} in {})", self.simple(), self.simple(), self.expr(depth)),
                18..=20 => {
                    let bound = self.names.len();
                    let lines = self.lines(depth, 2).join("; ");
                    let text = match self.of(3) {
                        0 => format!("[{} | {lines}]", self.expr(depth)),
                        1 => format!("{{{} | {lines}}}", self.expr(depth)),
                        _ => format!("{{{}: {} | {lines}}}", self.expr(depth), self.expr(depth)),
                    };
                    self.names.truncate(bound);
                    text
                }
                _ => self.simple(),
            }
        }

        fn simple_reference(&mut self) -> String {
            if self.names.is_empty() || self.of(2) == 0 {
                format!("input.parameters.{}", self.one(&INPUTS))
            } else {
                let names = self.names.clone();
                names[self.of(names.len())].clone()
            }
        }

        fn call(&mut self, depth: usize) -> String {
            let functions = self.functions.clone();
            let Some((name, arguments)) = functions.get(self.of(functions.len().max(1))) else {
                return self.simple();
            };
            let arguments: Vec<String> = (0..*arguments).map(|_| self.expr(depth)).collect();
            format!("{name}({})", arguments.join(", "))
        }

        fn builtin(&mut self, depth: usize) -> String {
            let name = self.one(&[
                "count",
                "lower",
                "is_string",
                "is_array",
                "max",
                "sum",
                "sort",
                "to_number",
                "trim_space",
                "startswith",
                "endswith",
                "contains",
                "split",
                "concat",
                "array.concat",
                "sprintf",
                "glob.match",
                "regex.match",
                "object.get",
                "abs",
                "object.keys",
                "type_name",
            ]);
            let (one, two) = (self.expr(depth), self.expr(depth));
            match name {
                "sprintf" => format!("sprintf(\"%v:%v\", [{one}, {two}])"),
                "glob.match" => format!("glob.match({one}, null, {two})"),
                "regex.match" => format!("regex.match(\"^a.?\", {one})"),
                "object.get" => format!("object.get({one}, {:?}, {two})", self.one(&INPUTS)),
                "startswith" | "endswith" | "contains" | "split" | "concat" | "array.concat" => {
                    format!("{name}({one}, {two})")
                }
                _ => format!("{name}({one})"),
            }
        }

        /// Lines of a body; what they bind stays bound.
        fn lines(&mut self, depth: usize, most: usize) -> Vec<String> {
            (0..=self.of(most))
                .map(|_| match self.of(9) {
                    0..=2 => {
                        let (expr, name) = (self.expr(depth), self.name());
                        self.names.push(name.clone());
                        format!("{name} := {expr}")
                    }
                    3 | 4 => {
                        let (expr, name) = (self.expr(depth), self.name());
                        self.names.push(name.clone());
                        format!("some {name} in {expr}")
                    }
                    5 => {
                        let (expr, key, name) = (self.expr(depth), self.name(), self.name());
                        self.names.extend([key.clone(), name.clone()]);
                        format!("some {key}, {name} in {expr}")
                    }
                    6 => {
                        // A list of another length is a fault of the text.
                        let expr = format!("array.concat({}, [])", self.expr(depth));
                        let (one, two) = (self.name(), self.name());
                        self.names.extend([one.clone(), two.clone()]);
                        format!("[{one}, {two}] := {expr}")
                    }
                    7 => {
                        let negated = self.of(3) == 0;
                        let expr = self.expr(depth);
                        if negated { format!("not {expr}") } else { expr }
                    }
                    _ => {
                        let (domain, name) = (self.expr(depth), self.name());
                        let bound = self.names.len();
                        self.names.push(name.clone());
                        let lines = self.lines(depth.saturating_sub(1), 1).join("; ");
                        self.names.truncate(bound);
                        format!("every {name} in {domain} {{ {lines} }}")
                    }
                })
                .collect()
        }

        fn body(&mut self) -> String {
            let lines = self.lines(2, 3);
            let lines: Vec<String> = lines.iter().map(|line| format!("\t{line}\n")).collect();
            format!(" if {{\n{}}}", lines.concat())
        }

        pub fn module(&mut self) -> String {
            let mut text = "package stategate.lib.generated\n\n".to_owned();
            for number in 0..=self.of(2) {
                let (name, arguments) = (format!("f{number}"), 1 + self.of(2));
                for _ in 0..=self.of(2) {
                    self.names = (0..arguments).map(|position| format!("p{position}")).collect();
                    let head = format!("{name}({})", self.names.join(", "));
                    let body = self.body();
                    let value = self.expr(1);
                    let other = if self.of(4) == 0 {
                        self.names.truncate(arguments);
                        format!(" else := {}", self.expr(1))
                    } else {
                        String::new()
                    };
                    let value = if self.of(3) == 0 { String::new() } else { format!(" := {value}") };
                    let _ = writeln!(text, "{head}{value}{body}{other}\n");
                }
                self.names.clear();
                self.functions.push((name, arguments));
            }
            for number in 0..=self.of(2) {
                let name = format!("r{number}");
                if self.of(3) == 0 {
                    let _ = writeln!(text, "default {name} := {}\n", self.of(3));
                }
                for _ in 0..=self.of(2) {
                    let body = self.body();
                    let value = self.expr(1);
                    let _ = writeln!(text, "{name} := {value}{body}\n");
                    self.names.clear();
                }
                self.rules.push(name);
            }
            for _ in 0..=self.of(2) {
                let body = self.body();
                let value = self.expr(1);
                let body = body.trim_end_matches('}');
                let _ = writeln!(text, "found contains element{body}\telement := {value}\n}}\n");
                self.names.clear();
            }
            text
        }
    }
}

fn compare_generated(bytes: &[u8]) -> (bool, u64) {
    let mut choices = generated::Choices::new(bytes);
    let module = choices.module();
    let Ok(rego) = Rego::load(&[SourceText::new("generated.rego", module.as_str())]) else {
        return (false, 0);
    };
    let (mut compiled, mut interpreter) =
        (rego.evaluator(EngineKind::Compiled), rego.evaluator(EngineKind::Interpreter));
    let mut answers = 0;
    for _ in 0..8 {
        let parameters: serde_json::Map<String, Value> =
            ["a", "b", "c", "d"].iter().map(|name| ((*name).to_owned(), choices.value(3))).collect();
        let question = serde_json::json!({ "parameters": parameters });
        for name in ["found", "r0", "r1", "r2"] {
            let Some(rule) = rego.modules()[0].rule(name) else { continue };
            if rego.unsupported(&rule).is_some() {
                continue;
            }
            let [one, other] =
                [&mut compiled, &mut interpreter].map(|evaluator| say(evaluator, &rule, &question));
            assert_eq!(one, other, "{name} of\n{module}\non {question}");
            answers += 1;
        }
    }
    (true, answers)
}

#[test]
fn generated_modules_mean_the_same() {
    let modules: u64 = std::env::var("MODULES").map_or(400, |modules| modules.parse().unwrap());
    let seed: u64 = std::env::var("SEED").map_or(7, |seed| seed.parse().unwrap());
    let (loaded, answers) = stategate::engine::on_large_stack(|| {
        let (mut loaded, mut answers) = (0, 0_u64);
        for number in 0..modules {
            // SplitMix64 (Steele, Lea, Flood 2014).
            let mut state =
                seed.wrapping_mul(1 << 32).wrapping_add(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let bytes: Vec<u8> = (0..600)
                .map(|_| {
                    state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                    (mixed ^ (mixed >> 27)).to_be_bytes()[3]
                })
                .collect();
            let (was_loaded, compared) = compare_generated(&bytes);
            loaded += u64::from(was_loaded);
            answers += compared;
        }
        (loaded, answers)
    })
    .unwrap();
    println!("{loaded} of {modules} modules loaded, {answers} answers");
    assert!(loaded * 3 > modules && answers > 10 * loaded, "most are valid, and compiled");
}
