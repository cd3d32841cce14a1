//! The status of `stategate serve` as one page for a browser: no script, nothing fetched, relative links only.

use minijinja::value::Serde;
use minijinja::{Environment, Value, escape_formatter};
use serde::Serialize;

use super::{HtmlError, STYLE, grouped, hash, visible};

const PAGE: &str = include_str!("status/page.html");
const OWN_STYLE: &str = include_str!("status/style.css");

/// Rows of a table that the page shows.
pub const ROWS: usize = 100;

/// How good something is; the colour in which it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mood {
    /// As it should be.
    #[default]
    Good,
    /// Somebody should look at it.
    Warn,
    /// It does not work.
    Deny,
}

/// Something that needs attention.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub mood: Mood,
    /// In a few words: `Newer policies or bindings are not in force`.
    pub head: String,
    /// What is known of it, and what to do.
    pub text: String,
}

/// A number of the last hour.
#[derive(Clone, Debug, Serialize)]
pub struct Tile {
    /// The class of its colour: `deny`, `warn`, `audit` or empty.
    pub class: &'static str,
    /// `Denied`
    pub name: &'static str,
    /// The number.
    pub count: u64,
    /// What it counts.
    pub says: &'static str,
}

/// A fact: its name and what is to be said.
#[derive(Clone, Debug, Serialize)]
pub struct Fact {
    /// `Profile`
    pub name: &'static str,
    /// `production`
    pub text: String,
}

/// What a policy said about the objects of a namespace in the last hour.
#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the columns of a table")]
pub struct SaidRow {
    pub policy: String,
    pub namespace: String,
    pub denied: u64,
    pub warned: u64,
    pub recorded: u64,
    pub failed: u64,
}

/// Something that there is, and the state that it is in.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What else there is to know of it.
    pub about: String,
    /// How good its state is.
    pub mood: Mood,
    /// Its state in a word or two.
    pub state: String,
    /// Details.
    pub text: String,
}

/// A table of rows, the worst first.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table<T> {
    /// At most [`ROWS`] of them.
    rows: Vec<T>,
    /// How many there are.
    all: usize,
}

impl<T> Table<T> {
    /// The first rows, and how many there are.
    pub fn new(rows: impl ExactSizeIterator<Item = T>) -> Self {
        let all = rows.len();
        Self { rows: rows.take(ROWS).collect(), all }
    }
}

/// What the page says. No text needs to be escaped or made harmless.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// Names this process: its host.
    pub host: String,
    /// The time at which this was so.
    pub at: String,
    /// The version of stategate.
    pub version: &'static str,
    /// The profile.
    pub profile: String,
    /// In one sentence.
    pub lead: String,
    /// What needs attention, the worst first.
    pub problems: Vec<Problem>,
    /// The numbers of the last hour.
    pub tiles: Vec<Tile>,
    /// What policies said in the last hour.
    pub said: Table<SaidRow>,
    /// What is in force.
    pub in_force: Vec<Fact>,
    /// This process and its certificate.
    pub process: Vec<Fact>,
    /// The documents of the cluster; none if there is no cluster.
    pub documents: Option<Table<Row>>,
    /// The exceptions in force.
    pub exceptions: Table<Row>,
    /// What is known of each kind; none if there is no cluster.
    pub inventory: Option<Table<Row>>,
    /// What is said of the inventory without a cluster.
    pub without_cluster: &'static str,
    /// The last audit: one sentence.
    pub audit: String,
    /// Whether `audit` has its report.
    pub has_audit: bool,
}

#[derive(Serialize)]
struct Page<'a> {
    style: &'static str,
    own_style: &'static str,
    style_hashes: String,
    mood: Mood,
    headline: String,
    status: &'a Status,
}

/// Renders the whole page.
///
/// # Errors
/// Only if the built-in template is wrong.
pub fn render(status: &Status) -> Result<String, HtmlError> {
    let headline = match status.problems.as_slice() {
        [] => "Nothing needs attention".to_owned(),
        [one] => one.head.clone(),
        many => format!("{} things need attention", many.len()),
    };
    let mood = status.problems.iter().map(|problem| problem.mood).max().unwrap_or_default();
    let page =
        Page { style: STYLE, own_style: OWN_STYLE, style_hashes: style_hashes(), mood, headline, status };
    let mut environment = Environment::new();
    environment.add_filter("grouped", |number: usize| grouped(number));
    environment.set_formatter(|out, state, value| match value.as_str().filter(|_| !value.is_safe()) {
        Some(text) => escape_formatter(out, state, &Value::from(visible(text))),
        None => escape_formatter(out, state, value),
    });
    environment.add_template("status.html", PAGE)?;
    Ok(environment.get_template("status.html")?.render(Serde(page))?)
}

fn style_hashes() -> String {
    format!("'{}' '{}'", hash(STYLE), hash(OWN_STYLE))
}

/// The Content-Security-Policy of the page, for a header.
pub fn content_security_policy() -> String {
    format!(
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:; style-src {}",
        style_hashes()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_it_says_is_text_and_bounded() {
        let hostile = "<script>alert(1)</script>'\" onload=x \u{202e}drow \u{7}";
        let row = |_| Row {
            name: hostile.to_owned(),
            about: hostile.to_owned(),
            mood: Mood::Warn,
            state: hostile.to_owned(),
            text: hostile.to_owned(),
        };
        let said = |_| SaidRow {
            policy: hostile.to_owned(),
            namespace: hostile.to_owned(),
            denied: 1234,
            warned: 0,
            recorded: 0,
            failed: 0,
        };
        let fact = Fact { name: "Profile", text: hostile.to_owned() };
        let problem =
            |mood| Problem { mood, head: hostile.to_owned(), text: format!("{hostile}\nsecond line") };
        let status = Status {
            host: hostile.to_owned(),
            at: hostile.to_owned(),
            profile: hostile.to_owned(),
            lead: hostile.to_owned(),
            problems: vec![problem(Mood::Warn), problem(Mood::Deny)],
            said: Table::new((0..10_000).map(said)),
            in_force: vec![fact.clone()],
            process: vec![fact],
            documents: Some(Table::new((0..10_000).map(row))),
            exceptions: Table::new((0..10_000).map(row)),
            inventory: Some(Table::new((0..10_000).map(row))),
            audit: hostile.to_owned(),
            has_audit: true,
            ..Status::default()
        };
        let page = render(&status).unwrap();
        assert!(!page.contains("<script") && !page.contains("onload=x\"") && !page.contains('\u{202e}'));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;") && page.contains("1,234"));
        assert!(page.contains("2 things need attention") && page.contains("class=\"deny\""), "{page}");
        assert!(page.contains("9,900 more"), "it does not say how many are left out");
        assert!(page.len() < 400_000, "{}", page.len());
        for fetched in ["<link rel=\"stylesheet", "src=", "@import", "url(", "href=\"/", "href=\"http"] {
            assert!(!page.contains(fetched), "{fetched}");
        }
        for (at, _) in page.match_indices("<style>") {
            let style = page[at + 7..].split("</style>").next().unwrap();
            assert!(content_security_policy().contains(&hash(style)), "a style does not count");
        }
    }

    #[test]
    fn nothing_to_say_is_said() {
        let page = render(&Status::default()).unwrap();
        for says in ["Nothing needs attention", "No policy found anything", "No exceptions"] {
            assert!(page.contains(says), "{says}: {page}");
        }
    }
}
