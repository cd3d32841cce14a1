//! Visits the parts of a rule.

use crate::engine::ast::{AssignOp, Expr, Literal, Query, Ref, Rule, RuleBody, RuleHead, Span, WithModifier};

/// A part of a rule.
pub enum AstNode<'a> {
    /// A whole reference: `x`, `x.y`, `x[y].z`. The contents of its brackets are visited separately.
    Reference(&'a Expr),
    /// `f(x)`. Its arguments are visited separately.
    Call(&'a Expr),
    /// A local name where it is introduced, and its origin.
    Declares(&'a Span, ValueOrigin<'a>),
    /// A name that is bound here unless it is bound elsewhere: in `x = y`, in brackets, in `walk`.
    Unifies(&'a Span),
    /// `not x`, and the body that contains the line. The negated expression is visited separately.
    Not(&'a Expr, &'a Query),
    /// `x + y`, `x | y`. The operands are visited separately.
    Operation(&'a Expr),
    /// `{x: y | …}`: the key and the value, which are visited separately.
    Entry(&'a Expr, &'a Expr),
    /// `with x as y`.
    With(&'a WithModifier),
}

/// The origin of a local name.
#[derive(Clone, Copy)]
pub enum ValueOrigin<'a> {
    /// This expression.
    Value(&'a Expr),
    /// An item of this collection.
    Item(&'a Expr),
    /// This argument of the function, counted from 0.
    Argument(usize),
    /// Something else.
    Unknown,
}

/// The reference in a rule's head.
pub fn head(rule: &Rule) -> &Expr {
    match rule {
        Rule::Spec {
            head: RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } | RuleHead::Func { refr, .. },
            ..
        }
        | Rule::Default { refr, .. } => refr,
    }
}

/// Visits every part of a rule in source order. The recursion is bounded: brackets nest at most 12 levels
/// deep, and an expression has at most 250 operators (see `lint::text`).
pub fn rule<'a>(rule: &'a Rule, tell: &mut dyn FnMut(AstNode<'a>)) {
    Walk { tell }.rule(rule);
}

struct Walk<'w, 'a> {
    tell: &'w mut dyn FnMut(AstNode<'a>),
}

impl<'a> Walk<'_, 'a> {
    fn rule(&mut self, rule: &'a Rule) {
        match rule {
            Rule::Spec { head, bodies, .. } => {
                match head {
                    RuleHead::Compr { refr, assign, .. } => {
                        self.brackets(refr);
                        assign.iter().for_each(|assign| self.expr(&assign.value));
                    }
                    RuleHead::Set { refr, key, .. } => {
                        self.brackets(refr);
                        key.iter().for_each(|key| self.expr(key));
                    }
                    RuleHead::Func { refr, args, assign, .. } => {
                        self.brackets(refr);
                        self.arguments(args);
                        assign.iter().for_each(|assign| self.expr(&assign.value));
                    }
                }
                bodies.iter().for_each(|body| self.body(body));
            }
            Rule::Default { refr, args, value, .. } => {
                self.brackets(refr);
                self.arguments(args);
                self.expr(value);
            }
        }
    }

    fn arguments(&mut self, arguments: &'a [Ref<Expr>]) {
        for (position, argument) in arguments.iter().enumerate() {
            self.pattern(argument, ValueOrigin::Argument(position));
        }
    }

    fn body(&mut self, body: &'a RuleBody) {
        body.assign.iter().for_each(|assign| self.expr(&assign.value));
        self.query(&body.query);
    }

    fn query(&mut self, query: &'a Query) {
        for statement in &query.stmts {
            match &statement.literal {
                Literal::SomeVars { vars, .. } => {
                    vars.iter().for_each(|var| (self.tell)(AstNode::Declares(var, ValueOrigin::Unknown)))
                }
                Literal::SomeIn { key, value, collection, .. } => {
                    key.iter().for_each(|key| self.pattern(key, ValueOrigin::Unknown));
                    self.pattern(value, ValueOrigin::Item(collection));
                    self.expr(collection);
                }
                Literal::Expr { expr, .. } => self.expr(expr),
                Literal::NotExpr { expr, .. } => {
                    (self.tell)(AstNode::Not(expr, query));
                    self.expr(expr);
                }
                Literal::Every { key, value, domain, query, .. } => {
                    key.iter().for_each(|key| (self.tell)(AstNode::Declares(key, ValueOrigin::Unknown)));
                    (self.tell)(AstNode::Declares(value, ValueOrigin::Item(domain)));
                    self.expr(domain);
                    self.query(query);
                }
            }
            for modifier in &statement.with_mods {
                (self.tell)(AstNode::With(modifier));
                self.expr(&modifier.r#as);
            }
        }
    }

    fn pattern(&mut self, expr: &'a Expr, origin: ValueOrigin<'a>) {
        match expr {
            Expr::Var { span, .. } => (self.tell)(AstNode::Declares(span, origin)),
            Expr::Array { items, .. } => {
                items.iter().for_each(|item| self.pattern(item, ValueOrigin::Unknown))
            }
            Expr::Object { fields, .. } => {
                for (_, key, value) in fields {
                    self.expr(key);
                    self.pattern(value, ValueOrigin::Unknown);
                }
            }
            other => self.expr(other),
        }
    }

    fn unifies(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Var { span, .. } => (self.tell)(AstNode::Unifies(span)),
            Expr::Array { items, .. } => items.iter().for_each(|item| self.unifies(item)),
            Expr::Object { fields, .. } => fields.iter().for_each(|(_, _, value)| self.unifies(value)),
            _ => {}
        }
    }

    fn expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                (self.tell)(AstNode::Reference(expr));
                self.brackets(expr);
            }
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => {}
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().for_each(|item| self.expr(item));
            }
            Expr::Object { fields, .. } => {
                for (_, key, value) in fields {
                    self.expr(key);
                    self.expr(value);
                }
            }
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.expr(term);
                self.query(query);
            }
            Expr::ObjectCompr { key, value, query, .. } => {
                (self.tell)(AstNode::Entry(key, value));
                self.expr(key);
                self.expr(value);
                self.query(query);
            }
            Expr::Call { fcn, params, .. } => {
                (self.tell)(AstNode::Call(expr));
                if let (Expr::Var { span, .. }, [_, out]) = (fcn.as_ref(), params.as_slice())
                    && span.text() == "walk"
                {
                    self.unifies(out);
                }
                params.iter().for_each(|param| self.expr(param));
            }
            Expr::UnaryExpr { expr, .. } => self.expr(expr),
            Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } => {
                self.pattern(lhs, ValueOrigin::Value(rhs));
                self.expr(rhs);
            }
            Expr::AssignExpr { lhs, rhs, .. } => {
                for side in [lhs, rhs] {
                    self.unifies(side);
                    self.expr(side);
                }
            }
            Expr::BinExpr { lhs, rhs, .. } | Expr::ArithExpr { lhs, rhs, .. } => {
                (self.tell)(AstNode::Operation(expr));
                self.expr(lhs);
                self.expr(rhs);
            }
            Expr::BoolExpr { lhs, rhs, .. } => {
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

    /// Visits the contents of a reference's brackets, and its base if that is not a name.
    fn brackets(&mut self, expr: &'a Expr) {
        match expr {
            Expr::RefDot { refr, .. } => self.brackets(refr),
            Expr::RefBrack { refr, index, .. } => {
                self.brackets(refr);
                self.unifies(index);
                self.expr(index);
            }
            Expr::Var { .. } => {}
            other => self.expr(other),
        }
    }
}
