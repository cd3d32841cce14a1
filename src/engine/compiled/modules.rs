//! Compiles all modules together: which rules there are, what each uses, and which are left to the interpreter.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use super::compile::{Compiler, unknown};
use super::program::{Form, Program, Rule, Unsupported};
use crate::engine::ast::{self, AstModule, RuleHead};
use crate::engine::reads::{fixed_path, fixed_start};
use crate::engine::walk;

/// Lines that may be evaluated within one another, through all rules that use one another: each takes its part of the
/// stack.
const DEEPEST: usize = 4000;
/// What the use of a rule takes of the stack, in lines.
const LINES_OF_A_CALL: usize = 4;

/// What a rule uses, and the most lines that one of its definitions has.
struct Uses {
    rules: BTreeSet<usize>,
    lines: usize,
}

/// A module and what its names stand for.
pub(super) struct Names {
    /// Its number.
    pub(super) module: u32,
    pub(super) package: String,
    pub(super) imports: HashMap<String, Vec<String>>,
}

/// A rule as written: its definitions with their modules.
pub(super) struct Source<'a> {
    path: Arc<str>,
    pub(super) form: Option<Form>,
    pub(super) definitions: Vec<(&'a ast::Rule, usize)>,
}

impl Program {
    /// Compiles what it can of these modules.
    pub fn of<'a>(modules: impl Iterator<Item = &'a AstModule>) -> Self {
        let mut sources: Vec<Source<'a>> = Vec::new();
        let mut positions: HashMap<Arc<str>, usize> = HashMap::new();
        let mut program = Self::default();
        let mut names = Vec::new();
        for (module, ast) in modules.enumerate() {
            program.sources.push(ast.package.span.source.file().as_str().into());
            let of_module = Names::of(module, ast);
            for rule in &ast.policy {
                // A rule whose name is not fixed can have a value at any path below.
                let fixed = fixed_path(walk::head(rule));
                let name = fixed.clone().unwrap_or_else(|| fixed_start(walk::head(rule)));
                let path: Arc<str> = format!("data.{}.{}", of_module.package, name.join(".")).into();
                let form = if name.len() == 1 && fixed.is_some() { form(rule) } else { None };
                let position = *positions.entry(path.clone()).or_insert_with(|| {
                    sources.push(Source { path, form, definitions: Vec::new() });
                    sources.len() - 1
                });
                if let Some(source) = sources.get_mut(position) {
                    // A default says nothing of the form.
                    let is_default = matches!(**rule, ast::Rule::Default { .. });
                    if source.definitions.iter().all(|(rule, _)| matches!(rule, ast::Rule::Default { .. })) {
                        source.form = form;
                    } else if !is_default && source.form != form {
                        source.form = None;
                    }
                    source.definitions.push((rule, module));
                }
            }
            names.push(of_module);
        }
        program.positions = positions;
        let mut uses = Vec::new();
        for source in &sources {
            let (rule, used) = program.rule(source, &sources, &names);
            program.rules.push(rule);
            uses.push(used);
        }
        program.link(&uses);
        program
    }

    fn rule(&mut self, source: &Source<'_>, sources: &[Source<'_>], names: &[Names]) -> (Rule, Uses) {
        let mut rule = Rule {
            path: source.path.clone(),
            form: source.form.unwrap_or(Form::Complete),
            definitions: Vec::new(),
            default: None,
            reads: 0,
            unsupported: source
                .form
                .is_none()
                .then(|| Unsupported::Construct("a name that is no plain name".into())),
            constant: OnceLock::new(),
        };
        let (mut used, mut lines) = (BTreeSet::new(), 0);
        for (definition, module) in &source.definitions {
            let Some(names) = names.get(*module) else { continue };
            let mut compiler = Compiler {
                positions: &self.positions,
                sources,
                names,
                parts: &mut self.parts,
                scope: Vec::new(),
                uses: &mut used,
                reads: 0,
                lines: 0,
            };
            let compiled = match definition {
                ast::Rule::Default { args, value, .. } if args.is_empty() && rule.default.is_none() => {
                    compiler.term(value).map(|value| rule.default = Some(value))
                }
                ast::Rule::Default { .. } => unknown("a default of a function"),
                ast::Rule::Spec { .. } => {
                    compiler.definition(definition).map(|definition| rule.definitions.push(definition))
                }
            };
            rule.reads |= compiler.reads;
            lines = lines.max(compiler.lines);
            if let Err(reason) = compiled {
                rule.unsupported.get_or_insert(reason);
            }
        }
        (rule, Uses { rules: used, lines: lines + LINES_OF_A_CALL })
    }

    /// What a rule uses counts for it. No rule uses itself: the checks refuse cycles.
    fn link(&mut self, uses: &[Uses]) {
        let mut depths: Vec<usize> = uses.iter().map(|uses| uses.lines).collect();
        loop {
            let mut changed = false;
            for (position, used) in uses.iter().enumerate() {
                for &other in &used.rules {
                    let Some(from) = self.rules.get(other) else { continue };
                    let (path, reads, unsupported) =
                        (from.path.clone(), from.reads, from.unsupported.is_some());
                    let depth = depths.get(other).map_or(0, |depth| depth + used.lines);
                    let (Some(rule), Some(own)) = (self.rules.get_mut(position), depths.get_mut(position))
                    else {
                        continue;
                    };
                    changed |= rule.reads | reads != rule.reads;
                    rule.reads |= reads;
                    if unsupported && rule.unsupported.is_none() {
                        rule.unsupported = Some(Unsupported::Uses(path));
                        changed = true;
                    }
                    if depth > *own && rule.unsupported.is_none() {
                        *own = depth;
                        changed = true;
                        if depth > DEEPEST {
                            rule.unsupported =
                                Some(Unsupported::Construct("too many rules that use one another".into()));
                        }
                    }
                }
            }
            if !changed {
                return;
            }
        }
    }
}

impl Names {
    fn of(position: usize, module: &AstModule) -> Self {
        let mut imports = HashMap::new();
        for import in &module.imports {
            let Some(path) = fixed_path(&import.refr) else { continue };
            let alias = import.r#as.as_ref().map(|span| span.text().to_owned());
            if let Some(name) = alias.or_else(|| path.last().cloned()) {
                imports.insert(name, path);
            }
        }
        // A text has fewer modules than a number has values.
        let module_number = u32::try_from(position).unwrap_or(u32::MAX);
        Self {
            module: module_number,
            package: fixed_path(&module.package.refr).unwrap_or_default().join("."),
            imports,
        }
    }
}

fn form(rule: &ast::Rule) -> Option<Form> {
    match rule {
        ast::Rule::Spec { head: RuleHead::Func { args, .. }, .. } => {
            (!args.is_empty()).then_some(Form::Function)
        }
        ast::Rule::Spec { head: RuleHead::Set { key, .. }, .. } => key.is_some().then_some(Form::Set),
        ast::Rule::Spec { head: RuleHead::Compr { .. }, .. } | ast::Rule::Default { .. } => {
            Some(Form::Complete)
        }
    }
}
