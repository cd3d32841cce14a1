//! Loads Rego modules and evaluates them with regorus.
//!
//! The interpreter defines the meaning of a policy. Strict builtin errors stay on: a builtin that fails is an
//! error, not a rule that silently does not fire. With RUST_BACKTRACE set, regorus' errors capture backtraces
//! and parsing is many times slower; see [`backtraces_slow_parsing`].

use std::collections::BTreeSet;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use regorus::utils::limits::{ExecutionTimerConfig, PolicyLengthConfig};

use super::ast::{AstModule, Ref, Value};
use super::comparison::Question;
use super::compilation::Compilation;
use super::compiled::{Memo, Program, Unsupported};
use super::definitions::{self, Definition};
use super::error_text::{self, Meters, diagnostic, interpreter_error, one_line};
use super::evaluation::{Answer, EvaluationError};
use super::input::{InputDocument, ParameterValues};
use super::reads::{self, Module};
use super::rule_id::RuleId;
use super::{builtins, limits, lint, metered};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};
use crate::policy::{Policy, metadata};

/// Stack size in bytes for threads that parse or evaluate Rego: both recurse, and an overflow ends the
/// process. This reserves address space, not memory: only touched pages count.
pub const STACK: usize = 64 << 20;

/// Parsed and checked modules, ready for evaluation.
#[derive(Clone)]
pub struct Rego {
    interpreter: Arc<Interpreter>,
    compilation: Arc<Compilation>,
}

/// What evaluates the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum EngineKind {
    /// Their compiled form, and the interpreter those that have none.
    #[default]
    Compiled,
    /// The interpreter, which defines what they mean.
    Interpreter,
}

/// regorus with all modules. Of sources that are known to pass the checks, it is made when a rule is first interpreted,
/// which costs more than all that compiled rules need.
struct Interpreter {
    texts: Vec<SourceText>,
    entry_point: OnceLock<(RuleId, SourceText)>,
    made: OnceLock<Result<Prepared, Diagnostics>>,
}

/// Cheap to clone.
#[derive(Clone)]
struct Prepared {
    engine: regorus::Engine,
    meters: Arc<Meters>,
}

impl Prepared {
    fn new() -> Self {
        let mut engine = regorus::Engine::new();
        engine.set_execution_timer_config(STEP_LIMIT);
        builtins::limit(&mut engine);
        metered::add(&mut engine);
        Self { engine, meters: Arc::default() }
    }

    /// With these modules, which are known to pass the checks.
    fn of<'t>(
        texts: impl Iterator<Item = &'t SourceText>,
        entry_point: Option<(&RuleId, &SourceText)>,
    ) -> Result<Self, Diagnostics> {
        let mut prepared = Self::new();
        for text in texts {
            add(&mut prepared, text)?;
        }
        if let Some((rule, text)) = entry_point {
            prepared.prepare(rule, text)?;
        }
        Ok(prepared)
    }

    /// Prepares every rule, so that clones share the work, and finds errors that only appear then. One entry point is
    /// enough: the engine compiles all modules for it, and copies them all for each further one.
    fn prepare(&mut self, entry_point: &RuleId, text: &SourceText) -> Result<(), Diagnostics> {
        match self.engine.compile_with_entrypoint(&entry_point.as_str().into()) {
            Ok(_) => Ok(()),
            Err(error) => Err(diagnostic(text, &error.to_string()).into()),
        }
    }
}

impl Interpreter {
    fn made(&self) -> Result<&Prepared, EvaluationError> {
        let make = || {
            let entry_point = self.entry_point.get().map(|(rule, text)| (rule, text));
            Prepared::of(self.texts.iter(), entry_point)
        };
        // Sources that are known to pass the checks can be read again.
        self.made.get_or_init(make).as_ref().map_err(|faults| EvaluationError::Builtin(faults.to_string()))
    }
}

impl Rego {
    /// Parses all modules and compiles them together.
    ///
    /// # Errors
    /// All parse errors in all modules, and the errors that the checks find in those that could be parsed.
    pub fn load(texts: &[SourceText]) -> Result<Self, Diagnostics> {
        Ok(Self::load_with_definitions(texts)?.0)
    }

    /// The same, with every rule and function of every module, in source order.
    ///
    /// # Errors
    /// As [`Rego::load`].
    pub fn load_with_definitions(texts: &[SourceText]) -> Result<(Self, Vec<Definition>), Diagnostics> {
        // Libraries and tests have no METADATA; faults in a policy's METADATA are reported elsewhere.
        let policies: Vec<Policy> = texts.iter().filter_map(|text| metadata::read(text, None).ok()).collect();
        let (rego, modules) = Self::check(texts, &policies.iter().collect::<Vec<_>>(), &|_| {})?;
        Ok((rego, modules.iter().flat_map(|module| definitions::of(module)).collect()))
    }

    /// The same for callers that have already read the METADATA of the policies. `before` is called with each
    /// source before it is parsed.
    ///
    /// # Errors
    /// As [`Rego::load`].
    pub fn load_policies(
        texts: &[SourceText],
        policies: &[&Policy],
        before: &dyn Fn(&SourceText),
    ) -> Result<Self, Diagnostics> {
        Ok(Self::check(texts, policies, before)?.0)
    }

    /// The modules come as they were written, which nothing needs afterwards.
    fn check(
        texts: &[SourceText],
        policies: &[&Policy],
        before: &dyn Fn(&SourceText),
    ) -> Result<(Self, Vec<Ref<AstModule>>), Diagnostics> {
        let (mut errors, mut parsed) = (Vec::new(), Vec::new());
        let (mut modules, mut prepared) = (Vec::new(), Prepared::new());
        for text in texts {
            // Before the parser sees the text: once the parser runs, it cannot be stopped.
            let unfit = lint::check_text(text);
            if !unfit.is_empty() {
                errors.extend(unfit);
                continue;
            }
            before(text);
            match add(&mut prepared, text) {
                Ok(module) => {
                    parsed.push(text);
                    modules.extend(module);
                }
                Err(error) => errors.push(error),
            }
        }
        let complete = parsed.len() == texts.len();
        errors.extend(lint::check_modules(modules.iter().map(AsRef::as_ref), &parsed, policies, complete));
        if !errors.is_empty() {
            return Err(Diagnostics(errors));
        }
        let compilation = Compilation::of(modules.iter().map(AsRef::as_ref));
        Ok((Self::of(texts, compilation, OnceLock::from(Ok(prepared))), modules))
    }

    /// The same for sources that are known to pass the checks, such as those that are part of the binary. If `compiled`
    /// is what [`Compilation::to_bytes`] made of exactly these, nothing is parsed.
    ///
    /// # Errors
    /// If one of them cannot be parsed.
    pub fn load_checked(texts: &[SourceText], compiled: &[u8]) -> Result<Self, Diagnostics> {
        let written = Compilation::from_bytes(compiled).ok();
        let compilation = match written.filter(|written| written.is_of(texts.iter().map(|text| &*text.name)))
        {
            Some(compilation) => compilation,
            None => {
                let sources = texts.iter().map(|text| (&*text.name, &*text.text));
                Compilation::of_sources(sources).map_err(|unparsed| error_text::unparsed(texts, &unparsed))?
            }
        };
        Ok(Self::of(texts, compilation, OnceLock::new()))
    }

    fn of(
        texts: &[SourceText],
        compilation: Compilation,
        made: OnceLock<Result<Prepared, Diagnostics>>,
    ) -> Self {
        let interpreter = Interpreter { texts: texts.to_vec(), entry_point: OnceLock::new(), made };
        Self { interpreter: Arc::new(interpreter), compilation: Arc::new(compilation) }
    }

    /// The compiled form of the modules.
    pub fn compilation(&self) -> &Compilation {
        &self.compilation
    }

    /// The compiled rules.
    pub(super) fn program(&self) -> &Program {
        &self.compilation.program
    }

    /// Why a rule is left to the interpreter; None if it is compiled.
    pub fn unsupported(&self, rule: &RuleId) -> Option<&Unsupported> {
        self.program().unsupported(rule)
    }

    /// The modules, in load order.
    pub fn modules(&self) -> &[Module] {
        &self.compilation.modules
    }

    /// Prepares every rule for the interpreter; `entry_point` is any of them, defined in `text`.
    ///
    /// # Errors
    /// If the path does not lead to a rule, or any rule cannot be compiled. Sources that are known to pass the checks
    /// are prepared when they are first interpreted.
    pub fn prepare(&mut self, entry_point: &RuleId, text: &SourceText) -> Result<(), Diagnostics> {
        // It is only not set yet: a set is prepared once, before it is shared.
        let _ = self.interpreter.entry_point.set((entry_point.clone(), text.clone()));
        let Some(interpreter) = Arc::get_mut(&mut self.interpreter) else { return Ok(()) };
        match interpreter.made.get_mut() {
            Some(Ok(prepared)) => prepared.prepare(entry_point, text),
            _ => Ok(()),
        }
    }

    /// Makes the interpreter, which otherwise the first rule has to wait for that needs it.
    ///
    /// # Errors
    /// If it cannot be made, which the checks rule out.
    pub fn make_interpreter(&self) -> Result<(), EvaluationError> {
        self.interpreter.made().map(|_| ())
    }

    /// An evaluator that also measures line coverage, which only the interpreter can.
    ///
    /// # Errors
    /// If there is no interpreter, which the checks rule out.
    pub fn covering_evaluator(&self) -> Result<Evaluator, EvaluationError> {
        let mut evaluator = self.evaluator(EngineKind::Interpreter);
        evaluator.interpreter()?.engine.set_enable_coverage(true);
        Ok(evaluator)
    }

    /// An evaluator that asks the interpreter about these rules only. Unless there is an interpreter already, one is made
    /// of the modules that the rules may use, which takes less memory than one of all.
    ///
    /// # Errors
    /// If it cannot be made, which the checks rule out.
    pub fn interpreter_of<'r>(
        &self,
        rules: impl Iterator<Item = &'r RuleId>,
    ) -> Result<Evaluator, EvaluationError> {
        let mut evaluator = self.evaluator(EngineKind::Interpreter);
        if self.interpreter.made.get().is_none() {
            let (mut positions, mut entry_point) = (BTreeSet::new(), None);
            for rule in rules {
                let of_rule = reads::reachable(self.modules(), rule.package());
                let text = of_rule.first().and_then(|position| self.interpreter.texts.get(*position));
                entry_point = entry_point.or(text.map(|text| (rule, text)));
                positions.extend(of_rule);
            }
            let texts = positions.into_iter().filter_map(|position| self.interpreter.texts.get(position));
            let made = Prepared::of(texts, entry_point);
            evaluator.interpreter =
                Some(made.map_err(|faults| EvaluationError::Builtin(faults.to_string()))?);
        }
        Ok(evaluator)
    }

    /// An evaluator for these modules. Cheap: it shares everything that was prepared.
    pub fn evaluator(&self, engine: EngineKind) -> Evaluator {
        let compiled = (engine == EngineKind::Compiled).then(|| Memo::new(self.compilation.clone()));
        Evaluator { rego: self.clone(), interpreter: None, compiled }
    }
}

/// What a text with meters may have: as written, it was read within regorus' own limits.
const METERED: PolicyLengthConfig = PolicyLengthConfig {
    max_col: NonZeroU32::MAX,
    max_file_bytes: NonZeroUsize::MAX,
    max_lines: NonZeroUsize::MAX,
};

/// Adds a module with its meters, and returns it as it was written.
fn add(prepared: &mut Prepared, text: &SourceText) -> Result<Option<Ref<AstModule>>, Diagnostic> {
    let Prepared { engine, meters } = prepared;
    let meters = Arc::make_mut(meters);
    let (name, before) = (text.name.to_string(), engine.clone());
    let add = |engine: &mut regorus::Engine, content: String| {
        engine.add_policy(name.clone(), content).map_err(|error| diagnostic(text, &error.to_string()))
    };
    add(engine, text.text.to_string())?;
    let module = engine.get_modules().last().cloned();
    if let Some(metered) = module.as_ref().and_then(|module| metered::meter(module, &text.text)) {
        *engine = before;
        engine.set_policy_length_config(METERED);
        add(engine, metered.text)?;
        engine.clear_policy_length_config();
        meters.insert(name, metered.inserted);
    }
    Ok(module)
}

/// regorus compares the time that has passed with a limit each time that so many steps are done. With no time
/// allowed, the first comparison ends the evaluation: a limit in steps.
const STEP_LIMIT: ExecutionTimerConfig =
    ExecutionTimerConfig { limit: Duration::ZERO, check_interval: limits::STEPS };

/// Evaluates rules on one thread. Evaluators share modules, not inputs.
pub struct Evaluator {
    rego: Rego,
    /// Made when it is first needed.
    interpreter: Option<Prepared>,
    /// For the compiled rules; none if the interpreter evaluates all of them.
    compiled: Option<Memo>,
}

impl Evaluator {
    /// The steps that the last compiled rule took.
    #[cfg(test)]
    pub(super) fn steps(&self) -> u32 {
        self.compiled.as_ref().map_or(0, |memo| memo.steps)
    }

    fn interpreter(&mut self) -> Result<&mut Prepared, EvaluationError> {
        let interpreter = match self.interpreter.take() {
            Some(interpreter) => interpreter,
            None => self.rego.interpreter.made()?.clone(),
        };
        Ok(self.interpreter.insert(interpreter))
    }

    /// Evaluates a rule on a document and these parameters.
    ///
    /// # Errors
    /// If the rule exceeded a limit, a builtin failed, or the rule has conflicting values. [`Answer::elements`]
    /// checks that the value has the form that a policy requires.
    pub fn evaluate(
        &mut self,
        rule: &RuleId,
        document: &InputDocument,
        parameters: &ParameterValues,
    ) -> Result<Answer, EvaluationError> {
        self.evaluate_by(EngineKind::Compiled, rule, document, parameters)
    }

    /// The same, and only by the interpreter if that is to be.
    ///
    /// # Errors
    /// As [`Evaluator::evaluate`].
    pub fn evaluate_by(
        &mut self,
        engine: EngineKind,
        rule: &RuleId,
        document: &InputDocument,
        parameters: &ParameterValues,
    ) -> Result<Answer, EvaluationError> {
        limits::begin();
        let value = match (self.position(engine, rule), &mut self.compiled) {
            (Some(position), Some(memo)) => memo.evaluate(position, document, parameters),
            _ => self.interpret(rule, document.with(parameters)),
        };
        match value {
            Ok(value) if limits::size(&value, limits::ANSWER) >= limits::ANSWER => {
                Err(EvaluationError::AnswerTooLarge)
            }
            Ok(value) => Ok(Answer { rule: rule.clone(), value }),
            Err(_) if limits::exceeded() => Err(EvaluationError::BytesExceeded),
            Err(error) => Err(error),
        }
    }

    /// A question with its answer, if a compiled rule gave it.
    pub fn question(
        &self,
        rule: &RuleId,
        document: &InputDocument,
        parameters: &ParameterValues,
        answer: &Result<Answer, EvaluationError>,
    ) -> Option<Question> {
        self.position(EngineKind::Compiled, rule)?;
        Some(Question {
            rego: self.rego.clone(),
            rule: rule.clone(),
            document: document.clone(),
            parameters: parameters.clone(),
            answer: answer.clone(),
        })
    }

    /// Whether compiled rules have come to what even the same request has otherwise the next time: the time, or its uid.
    pub fn is_passing(&self) -> bool {
        self.compiled.as_ref().is_some_and(Memo::is_passing)
    }

    /// Whether this engine leaves the rule to the interpreter.
    pub fn interprets(&self, engine: EngineKind, rule: &RuleId) -> bool {
        self.position(engine, rule).is_none()
    }

    /// The position of the compiled form that this engine evaluates; none if the interpreter does.
    fn position(&self, engine: EngineKind, rule: &RuleId) -> Option<usize> {
        self.compiled.as_ref().filter(|_| engine == EngineKind::Compiled)?;
        self.rego.program().position(rule)
    }

    fn interpret(&mut self, rule: &RuleId, input: Value) -> Result<Value, EvaluationError> {
        let Prepared { engine, meters } = self.interpreter()?;
        engine.set_input(input);
        let value = engine.eval_rule(rule.as_str().to_owned());
        value.map_err(|error| interpreter_error(&error, meters))
    }

    /// The lines reached so far; only for an evaluator that measures coverage.
    ///
    /// # Errors
    /// The engine's error message.
    pub fn coverage(&self) -> Result<Vec<Coverage>, String> {
        let Some(interpreter) = &self.interpreter else { return Ok(Vec::new()) };
        let report =
            interpreter.engine.get_coverage_report().map_err(|error| one_line(&error.to_string()))?;
        let of_file = |file: regorus::coverage::File| Coverage {
            source: file.path,
            reached: file.covered,
            missed: file.not_covered,
        };
        Ok(report.files.into_iter().map(of_file).collect())
    }
}

/// The lines of a module that were reached or missed. Lines without code are in neither set.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Name of the source.
    pub source: String,
    /// 1-based.
    pub reached: BTreeSet<u32>,
    /// 1-based.
    pub missed: BTreeSet<u32>,
}

/// Runs `work` on a thread with a stack that is large enough for Rego, and waits for it.
pub fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    thread::scope(|scope| {
        let running = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?;
        running.join().map_err(|panic| std::panic::resume_unwind(panic))
    })
}

/// Whether the environment makes parsing many times slower: regorus' parser backtracks through errors, and
/// each of them then captures a backtrace.
pub fn backtraces_slow_parsing(rust_backtrace: Option<&str>, rust_lib_backtrace: Option<&str>) -> bool {
    rust_lib_backtrace.or(rust_backtrace).is_some_and(|value| value != "0")
}
