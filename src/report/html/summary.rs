//! The part of the page that needs no script: the numbers, what was checked, and what was not.

use std::collections::BTreeMap;

use serde::Serialize;

use super::data::NO_CATEGORY;
use super::visible;
use crate::diagnostic::Diagnostic;
use crate::policy::{Action, Severity};
use crate::report::exceptions::notices;
use crate::report::text::{completed, counted, unjudged};
use crate::report::{Report, ReviewedObject, Summary, Totals};

const SEVERITIES: [Severity; 4] = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];

/// The data of the template.
#[derive(Default, Serialize)]
pub struct Page {
    pub style: &'static str,
    pub style_hash: String,
    pub script: &'static str,
    pub script_hash: String,
    pub data: String,
    headline: String,
    lead: String,
    mood: &'static str,
    profile: String,
    version: &'static str,
    /// `check`, or `audit` for the page that `serve` has beside its status.
    command: &'static str,
    tiles: Vec<Tile>,
    severities: Vec<&'static str>,
    categories: Vec<Category>,
    often: Vec<Often>,
    finding_count: usize,
    object_count: usize,
    open_count: usize,
    kinds: Vec<KindCount>,
    total: KindCount,
    not_covered: String,
    foreign: String,
    known: String,
    earlier: String,
    parts: Vec<Part>,
}

#[derive(Serialize)]
struct Tile {
    class: &'static str,
    name: &'static str,
    count: usize,
    says: &'static str,
}

#[derive(Serialize)]
struct Category {
    name: String,
    cells: Vec<Cell>,
    count: usize,
}

/// A policy with many findings.
#[derive(Serialize)]
struct Often {
    id: String,
    title: String,
    count: usize,
    /// In percent of the policy with the most findings.
    width: usize,
}

#[derive(Serialize)]
struct Cell {
    severity: &'static str,
    count: usize,
}

#[derive(Default, Serialize)]
struct KindCount {
    name: String,
    api_version: String,
    objects: usize,
    refused: usize,
    warned: usize,
    clean: usize,
}

/// Entries of one kind that are not findings.
#[derive(Serialize)]
struct Part {
    title: &'static str,
    says: &'static str,
    class: &'static str,
    items: Vec<Item>,
}

#[derive(Default, Serialize)]
struct Item {
    head: String,
    place: String,
    text: String,
    more: String,
}

/// The page of a report, without its style, script and data.
pub fn of(report: &Report) -> Page {
    let summary = report.summary();
    let refused = match &report.totals {
        Some(totals) => number(totals.refused()),
        None => report.objects.iter().filter(|object| refused(object)).count(),
    };
    let (mood, headline) = headline(&summary, refused);
    let lead = format!(
        "{} checked with the profile {}; {} would be accepted.",
        counted(summary.objects, "object"),
        report.profile,
        summary.objects.saturating_sub(refused),
    );
    let lead = match &report.totals {
        Some(Totals { at, not_listed, .. }) => {
            let when = at.map(|at| format!(" This is what was stored at {at:.0}.")).unwrap_or_default();
            let rest = match not_listed {
                0 => String::new(),
                more => format!(
                    " {} more, milder than those below, {} not listed: stategate audit lists all.",
                    counted(number(*more), "result"),
                    if *more == 1 { "is" } else { "are" }
                ),
            };
            format!("{lead}{when}{rest}")
        }
        None => lead,
    };
    let lead = report.relaxed.iter().fold(lead, |lead, part| format!("{lead} {part}."));
    let kinds = kinds(report);
    let total = kinds.iter().fold(KindCount::default(), |total, kind| KindCount {
        objects: total.objects + kind.objects,
        refused: total.refused + kind.refused,
        warned: total.warned + kind.warned,
        clean: total.clean + kind.clean,
        ..total
    });
    let parts = parts(report);
    Page {
        headline,
        lead: visible(&lead),
        mood,
        profile: visible(&report.profile),
        version: env!("CARGO_PKG_VERSION"),
        tiles: tiles(&summary),
        severities: SEVERITIES.iter().map(|severity| severity.as_str()).collect(),
        categories: categories(report),
        often: often(report),
        finding_count: report.news().count(),
        object_count: summary.objects,
        command: if report.totals.is_some() { "audit" } else { "check" },
        open_count: parts.iter().map(|part| part.items.len()).sum(),
        kinds,
        total,
        not_covered: counted(summary.not_covered, "object"),
        foreign: counted(summary.foreign, "document"),
        known: counted(summary.known, "finding"),
        earlier: counted(summary.earlier, "finding"),
        parts,
        ..Page::default()
    }
}

/// At most a hundred names.
fn many(names: &[String]) -> String {
    const SHOWN: usize = 100;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| visible(name)).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn number(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn refused(object: &ReviewedObject) -> bool {
    object.findings.iter().any(|found| !found.known && found.finding.action == Action::Deny)
        || object.failures.iter().any(|(_, _, refuses)| *refuses)
}

fn categories(report: &Report) -> Vec<Category> {
    let mut counts: BTreeMap<&str, BTreeMap<Severity, usize>> = BTreeMap::new();
    for (_, found) in report.news() {
        let policy = report.policies.get(&found.finding.policy);
        let category = policy.map_or(NO_CATEGORY, |policy| &policy.category);
        *counts.entry(category).or_default().entry(found.finding.severity).or_default() += 1;
    }
    let row = |(name, counts): (&str, BTreeMap<Severity, usize>)| Category {
        name: visible(name),
        count: counts.values().sum(),
        cells: SEVERITIES
            .iter()
            .map(|severity| Cell {
                severity: severity.as_str(),
                count: counts.get(severity).copied().unwrap_or_default(),
            })
            .collect(),
    };
    counts.into_iter().map(row).collect()
}

fn often(report: &Report) -> Vec<Often> {
    const SHOWN: usize = 5;
    let mut counts: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for (_, found) in report.news() {
        counts.entry(found.finding.policy.as_str()).or_insert((&found.finding.title, 0)).1 += 1;
    }
    let mut counts: Vec<(&str, (&str, usize))> = counts.into_iter().collect();
    counts.sort_by_key(|(_, (_, count))| std::cmp::Reverse(*count));
    let most = counts.first().map_or(1, |(_, (_, count))| *count);
    let shown = counts.into_iter().take(SHOWN).map(|(id, (title, count))| Often {
        id: visible(id),
        title: visible(title),
        count,
        width: (count * 100).div_ceil(most),
    });
    shown.collect()
}

fn kinds(report: &Report) -> Vec<KindCount> {
    if let Some(totals) = &report.totals {
        let all = totals.kinds.iter().map(|((api_version, kind), of)| KindCount {
            name: visible(kind),
            api_version: visible(api_version),
            objects: number(of.objects),
            refused: number(of.refused),
            warned: number(of.warned),
            clean: number(of.objects.saturating_sub(of.refused + of.warned)),
        });
        return all.collect();
    }
    let mut kinds: BTreeMap<(&str, &str), KindCount> = BTreeMap::new();
    for object in &report.objects {
        let kind = kinds.entry((&object.kind, &object.api_version)).or_insert_with(|| KindCount {
            name: visible(&object.kind),
            api_version: visible(&object.api_version),
            ..KindCount::default()
        });
        kind.objects += 1;
        let news = object.findings.iter().any(|found| report.is_news(found));
        *(match (refused(object), news) {
            (true, _) => &mut kind.refused,
            (false, true) => &mut kind.warned,
            (false, false) => &mut kind.clean,
        }) += 1;
    }
    kinds.into_values().collect()
}

/// The mood of the page and its headline.
fn headline(summary: &Summary, refused: usize) -> (&'static str, String) {
    match () {
        () if refused > 0 => ("deny", format!("{} would be refused", counted(refused, "object"))),
        () if summary.errors > 0 => {
            ("deny", format!("{} could not be read", counted(summary.errors, "file")))
        }
        () if summary.objects == 0 => ("warn", "Nothing was checked".to_owned()),
        () if summary.warn > 0 => {
            ("warn", format!("Nothing is refused, {}", counted(summary.warn, "warning")))
        }
        () => ("good", "Nothing is refused".to_owned()),
    }
}

fn tiles(summary: &Summary) -> Vec<Tile> {
    vec![
        Tile {
            class: "deny",
            name: "Refused",
            count: summary.deny,
            says: "findings that refuse their object",
        },
        Tile { class: "warn", name: "Warned", count: summary.warn, says: "findings that only warn" },
        Tile {
            class: "audit",
            name: "Recorded",
            count: summary.audit,
            says: "findings that are only recorded",
        },
        Tile {
            class: "unknown",
            name: "Not evaluated",
            count: summary.unknown,
            says: "policies that need unknown objects",
        },
        Tile {
            class: "deny",
            name: "Failures",
            count: summary.failures,
            says: "policies that could not decide",
        },
        Tile {
            class: "deny",
            name: "Unreadable",
            count: summary.errors,
            says: "files that could not be read",
        },
    ]
}

fn told(error: &Diagnostic) -> Item {
    Item {
        head: visible(&error.message),
        place: match (error.line, error.column) {
            (0, _) => visible(&error.source),
            (line, 0) => format!("{}:{line}", visible(&error.source)),
            (line, column) => format!("{}:{line}:{column}", visible(&error.source)),
        },
        text: error.help.as_deref().map(visible).unwrap_or_default(),
        ..Item::default()
    }
}

fn parts(report: &Report) -> Vec<Part> {
    let unreadable = report.errors.iter().map(told);
    let doubtful = report.warnings.iter().map(told);
    let failures = report.objects.iter().flat_map(|object| {
        object.failures.iter().map(move |(policy, error, refuses)| Item {
            head: visible(&object.display_name()),
            place: visible(policy.as_str()),
            text: visible(error),
            more: if *refuses { "The failure refuses the object." } else { "The failure refuses nothing." }
                .to_owned(),
        })
    });
    let unknown = unjudged(report).into_iter().map(|one| Item {
        head: visible(&one.reason),
        text: visible(&one.policies.join(", ")),
        more: many(&one.objects),
        ..Item::default()
    });
    let counted_only = report.totals.iter().flat_map(|totals| &totals.unknown);
    let unknown = unknown.chain(counted_only.map(|((policy, reason), objects)| Item {
        head: visible(reason),
        text: visible(policy.as_str()),
        more: counted(number(*objects), "object"),
        ..Item::default()
    }));
    let waived = report.objects.iter().flat_map(|object| {
        object.waived.iter().map(move |waived| Item {
            head: visible(&object.display_name()),
            place: visible(waived.policy.as_str()),
            text: visible(&waived.reason),
            more: match &waived.exception {
                Some(exception) => visible(&format!("exception {exception}")),
                None => "the object's own annotation".to_owned(),
            },
        })
    });
    let completed = completed(report).into_iter().map(|(policies, objects)| Item {
        head: visible(&policies),
        more: many(&objects),
        ..Item::default()
    });
    let exceptions = notices(report).into_iter().map(|notice| Item {
        head: visible(&notice.exception.display_name()),
        place: visible(&notice.place()),
        text: visible(&notice.text),
        ..Item::default()
    });
    let of_objects = report.objects.iter().flat_map(|object| {
        object.notes.iter().map(move |note| Item {
            head: visible(&object.display_name()),
            text: visible(note),
            ..Item::default()
        })
    });
    let of_run = report.notes.iter().map(|note| Item {
        head: "This run".to_owned(),
        text: visible(note),
        ..Item::default()
    });
    let all = [
        (
            "Unreadable",
            "These files could not be read, so they were not checked.",
            "deny",
            unreadable.collect(),
        ),
        ("Warnings", "This could be read, but is hardly meant so.", "warn", doubtful.collect()),
        ("Policy failures", "These policies could not decide.", "deny", failures.collect()),
        (
            "Not evaluated",
            "These policies need what is not known: add other objects with --inventory, and fill in placeholders. This refuses nothing.",
            "warn",
            unknown.collect(),
        ),
        ("Exempt", "These objects are exempt from these policies.", "audit", waived.collect()),
        (
            "Exceptions",
            "These exceptions have expired, expire soon, or matched nothing.",
            "warn",
            exceptions.collect(),
        ),
        ("Completed at admission", "These policies would complete these objects.", "", completed.collect()),
        ("Notes", "Other information about the run and its objects.", "", of_objects.chain(of_run).collect()),
    ];
    all.into_iter()
        .map(|(title, says, class, items): (_, _, _, Vec<Item>)| Part { title, says, class, items })
        .filter(|part| !part.items.is_empty())
        .collect()
}
