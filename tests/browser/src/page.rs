//! One page in one tab, driven as a reader would.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::protocol::cdp::{Emulation, Network, Page as Cdp};
use headless_chrome::types::PrintToPdfOptions;
use headless_chrome::{Browser, LaunchOptions, Tab};
use serde_json::Value;

/// Starts the browser without network access.
pub fn browser(chromium: &Path) -> Result<Browser> {
    let options = LaunchOptions::default_builder()
        .path(Some(chromium.to_owned()))
        // Chromium's sandbox does not work as root, and tests in a container run as root.
        .sandbox(false)
        .window_size(Some((1360, 900)))
        .idle_browser_timeout(Duration::from_secs(300))
        .args(vec![
            OsStr::new("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
            OsStr::new("--hide-scrollbars"),
        ])
        .build()?;
    Browser::new(options).context("Chromium does not start")
}

pub struct Page {
    tab: Arc<Tab>,
    url: String,
    pictures: PathBuf,
    /// Console output of the page, and its requests for other resources.
    told: Arc<Mutex<Vec<String>>>,
}

impl Page {
    pub fn open(browser: &Browser, url: &str, pictures: &Path) -> Result<Self> {
        let tab = browser.new_tab()?;
        tab.set_default_timeout(Duration::from_secs(60));
        let url = url.to_owned();
        let told = Arc::new(Mutex::new(Vec::new()));
        tab.enable_log()?;
        tab.enable_runtime()?;
        tab.call_method(Network::Enable {
            max_total_buffer_size: None,
            max_resource_buffer_size: None,
            max_post_data_size: None,
            report_direct_socket_traffic: None,
            enable_durable_messages: None,
        })?;
        tab.add_event_listener(Arc::new({
            let (told, url) = (Arc::clone(&told), url.clone());
            move |event: &Event| {
                let said = match event {
                    Event::LogEntryAdded(event) => format!("log: {}", event.params.entry.text),
                    Event::RuntimeExceptionThrown(event) => format!("{:?}", event.params.exception_details),
                    Event::RuntimeConsoleAPICalled(event) => format!("console: {:?}", event.params.args),
                    Event::NetworkRequestWillBeSent(event) => {
                        let asked = &event.params.request.url;
                        if asked.split('#').next() == Some(url.as_str()) || asked.starts_with("data:") {
                            return;
                        }
                        format!("it asks for {asked}")
                    }
                    _ => return,
                };
                if let Ok(mut told) = told.lock() {
                    told.push(said);
                }
            }
        }))?;
        let page = Self { tab, url, pictures: pictures.to_owned(), told };
        page.size(1360, 900, false)?;
        page.prefers("light")?;
        page.tab.navigate_to(&page.url)?.wait_until_navigated()?;
        page.text("(localStorage.clear(), '')")?;
        page.go("")?;
        Ok(page)
    }

    /// Asserts that the page logged nothing and requested nothing else.
    pub fn was_quiet(&self) -> Result<()> {
        let told = self.told.lock().map_err(|_| anyhow!("a listener ended"))?;
        ensure!(told.is_empty(), "the page said: {}", told.join("; "));
        let _ = self.tab.close(false);
        Ok(())
    }

    /// Opens the page afresh with this URL fragment.
    pub fn go(&self, hash: &str) -> Result<()> {
        self.tab.navigate_to("about:blank")?.wait_until_navigated()?;
        self.tab.navigate_to(&format!("{}{hash}", self.url))?.wait_until_navigated()?;
        Ok(())
    }

    /// The value of an expression, as text.
    pub fn text(&self, expression: &str) -> Result<String> {
        let value = self.tab.evaluate(expression, false).with_context(|| expression.to_owned())?.value;
        Ok(match value {
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
            None => "undefined".to_owned(),
        })
    }

    pub fn is(&self, expression: &str, wanted: &str) -> Result<()> {
        let text = self.text(expression)?;
        ensure!(text == wanted, "{expression} is {text:?}, not {wanted:?}");
        Ok(())
    }

    pub fn holds(&self, expression: &str) -> Result<()> {
        self.is(expression, "true")
    }

    /// Asserts how many findings the list shows.
    pub fn shows(&self, findings: usize) -> Result<()> {
        self.is(
            "document.querySelector('#shown').textContent.split(' ')[0].replaceAll(',', '')",
            &findings.to_string(),
        )?;
        let rows = "document.querySelectorAll('.row').length";
        self.holds(&if findings == 0 { format!("{rows} === 0") } else { format!("{rows} > 0") })
    }

    pub fn click(&self, selector: &str) -> Result<()> {
        self.tab
            .find_element(selector)
            .and_then(|element| element.click().map(|_| ()))
            .with_context(|| selector.to_owned())
    }

    /// Selects an option of a filter.
    pub fn choose(&self, facet: &str, value: &str) -> Result<()> {
        self.text(&format!(
            "(() => {{ const select = document.querySelector('select[data-facet={facet}]'); select.value = '{value}'; select.dispatchEvent(new Event('change')); return select.value; }})()"
        ))
        .map(|_| ())
    }

    pub fn write(&self, text: &str) -> Result<()> {
        self.tab.type_str(text).map(|_| ())
    }

    pub fn press(&self, key: &str) -> Result<()> {
        self.tab.press_key(key).map(|_| ())
    }

    /// Waits until changes are drawn.
    pub fn frame(&self) -> Result<()> {
        self.tab
            .evaluate(
                "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => drawn(''))))",
                true,
            )
            .map(|_| ())
    }

    pub fn size(&self, width: u32, height: u32, mobile: bool) -> Result<()> {
        self.tab.call_method(Emulation::SetDeviceMetricsOverride {
            width,
            height,
            device_scale_factor: 1.0,
            mobile,
            scale: None,
            screen_width: None,
            screen_height: None,
            position_x: None,
            position_y: None,
            dont_set_visible_size: None,
            screen_orientation: None,
            viewport: None,
            display_feature: None,
            device_posture: None,
        })?;
        Ok(())
    }

    pub fn prefers(&self, scheme: &str) -> Result<()> {
        let feature =
            Emulation::MediaFeature { name: "prefers-color-scheme".to_owned(), value: scheme.to_owned() };
        self.tab.call_method(Emulation::SetEmulatedMedia { media: None, features: Some(vec![feature]) })?;
        Ok(())
    }

    /// Opens the page with scripts disabled.
    pub fn without_scripts(&self) -> Result<()> {
        self.tab.call_method(Emulation::SetScriptExecutionDisabled { value: true })?;
        self.go("")
    }

    /// Is the element visible? Asks the browser, since scripts may be disabled.
    pub fn is_drawn(&self, selector: &str) -> Result<bool> {
        let element = self.tab.find_element(selector).with_context(|| selector.to_owned())?;
        Ok(element.get_box_model().is_ok_and(|model| model.height > 0.0))
    }

    pub fn picture(&self, name: &str) -> Result<()> {
        let picture =
            self.tab.capture_screenshot(Cdp::CaptureScreenshotFormatOption::Png, None, None, true)?;
        std::fs::write(self.pictures.join(format!("{name}.png")), picture)?;
        Ok(())
    }

    /// Prints the page and returns the number of sheets.
    pub fn print(&self) -> Result<usize> {
        let pdf = self.tab.print_to_pdf(Some(PrintToPdfOptions {
            print_background: Some(true),
            ..PrintToPdfOptions::default()
        }))?;
        ensure!(pdf.starts_with(b"%PDF"), "no PDF was printed");
        std::fs::write(self.pictures.join("paper.pdf"), &pdf)?;
        let page = b"/Type /Page\n";
        Ok(pdf.windows(page.len()).filter(|part| part == page).count())
    }
}
