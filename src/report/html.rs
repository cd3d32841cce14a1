//! The report as one page for a browser.
//!
//! The page is self-contained, and its Content-Security-Policy enforces that: only its own style and script
//! run, identified by their hashes, and nothing is fetched. The run's counts and lists are static HTML; the
//! findings are data that the script renders a few dozen at a time, so that ten thousand scroll as well as
//! ten.

mod data;
pub mod status;
mod summary;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::Environment;
use minijinja::value::Serde;
use sha2::{Digest as _, Sha256};

use super::Report;
use crate::plain;

const PAGE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/script.js");

/// Why the page cannot be rendered: the template is wrong, or the data cannot be serialized. Neither depends
/// on the report.
#[derive(Debug, thiserror::Error)]
pub enum HtmlError {
    /// The template cannot be rendered.
    #[error("the page cannot be made: {0}")]
    Template(#[from] minijinja::Error),
    /// The data cannot be serialized.
    #[error("the page's data cannot be written: {0}")]
    Data(#[from] serde_json::Error),
}

/// Renders the whole page.
///
/// # Errors
/// Only if the built-in template is wrong.
pub fn render(report: &Report) -> Result<String, HtmlError> {
    let data = serde_json::to_string(&data::of(report))?;
    let mut page = summary::of(report);
    (page.style, page.style_hash) = (STYLE, hash(STYLE));
    (page.script, page.script_hash) = (SCRIPT, hash(SCRIPT));
    page.data = in_script(&data);
    let mut environment = Environment::new();
    environment.add_filter("grouped", |number: usize| grouped(number));
    // minijinja autoescapes templates whose name ends in .html.
    environment.add_template("page.html", PAGE)?;
    Ok(environment.get_template("page.html")?.render(Serde(page))?)
}

/// The Content-Security-Policy of the page, for a header.
pub fn content_security_policy() -> String {
    format!(
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:; \
         style-src '{}'; script-src '{}'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// Formats a number with thousands separators: `10,000`.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let comma = |at: usize| at > 0 && (digits.len() - at).is_multiple_of(3);
    digits.char_indices().fold(String::new(), |mut out, (at, digit)| {
        if comma(at) {
            out.push(',');
        }
        out.push(digit);
        out
    })
}

/// JSON that an HTML parser cannot take for the end of its element, or for a comment.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// The text as a reader of the page may see it.
fn visible(text: &str) -> String {
    plain::block(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn nothing_of_a_report_becomes_html_and_nothing_is_fetched() {
        let page = render(&sample::report()).unwrap();
        assert!(!page.contains("<script>alert"), "a message became a script");
        assert!(!page.contains("</script><b>"), "a snippet ended the data");
        assert_eq!(page.matches("<script").count(), 2);
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(!page.contains('\u{202e}') && !page.contains('\u{7}'), "what is not seen is in the page");
        assert!(page.contains("&lt;script&gt;alert(1)"), "the hostile note is not shown");
        for fetched in
            ["<link rel=\"stylesheet", "src=", "@import", "url(", "fetch(", "XMLHttpRequest", "import("]
        {
            assert!(!page.contains(fetched), "{fetched}");
        }
        assert!(page.contains("default-src 'none'"));
        assert!(!page.contains("unsafe-"));
    }

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn the_data_is_that_of_the_report() {
        let page = render(&sample::report()).unwrap();
        let (_, from) = page.split_once("id=\"data\">").unwrap();
        let (json, _) = from.split_once("</script>").unwrap();
        let data: serde_json::Value = serde_json::from_str(json).unwrap();
        let findings = data["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 5);
        assert_eq!(findings[0]["action"], "deny");
        assert_eq!(findings[0]["snippet"]["node"], "b: 1");
        assert_eq!(findings.iter().filter(|one| one["known"] == true).count(), 1);
        // A sensitive excerpt is not kept: its finding has no snippet, not an empty one.
        assert_eq!(findings.iter().filter(|one| one.get("snippet").is_none()).count(), 1);
        let ids: Vec<&str> =
            data["policies"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["object-unreadable", "volume-no-emptydir-data"]);
        let message = findings[0]["message"].as_str().unwrap();
        assert!(
            message.contains("<script>alert(1)</script>") && message.contains("\\u{202e}drow"),
            "{message}"
        );
    }
}
