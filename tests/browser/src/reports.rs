//! Reports to look at, made by the binary itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures");

/// One report as a page, and as JSON to hold it against.
pub struct Report {
    pub html: PathBuf,
    pub json: Value,
}

impl Report {
    /// How many findings there are.
    pub fn findings(&self) -> usize {
        self.count(|_| true)
    }

    /// How many such findings there are.
    pub fn count(&self, is: impl Fn(&Value) -> bool) -> usize {
        self.json["findings"].as_array().into_iter().flatten().filter(|finding| is(finding)).count()
    }

    /// How many objects would be refused.
    pub fn refused_objects(&self) -> usize {
        let refused = self.json["findings"].as_array().into_iter().flatten();
        let refused = refused.filter(|finding| finding["action"] == "deny");
        let mut objects: Vec<String> =
            refused.map(|finding| format!("{}{}", finding["file"], finding["object"])).collect();
        objects.sort();
        objects.dedup();
        objects.len()
    }
}

/// The suite of workloads as beginners write them.
pub fn naive(stategate: &Path, directory: &Path) -> Result<Report> {
    check(stategate, directory, "naive", &Path::new(FIXTURES).join("suites/naive"))
}

/// A workload that nothing is found in.
pub fn clean(stategate: &Path, directory: &Path) -> Result<Report> {
    let report =
        check(stategate, directory, "clean", &Path::new(FIXTURES).join("manifests/good-postgres.yaml"))?;
    ensure!(report.findings() == 0, "the good PostgreSQL is not good");
    Ok(report)
}

/// Names, values and lines that would like to be something else than text.
pub fn hostile(stategate: &Path, directory: &Path) -> Result<Report> {
    let text = std::fs::read_to_string(Path::new(FIXTURES).join("manifests/naive-postgres.yaml"))?;
    let break_out = "</script><script>window.broken=1</script><img src=x onerror='window.broken=1'>";
    let text = text
        .replace(
            "name: data",
            &format!("name: \"data{break_out}\\u202edrow\\u202c \\u0007 עברית 🐘\" # {break_out} \u{202e}"),
        )
        .replace("name: pg", &format!("name: \"pg{break_out}\""));
    let file = directory.join("<b onclick=alert(1)>&quot;.yaml");
    std::fs::write(&file, text)?;
    let report = check(stategate, directory, "hostile", &file)?;
    let told = report.json["findings"].to_string();
    ensure!(report.findings() > 3 && told.contains("window.broken=1"), "nothing hostile was found: {told}");
    Ok(report)
}

/// At least so many findings.
pub fn many(stategate: &Path, directory: &Path, wanted: usize) -> Result<Report> {
    let text = std::fs::read_to_string(Path::new(FIXTURES).join("manifests/naive-postgres.yaml"))?;
    let one = directory.join("one.yaml");
    std::fs::write(&one, &text)?;
    let each = check(stategate, directory, "one", &one)?.findings();
    let folder = directory.join("many");
    std::fs::create_dir(&folder)?;
    for number in 0..wanted.div_ceil(each) {
        let text = text
            .replace("name: pg", &format!("name: pg-{number}"))
            .replace("namespace: shop", &format!("namespace: team-{}", number % 40));
        std::fs::write(folder.join(format!("pg-{number}.yaml")), text)?;
    }
    check(stategate, directory, "many", &folder)
}

fn check(stategate: &Path, directory: &Path, name: &str, manifests: &Path) -> Result<Report> {
    let html = directory.join(format!("{name}.html"));
    let json = directory.join(format!("{name}.json"));
    let output = Command::new(stategate)
        .arg("check")
        .arg(manifests)
        .args(["-o", &format!("html={}", html.display()), "-o", &format!("json={}", json.display())])
        .output()
        .with_context(|| format!("{} does not start", stategate.display()))?;
    ensure!(
        matches!(output.status.code(), Some(0 | 1)),
        "stategate check ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let json = serde_json::from_str(&std::fs::read_to_string(json)?)?;
    Ok(Report { html, json })
}
