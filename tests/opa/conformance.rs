//! What stategate's engine makes of OPA's own cases: reads a question from each line of standard input, and prints a
//! line with the answers, or with the reason why the rule is not compiled. Whether they are right is not said here:
//! `tests/opa/run` compares them.
//!
//! The checks of policies are left out: nearly all cases have something that no policy may have.
#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so by ending"
)]

use std::collections::BTreeMap;
use std::io::BufRead as _;

use serde::Deserialize;
use serde_json::{Value, json};
use stategate::diagnostic::SourceText;
use stategate::engine::{
    Answer, EngineKind, EvaluationError, InputDocument, Rego, RuleId, Unsupported, on_large_stack,
};

/// Names like `p.q` are none that a policy's rule can have.
const NO_RULE: &str = "the query leads to no rule with a plain name";

#[derive(Deserialize)]
struct Question {
    case: String,
    modules: Vec<String>,
    /// The same, written as policies are.
    plainer: Option<Vec<String>>,
    rule: String,
    input: Value,
}

fn main() {
    let lines: Vec<String> = std::io::stdin().lock().lines().map(|line| line.expect("text")).collect();
    on_large_stack(|| {
        for line in &lines {
            let question: Question = serde_json::from_str(line).expect("a question in each line");
            let plainer = |reason| match &question.plainer {
                Some(modules) => answered(&question, modules),
                None => Err(reason),
            };
            let answer = answered(&question, &question.modules).or_else(plainer);
            let mut said = answer.unwrap_or_else(|reason| json!({ "left": reason }));
            said["case"] = question.case.into();
            println!("{said}");
        }
    })
    .expect("a thread");
}

/// The answers of both engines, or why the compiled one has none.
fn answered(question: &Question, modules: &[String]) -> Result<Value, String> {
    let texts = modules.iter().enumerate();
    let texts: Vec<_> = texts.map(|(n, text)| SourceText::new(format!("{n}.rego"), text.as_str())).collect();
    let rego = Rego::load_checked(&texts, &[]).map_err(|_| "regorus cannot parse it")?;
    let rule = rule(&rego, &question.rule).ok_or(NO_RULE)?;
    if let Some(reason) = rego.unsupported(&rule) {
        return Err(root(&rego, reason));
    }
    let (document, parameters) =
        InputDocument::from_json(&question.input).map_err(|_| "its input is no object")?;
    let mut compiled = rego.evaluator(EngineKind::Compiled);
    let answer = compiled.evaluate(&rule, &document, &parameters);
    if compiled.question(&rule, &document, &parameters, &answer).is_none() {
        return Err(NO_RULE.to_owned());
    }
    let interpreted = rego.evaluator(EngineKind::Interpreter).evaluate(&rule, &document, &parameters);
    Ok(json!({ "compiled": said(answer), "interpreted": said(interpreted) }))
}

fn said(answer: Result<Answer, EvaluationError>) -> Value {
    match answer.map(|answer| answer.to_json()) {
        Ok(Ok(Some(value))) => json!({ "answer": value }),
        Ok(Ok(None)) => json!({}),
        Ok(Err(error)) => json!({ "error": error.to_string(), "kind": "json" }),
        Err(error) => json!({ "error": error.to_string(), "kind": error.kind() }),
    }
}

fn rule(rego: &Rego, path: &str) -> Option<RuleId> {
    let modules = rego.modules();
    let rules = modules.iter().flat_map(|module| module.rules.iter().filter_map(|name| module.rule(name)));
    rules.into_iter().find(|rule| rule.as_str() == path)
}

/// What the compiler does not know, in this rule or in the one that it uses.
fn root(rego: &Rego, reason: &Unsupported) -> String {
    let modules = rego.modules();
    let rules: BTreeMap<_, _> = modules
        .iter()
        .flat_map(|module| module.rules.iter().filter_map(|name| module.rule(name)))
        .map(|rule| (rule.as_str().to_owned(), rule))
        .collect();
    let mut reason = reason;
    while let Unsupported::Uses(path) = reason
        && let Some(used) = rules.get(&**path).and_then(|rule| rego.unsupported(rule))
    {
        reason = used;
    }
    reason.to_string()
}
