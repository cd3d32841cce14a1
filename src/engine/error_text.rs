//! What regorus' errors say. It has an error type only for exceeded limits; others can be distinguished only by their
//! text.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Display;

use super::ast::{LimitError, Unparsed, error_line, error_place};
use super::evaluation::EvaluationError;
use super::metered::{self, Inserted};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};

/// What was put into sources, by their names.
pub type Meters = HashMap<String, Vec<Inserted>>;

/// An error at a place of a source as it was written, in the interpreter's words.
pub fn error_at(message: &str, source: &str, line: u32, column: u32) -> EvaluationError {
    let message = message.lines().next().unwrap_or_default().trim_end();
    of_text(without_operand(&format!("{message} ({source}:{line}:{column})")))
}

/// An error that names no place.
pub fn error_without_place(rendered: &str) -> EvaluationError {
    of_text(without_operand(&one_line(rendered)))
}

/// An error of the interpreter, whose modules have meters.
pub fn interpreter_error(
    error: &(impl AsRef<dyn Error + Send + Sync> + Display),
    meters: &Meters,
) -> EvaluationError {
    if let Some(LimitError::TimeLimitExceeded { .. }) = error.as_ref().downcast_ref() {
        return EvaluationError::StepsExceeded;
    }
    of_text(as_written(without_operand(&one_line(&error.to_string())), meters))
}

fn of_text(message: String) -> EvaluationError {
    // Out of a function, an exceeded limit comes as text.
    if message.contains("execution exceeded time limit") {
        EvaluationError::StepsExceeded
    } else if message.contains("multiple outputs") || message.starts_with("rule conflicts with rule at ") {
        EvaluationError::Conflict(message)
    } else {
        EvaluationError::Builtin(message)
    }
}

/// Errors quote operands and outputs: they are parts of the input, and may be credentials.
fn without_operand(message: &str) -> String {
    const QUOTING: [(&str, &str); 4] = [
        ("Got `", " It got another type"),
        ("found value: ", " It got another type"),
        ("multiple outputs Set(", "multiple outputs"),
        ("value for key `", "value for key generated multiple times"),
    ];
    for (quoting, instead) in QUOTING {
        if let Some((said, operand)) = message.split_once(quoting) {
            // The place comes last.
            let place = operand.rfind(" (").and_then(|at| operand.get(at..)).unwrap_or_default();
            let said = if instead.starts_with(' ') { said.trim_end() } else { said };
            return format!("{said}{instead}{place}");
        }
    }
    message.to_owned()
}

/// The message with its place, `(file:line:column)` at the end, in the text as it was written.
fn as_written(message: String, meters: &Meters) -> String {
    let placed = || {
        let (said, place) = message.strip_suffix(')')?.rsplit_once(" (")?;
        let mut parts = place.rsplitn(3, ':');
        let column: usize = parts.next()?.parse().ok()?;
        let line: usize = parts.next()?.parse().ok()?;
        let file = parts.next()?;
        let column = metered::original_column(meters.get(file)?, line, column);
        Some(format!("{said} ({file}:{line}:{column})"))
    };
    placed().unwrap_or(message)
}

/// What is wrong with a source that cannot be read.
pub fn diagnostic(text: &SourceText, rendered: &str) -> Diagnostic {
    let message = one_line(rendered);
    match error_place(rendered) {
        Some(place) => {
            let source = place.source.to_owned().into();
            let [line, column] = [place.line, place.column].map(|at| usize::try_from(at).unwrap_or(0));
            Diagnostic { source, line, column, message, help: None }
        }
        None => text.error(0, 0, message),
    }
}

/// The same of one of several sources.
pub fn unparsed(texts: &[SourceText], unparsed: &Unparsed) -> Diagnostics {
    let at_fault = texts.get(unparsed.position).cloned();
    diagnostic(&at_fault.unwrap_or_else(|| SourceText::new("policies", "")), &unparsed.rendered).into()
}

/// The `error:` line of a rendered error with its place, or all of it on one line.
pub fn one_line(rendered: &str) -> String {
    let place = rendered.lines().find_map(|line| line.trim().strip_prefix("--> "));
    match error_line(rendered) {
        Some(message) => match place {
            Some(place) => format!("{message} ({place})"),
            None => message.to_owned(),
        },
        None => rendered.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}
