//! Tests the HTML report and the status page of `serve` in a real Chromium: drawing, clicks, typing and printing.
//!
//! `stategate-browser STATEGATE CHROMIUM PICTURES`: the binary that generates the report, the browser, and
//! the directory for screenshots. The network is off; a page that requests anything but itself, or writes to
//! its console, fails.

#![allow(
    clippy::disallowed_methods,
    reason = "a test reads and writes files; the list is for stategate itself"
)]

mod page;
mod reports;
mod serve;
mod status;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use page::Page;

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [stategate, chromium, pictures] = arguments.as_slice() else {
        anyhow::bail!("write: stategate-browser STATEGATE CHROMIUM PICTURES");
    };
    std::fs::create_dir_all(pictures)?;
    let directory = tempfile::tempdir()?;
    let naive = reports::naive(stategate, directory.path())?;
    let hostile = reports::hostile(stategate, directory.path())?;
    let many = reports::many(stategate, directory.path(), 10_000)?;
    let clean = reports::clean(stategate, directory.path())?;
    let browser = page::browser(chromium)?;
    type Test = fn(&Page, &reports::Report) -> Result<()>;
    let tests: [(&str, &reports::Report, Test); 12] = [
        ("the numbers are those of the JSON report", &naive, numbers),
        ("a click opens a finding", &naive, click),
        ("filters narrow, and live in the address", &naive, filters),
        ("search finds, and says when there is nothing", &naive, search),
        ("keys do everything", &naive, keys),
        ("the other parts of the report", &naive, parts),
        ("light and dark", &naive, colours),
        ("a telephone", &naive, telephone),
        ("paper", &naive, paper),
        ("without scripts", &naive, scriptless),
        ("hostile texts stay texts", &hostile, hostile_texts),
        ("nothing was found", &clean, nothing),
    ];
    let mut failed = 0;
    let mut run =
        |name: &str, report: &reports::Report, test: &dyn Fn(&Page, &reports::Report) -> Result<()>| {
            failed += failures(name, || {
                let page = Page::open(&browser, &report.url(), pictures)?;
                test(&page, report).context("the test")?;
                page.was_quiet()
            });
        };
    for (name, report, test) in tests {
        run(name, report, &test);
    }
    let small = std::cell::Cell::new(0.0);
    run("how long a filter takes for few findings", &naive, &|page, _| {
        small.set(filter_time(page)?);
        Ok(())
    });
    run("ten thousand findings", &many, &|page, report| ten_thousand(page, report, small.get(), &naive));
    failed += status::run(stategate, directory.path(), &browser, pictures)?;
    println!("screenshots are in {}", Path::new(pictures).display());
    ensure!(failed == 0, "{failed} failed");
    Ok(())
}

/// Runs a test and says how it ended: 1 if it failed, else 0.
fn failures(name: &str, test: impl FnOnce() -> Result<()>) -> usize {
    match test() {
        Ok(()) => println!("ok      {name}"),
        Err(error) => {
            println!("FAILED  {name}: {error:#}");
            return 1;
        }
    }
    0
}

fn numbers(page: &Page, report: &reports::Report) -> Result<()> {
    page.is("document.title.split(' ')[0]", &report.refused_objects().to_string())?;
    let summary = &report.json["summary"];
    for (name, key) in
        [("Refused", "deny"), ("Warned", "warn"), ("Not evaluated", "unknown"), ("Unreadable", "errors")]
    {
        let tile = format!(
            "[...document.querySelectorAll('.tile')].find((tile) => tile.textContent.startsWith('{name}')).querySelector('dd').textContent"
        );
        page.is(&tile, &summary[key].to_string())?;
    }
    page.is(
        "document.querySelector('#shown').textContent",
        &format!("{0} of {0} findings", report.findings()),
    )?;
    let cells = "[...document.querySelectorAll('.matrix .all')].reduce((sum, cell) => sum + Number(cell.textContent), 0)";
    page.is(cells, &report.findings().to_string())?;
    page.picture("light")
}

fn click(page: &Page, _: &reports::Report) -> Result<()> {
    page.click(".row:nth-child(2)")?;
    page.is("document.querySelectorAll('.row[aria-selected=true]').length", "1")?;
    let message = page.text("document.querySelector('.row:nth-child(2) .what').textContent")?;
    page.is("document.querySelector('#detail h2').textContent", &message)?;
    page.holds("document.querySelector('#detail .snippet mark') !== null")?;
    page.holds("document.querySelector('#detail .fix p').textContent.length > 10")?;
    page.holds("document.querySelector('#detail a').rel === 'noopener noreferrer'")?;
    // The URL leads back to it.
    let address = page.text("location.hash")?;
    ensure!(address.contains("finding="), "the address does not name it: {address}");
    page.go(&address)?;
    page.is("document.querySelector('#detail h2').textContent", &message)
}

fn filters(page: &Page, report: &reports::Report) -> Result<()> {
    let deny = report.count(|finding| finding["action"] == "deny");
    page.click("[data-facet=action] [data-value=deny]")?;
    page.shows(deny)?;
    page.holds("[...document.querySelectorAll('.row')].every((row) => row.classList.contains('deny'))")?;
    let both = report.count(|finding| finding["action"] == "deny" && finding["severity"] == "critical");
    ensure!(0 < both && both < deny, "the fixtures do not tell filters apart");
    page.click("[data-facet=severity] [data-value=critical]")?;
    page.shows(both)?;
    page.go(&page.text("location.hash")?)?;
    page.shows(both)?;
    page.is("document.querySelector('[data-facet=action] [data-value=deny]').ariaPressed", "true")?;
    page.picture("filtered")?;
    page.click("#reset")?;
    page.shows(report.findings())?;
    page.holds("location.hash === ''")?;
    let namespace = report.count(|finding| finding["object"]["namespace"] == "shop");
    page.choose("namespace", "shop")?;
    page.shows(namespace)?;
    page.click("#reset")?;
    // Counts in the summary act as filters.
    let wanted = page.text("document.querySelector('.matrix td .critical').textContent")?;
    page.click(".matrix td .critical")?;
    page.shows(wanted.parse()?)
}

fn search(page: &Page, report: &reports::Report) -> Result<()> {
    page.click("#search")?;
    page.write("EMPTYDIR Postgres")?;
    let shown: usize = page.text("document.querySelector('#shown').textContent.split(' ')[0]")?.parse()?;
    ensure!(0 < shown && shown < report.findings(), "{shown} are shown");
    page.write(" nothing like it")?;
    page.shows(0)?;
    page.holds("document.querySelector('#nothing').offsetHeight > 0")?;
    page.holds("document.querySelector('#detail').hidden")?;
    page.press("Escape")?;
    page.shows(report.findings())
}

fn keys(page: &Page, _: &reports::Report) -> Result<()> {
    let chosen = "document.querySelector('.row[aria-selected=true]').getAttribute('aria-posinset')";
    page.press("/")?;
    page.is("document.activeElement.id", "search")?;
    page.press("Enter")?;
    page.is("document.activeElement.id", "list")?;
    page.is(chosen, "1")?;
    page.press("j")?;
    page.press("ArrowDown")?;
    page.is(chosen, "3")?;
    page.press("k")?;
    page.is(chosen, "2")?;
    page.is(
        "document.getElementById(document.querySelector('#list').getAttribute('aria-activedescendant')).getAttribute('aria-posinset')",
        "2",
    )?;
    page.press("Enter")?;
    page.is("document.activeElement.id", "detail")?;
    page.press("j")?;
    page.is(chosen, "3")?;
    page.press("Escape")?;
    page.is("document.activeElement.id", "list")?;
    page.press("End")?;
    page.holds(&format!("{chosen} === document.querySelector('.row').getAttribute('aria-setsize')"))?;
    page.holds("(() => { const box = document.querySelector('.row[aria-selected=true]').getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight; })()")?;
    page.holds("getComputedStyle(document.activeElement).outlineStyle === 'solid'")
}

fn parts(page: &Page, report: &reports::Report) -> Result<()> {
    page.click("#tab-checked")?;
    page.holds("document.querySelector('#findings').hidden && !document.querySelector('#checked').hidden")?;
    page.is(
        "document.querySelector('#checked tfoot td').textContent",
        &report.json["summary"]["objects"].to_string(),
    )?;
    page.picture("checked")?;
    page.press("ArrowRight")?;
    page.is("document.activeElement.id", "tab-open")?;
    page.holds("document.querySelectorAll('#open li').length > 0")?;
    page.picture("open")
}

fn colours(page: &Page, _: &reports::Report) -> Result<()> {
    let back = "getComputedStyle(document.body).backgroundColor";
    let light = page.text(back)?;
    page.prefers("dark")?;
    let dark = page.text(back)?;
    ensure!(light != dark, "dark is as light as light: {dark}");
    contrast(page)?;
    page.picture("dark")?;
    page.prefers("light")?;
    contrast(page)?;
    page.click("#theme")?;
    page.is("document.querySelector('#theme').textContent", "Theme: light")?;
    page.click("#theme")?;
    page.is(back, &dark)
}

/// All text meets the contrast of WCAG level AA: 4.5 to 1, or 3 to 1 for large text.
fn contrast(page: &Page) -> Result<()> {
    let weak = page.text(include_str!("contrast.js"))?;
    ensure!(weak.is_empty(), "too little contrast: {weak}");
    Ok(())
}

fn telephone(page: &Page, _: &reports::Report) -> Result<()> {
    page.size(390, 844, true)?;
    page.holds("document.documentElement.scrollWidth <= innerWidth")?;
    page.picture("narrow")?;
    page.holds("document.querySelector('#facets').offsetHeight === 0")?;
    page.click("#more")?;
    page.holds("document.querySelector('#facets').offsetHeight > 0")?;
    page.picture("narrow-filters")?;
    page.click("#more")?;
    page.click(".row:nth-child(2)")?;
    page.holds("document.querySelector('#detail').getBoundingClientRect().height === innerHeight")?;
    page.holds("document.querySelector('#detail').scrollWidth <= innerWidth")?;
    page.picture("narrow-finding")?;
    page.click("#detail .close")?;
    page.holds("document.querySelector('#detail').offsetHeight === 0")
}

fn paper(page: &Page, report: &reports::Report) -> Result<()> {
    page.text("(addEventListener('beforeprint', () => { window.printed = document.querySelectorAll('#print .finding').length; }), '')")?;
    let all = page.print()?;
    page.is("window.printed", &report.findings().to_string())?;
    page.click("[data-facet=severity] [data-value=critical]")?;
    let few = page.print()?;
    page.is("window.printed", &report.count(|finding| finding["severity"] == "critical").to_string())?;
    page.is("document.querySelectorAll('#print *').length", "0")?;
    ensure!(1 <= few && few < all, "{few} pages of a filtered report, {all} of all of it");
    Ok(())
}

fn scriptless(page: &Page, _: &reports::Report) -> Result<()> {
    page.without_scripts()?;
    ensure!(page.is_drawn("noscript p")?, "nobody says that scripts are off");
    ensure!(
        page.is_drawn(".tile")? && page.is_drawn("#checked table")? && page.is_drawn("#open li")?,
        "a part is missing"
    );
    ensure!(!page.is_drawn("#search")?, "there is a search that searches nothing");
    page.picture("without-scripts")
}

fn hostile_texts(page: &Page, report: &reports::Report) -> Result<()> {
    page.holds("window.broken === undefined")?;
    page.is("document.querySelectorAll('script').length", "2")?;
    page.is("document.querySelectorAll('img, iframe, b[onclick]').length", "0")?;
    for index in 0..report.findings() {
        page.press("j")?;
        let opened = page.text("document.querySelector('#detail').textContent")?;
        ensure!(!opened.contains('\u{202e}'), "finding {index} turns its text around");
    }
    page.holds("document.querySelector('#detail').textContent.includes('</script><script>window.broken=1</script>') || document.querySelector('main').textContent.includes('</script><script>window.broken=1</script>')")?;
    page.holds("window.broken === undefined")?;
    page.picture("hostile")
}

fn nothing(page: &Page, _: &reports::Report) -> Result<()> {
    page.is("document.querySelector('h1').textContent", "Nothing is refused")?;
    page.is("document.querySelector('#nothing').textContent", "No findings.")?;
    page.picture("nothing")
}

/// The slowest of several searches in milliseconds, including layout.
fn filter_time(page: &Page) -> Result<f64> {
    let text = page.text(
        "(() => { const search = document.querySelector('#search'); let slowest = 0;
          for (const text of ['p', 'postgres', 'postgres team', '']) {
            const from = performance.now();
            search.value = text; search.dispatchEvent(new Event('input')); document.body.offsetHeight;
            slowest = Math.max(slowest, performance.now() - from);
          } return String(slowest); })()",
    )?;
    Ok(text.parse()?)
}

fn ten_thousand(page: &Page, report: &reports::Report, small: f64, naive: &reports::Report) -> Result<()> {
    ensure!(report.findings() >= 10_000, "only {} findings", report.findings());
    page.shows(report.findings())?;
    page.picture("ten-thousand")?;
    let count = "String(document.querySelectorAll('*').length)";
    let before: usize = page.text(count)?.parse()?;
    for _ in 0..3 {
        page.text("(scrollBy(0, document.body.scrollHeight / 4), '')")?;
        page.frame()?;
        page.holds("(() => { const box = document.querySelector('#list').getBoundingClientRect(); const seen = document.elementFromPoint(box.left + 40, innerHeight - 60); return seen.closest('.row') !== null; })()")?;
    }
    let after: usize = page.text(count)?.parse()?;
    ensure!(
        after < before + 500,
        "{after} elements after scrolling, {before} before: the list is not windowed"
    );
    page.holds("document.querySelectorAll('.row').length < 60")?;
    page.press("j")?;
    page.press("End")?;
    page.holds("document.querySelector('.row[aria-selected=true]').getAttribute('aria-posinset') === document.querySelector('.row').getAttribute('aria-setsize')")?;
    page.picture("ten-thousand-end")?;
    // Work grows at most linearly with the findings; the factor of four allows for a busy machine.
    let large = filter_time(page)?;
    let times = report.findings() as f64 / naive.findings() as f64;
    println!(
        "        a filter takes {small:.1} ms of {} findings, {large:.1} ms of {}",
        naive.findings(),
        report.findings()
    );
    ensure!(large < small.max(2.0) * times * 4.0, "{large} ms for {times} times the findings of {small} ms");
    page.click("[data-facet=severity] [data-value=critical]")?;
    page.shows(report.count(|finding| finding["severity"] == "critical"))
}
