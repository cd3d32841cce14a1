//! The report for CI systems that show tests: JUnit XML, as Jenkins and GitLab read it.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::plain;

/// One test case.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// The suite it belongs to: a policy or a file.
    pub suite: String,
    /// The class that Jenkins groups it by; `None`: the suite.
    pub class: Option<String>,
    /// Its name.
    pub name: String,
    /// The file it is about; GitLab shows it beside the case.
    pub file: Option<String>,
    /// How long it took.
    pub time: Duration,
    /// Further output, whatever the verdict.
    pub output: String,
    /// How it ended.
    pub verdict: Verdict,
}

/// How a case ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It passed.
    #[default]
    Passed,
    /// It failed; the text says where and how.
    Failed(String),
    /// It could not run; the text says why.
    Broken(String),
}

/// The report of a check: a suite for each file, a case for each object.
///
/// # Errors
/// As [`render`].
pub fn of_check(report: &super::Report) -> Result<String, SerializeError> {
    render("stategate check", &super::cases::of(report))
}

/// The whole report, its suites sorted by name.
///
/// # Errors
/// Only if the XML cannot be serialized, which does not happen in memory.
pub fn render(name: &str, cases: &[Case]) -> Result<String, SerializeError> {
    let mut suites: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        suites.entry(&case.suite).or_default().push(case);
    }
    let mut report = quick_junit::Report::new(plain::line(name));
    report.set_time(cases.iter().map(|case| case.time).sum());
    report.add_test_suites(suites.into_iter().map(|(name, cases)| suite(name, &cases)));
    report.to_string()
}

fn suite(name: &str, cases: &[&Case]) -> TestSuite {
    let mut suite = TestSuite::new(plain::line(name));
    suite.set_time(cases.iter().map(|case| case.time).sum());
    suite.add_test_cases(cases.iter().map(|case| test_case(case)));
    suite
}

fn test_case(case: &Case) -> TestCase {
    let failing = |kind, text: &str| {
        let text = lines(text);
        let mut status = TestCaseStatus::non_success(kind);
        // Viewers show an attribute as one line: the first line goes there, the whole text inside.
        status.set_message(text.lines().next().unwrap_or_default()).set_description(&text);
        status
    };
    let status = match &case.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::Failed(text) => failing(NonSuccessKind::Failure, text),
        Verdict::Broken(text) => failing(NonSuccessKind::Error, text),
    };
    let mut written = TestCase::new(plain::line(&case.name), status);
    written.set_classname(plain::line(case.class.as_ref().unwrap_or(&case.suite))).set_time(case.time);
    if let Some(file) = &case.file {
        written.extra.insert("file".into(), plain::line(file).into_owned().into());
    }
    if !case.output.is_empty() {
        written.set_system_out(lines(&case.output));
    }
    written
}

/// Of several lines. XML has no way to write most control characters: quick-junit would drop them, and the rest of a
/// terminal escape with them.
fn lines(text: &str) -> String {
    plain::block(&text.replace("\r\n", "\n").replace('\t', "    ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(suite: &str, name: &str, verdict: Verdict) -> Case {
        let time = Duration::from_millis(2);
        Case { suite: suite.to_owned(), name: name.to_owned(), time, verdict, ..Case::default() }
    }

    fn read(cases: &[Case]) -> quick_junit::Report {
        quick_junit::Report::deserialize_from_str(&render("stategate test", cases).unwrap()).unwrap()
    }

    fn failure(case: &TestCase) -> (NonSuccessKind, &str, &str) {
        match &case.status {
            TestCaseStatus::NonSuccess { kind, message: Some(message), description: Some(text), .. } => {
                (*kind, message, text)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_suite_a_policy_with_its_cases_and_numbers() {
        let report = read(&[
            case("pvc-no-shrink", "test_a", Verdict::Passed),
            case("backup-declared", "test_b", Verdict::Failed("x.rego:3: no\nmore".to_owned())),
            case("pvc-no-shrink", "test_c", Verdict::Broken("cannot".to_owned())),
        ]);
        assert_eq!(report.name.as_deref(), Some("stategate test"));
        assert_eq!((report.tests, report.failures, report.errors), (3, 1, 1));
        assert_eq!(report.time, Some(Duration::from_millis(6)));
        let suites: Vec<_> = report
            .test_suites
            .iter()
            .map(|suite| (suite.name.as_str(), suite.tests, suite.failures, suite.errors, suite.time))
            .collect();
        let millis = |count| Some(Duration::from_millis(count));
        assert_eq!(suites, [("backup-declared", 1, 1, 0, millis(2)), ("pvc-no-shrink", 2, 0, 1, millis(4))]);
        let cases: Vec<&TestCase> = report.test_suites.iter().flat_map(|suite| &suite.test_cases).collect();
        let names: Vec<_> =
            cases.iter().map(|case| (case.name.as_str(), case.classname.as_deref().unwrap())).collect();
        assert_eq!(
            names,
            [("test_b", "backup-declared"), ("test_a", "pvc-no-shrink"), ("test_c", "pvc-no-shrink")]
        );
        assert_eq!(failure(cases[0]), (NonSuccessKind::Failure, "x.rego:3: no", "x.rego:3: no\nmore"));
        assert_eq!(cases[1].status, TestCaseStatus::success());
        assert_eq!(failure(cases[2]), (NonSuccessKind::Error, "cannot", "cannot"));
    }

    #[test]
    fn a_case_has_a_class_a_file_and_output() {
        let one = Case {
            class: Some("stategate.Pod".to_owned()),
            file: Some("a.yaml".to_owned()),
            output: "warned <of> it".to_owned(),
            ..case("a.yaml", "shop/pg", Verdict::Passed)
        };
        let report = read(&[one]);
        let case = &report.test_suites[0].test_cases[0];
        assert_eq!(case.name.as_str(), "shop/pg");
        assert_eq!(case.classname.as_deref(), Some("stategate.Pod"));
        assert_eq!(case.extra["file"].as_str(), "a.yaml");
        assert_eq!(case.system_out.as_deref(), Some("warned <of> it"));
    }

    #[test]
    fn nothing_breaks_out_of_the_xml() {
        let nasty = "a\u{0}b \u{1b}[31m \u{9b}1m \u{7f} \u{fffe} <x y=\"1\" z='2'> & ]]> \té\u{10ffff}\r\n::error::end";
        let first =
            "a\\u{0}b \\u{1b}[31m \\u{9b}1m \\u{7f} \\u{fffe} <x y=\"1\" z='2'> & ]]>     é\u{10ffff}";
        let text = format!("{first}\n\\u{{3a}}:error::end");
        let name = plain::line(nasty);
        let one = Case {
            class: Some(nasty.to_owned()),
            file: Some(nasty.to_owned()),
            output: nasty.to_owned(),
            ..case(nasty, nasty, Verdict::Failed(nasty.to_owned()))
        };
        let xml = render(nasty, std::slice::from_ref(&one)).unwrap();
        assert!(!xml.contains("]]>") && xml.chars().all(|c| c == '\n' || !c.is_control()), "{xml}");
        assert!(!xml.contains('\u{fffe}'), "{xml}");
        let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
        let suite = &report.test_suites[0];
        let case = &suite.test_cases[0];
        for shown in [report.name.as_deref(), Some(&suite.name), Some(&case.name), case.classname.as_deref()]
        {
            assert_eq!(shown, Some(&*name));
        }
        assert_eq!(case.extra["file"].as_str(), name);
        assert_eq!(case.system_out.as_deref(), Some(text.as_str()));
        assert_eq!(failure(case), (NonSuccessKind::Failure, first, text.as_str()));
    }
}
