//! Goes through a rule once and tells what there is.

use crate::engine::rego::{AssignOp, Expr, Literal, Query, Rule, RuleBody, RuleHead, Span, WithModifier};

/// Something in a rule.
pub enum Node<'a> {
    /// A whole reference: `x`, `x.y`, `x[y].z`. What stands in its brackets follows by itself.
    Reference(&'a Expr),
    /// `f(x)`. Its arguments follow by themselves.
    Call(&'a Expr),
    /// A local name, where it is introduced.
    Declares(&'a Span),
    /// `with x as y`
    With(&'a WithModifier),
}

/// Where a rule's name stands.
pub fn head(rule: &Rule) -> &Expr {
    match rule {
        Rule::Spec {
            head: RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } | RuleHead::Func { refr, .. },
            ..
        }
        | Rule::Default { refr, .. } => refr,
    }
}

/// Tells of everything in a rule, in the order of the text. The recursion is bounded: brackets nest
/// 12 deep, and an expression has 250 operators (see `lint::text`).
pub fn rule<'a>(rule: &'a Rule, tell: &mut dyn FnMut(Node<'a>)) {
    Walk { tell }.rule(rule);
}

struct Walk<'w, 'a> {
    tell: &'w mut dyn FnMut(Node<'a>),
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
                        args.iter().for_each(|arg| self.pattern(arg));
                        assign.iter().for_each(|assign| self.expr(&assign.value));
                    }
                }
                bodies.iter().for_each(|body| self.body(body));
            }
            Rule::Default { refr, args, value, .. } => {
                self.brackets(refr);
                args.iter().for_each(|arg| self.pattern(arg));
                self.expr(value);
            }
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
                    vars.iter().for_each(|var| (self.tell)(Node::Declares(var)))
                }
                Literal::SomeIn { key, value, collection, .. } => {
                    key.iter().for_each(|key| self.pattern(key));
                    self.pattern(value);
                    self.expr(collection);
                }
                Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expr(expr),
                Literal::Every { key, value, domain, query, .. } => {
                    key.iter().for_each(|key| (self.tell)(Node::Declares(key)));
                    (self.tell)(Node::Declares(value));
                    self.expr(domain);
                    self.query(query);
                }
            }
            for modifier in &statement.with_mods {
                (self.tell)(Node::With(modifier));
                self.expr(&modifier.r#as);
            }
        }
    }

    fn pattern(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Var { span, .. } => (self.tell)(Node::Declares(span)),
            Expr::Array { items, .. } => items.iter().for_each(|item| self.pattern(item)),
            Expr::Object { fields, .. } => {
                for (_, key, value) in fields {
                    self.expr(key);
                    self.pattern(value);
                }
            }
            other => self.expr(other),
        }
    }

    fn expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                (self.tell)(Node::Reference(expr));
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
                self.expr(key);
                self.expr(value);
                self.query(query);
            }
            Expr::Call { params, .. } => {
                (self.tell)(Node::Call(expr));
                params.iter().for_each(|param| self.expr(param));
            }
            Expr::UnaryExpr { expr, .. } => self.expr(expr),
            Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } => {
                self.pattern(lhs);
                self.expr(rhs);
            }
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

    /// What stands in the brackets of a reference, or what it is taken from if that is no name.
    fn brackets(&mut self, expr: &'a Expr) {
        match expr {
            Expr::RefDot { refr, .. } => self.brackets(refr),
            Expr::RefBrack { refr, index, .. } => {
                self.brackets(refr);
                self.expr(index);
            }
            Expr::Var { .. } => {}
            other => self.expr(other),
        }
    }
}
