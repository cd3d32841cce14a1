//! Recorded AdmissionReviews: one or more in a file, one after the other.

use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use crate::admission::{Request, wire};
use crate::diagnostic::{Diagnostic, SourceText};
use crate::plain;
use crate::source;

/// The files of a path: itself, or all `.json` and `.jsonl` files below it.
///
/// # Errors
/// If it cannot be read, or has none.
pub fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = source::files_below(path).map_err(crate::diagnostic::Diagnostics::from)?;
    files
        .retain(|file| file.extension().is_some_and(|extension| extension == "json" || extension == "jsonl"));
    anyhow::ensure!(
        !files.is_empty(),
        "{}: has no recorded requests\n  help: they are AdmissionReviews in files named *.json or *.jsonl",
        plain::path(path)
    );
    Ok(files)
}

/// The requests in a file.
///
/// # Errors
/// If the file cannot be read, or one of them is no AdmissionReview with a request.
pub fn requests(file: &Path) -> Result<Vec<Request>, Diagnostic> {
    let bytes = source::read_bytes(file)?;
    let name = file.display().to_string();
    let text = SourceText::new(name, "");
    let mut requests = Vec::new();
    for review in serde_json::Deserializer::from_slice(&bytes).into_iter::<Box<RawValue>>() {
        let review = review.map_err(|error| text.error(error.line(), error.column(), "is no JSON"))?;
        let request =
            wire::decode(review.get().as_bytes()).map_err(|error| text.error(0, 0, error.to_string()))?;
        requests.push(request);
    }
    Ok(requests)
}
