//! The report as JUnit XML, as read by Jenkins, GitLab and other CI systems that show tests.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

/// One test case.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// The suite it belongs to: a policy or a file.
    pub suite: String,
    /// The class under which Jenkins groups it; defaults to the suite.
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
    /// As expected.
    #[default]
    Passed,
    /// Not as expected; the text says where and how.
    Failed(String),
    /// It could not be run; the text says why.
    Broken(String),
}

/// The report of a check: one suite per file, one case per object.
///
/// # Errors
/// As [`render`].
pub fn of_check(report: &super::Report) -> io::Result<String> {
    render("stategate check", &super::cases::of(report))
}

/// The whole report, with suites sorted by name.
///
/// # Errors
/// Only if the XML cannot be written, which cannot happen in memory.
pub fn render(name: &str, cases: &[Case]) -> io::Result<String> {
    let mut suites: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        suites.entry(&case.suite).or_default().push(case);
    }
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all: Vec<&Case> = cases.iter().collect();
    let numbers = numbers(name, &all);
    xml.create_element("testsuites")
        .with_attributes(pairs(&numbers))
        .write_inner_content(|xml| suites.iter().try_for_each(|(name, cases)| suite(xml, name, cases)))?;
    let mut text = String::from_utf8(xml.into_inner()).map_err(io::Error::other)?;
    text.push('\n');
    Ok(text)
}

fn suite(xml: &mut Writer<Vec<u8>>, name: &str, cases: &[&Case]) -> io::Result<()> {
    let numbers = numbers(name, cases);
    let element = xml.create_element("testsuite").with_attributes(pairs(&numbers));
    element.write_inner_content(|xml| cases.iter().try_for_each(|one| case(xml, one)))?;
    Ok(())
}

fn case(xml: &mut Writer<Vec<u8>>, case: &Case) -> io::Result<()> {
    let class = case.class.as_ref().unwrap_or(&case.suite);
    let mut attributes =
        vec![("name", clean(&case.name)), ("classname", clean(class)), ("time", seconds(case.time))];
    attributes.extend(case.file.as_ref().map(|file| ("file", clean(file))));
    let element = xml.create_element("testcase").with_attributes(pairs(&attributes));
    let ending = match &case.verdict {
        Verdict::Passed => None,
        Verdict::Failed(text) => Some(("failure", clean(text))),
        Verdict::Broken(text) => Some(("error", clean(text))),
    };
    if ending.is_none() && case.output.is_empty() {
        element.write_empty()?;
        return Ok(());
    }
    element.write_inner_content(|xml| {
        if let Some((tag, text)) = &ending {
            // Attributes do not preserve line breaks: the first line goes there, the full text inside.
            let message = text.lines().next().unwrap_or_default();
            let element = xml.create_element(*tag).with_attribute(("message", message));
            element.write_text_content(BytesText::new(text))?;
        }
        if !case.output.is_empty() {
            let output = clean(&case.output);
            xml.create_element("system-out").write_text_content(BytesText::new(&output))?;
        }
        Ok(())
    })?;
    Ok(())
}

fn numbers(name: &str, cases: &[&Case]) -> [(&'static str, String); 5] {
    let count = |wanted: fn(&Verdict) -> bool| cases.iter().filter(|case| wanted(&case.verdict)).count();
    [
        ("name", clean(name)),
        ("tests", cases.len().to_string()),
        ("failures", count(|verdict| matches!(verdict, Verdict::Failed(_))).to_string()),
        ("errors", count(|verdict| matches!(verdict, Verdict::Broken(_))).to_string()),
        ("time", seconds(cases.iter().map(|case| case.time).sum())),
    ]
}

fn pairs<'a>(attributes: &'a [(&'static str, String)]) -> impl Iterator<Item = (&'a str, &'a str)> {
    attributes.iter().map(|(key, value)| (*key, value.as_str()))
}

fn seconds(time: Duration) -> String {
    format!("{:.6}", time.as_secs_f64())
}

/// XML cannot represent some characters, not even as character references: these are escaped as in Rust.
fn clean(text: &str) -> String {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if allowed(c) { clean.push(c) } else { clean.extend(c.escape_unicode()) }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use quick_xml::Reader;
    use quick_xml::events::BytesStart;

    fn case(suite: &str, name: &str, verdict: Verdict) -> Case {
        let time = Duration::from_micros(1500);
        Case { suite: suite.to_owned(), name: name.to_owned(), time, verdict, ..Case::default() }
    }

    /// Elements with their attributes, and texts, as an XML reader sees them.
    fn read(xml: &str) -> Vec<String> {
        let element = |start: &BytesStart<'_>| {
            let attributes = start.attributes().map(|attribute| {
                let attribute = attribute.unwrap();
                let value = attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0).unwrap();
                format!(" {}={value}", attribute.key.as_ref())
            });
            format!("{}{}", start.name().as_ref(), attributes.collect::<String>())
        };
        let (mut reader, mut seen) = (Reader::from_str(xml), Vec::new());
        let mut text = String::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) | Event::Empty(start) => seen.push(element(&start)),
                Event::Text(part) => text.push_str(&part),
                Event::GeneralRef(part) => text.push_str(match &*part {
                    "lt" => "<",
                    "gt" => ">",
                    "amp" => "&",
                    "quot" => "\"",
                    "apos" => "'",
                    other => panic!("{other}"),
                }),
                Event::End(_) if !text.trim().is_empty() => {
                    seen.push(std::mem::take(&mut text).trim().to_owned())
                }
                Event::End(_) => text.clear(),
                Event::Eof => return seen,
                _ => {}
            }
        }
    }

    #[test]
    fn one_suite_a_policy_with_its_cases_and_numbers() {
        let cases = [
            case("pvc-no-shrink", "test_a", Verdict::Passed),
            case("backup-declared", "test_b", Verdict::Failed("x.rego:3: no\nmore".to_owned())),
            case("pvc-no-shrink", "test_c", Verdict::Broken("cannot".to_owned())),
        ];
        assert_eq!(
            read(&render("stategate test", &cases).unwrap()),
            [
                "testsuites name=stategate test tests=3 failures=1 errors=1 time=0.004500",
                "testsuite name=backup-declared tests=1 failures=1 errors=0 time=0.001500",
                "testcase name=test_b classname=backup-declared time=0.001500",
                "failure message=x.rego:3: no",
                "x.rego:3: no\nmore",
                "testsuite name=pvc-no-shrink tests=2 failures=0 errors=1 time=0.003000",
                "testcase name=test_a classname=pvc-no-shrink time=0.001500",
                "testcase name=test_c classname=pvc-no-shrink time=0.001500",
                "error message=cannot",
                "cannot",
            ]
        );
    }

    #[test]
    fn a_case_has_a_class_a_file_and_more_to_say() {
        let one = Case {
            class: Some("stategate.Pod".to_owned()),
            file: Some("a.yaml".to_owned()),
            output: "warned <of> it".to_owned(),
            ..case("a.yaml", "shop/pg", Verdict::Passed)
        };
        assert_eq!(
            read(&render("stategate check", &[one]).unwrap())[2..],
            [
                "testcase name=shop/pg classname=stategate.Pod time=0.001500 file=a.yaml",
                "system-out",
                "warned <of> it"
            ]
        );
    }

    #[test]
    fn nothing_breaks_out_of_the_xml() {
        let nasty = "a\u{0}b \u{1b}[31m \u{fffe} <x y=\"1\" z='2'> & ]]> é\u{10ffff}";
        let xml = render("n", &[case(nasty, nasty, Verdict::Failed(nasty.to_owned()))]).unwrap();
        let spelled = "a\\u{0}b \\u{1b}[31m \\u{fffe} <x y=\"1\" z='2'> & ]]> é\u{10ffff}";
        let seen = read(&xml);
        assert_eq!(seen[2], format!("testcase name={spelled} classname={spelled} time=0.001500"));
        assert_eq!(&seen[3..], [format!("failure message={spelled}"), spelled.to_owned()]);
        assert!(!xml.contains("]]>") && !xml.contains('\u{1b}'));
    }
}
