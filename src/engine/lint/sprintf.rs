//! Checks the formats of sprintf. The engine fails where OPA prints a best effort, so a faulty format would
//! lose the violation.

use super::names::Scope;
use crate::diagnostic::Diagnostic;
use crate::engine::ast::Expr;

const MAX_WIDTH: usize = 100;
const VERBS: &str = "use %s (text), %d (whole number), %v (anything), %f, %.2f or %x";

pub fn check(scope: &Scope<'_>, format: &Expr, arguments: &Expr) -> Option<Diagnostic> {
    let (Expr::String { value, .. } | Expr::RawString { value, .. }) = format else {
        return Some(
            scope
                .error(format, "the format of sprintf must be a literal, so that it can be checked")
                .with_help("write the text here: sprintf(\"container %s …\", [name])"),
        );
    };
    let text = value.as_string().ok()?;
    let verbs = match verbs(text) {
        Ok(verbs) => verbs,
        Err((message, help)) => return Some(scope.error(format, message).with_help(help)),
    };
    let Expr::Array { items, .. } = arguments else {
        return Some(
            scope
                .error(
                    arguments,
                    "the arguments of sprintf must be a literal list, so that they can be counted",
                )
                .with_help("write them here: sprintf(\"container %s …\", [name])"),
        );
    };
    (verbs != items.len()).then(|| {
        scope
            .error(format, format!("the format has {verbs} verbs, but there are {} arguments", items.len()))
            .with_help("one argument for each verb; a per cent sign is written %%")
    })
}

/// The number of arguments a format takes, or what is wrong with it and how to fix it.
fn verbs(format: &str) -> Result<usize, (String, String)> {
    let mut verbs = 0;
    let mut rest = format.chars().peekable();
    while let Some(next) = rest.next() {
        if next != '%' {
            continue;
        }
        let mut written = String::from('%');
        while let Some(c) = rest.next_if(|c| c.is_numeric() || ".+-# *[]".contains(*c)) {
            written.push(c);
        }
        let width = written.trim_start_matches('%').to_owned();
        let Some(verb) = rest.next() else {
            return Err((
                format!("the format ends in {written}, which is no verb"),
                "a per cent sign is written %%".to_owned(),
            ));
        };
        written.push(verb);
        let digits = width.trim_start_matches('.');
        if !digits.chars().all(|c| c.is_ascii_digit()) {
            return Err((format!("flags such as in {written} are not supported"), VERBS.to_owned()));
        }
        let too_wide = !digits.is_empty() && digits.parse::<usize>().map_or(true, |width| width >= MAX_WIDTH);
        if too_wide {
            return Err((
                format!("{written} is wider than {MAX_WIDTH}: padding like that takes memory without end"),
                "leave the width out".to_owned(),
            ));
        }
        match (verb, width.as_str()) {
            ('%', "") => continue,
            ('s' | 'd' | 'v' | 'f' | 'x', "") => {}
            ('d' | 'x', _) if !width.starts_with('.') => {}
            ('f', _) if width.starts_with('.') && digits.len() + 1 == width.len() && !digits.is_empty() => {}
            ('s' | 'd' | 'v' | 'f' | 'x' | '%', _) => {
                let message = format!("a width is not supported by {written}");
                return Err((
                    message,
                    "widths are for %d and %x (%5d, %04x), decimals for %f (%.2f)".to_owned(),
                ));
            }
            _ => return Err((format!("the verb {written} is not supported"), VERBS.to_owned())),
        }
        verbs += 1;
    }
    Ok(verbs)
}
