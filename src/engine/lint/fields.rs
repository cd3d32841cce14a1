//! Checks reads of `input`: a field that never exists makes its line undefined, so the policy silently never
//! fires. Every read is followed through variables, arguments, helpers and their results, as far as that is
//! certain; uncertain reads are not reported.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use super::heads;
use super::names::{Callee, Purpose, Scope, Target, fixed_start};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::engine::ast::{Expr, Ref, Rule, RuleHead};
use crate::engine::reads::fixed_path;
use crate::engine::shape::{MissingField, Shape};
use crate::engine::walk::{self, AstNode, ValueOrigin};

/// The most steps from one name to the next; policies need only a few.
const MAX_STEPS: usize = 60;

/// The longest expression repeated in a message.
pub const MAX_SHOWN: usize = 80;
/// The most segments in the path of a rule; packages are not deeply nested.
const MAX_PACKAGE: usize = 8;

/// A rule and the origins of its local names.
pub struct KnownRule<'a> {
    pub scope: &'a Scope<'a>,
    pub rule: &'a Rule,
    pub locals: BTreeMap<&'a str, Vec<ValueOrigin<'a>>>,
}

/// The calls of each function: the calling rule and its arguments.
type Calls<'a> = HashMap<String, Vec<(usize, &'a [Ref<Expr>])>>;

pub struct Fields<'a> {
    pub rules: Vec<KnownRule<'a>>,
    /// The rules with each name, such as `stategate.lib.globs.matches_any`.
    pub by_name: HashMap<String, Vec<usize>>,
    calls: Calls<'a>,
    /// The shape of `input` in each package where it is known.
    inputs: &'a HashMap<String, Arc<Shape>>,
    /// The shape of `input` in all other packages.
    input: Arc<Shape>,
    found: RefCell<HashMap<(usize, &'a str), Arc<Shape>>>,
    values: RefCell<HashMap<String, Arc<Shape>>>,
    /// Whether rules hold for every request.
    pub always: RefCell<HashMap<String, bool>>,
    /// The references that the lines of a body need, by the body's address.
    pub needed: RefCell<HashMap<usize, Rc<BTreeSet<&'a str>>>>,
}

pub fn check<'a>(
    scopes: &'a [Scope<'a>],
    inputs: &'a HashMap<String, Arc<Shape>>,
    input: Arc<Shape>,
    errors: &mut Vec<Diagnostic>,
) {
    let fields = Fields::new(scopes, inputs, input);
    for (index, known) in fields.rules.iter().enumerate() {
        if known.scope.purpose == Purpose::Test {
            continue;
        }
        errors.extend(heads::parts(&fields, index));
        walk::rule(known.rule, &mut |node| match node {
            AstNode::Reference(expr) => errors.extend(fields.follow(index, expr, 0).err()),
            AstNode::Not(expr, body) => errors.extend(fields.negated(index, expr, body)),
            AstNode::Call(Expr::Call { fcn, params, .. }) => {
                if let ("object.get", [of, path, _]) =
                    (fixed_path(fcn).unwrap_or_default().join(".").as_str(), params.as_slice())
                {
                    errors.extend(fields.looked_up(index, of, path));
                }
            }
            _ => {}
        });
    }
}

impl<'a> Fields<'a> {
    fn new(
        scopes: &'a [Scope<'a>],
        inputs: &'a HashMap<String, Arc<Shape>>,
        input: Arc<Shape>,
    ) -> Fields<'a> {
        let mut rules = Vec::new();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let mut calls = Calls::new();
        for scope in scopes {
            for rule in &scope.module.policy {
                let index = rules.len();
                let name = fixed_start(walk::head(rule));
                by_name.entry(format!("{}.{}", scope.package, name.join("."))).or_default().push(index);
                let mut locals: BTreeMap<&str, Vec<ValueOrigin<'_>>> = BTreeMap::new();
                walk::rule(rule, &mut |node| match node {
                    AstNode::Declares(span, origin) => locals.entry(span.text()).or_default().push(origin),
                    AstNode::Unifies(span) => {
                        locals.entry(span.text()).or_default().push(ValueOrigin::Unknown)
                    }
                    // The arguments of calls in tests say nothing about `input`.
                    AstNode::Call(Expr::Call { fcn, params, .. }) if scope.purpose != Purpose::Test => {
                        let path = fixed_path(fcn).unwrap_or_default();
                        if let Callee::Function(_) = scope.callee(&path) {
                            calls.entry(scope.whole(&path)).or_default().push((index, params));
                        }
                    }
                    _ => {}
                });
                rules.push(KnownRule { scope, rule, locals });
            }
        }
        Fields {
            rules,
            by_name,
            calls,
            inputs,
            input,
            found: RefCell::default(),
            values: RefCell::default(),
            always: RefCell::default(),
            needed: RefCell::default(),
        }
    }

    /// The shape a reference leads to, or an error at the first field on its path that does not exist.
    pub fn follow(&self, rule: usize, expr: &'a Expr, steps: usize) -> Result<Arc<Shape>, Diagnostic> {
        let Some(KnownRule { scope, .. }) = self.rules.get(rule) else { return Ok(open()) };
        let (refr, span) = match expr {
            Expr::RefDot { refr, field, .. } => (refr, Some(&field.0)),
            Expr::RefBrack { refr, index, .. } => match index.as_ref() {
                Expr::String { span, .. } | Expr::RawString { span, .. } => (refr, Some(span)),
                _ => (refr, None),
            },
            other => return Ok(self.shape(rule, other, steps)),
        };
        if let Some(shape) = self.of_rule(scope, expr, steps) {
            return Ok(shape);
        }
        let shape = self.follow(rule, refr, steps)?;
        let Some(span) = span else { return Ok(shape.item()) };
        let name = text(span.text());
        shape
            .field(name)
            .map_err(|never| fault(scope.error_at_span(span, ""), refr.span().text(), name, &never))
    }

    /// Checks `object.get(of, path, default)`.
    fn looked_up(&self, rule: usize, of: &'a Expr, path: &'a Expr) -> Option<Diagnostic> {
        let keys: Vec<&Expr> = match path {
            Expr::Array { items, .. } => items.iter().map(AsRef::as_ref).collect(),
            key => vec![key],
        };
        let mut shape = self.shape(rule, of, 0);
        for key in keys {
            let (Expr::String { span, .. } | Expr::RawString { span, .. }) = key else { return None };
            let name = text(span.text());
            shape = match shape.field(name) {
                Ok(shape) => shape,
                Err(never) => {
                    let error = self.rules.get(rule)?.scope.error(key, "");
                    return Some(fault(error, of.span().text(), name, &never));
                }
            };
        }
        None
    }

    /// The shape of an expression in a rule.
    pub fn shape(&self, rule: usize, expr: &'a Expr, steps: usize) -> Arc<Shape> {
        let Some(KnownRule { scope, .. }) = self.rules.get(rule).filter(|_| steps < MAX_STEPS) else {
            return open();
        };
        let steps = steps + 1;
        match expr {
            Expr::Var { span, .. } => self.name(rule, span.text(), steps),
            Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                self.follow(rule, expr, steps).unwrap_or_else(|_| open())
            }
            Expr::Call { fcn, .. } => match fixed_path(fcn) {
                Some(path) if matches!(scope.callee(&path), Callee::Function(_)) => {
                    self.value(&scope.whole(&path), steps)
                }
                _ => open(),
            },
            Expr::Object { fields, .. } => {
                let field = |(key, value): (&'a Expr, &'a Expr)| match key {
                    Expr::String { span, .. } | Expr::RawString { span, .. } => {
                        Some((text(span.text()).to_owned(), self.shape(rule, value, steps)))
                    }
                    _ => None,
                };
                let fields = fields.iter().map(|(_, key, value)| field((key.as_ref(), value.as_ref())));
                fields
                    .collect::<Option<Vec<_>>>()
                    .map_or_else(open, |fields| Arc::new(Shape::made_of(fields)))
            }
            Expr::ArrayCompr { term, .. } | Expr::SetCompr { term, .. } => {
                Arc::new(Shape::List(self.shape(rule, term, steps)))
            }
            Expr::String { .. } | Expr::RawString { .. } | Expr::Number { .. } | Expr::Bool { .. } => {
                Arc::new(Shape::Scalar)
            }
            _ => open(),
        }
    }

    /// The shape of a name in a rule.
    pub fn name(&self, rule: usize, name: &'a str, steps: usize) -> Arc<Shape> {
        let Some(known) = self.rules.get(rule) else { return open() };
        if let Some(found) = self.found.borrow().get(&(rule, name)) {
            return Arc::clone(found);
        }
        let shape = if name == "input" {
            self.inputs.get(&known.scope.package).unwrap_or(&self.input).clone()
        } else if let Some(import) = known.scope.imports.get(name) {
            self.imported(known.scope, import, steps)
        } else if let Some(origins) = known.locals.get(name) {
            // While the shape is being determined, a name that refers to itself is open.
            self.found.borrow_mut().insert((rule, name), open());
            let shapes = origins.iter().map(|origin| match origin {
                ValueOrigin::Value(expr) => self.shape(rule, expr, steps),
                ValueOrigin::Item(expr) => self.shape(rule, expr, steps).item(),
                ValueOrigin::Argument(position) => self.argument(known, *position, steps),
                ValueOrigin::Unknown => open(),
            });
            Shape::one_of(shapes)
        } else if known.scope.names.has_rule(&known.scope.package, name) {
            self.value(&format!("{}.{name}", known.scope.package), steps)
        } else {
            open()
        };
        self.found.borrow_mut().insert((rule, name), Arc::clone(&shape));
        shape
    }

    fn imported(&self, scope: &Scope<'_>, path: &[String], steps: usize) -> Arc<Shape> {
        match path.split_first() {
            Some((root, rest)) if root == "input" => {
                let input = self.inputs.get(&scope.package).unwrap_or(&self.input).clone();
                rest.iter()
                    .fold(input, |shape, key| shape.field(key).unwrap_or_else(|_| Arc::new(Shape::Open)))
            }
            Some((_, rest)) => self.value(&rest.join("."), steps),
            None => Arc::new(Shape::Open),
        }
    }

    /// The shape of a rule in another package, if the reference names exactly that rule.
    fn of_rule(&self, scope: &Scope<'_>, expr: &'a Expr, steps: usize) -> Option<Arc<Shape>> {
        let path = fixed_path(expr).filter(|path| path.len() <= MAX_PACKAGE)?;
        let elsewhere = path.first().is_some_and(|root| root == "data" || scope.imports.contains_key(root));
        match scope.target(&path) {
            Target::Rule(name) if elsewhere && scope.whole(&path) == name => Some(self.value(&name, steps)),
            Target::Rule(_) | Target::Package(_) if elsewhere => Some(Arc::new(Shape::Open)),
            _ => None,
        }
    }

    /// The shape of an argument, from all calls of the function.
    fn argument(&self, known: &KnownRule<'a>, position: usize, steps: usize) -> Arc<Shape> {
        let path = fixed_start(walk::head(known.rule)).join(".");
        let calls = self.calls.get(&format!("{}.{path}", known.scope.package));
        let given = calls.into_iter().flatten().map(|(caller, params)| match params.get(position) {
            Some(param) => self.shape(*caller, param, steps),
            None => Arc::new(Shape::Open),
        });
        Shape::one_of(given)
    }

    /// The shape of a rule's value or of a function's result.
    fn value(&self, name: &str, steps: usize) -> Arc<Shape> {
        if let Some(found) = self.values.borrow().get(name) {
            return Arc::clone(found);
        }
        let Some(rules) = self.by_name.get(name).filter(|_| steps < MAX_STEPS) else { return open() };
        self.values.borrow_mut().insert(name.to_owned(), open());
        let mut shapes = Vec::new();
        for index in rules {
            let Some(known) = self.rules.get(*index) else { continue };
            let (refr, value) = match known.rule {
                Rule::Default { refr, value, .. } => (refr, self.shape(*index, value, steps)),
                Rule::Spec { head, bodies, .. } => {
                    let (refr, value) = match head {
                        RuleHead::Set { refr, key: Some(key), .. } => {
                            (refr, Arc::new(Shape::List(self.shape(*index, key, steps))))
                        }
                        RuleHead::Set { refr, key: None, .. } => (refr, open()),
                        RuleHead::Compr { refr, assign, .. } | RuleHead::Func { refr, assign, .. } => {
                            let own = assign.as_ref().map(|assign| &assign.value);
                            (
                                refr,
                                own.map_or(Arc::new(Shape::Scalar), |value| self.shape(*index, value, steps)),
                            )
                        }
                    };
                    let others = bodies.iter().filter_map(|body| body.assign.as_ref());
                    shapes.extend(others.map(|assign| self.shape(*index, &assign.value, steps)));
                    (refr, value)
                }
            };
            // Rules whose head has dots or brackets together make an object.
            shapes.push(if matches!(refr.as_ref(), Expr::Var { .. }) { value } else { open() });
        }
        let shape = Shape::one_of(shapes.into_iter());
        self.values.borrow_mut().insert(name.to_owned(), Arc::clone(&shape));
        shape
    }
}

fn open() -> Arc<Shape> {
    Arc::new(Shape::Open)
}

/// The text between the quotes of a literal.
pub fn text(written: &str) -> &str {
    written.trim_matches(['"', '`'])
}

fn fault(mut error: Diagnostic, of: &str, name: &str, never: &MissingField<'_>) -> Diagnostic {
    let of = if of.contains('\n') || of.len() > MAX_SHOWN { "it" } else { of };
    let (what, help) = match never {
        MissingField::Unknown(known) => {
            let names = known.keys().map(String::as_str);
            let help = did_you_mean(name, names.clone()).unwrap_or_else(|| match known.len() {
                0 => "declare it in METADATA under custom.parameters".to_owned(),
                _ => format!("it has {}", names.collect::<Vec<_>>().join(", ")),
            });
            (format!("{of} has no field {name}"), help)
        }
        MissingField::List => (
            format!("{of} is a list without a field {name}"),
            format!("go through it: `some x in {of}`, and then x.{name}"),
        ),
        MissingField::Scalar => (
            format!("{of} is text, a number or a boolean without a field {name}"),
            format!("compare {of} itself"),
        ),
    };
    error.message = format!("{what}, so this is undefined for every request");
    error.with_help(help)
}
