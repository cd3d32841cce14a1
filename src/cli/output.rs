//! `-o FORMAT[=FILE]`: a report in one or several formats, on stdout and in files.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;

use super::print_exactly;
use crate::plain;
use crate::source::boundary::written;
use crate::source::tree::tidy;

/// One `-o`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output<F> {
    pub format: F,
    /// None: stdout.
    pub file: Option<PathBuf>,
}

/// Reads one `-o`.
pub fn parse<F: ValueEnum>(text: &str) -> Result<Output<F>, String> {
    let (format, file) = match text.split_once('=') {
        Some((_, "")) => return Err("no file after =".to_owned()),
        Some((format, "-")) => (format, None),
        // `./a` and `a` are one file.
        Some((format, file)) => (format, Some(tidy(file.as_ref()))),
        None => (text, None),
    };
    match F::from_str(format, false) {
        Ok(format) => Ok(Output { format, file }),
        Err(_) => {
            let known: Vec<String> = F::value_variants()
                .iter()
                .filter_map(|format| Some(format.to_possible_value()?.get_name().to_owned()))
                .collect();
            Err(format!("{format:?} is not a format: write one of {}", known.join(", ")))
        }
    }
}

/// All outputs: `usual` goes to stdout if nothing else does.
pub fn all<F: Copy>(asked: &[Output<F>], usual: F) -> anyhow::Result<Vec<Output<F>>> {
    let mut outputs = asked.to_vec();
    let on_stdout = outputs.iter().filter(|output| output.file.is_none()).count();
    anyhow::ensure!(on_stdout < 2, "two -o write to stdout: give one of them a file, as in -o FORMAT=FILE");
    if on_stdout == 0 {
        outputs.push(Output { format: usual, file: None });
    }
    let mut files: Vec<&PathBuf> = outputs.iter().filter_map(|output| output.file.as_ref()).collect();
    files.sort();
    if let Some([twice, _]) = files.windows(2).find(|pair| matches!(pair, [a, b] if a == b)) {
        anyhow::bail!("two -o write to {}: one would overwrite the other", plain::path(twice));
    }
    Ok(outputs)
}

/// Writes all outputs, even if one fails.
///
/// # Errors
/// The first error.
pub fn write_all<F>(
    outputs: &[Output<F>],
    render: impl Fn(&Output<F>) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    let results: Vec<anyhow::Result<()>> =
        outputs.iter().map(|output| render(output).and_then(|text| output.write(&text))).collect();
    results.into_iter().collect()
}

impl<F> Output<F> {
    /// Writes a text to its file or to stdout.
    pub fn write(&self, text: &str) -> anyhow::Result<()> {
        match &self.file {
            // Every format takes care of its own texts.
            None => print_exactly(text),
            Some(file) => {
                let target = written(file).map_err(|error| {
                    anyhow::anyhow!("cannot write {}: {}", plain::path(file), error.message)
                })?;
                std::fs::write(target, text).with_context(|| format!("cannot write {}", plain::path(file)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
    enum Format {
        Text,
        Junit,
    }

    fn of(format: Format, file: Option<&str>) -> Output<Format> {
        Output { format, file: file.map(PathBuf::from) }
    }

    #[test]
    fn formats_go_to_stdout_or_to_files() {
        assert_eq!(parse("junit"), Ok(of(Format::Junit, None)));
        assert_eq!(parse("junit=a=b.xml"), Ok(of(Format::Junit, Some("a=b.xml"))));
        assert!(parse::<Format>("junit=").unwrap_err().contains("no file"));
        assert!(parse::<Format>("pdf=x").unwrap_err().contains("text, junit"));
    }

    #[test]
    fn stdout_is_used_once_and_always() {
        let (text, junit) = (of(Format::Text, None), of(Format::Junit, None));
        let file = of(Format::Junit, Some("x"));
        let with = |asked: &[&Output<Format>]| {
            all(&asked.iter().copied().cloned().collect::<Vec<_>>(), Format::Text)
        };
        assert_eq!(with(&[]).unwrap(), vec![text.clone()]);
        assert_eq!(with(&[&file]).unwrap(), vec![file.clone(), text.clone()]);
        assert_eq!(with(&[&junit]).unwrap(), vec![junit.clone()]);
        with(&[&text, &junit]).unwrap_err();
        with(&[&file, &file]).unwrap_err();
    }
}
