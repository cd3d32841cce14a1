//! What a policy reads of the input, found in its AST: only that is built for it.

use std::collections::{BTreeMap, BTreeSet};

use super::rego::{AstModule, Expr, Literal, Module, Query, Rule, RuleBody, RuleHead};

/// Paths below `input` that are read, as far as they are fixed: `["review", "userInfo"]`.
/// The empty path means all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads(BTreeSet<Vec<String>>);

impl Reads {
    /// All of the input.
    pub fn everything() -> Self {
        Self(BTreeSet::from([Vec::new()]))
    }

    /// Is something at or below this path read, or something that contains it?
    pub fn reads(&self, path: &[&str]) -> bool {
        self.0.iter().any(|read| read.iter().zip(path).all(|(a, b)| a == b))
    }

    /// Both together.
    pub fn extend(&mut self, other: &Reads) {
        self.0.extend(other.0.iter().cloned());
    }
}

/// Summaries of modules; what helpers read counts for everybody who uses them.
pub fn modules<'a>(modules: impl Iterator<Item = &'a AstModule>) -> Vec<Module> {
    let mut found: Vec<(Module, BTreeSet<String>)> = modules.map(summary).collect();
    // Helpers may use helpers: repeat until nothing is added. The sets only grow, so this ends.
    loop {
        let by_package: BTreeMap<String, Reads> =
            found.iter().fold(BTreeMap::new(), |mut all, (module, _)| {
                all.entry(module.package.clone()).or_insert_with(Reads::default).extend(&module.reads);
                all
            });
        let mut changed = false;
        for (module, uses) in &mut found {
            let before = module.reads.0.len();
            for (package, reads) in &by_package {
                let mentioned = |used: &String| {
                    used == package
                        || package.starts_with(&format!("{used}."))
                        || used.starts_with(&format!("{package}."))
                };
                if *package != module.package && uses.iter().any(mentioned) {
                    module.reads.extend(reads);
                }
            }
            changed |= module.reads.0.len() != before;
        }
        if !changed {
            return found.into_iter().map(|(module, _)| module).collect();
        }
    }
}

fn summary(module: &AstModule) -> (Module, BTreeSet<String>) {
    let mut walk = Walk::default();
    for import in &module.imports {
        if let Some(path) = fixed_path(&import.refr) {
            match path.split_first() {
                Some((root, rest)) if root == "input" => drop(walk.reads.0.insert(rest.to_vec())),
                Some((root, rest)) if root == "data" => drop(walk.uses.insert(rest.join("."))),
                _ => {}
            }
        }
    }
    let mut rules: Vec<String> = Vec::new();
    for rule in &module.policy {
        walk.rule(rule);
        let head = match rule.as_ref() {
            Rule::Spec {
                head: RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } | RuleHead::Func { refr, .. },
                ..
            }
            | Rule::Default { refr, .. } => refr,
        };
        if let Some(name) = fixed_path(head).and_then(|path| path.into_iter().next())
            && !rules.contains(&name)
        {
            rules.push(name);
        }
    }
    let package = fixed_path(&module.package.refr).unwrap_or_default().join(".");
    (Module { package, rules, reads: walk.reads }, walk.uses)
}

#[derive(Default)]
struct Walk {
    reads: Reads,
    /// Paths below `data`, with dots.
    uses: BTreeSet<String>,
}

impl Walk {
    fn rule(&mut self, rule: &Rule) {
        match rule {
            Rule::Spec { head, bodies, .. } => {
                match head {
                    RuleHead::Compr { refr, assign, .. } => {
                        self.below(refr);
                        assign.iter().for_each(|assign| self.expr(&assign.value));
                    }
                    RuleHead::Set { refr, key, .. } => {
                        self.below(refr);
                        key.iter().for_each(|key| self.expr(key));
                    }
                    RuleHead::Func { refr, args, assign, .. } => {
                        self.below(refr);
                        args.iter().for_each(|arg| self.expr(arg));
                        assign.iter().for_each(|assign| self.expr(&assign.value));
                    }
                }
                bodies.iter().for_each(|body| self.body(body));
            }
            Rule::Default { value, args, .. } => {
                args.iter().for_each(|arg| self.expr(arg));
                self.expr(value);
            }
        }
    }

    fn body(&mut self, body: &RuleBody) {
        body.assign.iter().for_each(|assign| self.expr(&assign.value));
        self.query(&body.query);
    }

    fn query(&mut self, query: &Query) {
        for statement in &query.stmts {
            match &statement.literal {
                Literal::SomeVars { .. } => {}
                Literal::SomeIn { key, value, collection, .. } => {
                    key.iter().for_each(|key| self.expr(key));
                    self.expr(value);
                    self.expr(collection);
                }
                Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expr(expr),
                Literal::Every { domain, query, .. } => {
                    self.expr(domain);
                    self.query(query);
                }
            }
            for modifier in &statement.with_mods {
                self.expr(&modifier.r#as);
            }
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr),
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => {}
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().for_each(|item| self.expr(item))
            }
            Expr::Object { fields, .. } => fields.iter().for_each(|(_, key, value)| {
                self.expr(key);
                self.expr(value);
            }),
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.expr(term);
                self.query(query);
            }
            Expr::ObjectCompr { key, value, query, .. } => {
                self.expr(key);
                self.expr(value);
                self.query(query);
            }
            Expr::Call { fcn, params, .. } => {
                self.expr(fcn);
                params.iter().for_each(|param| self.expr(param));
            }
            Expr::UnaryExpr { expr, .. } => self.expr(expr),
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => {
                self.expr(lhs);
                self.expr(rhs);
            }
            Expr::Membership { key, value, collection, .. } => {
                key.iter().for_each(|key| self.expr(key));
                self.expr(value);
                self.expr(collection);
            }
        }
    }

    /// A reference: its fixed start says what is read; what stands in brackets is read, too.
    fn reference(&mut self, expr: &Expr) {
        let path = fixed_start(expr);
        match path.split_first() {
            Some((root, rest)) if root == "input" => drop(self.reads.0.insert(rest.to_vec())),
            Some((root, rest)) if root == "data" => drop(self.uses.insert(rest.join("."))),
            _ => {}
        }
        self.below(expr);
    }

    fn below(&mut self, expr: &Expr) {
        match expr {
            Expr::RefDot { refr, .. } => self.below(refr),
            Expr::RefBrack { refr, index, .. } => {
                self.below(refr);
                self.expr(index);
            }
            Expr::Var { .. } => {}
            other => self.expr(other),
        }
    }
}

/// The whole path of a reference, if all of it is fixed.
pub(super) fn fixed_path(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Var { span, .. } => Some(vec![span.text().to_owned()]),
        Expr::RefDot { refr, field, .. } => {
            let mut path = fixed_path(refr)?;
            path.push(field.0.text().to_owned());
            Some(path)
        }
        Expr::RefBrack { refr, index, .. } => match index.as_ref() {
            Expr::String { span, .. } | Expr::RawString { span, .. } => {
                let mut path = fixed_path(refr)?;
                path.push(span.text().trim_matches(['"', '`']).to_owned());
                Some(path)
            }
            _ => None,
        },
        _ => None,
    }
}

/// The longest start of a reference that is fixed; empty if it does not start with a name.
pub(super) fn fixed_start(expr: &Expr) -> Vec<String> {
    match (fixed_path(expr), expr) {
        (Some(path), _) => path,
        (None, Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. }) => fixed_start(refr),
        (None, _) => Vec::new(),
    }
}
