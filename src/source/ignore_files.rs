//! Faults in the files that name ignored paths. The walk says nothing of them, and ignores no more than what stands
//! before a byte that is not UTF-8.

use std::path::Path;

use ignore::gitignore::GitignoreBuilder;

use super::read_text;
use super::tree::tidy;
use super::walk::IGNORE_FILE;
use crate::diagnostic::Diagnostic;

/// The faults in the files of one directory. Patterns of a `.gitignore` that are none are git's business.
pub fn faults(directory: &Path) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    for name in [".gitignore", IGNORE_FILE] {
        let file = tidy(&directory.join(name));
        if !file.is_file() {
            continue;
        }
        let text = match read_text(&file) {
            Ok(text) => text,
            Err(error) => {
                faults.push(error);
                continue;
            }
        };
        let lines = text.text.lines().enumerate().filter(|_| name == IGNORE_FILE);
        faults.extend(lines.filter_map(|(index, line)| {
            let error = GitignoreBuilder::new("").add_line(None, line).err()?;
            let error = text.error(index + 1, 0, format!("{line:?} is no pattern of paths: {error}"));
            Some(error.with_help("write it as in a .gitignore"))
        }));
    }
    faults
}

/// The faults in the files above a directory, up to the root of its repository.
pub fn faults_above(directory: &Path) -> Vec<Diagnostic> {
    let Ok(real) = directory.canonicalize() else { return Vec::new() };
    let Some(root) = real.ancestors().find(|above| above.join(".git").exists()) else { return Vec::new() };
    let above = real.ancestors().skip(1).take_while(|above| above.starts_with(root));
    above.flat_map(faults).collect()
}
