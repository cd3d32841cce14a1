//! The report as SARIF 2.1.0, for code scanning by GitHub, Azure DevOps and editors.
//!
//! A policy is a rule, a finding a result. Known findings are suppressed. A policy that was not evaluated,
//! or from which the object is exempt, has no result: it is a notification.

mod types;

use std::collections::BTreeMap;

use types::{
    ArtifactLocation, Configuration, Driver, Invocation, Level, Location, Log, LogicalLocation, Message,
    Notification, PhysicalLocation, Properties, Region, ResultItem, Rule, Run, Suppression, Text, Tool,
};

use super::exceptions::{Topic, notices};
use super::location::{self, Fingerprints, Lines, ReportLocation};
use super::{Found, Report, ReviewedObject};
use crate::diagnostic::Diagnostic;
use crate::path;
use crate::plain;
use crate::policy::{Action, Policy, Severity};

/// GitHub rejects a run with more results, and stores the first 5,000 of them.
const RESULTS: usize = 25_000;
/// Characters that GitHub shows of a rule's descriptions.
const DESCRIPTION: usize = 1024;
/// Categories whose findings belong with a repository's security alerts.
const SECURITY: &[&str] = &["encryption", "security", "data-protection"];
/// The base of relative paths.
const ROOT: &str = "%SRCROOT%";

/// The report as one SARIF log.
///
/// # Errors
/// Only if serde_json fails to write, which cannot happen for these types.
pub fn render(report: &Report) -> Result<String, serde_json::Error> {
    render_at_most(report, RESULTS)
}

fn render_at_most(report: &Report, limit: usize) -> Result<String, serde_json::Error> {
    let rules = rules(report);
    let places: BTreeMap<&str, usize> =
        rules.iter().enumerate().map(|(index, rule)| (rule.id, index)).collect();
    let mut fingerprints = Fingerprints::default();
    let findings = location::worst_first(report);
    let cut = findings.len().saturating_sub(limit);
    let results = findings.into_iter().take(limit);
    let results = results
        .map(|(object, found)| {
            let index = places.get(found.finding.policy.as_str()).copied().unwrap_or_default();
            result(object, found, index, &mut fingerprints)
        })
        .collect();
    let mut configuration = conditions(report);
    if cut > 0 {
        configuration.push(Notification::new(
            Level::Warning,
            format!(
                "{cut} more findings are left out: code scanning takes {limit}, and these are the least severe"
            ),
        ));
    }
    let run = Run {
        tool: Tool {
            driver: Driver { name: "stategate", semantic_version: env!("CARGO_PKG_VERSION"), rules },
        },
        invocations: [Invocation {
            execution_successful: report.errors.is_empty() && !report.failed(),
            tool_execution_notifications: problems(report),
            tool_configuration_notifications: configuration,
        }],
        original_uri_base_ids: BTreeMap::from([(
            ROOT,
            types::Base { description: Text::new("The directory that stategate check ran in.") },
        )]),
        results,
        column_kind: "unicodeCodePoints",
        properties: BTreeMap::from([("profile", report.profile.as_str())]),
    };
    let log = Log { schema: "https://json.schemastore.org/sarif-2.1.0.json", version: "2.1.0", runs: [run] };
    plain::json_of_texts(&log)
}

/// The rules of all findings; findings without a policy, such as an object that cannot be read, get one, too.
fn rules(report: &Report) -> Vec<Rule<'_>> {
    let mut rules: BTreeMap<&str, Rule<'_>> =
        report.policies.values().map(|policy| (policy.id.as_str(), rule(policy))).collect();
    for found in report.objects.iter().flat_map(|object| &object.findings) {
        let finding = &found.finding;
        rules.entry(finding.policy.as_str()).or_insert_with(|| Rule {
            id: finding.policy.as_str(),
            name: pascal(finding.policy.as_str()),
            short_description: Text::new(cut(&finding.title)),
            full_description: Text::new(cut(&finding.title)),
            help: Message { text: finding.fix.clone(), markdown: Some(markdown(&finding.fix)) },
            help_uri: finding.docs.as_deref(),
            default_configuration: Configuration { level: level(finding.action) },
            properties: properties(None, finding.severity),
        });
    }
    rules.into_values().collect()
}

fn rule(policy: &Policy) -> Rule<'_> {
    let mut text = format!("{}\n\nFix: {}", policy.description, policy.fix);
    let mut help = format!("{}\n\n**Fix:** {}", markdown(&policy.description), markdown(&policy.fix));
    for docs in &policy.related {
        text.push_str(&format!("\n\nRead more: {docs}"));
        help.push_str(&format!("\n\n[Read more]({docs})"));
    }
    let explain = format!("stategate explain {}", policy.id);
    text.push_str(&format!("\n\nExamples and parameters: {explain}"));
    help.push_str(&format!("\n\nExamples and parameters: `{explain}`"));
    Rule {
        id: policy.id.as_str(),
        name: pascal(policy.id.as_str()),
        short_description: Text::new(cut(&policy.title)),
        full_description: Text::new(cut(&policy.description)),
        help: Message { text, markdown: Some(help) },
        help_uri: policy.related.first().map(String::as_str),
        default_configuration: Configuration { level: level(policy.action) },
        properties: properties(Some(&policy.category), policy.severity),
    }
}

fn properties(category: Option<&str>, severity: Severity) -> Properties<'_> {
    let security = category.is_some_and(|category| SECURITY.contains(&category));
    let tags = ["kubernetes", "stateful"].into_iter().chain(category);
    let tags = tags.chain((security && category != Some("security")).then_some("security")).collect();
    Properties {
        tags,
        precision: "high",
        // How GitHub ranks findings that are not security alerts.
        problem_severity: match severity {
            Severity::Critical | Severity::High => "error",
            Severity::Medium => "warning",
            Severity::Low => "recommendation",
        },
        severity,
        category,
        // The middle of GitHub's bands: over 9 is critical, from 7 high, from 4 medium.
        security_severity: security.then_some(match severity {
            Severity::Critical => "9.5",
            Severity::High => "8.0",
            Severity::Medium => "5.5",
            Severity::Low => "2.0",
        }),
    }
}

fn result<'a>(
    object: &'a ReviewedObject,
    found: &'a Found,
    rule_index: usize,
    fingerprints: &mut Fingerprints<'a>,
) -> ResultItem<'a> {
    let finding = &found.finding;
    let elsewhere = location::rendered(object, found).map(|text| format!(" ({text})")).unwrap_or_default();
    let mut text = format!("{}{elsewhere}\nFix: {}", finding.display_message(), finding.fix);
    let mut shown = format!(
        "{}{}\n\n**Fix:** {}",
        markdown(&finding.display_message()),
        markdown(&elsewhere),
        markdown(&finding.fix)
    );
    let (_, reason) = finding.reason();
    let label = if finding.why.is_some() { "Why" } else { "Rule" };
    text.push_str(&format!("\n{label}: {reason}"));
    shown.push_str(&format!("\n\n**{label}:** {}", markdown(&reason)));
    let fingerprint = fingerprints.of(found);
    let mut partial_fingerprints = BTreeMap::from([("stategate/v1", fingerprint.clone())]);
    if object.template.is_some() {
        // GitHub would compute this from the line, which for a template is the same for all findings.
        partial_fingerprints.insert("primaryLocationLineHash", fingerprint);
    }
    ResultItem {
        rule_id: finding.policy.as_str(),
        rule_index,
        level: level(finding.action),
        message: Message { text: unlinked(&text), markdown: Some(shown) },
        locations: [Location {
            physical_location: physical(&ReportLocation::of(object, found), Some(found)),
            logical_locations: logical(object, &finding.path),
        }],
        partial_fingerprints,
        suppressions: if found.known {
            vec![Suppression {
                kind: "external",
                status: "accepted",
                justification: "listed in the file of known findings",
            }]
        } else {
            Vec::new()
        },
        fixes: fix(object, found).into_iter().collect(),
        properties: types::ResultProperties {
            severity: finding.severity,
            action: finding.action,
            binding: finding.binding.as_deref(),
        },
    }
}

/// What `stategate fix` would write for the object, if that fixes this finding.
fn fix(object: &ReviewedObject, found: &Found) -> Option<types::Fix> {
    let remedy = object.remedy.as_ref().filter(|remedy| remedy.policies.contains(&found.finding.policy))?;
    // An editor writes the text as it is, so nothing in it can be spelled out.
    if !plain::is_harmless(&remedy.text) {
        return None;
    }
    let policies: Vec<&str> = remedy.policies.iter().map(|policy| policy.as_str()).collect();
    let ((start_line, start_column), (end_line, end_column)) = (remedy.from, remedy.to);
    Some(types::Fix {
        description: Message {
            text: format!(
                "What stategate fix would write for {}: {}",
                object.display_name(),
                policies.join(", ")
            ),
            markdown: None,
        },
        artifact_changes: [types::ArtifactChange {
            artifact_location: artifact(&ReportLocation::of_object(object)),
            replacements: [types::Replacement {
                deleted_region: Region {
                    start_column: Some(start_column),
                    end_line: Some(end_line),
                    end_column: Some(end_column),
                    ..Region::line(start_line)
                },
                inserted_content: Text::new(&remedy.text),
            }],
        }],
    })
}

fn artifact(spot: &ReportLocation<'_>) -> ArtifactLocation {
    let uri = spot.path().map_or_else(|| location::encoded(spot.file), |path| location::encoded(&path));
    if uri.starts_with('/') {
        ArtifactLocation { uri: format!("file://{uri}"), uri_base_id: None }
    } else {
        ArtifactLocation { uri, uri_base_id: Some(ROOT) }
    }
}

fn physical(spot: &ReportLocation<'_>, found: Option<&Found>) -> PhysicalLocation {
    let artifact_location = artifact(spot);
    let Some(lines) = spot.lines else {
        // GitHub requires a line.
        return PhysicalLocation {
            artifact_location,
            region: found.map(|_| Region::line(1)),
            context_region: None,
        };
    };
    let Lines { line, column, end_line, end_column } = lines;
    // For a large node only the first line is kept, which is not the region's full text.
    let excerpt = found.map(|found| &found.excerpt).filter(|excerpt| {
        !excerpt.lines.is_empty() && excerpt.first_line + excerpt.lines.matches('\n').count() == end_line
    });
    PhysicalLocation {
        artifact_location,
        region: Some(Region {
            start_line: line,
            start_column: Some(column),
            end_line: Some(end_line),
            end_column: Some(end_column),
            snippet: excerpt
                .and_then(|excerpt| excerpt.lines.get(excerpt.node.clone()))
                .filter(|node| !node.is_empty())
                .map(Text::new),
        }),
        context_region: excerpt.map(|excerpt| Region {
            start_line: excerpt.first_line,
            start_column: None,
            end_line: Some(end_line),
            end_column: None,
            snippet: Some(Text::new(&excerpt.lines)),
        }),
    }
}

fn logical(object: &ReviewedObject, path: &[path::Segment]) -> Vec<LogicalLocation> {
    let name = object.display_name();
    let mut all = vec![LogicalLocation {
        name: plain::line(&object.name).into_owned(),
        fully_qualified_name: name.clone(),
        kind: "object",
    }];
    if !path.is_empty() {
        all.push(LogicalLocation {
            name: path::dotted(path),
            fully_qualified_name: format!("{name}#{}", plain::line(&path::pointer(path))),
            kind: "member",
        });
    }
    all
}

/// Errors and failed policies.
fn problems(report: &Report) -> Vec<Notification<'_>> {
    let errors = report.errors.iter().map(|one| error(one, Level::Error));
    let errors = errors.chain(report.warnings.iter().map(|one| error(one, Level::Warning)));
    let failures = report.objects.iter().flat_map(|object| {
        object.failures.iter().map(move |(policy, error, refuses)| {
            let text = format!("{}: the policy could not decide: {error}", object.display_name());
            let level = if *refuses { Level::Error } else { Level::Warning };
            Notification::new(level, text).at(object_location(object)).of(policy.as_str())
        })
    });
    errors.chain(failures).collect()
}

/// What was not evaluated, and why; notes.
fn conditions(report: &Report) -> Vec<Notification<'_>> {
    let objects = report.objects.iter().flat_map(|object| {
        let name = object.display_name();
        let unknown = object.unknown.iter().map({
            let name = name.clone();
            move |unknown| {
                let text = format!("{name}: not evaluated: {}; {}", unknown.reason(), unknown.remedy());
                Notification::new(Level::Note, text).at(object_location(object)).of(unknown.policy.as_str())
            }
        });
        let waived = object.waived.iter().map({
            let name = name.clone();
            move |waived| {
                let by = waived.exception.as_ref().map_or_else(
                    || "the object's annotation".to_owned(),
                    |exception| format!("exception {exception}"),
                );
                let text = format!("{name}: exempt by {by}: {}", waived.reason);
                Notification::new(Level::Note, text).at(object_location(object)).of(waived.policy.as_str())
            }
        });
        let notes = object.notes.iter().map(move |note| {
            Notification::new(Level::Note, format!("{name}: {note}")).at(object_location(object))
        });
        unknown.chain(waived).chain(notes)
    });
    let exceptions = notices(report).into_iter().map(|notice| {
        let level = match notice.topic {
            Topic::Expired | Topic::Expiring => Level::Warning,
            Topic::Unmatched => Level::Note,
        };
        let place = whole_line(&notice.exception.source, notice.exception.line);
        Notification::new(level, notice.text).at(place)
    });
    objects
        .chain(exceptions)
        .chain(
            report
                .relaxed
                .iter()
                .chain(&report.notes)
                .map(|note| Notification::new(Level::Note, note.clone())),
        )
        .collect()
}

fn error(error: &Diagnostic, level: Level) -> Notification<'_> {
    let help = error.help.as_ref().map(|help| format!("\nHelp: {}", plain::line(help))).unwrap_or_default();
    let mut place = whole_line(&error.source, error.line);
    if let Some(region) = &mut place.physical_location.region {
        region.start_column = (error.column > 0).then_some(error.column);
    }
    Notification::new(level, format!("{}{help}", plain::line(&error.message))).at(place)
}

/// A line of a file; 0: the whole file.
fn whole_line(file: &str, line: usize) -> Location {
    let mut physical_location = physical(&ReportLocation { file, lines: None }, None);
    physical_location.region = (line > 0).then(|| Region::line(line));
    Location { physical_location, logical_locations: Vec::new() }
}

fn object_location(object: &ReviewedObject) -> Location {
    Location {
        physical_location: physical(&ReportLocation::of_object(object), None),
        logical_locations: logical(object, &[]),
    }
}

fn level(action: Action) -> Level {
    match action {
        Action::Deny => Level::Error,
        Action::Warn => Level::Warning,
        Action::Audit => Level::Note,
    }
}

/// Converts `pvc-no-shrink` to `PvcNoShrink`.
fn pascal(id: &str) -> String {
    id.split('-')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str())
        })
        .collect()
}

/// Cuts a description to the length that GitHub shows.
fn cut(text: &str) -> String {
    match text.char_indices().nth(DESCRIPTION - 1) {
        Some((end, _)) if text.chars().count() > DESCRIPTION => {
            text.get(..end).unwrap_or_default().to_owned() + "…"
        }
        _ => text.to_owned(),
    }
}

/// Escapes brackets: in a plain message `[text](target)` is a link, which user text must not become.
fn unlinked(text: &str) -> String {
    if text.contains("](") { text.replace('[', "\\[").replace(']', "\\]") } else { text.to_owned() }
}

/// Text that Markdown shows verbatim; text in backticks is code.
fn markdown(text: &str) -> String {
    super::markdown::escaped(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::report::sample;

    #[test]
    fn descriptions_are_cut_at_characters() {
        assert_eq!(cut(&"é".repeat(DESCRIPTION)), "é".repeat(DESCRIPTION));
        let cut = cut(&"é".repeat(DESCRIPTION + 1));
        assert_eq!((cut.chars().count(), cut.chars().last()), (DESCRIPTION, Some('…')));
        assert_eq!(pascal("volume-no-emptydir-data"), "VolumeNoEmptydirData");
    }

    #[test]
    fn a_report_with_everything_agrees_with_the_official_schema() {
        let schema = include_str!("../../tests/fixtures/formats/sarif-schema-2.1.0.json");
        // The official schema does not escape a bracket here, which only lenient regular expressions accept.
        let schema = serde_json::from_str(&schema.replace("{2}]?$", "{2}\\\\]?$")).unwrap();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let log: serde_json::Value = serde_json::from_str(&render(&sample::report()).unwrap()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&log).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let run = &log["runs"][0];
        let results = run["results"].as_array().unwrap();
        let known: Vec<_> = results.iter().filter(|one| one.get("suppressions").is_some()).collect();
        assert_eq!(known.len(), 1);
        assert_eq!(known[0]["suppressions"][0]["kind"], "external");
        let prints: BTreeSet<String> =
            results.iter().map(|one| one["partialFingerprints"]["stategate/v1"].to_string()).collect();
        assert_eq!(prints.len(), results.len(), "two results have one fingerprint");
        let place = |one: &serde_json::Value| one["locations"][0]["physicalLocation"].clone();
        assert_eq!(place(&results[0])["artifactLocation"]["uri"], "shop/my%20pg.yaml");
        assert_eq!(place(&results[0])["region"]["snippet"]["text"], "b: 1");
        let rendered = results.iter().find(|one| one["ruleId"] == "object-unreadable").unwrap();
        assert_eq!(place(rendered)["artifactLocation"]["uri"], "chart/templates/pg.yaml");
        assert!(rendered["message"]["text"].as_str().unwrap().contains("(rendered: line 3 of <stdin>)"));
        assert_eq!(run["tool"]["driver"]["rules"][1]["properties"]["security-severity"], "9.5");
        let invocation = &run["invocations"][0];
        assert_eq!(invocation["executionSuccessful"], false);
        let told = |kind: &str| invocation[kind].to_string();
        assert!(told("toolExecutionNotifications").contains("the policy could not decide"));
        assert!(told("toolConfigurationNotifications").contains("exempt by exception legacy"));
        // A link that somebody wrote is no link.
        let messages: Vec<String> = [
            &invocation["toolExecutionNotifications"],
            &invocation["toolConfigurationNotifications"],
            &run["results"],
        ]
        .iter()
        .flat_map(|list| list.as_array().unwrap())
        .map(|one| one["message"].to_string())
        .collect();
        assert!(messages.iter().any(|message| message.contains("](javascript:x)")));
        for message in messages {
            assert!(!message.contains("`](javascript:x)"), "{message}");
        }
    }

    #[test]
    fn the_mildest_findings_are_left_out_where_there_are_too_many() {
        let report = sample::report();
        let all = report.objects.iter().flat_map(|object| &object.findings).count();
        let log: serde_json::Value = serde_json::from_str(&render_at_most(&report, 1).unwrap()).unwrap();
        let run = &log["runs"][0];
        assert_eq!(run["results"].as_array().unwrap().len(), 1);
        assert_eq!(run["results"][0]["level"], "error");
        let notes = run["invocations"][0]["toolConfigurationNotifications"].as_array().unwrap();
        let text = notes.last().unwrap()["message"]["text"].as_str().unwrap();
        assert!(text.starts_with(&format!("{} more findings are left out", all - 1)), "{text}");
    }
}
