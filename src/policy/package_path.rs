//! Ties module paths to packages: an id or a package leads to its file, and no module loads from an
//! unexpected path.

use super::metadata::{ROOT_PACKAGE, package_line};
use crate::diagnostic::{Diagnostic, SourceText};

/// An error if a module's package does not match its path below the policy root:
/// `<category>/<policy>/<policy>.rego`, `<policy>_test.rego` beside it, `lib/<name>.rego`.
pub fn check(text: &SourceText, path: &str) -> Option<Diagnostic> {
    let (line, package) = package_line(text)?;
    let steps: Vec<&str> = path.split(['/', '\\']).collect();
    let stem = steps.last()?.strip_suffix(".rego")?;
    let (subject, suffix) = stem.strip_suffix("_test").map_or((stem, ""), |subject| (subject, "_test"));
    // A test may have its own package, or share that of the policy it tests.
    let fits =
        |wanted: &str| package == wanted || (!suffix.is_empty() && package == format!("{wanted}_test"));
    let wanted = match steps.as_slice() {
        ["lib", _] => format!("{ROOT_PACKAGE}.lib.{subject}"),
        [category, folder, _] if *folder == subject && is_name(category) && is_name(folder) => {
            format!("{ROOT_PACKAGE}.{category}.{folder}")
        }
        [category, folder, _] if is_name(category) && is_name(folder) && *category != "lib" => {
            return Some(misplaced(text, line, path, &format!("{category}/{folder}/{folder}{suffix}.rego")));
        }
        _ => {
            // The package itself is the best hint of where the file belongs.
            let belongs = match package.split('.').collect::<Vec<_>>().as_slice() {
                [ROOT_PACKAGE, "lib", name] => format!("lib/{}{suffix}.rego", of(name)),
                [ROOT_PACKAGE, category, name] => {
                    format!("{category}/{0}/{0}{suffix}.rego", of(name))
                }
                _ => format!("<category>/<policy>/<policy>{suffix}.rego, the names in snake_case"),
            };
            return Some(misplaced(text, line, path, &belongs));
        }
    };
    if fits(&wanted) {
        return None;
    }
    let message =
        format!("the package {package} does not fit the file {path}: nobody would look for it there");
    Some(
        text.error(line, PACKAGE.len() + 1, message)
            .with_help(format!("write `package {wanted}`, or move the file to where its package belongs")),
    )
}

const PACKAGE: &str = "package ";

fn of(name: &str) -> &str {
    name.strip_suffix("_test").unwrap_or(name)
}

/// Is it a valid package segment?
fn is_name(step: &str) -> bool {
    step.starts_with(|first: char| first.is_ascii_lowercase())
        && step.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn misplaced(text: &SourceText, line: usize, path: &str, belongs: &str) -> Diagnostic {
    text.error(line, 1, format!("a policy does not belong at {path} below the root of the policies"))
        .with_help(format!("move the file to {belongs}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, package: &str) -> Option<String> {
        let text = SourceText::new(format!("dir/{path}"), format!("# a comment\n{PACKAGE}{package}\n"));
        check(&text, path).map(|error| error.to_string())
    }

    #[test]
    fn what_fits_its_place_is_fine() {
        for (path, package) in [
            ("storage/pvc_no_shrink/pvc_no_shrink.rego", "stategate.storage.pvc_no_shrink"),
            ("storage/pvc_no_shrink/pvc_no_shrink_test.rego", "stategate.storage.pvc_no_shrink_test"),
            ("storage/pvc_no_shrink/pvc_no_shrink_test.rego", "stategate.storage.pvc_no_shrink"),
            ("lib/globs.rego", "stategate.lib.globs"),
            ("lib/globs_test.rego", "stategate.lib.globs_test"),
            ("own\\mine\\mine.rego", "stategate.own.mine # a remark"),
        ] {
            assert_eq!(said(path, package), None, "{path}");
        }
    }

    #[test]
    fn what_does_not_is_told_with_where_it_belongs() {
        for (path, package, wanted) in [
            (
                "storage/a/a.rego",
                "stategate.health.a",
                "dir/storage/a/a.rego:2:9: the package stategate.health.a does not fit the file storage/a/a.rego",
            ),
            ("storage/a/a.rego", "stategate.health.a", "write `package stategate.storage.a`"),
            ("storage/a/a_test.rego", "stategate.storage.b_test", "write `package stategate.storage.a`"),
            ("storage/a/b.rego", "stategate.storage.b", "move the file to storage/a/a.rego"),
            ("storage/a/helpers_test.rego", "stategate.storage.a", "move the file to storage/a/a_test.rego"),
            ("a.rego", "stategate.storage.a", "move the file to storage/a/a.rego"),
            ("deep/storage/a/a.rego", "stategate.storage.a", "move the file to storage/a/a.rego"),
            ("storage/a.rego", "stategate.storage.a", "move the file to storage/a/a.rego"),
            ("x.rego", "stategate.lib.x", "move the file to lib/x.rego"),
            ("lib/deep/x.rego", "stategate.lib.x", "move the file to lib/x.rego"),
            ("lib/x.rego", "stategate.lib.y", "write `package stategate.lib.x`"),
            ("storage/my-policy/my-policy.rego", "mine", "the names in snake_case"),
        ] {
            let said = said(path, package).unwrap_or_else(|| panic!("{path} as {package} was taken"));
            assert!(said.contains(wanted), "{wanted:?} is not in {said}");
        }
    }
}
