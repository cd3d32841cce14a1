//! The status page of `serve`.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use headless_chrome::Browser;

use crate::page::Page;
use crate::serve::{BREAK_OUT, Serve, exceptions};

type Test = fn(&Page, &Serve) -> Result<()>;

/// All tests of the page, each on a fresh tab; the number of those that failed.
pub fn run(stategate: &Path, directory: &Path, browser: &Browser, pictures: &Path) -> Result<usize> {
    let quiet = Serve::start(stategate, &directory.join("quiet"), "")?;
    let busy = Serve::start(stategate, &directory.join("busy"), &exceptions())?;
    for namespace in ["shop", "shop", "billing", "analytics", BREAK_OUT] {
        for review in ["create-statefulset.json", "delete-pvc.json", "create-cronjob.json"] {
            busy.review(review, namespace)?;
        }
    }
    ensure!(!busy.review("create-storageclass.json", "")?, "the class is not refused");
    let tests: [(&str, &Serve, Test); 6] = [
        ("status: nothing has happened", &quiet, nothing),
        ("status: numbers of the last hour", &busy, numbers),
        ("status: light and dark", &busy, colours),
        ("status: a telephone", &busy, telephone),
        ("status: hostile texts stay texts", &busy, hostile),
        ("status: a reload that fails", &busy, reload),
    ];
    let mut failed = 0;
    for (name, serve, test) in tests {
        failed += crate::failures(name, || {
            let page = Page::open(browser, &serve.url, pictures)?;
            test(&page, serve)?;
            page.was_quiet()
        });
    }
    Ok(failed)
}

fn nothing(page: &Page, _: &Serve) -> Result<()> {
    page.is("document.querySelector('h1').textContent", "Nothing needs attention")?;
    page.is("document.querySelector('h1').className", "good")?;
    page.holds("document.querySelector('#said + .box').textContent.includes('No policy found anything')")?;
    page.picture("status-nothing")
}

fn numbers(page: &Page, _: &Serve) -> Result<()> {
    let tile = |name: &str| {
        format!(
            "Number([...document.querySelectorAll('.tile')].find((tile) => tile.textContent.startsWith('{name}')).querySelector('dd').textContent)"
        )
    };
    page.is(&format!("{} + {}", tile("Allowed"), tile("Denied")), "16")?;
    page.holds(&format!("{} >= 6", tile("Denied")))?;
    // The worst is first, and the sum of a column is that of all reviews.
    let column = "[...document.querySelectorAll('#said ~ .wide tbody tr')].map((row) => Number(row.children[2].textContent))";
    page.holds(&format!("(() => {{ const all = {column}; return all[0] > 0 && all.every((one, at) => at === 0 || all[at - 1] >= one); }})()"))?;
    page.holds("[...document.querySelectorAll('#said ~ .wide tbody tr')].some((row) => row.children[1].textContent === 'billing')")?;
    page.is("document.querySelector('#exceptions ~ .wide tbody th').textContent", "shop/forgotten")?;
    page.is("document.querySelector('#exceptions .count').textContent", "4")?;
    // Links stay where the page is.
    page.holds("[...document.links].every((link) => !/^[a-z]+:|^\\//.test(link.getAttribute('href')))")?;
    page.picture("status-light")
}

fn colours(page: &Page, _: &Serve) -> Result<()> {
    let back = "getComputedStyle(document.body).backgroundColor";
    let light = page.text(back)?;
    crate::contrast(page)?;
    page.prefers("dark")?;
    ensure!(page.text(back)? != light, "dark is as light as light: {light}");
    crate::contrast(page)?;
    page.picture("status-dark")
}

fn telephone(page: &Page, _: &Serve) -> Result<()> {
    page.size(390, 844, true)?;
    page.holds("document.documentElement.scrollWidth <= innerWidth")?;
    // Nothing is cut off beside a table that has to be pushed.
    page.holds("[...document.querySelectorAll('.wide')].every((box) => box.scrollWidth <= box.clientWidth)")?;
    page.picture("status-narrow")
}

fn hostile(page: &Page, _: &Serve) -> Result<()> {
    page.holds("window.broken === undefined")?;
    page.is("document.querySelectorAll('script, img, iframe').length", "0")?;
    let text = page.text("document.querySelector('main').textContent")?;
    ensure!(text.contains("window.broken=1") && !text.contains('\u{202e}'), "{text}");
    page.holds("document.querySelectorAll('#exceptions ~ .wide tbody tr').length === 4")
}

fn reload(page: &Page, serve: &Serve) -> Result<()> {
    serve.bind(&exceptions().replace("backup-declared", "no-such-policy"))?;
    let began = Instant::now();
    while page.text("document.querySelector('h1').className")? != "deny" {
        ensure!(began.elapsed() < Duration::from_secs(60), "the page does not say that a reload failed");
        std::thread::sleep(Duration::from_millis(100));
        page.go("")?;
    }
    page.is(
        "document.querySelector('h1').textContent",
        "Newer policies, bindings or inventory are not in force",
    )?;
    page.holds("document.querySelector('.problems').textContent.includes('no-such-policy')")?;
    page.picture("status-fault")
}
