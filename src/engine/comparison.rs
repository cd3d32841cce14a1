//! Asks the interpreter, which is the meaning, what compiled rules have answered.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::evaluation::{Answer, EvaluationError};
use super::input::{InputDocument, ParameterValues};
use super::limits;
use super::rego::{EngineKind, Evaluator, Rego};
use super::rule_id::RuleId;

/// A question that a compiled rule has answered. Cheap to keep: it shares the parts of the document.
pub struct Question {
    pub(super) rego: Rego,
    pub(super) rule: RuleId,
    pub(super) document: InputDocument,
    pub(super) parameters: ParameterValues,
    pub(super) answer: Result<Answer, EvaluationError>,
}

/// What the interpreter says to the answer of a compiled rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The same value, or an error of the same kind.
    Same,
    /// Something else.
    Different,
    /// Nothing about the meaning: one of them exceeded a limit and the other one did not, whose steps are not the same;
    /// or the interpreter met a fault in a rule that was not asked for, see [`Question::compare`].
    Undecided,
}

impl Question {
    /// The rule.
    pub fn rule(&self) -> &RuleId {
        &self.rule
    }

    /// An evaluator for comparisons of these questions, which are about the same modules; none if there are none.
    ///
    /// # Errors
    /// If there is no interpreter, which the checks rule out.
    pub fn interpreter(questions: &[&Self]) -> Option<Result<Evaluator, EvaluationError>> {
        let rules = questions.iter().map(|question| &question.rule);
        questions.first().map(|first| first.rego.interpreter_of(rules))
    }

    /// Asks the interpreter.
    ///
    /// Of a package that is imported by name it evaluates every rule. A fault in one that nobody asked for is no
    /// difference in the answer, so such a rule is looked for before one is reported.
    pub fn compare(&self, interpreter: &mut Evaluator) -> Comparison {
        let meant = interpreter.evaluate(&self.rule, &self.document, &self.parameters);
        match (&self.answer, &meant) {
            (Ok(said), Ok(meant)) if said.value == meant.value => Comparison::Same,
            (Err(said), Err(meant)) if said.kind() == meant.kind() => Comparison::Same,
            (Err(error), _) | (_, Err(error)) if error.exceeds_limit() => Comparison::Undecided,
            (_, Err(error)) if self.is_of_another_rule(error) => Comparison::Undecided,
            _ => Comparison::Different,
        }
    }

    /// SHA-256 of the input with its parameters, in hex: it tells inputs apart and nothing of them.
    pub fn digest(&self) -> String {
        let json = self.document.to_json(&self.parameters).and_then(|input| serde_json::to_vec(&input));
        let digest = Sha256::digest(json.unwrap_or_default());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn is_of_another_rule(&self, error: &EvaluationError) -> bool {
        let mut evaluator = self.rego.evaluator(EngineKind::Compiled);
        self.imported().any(|rule| {
            let found = evaluator.evaluate(&rule, &self.document, &self.parameters);
            // With its place, so that it is the same fault.
            found.is_err_and(|found| found == *error)
        })
    }

    /// The rules of the packages that the module of this rule imports, of those that these import, and so on.
    fn imported(&self) -> impl Iterator<Item = RuleId> {
        let modules = self.rego.modules();
        let (mut found, mut left) = (BTreeSet::new(), vec![self.rule.package()]);
        while let Some(from) = left.pop() {
            let importing = modules.iter().filter(|module| module.package == from);
            for import in importing.flat_map(|module| &module.imports) {
                // What is imported is a package, one above it, or a rule in it.
                let packages = modules.iter().map(|module| module.package.as_str());
                let meant = packages.filter(|one| one.split('.').zip(import).all(|(a, b)| a == b));
                left.extend(meant.filter(|one| found.insert(*one)));
            }
        }
        found.into_iter().flat_map(|package| self.rego.program().rules_of(package))
    }
}

/// What questions hold in memory, about, in bytes: what they share counts once. Stops counting at `most`.
pub fn held<'q>(questions: impl Iterator<Item = &'q Question>, most: usize) -> usize {
    let values = questions.flat_map(|question| {
        let answer = question.answer.as_ref().map(|answer| &answer.value);
        question.document.values(&question.parameters).chain(answer)
    });
    limits::held(values, most)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diagnostic::SourceText;
    use crate::engine::ast::Value;
    use crate::engine::{WRONG, on_large_stack};

    const LIBRARY: &str = r"package stategate.lib.numbers

one := 1

sum := input.parameters.a + 1
";

    fn user() -> String {
        format!(
            r#"package stategate.lib.user

import data.stategate.lib.numbers

with_import contains v if v := numbers.one

asks contains v if v := input.parameters.a + 1

starts contains v if {{
	startswith(input.parameters.a, "{WRONG}")
	v := "yes"
}}
"#
        )
    }

    /// The question whether a rule of these modules holds, with the answer of the compiled rule, and the interpreter's.
    fn ask(name: &str, a: &serde_json::Value) -> (Question, Result<Answer, EvaluationError>, Evaluator) {
        on_large_stack(|| {
            let texts = [SourceText::new("numbers.rego", LIBRARY), SourceText::new("user.rego", user())];
            let rego = Rego::load(&texts).unwrap();
            let rule = rego.modules()[1].rule(name).unwrap();
            let (document, parameters) =
                InputDocument::from_json(&json!({ "parameters": { "a": a } })).unwrap();
            let mut compiled = rego.evaluator(EngineKind::Compiled);
            let answer = compiled.evaluate(&rule, &document, &parameters);
            let question = compiled.question(&rule, &document, &parameters, &answer).expect("it is compiled");
            let mut interpreter = Question::interpreter(&[&question]).unwrap().unwrap();
            assert!(interpreter.question(&rule, &document, &parameters, &answer).is_none());
            let meant = interpreter.evaluate(&rule, &document, &parameters);
            (question, meant, interpreter)
        })
        .unwrap()
    }

    #[test]
    fn answers_and_kinds_of_errors_are_compared() {
        let (mut question, _, mut interpreter) = ask("asks", &json!(1));
        assert_eq!(question.compare(&mut interpreter), Comparison::Same);
        for (forged, result) in [
            (EvaluationError::Conflict(String::new()), Comparison::Different),
            (EvaluationError::StepsExceeded, Comparison::Undecided),
        ] {
            question.answer = Err(forged);
            assert_eq!(question.compare(&mut interpreter), result);
        }
        let (mut question, meant, mut interpreter) = ask("asks", &json!("text"));
        assert_eq!(meant.unwrap_err().kind(), "builtin");
        assert_eq!(question.compare(&mut interpreter), Comparison::Same);
        let rule = question.rule.clone();
        question.answer = Ok(Answer { rule, value: Value::Undefined });
        assert_eq!(question.compare(&mut interpreter), Comparison::Different, "no other rule fails");
    }

    #[test]
    fn a_builtin_that_answers_wrongly_is_found() {
        let (question, _, mut interpreter) = ask("starts", &json!(format!("{WRONG}, and why")));
        assert_eq!(question.compare(&mut interpreter), Comparison::Different);
        let (question, _, mut interpreter) = ask("starts", &json!("rightly"));
        assert_eq!(question.compare(&mut interpreter), Comparison::Same);
    }

    #[test]
    fn a_fault_of_a_rule_that_nobody_asked_for_is_no_difference() {
        let (question, meant, mut interpreter) = ask("with_import", &json!("text"));
        assert!(question.answer.is_ok() && meant.is_err(), "{:?} {meant:?}", question.answer);
        assert_eq!(question.compare(&mut interpreter), Comparison::Undecided);
        let (mut question, _, mut interpreter) = ask("with_import", &json!(1));
        assert_eq!(question.compare(&mut interpreter), Comparison::Same);
        let rule = question.rule.clone();
        question.answer = Ok(Answer { rule, value: Value::Undefined });
        assert_eq!(question.compare(&mut interpreter), Comparison::Different);
    }

    #[test]
    fn inputs_are_told_apart_and_their_memory_is_counted() {
        let (one, ..) = ask("asks", &json!(1));
        let (same, ..) = ask("asks", &json!(1));
        let (other, ..) = ask("asks", &json!("text".repeat(1000)));
        assert_eq!((one.digest().len(), one.digest()), (64, same.digest()));
        assert_ne!(one.digest(), other.digest());
        assert!((4000..5000).contains(&held([&other, &other].into_iter(), usize::MAX)));
        assert_eq!(held([&other].into_iter(), 100), 100);
    }
}
