//! The report as workflow commands: GitHub Actions shows each beside its line in a pull request's diff.

use super::exceptions::{Notice, Topic, notices};
use super::location::{self, ReportLocation};
use super::{Found, Report, ReviewedObject};
use crate::diagnostic::Diagnostic;
use crate::plain;
use crate::policy::Action;

/// GitHub shows at most this many annotations of one level for each step; the log has all.
const SHOWN: usize = 10;

/// One annotation a line, the worst first, since GitHub shows only the first few.
pub fn render(report: &Report) -> String {
    let mut all: Vec<Annotation> = report.errors.iter().map(error).collect();
    all.extend(report.warnings.iter().map(|warning| Annotation {
        level: Level::Warning,
        title: "hardly meant so".to_owned(),
        ..error(warning)
    }));
    let failures = report.objects.iter().flat_map(|object| {
        object.failures.iter().map(move |(policy, error, refuses)| Annotation {
            level: if *refuses { Level::Error } else { Level::Warning },
            place: place(&ReportLocation::of_object(object)),
            title: policy.to_string(),
            text: format!("{}: the policy could not decide: {error}", object.display_name()),
        })
    });
    all.extend(failures);
    all.extend(notices(report).iter().map(notice));
    let findings = location::worst_first(report).into_iter().filter(|(_, found)| report.is_news(found));
    all.extend(findings.map(|(object, found)| finding(object, found)));
    all.sort_by_key(|annotation| annotation.level);
    let mut out: String = all.iter().map(Annotation::command).collect();
    for level in [Level::Error, Level::Warning, Level::Notice] {
        let count = all.iter().filter(|annotation| annotation.level == level).count();
        if count > SHOWN {
            out.push_str(&format!(
                "{SHOWN} of {count} {} are shown as annotations; this log has all of them.\n",
                level.plural()
            ));
        }
    }
    out.push_str(&super::text::summary(report));
    out
}

struct Annotation {
    level: Level,
    /// `file=…,line=…`
    place: String,
    title: String,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Error,
    Warning,
    Notice,
}

impl Level {
    fn command(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Error => "errors",
            Self::Warning => "warnings",
            Self::Notice => "notices",
        }
    }
}

impl Annotation {
    fn command(&self) -> String {
        let comma = if self.place.is_empty() { "" } else { "," };
        let (level, title) = (self.level.command(), property(&self.title));
        format!("::{level} {}{comma}title={title}::{}\n", self.place, data(&self.text))
    }
}

fn finding(object: &ReviewedObject, found: &Found) -> Annotation {
    let finding = &found.finding;
    let mut text = format!("{}: {}\nfix: {}", object.display_name(), finding.display_message(), finding.fix);
    if let Some(rendered) = location::rendered(object, found) {
        text.push_str(&format!("\n{rendered}"));
    }
    let (label, reason) = finding.reason();
    text.push_str(&format!("\n{label}: {reason}"));
    if let Some(binding) = &finding.binding {
        text.push_str(&format!("\nbinding: {}", plain::line(binding)));
    }
    Annotation {
        level: match finding.action {
            Action::Deny => Level::Error,
            Action::Warn => Level::Warning,
            Action::Audit => Level::Notice,
        },
        place: place(&ReportLocation::of(object, found)),
        title: format!("{} [{}]", finding.policy, finding.severity),
        text,
    }
}

fn notice(notice: &Notice<'_>) -> Annotation {
    let mut place = file(&notice.exception.source);
    if !place.is_empty() && notice.exception.line > 0 {
        place.push_str(&format!(",line={}", notice.exception.line));
    }
    let level = match notice.topic {
        Topic::Expired | Topic::Expiring => Level::Warning,
        Topic::Unmatched => Level::Notice,
    };
    Annotation { level, place, title: notice.topic.id().to_owned(), text: notice.text.clone() }
}

fn error(error: &Diagnostic) -> Annotation {
    let mut place = file(&error.source);
    if error.line > 0 && !place.is_empty() {
        place.push_str(&format!(",line={}", error.line));
        if error.column > 0 {
            place.push_str(&format!(",col={}", error.column));
        }
    }
    let help = error.help.as_ref().map(|help| format!("\nhelp: {}", plain::line(help))).unwrap_or_default();
    Annotation {
        level: Level::Error,
        place,
        title: "cannot be read".to_owned(),
        text: format!("{}{help}", plain::line(&error.message)),
    }
}

fn place(spot: &ReportLocation<'_>) -> String {
    let mut place = file(spot.file);
    if place.is_empty() {
        return place;
    }
    place.push_str(&format!(",line={},endLine={}", spot.line(), spot.end_line()));
    // GitHub accepts columns only for a single line, and expects the end column to be inclusive.
    if let Some(lines) = spot.lines.filter(|lines| lines.line == lines.end_line) {
        let end = lines.end_column.saturating_sub(1).max(lines.column);
        place.push_str(&format!(",col={},endColumn={end}", lines.column));
    }
    place
}

fn file(file: &str) -> String {
    location::path(file).map(|path| format!("file={}", property(&path))).unwrap_or_default()
}

fn data(text: &str) -> String {
    // Line breaks are encoded below.
    let pieces: Vec<_> = text
        .split_inclusive(['\r', '\n'])
        .map(|piece| {
            let line = piece.trim_end_matches(['\r', '\n']);
            plain::line(line) + piece.get(line.len()..).unwrap_or_default()
        })
        .collect();
    pieces.concat().replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_command() {
        let annotation = Annotation {
            level: Level::Error,
            place: file("a,b:100%/\r\n::error::x.yaml"),
            title: "t::u,v=w".to_owned(),
            text: "100% of a::b, c\r\n::set-output name=x::y".to_owned(),
        };
        assert_eq!(
            annotation.command(),
            "::error file=a%2Cb%3A100%25/%0D%0A%3A%3Aerror%3A%3Ax.yaml,title=t%3A%3Au%2Cv=w::\
             100%25 of a::b, c%0D%0A::set-output name=x::y\n"
        );
    }

    #[test]
    fn the_worst_comes_first_and_what_is_not_shown_is_said() {
        let mut report = crate::report::sample::report();
        let all = render(&report);
        let levels: Vec<&str> =
            all.lines().filter_map(|line| line.strip_prefix("::")?.split(' ').next()).collect();
        let mut sorted = levels.clone();
        sorted.sort_by_key(|level| ["error", "warning", "notice"].iter().position(|one| one == level));
        assert_eq!(levels, sorted);
        assert!(!all.contains("are shown as annotations"), "{all}");
        report.errors = (0..11).map(|_| report.errors[0].clone()).collect();
        assert!(render(&report).contains("10 of 13 errors are shown"), "{}", render(&report));
    }
}
