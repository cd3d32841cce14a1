//! A page of documentation, written as Markdown or for a terminal.

use crate::plain;

/// A piece of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// The title of the page.
    Title(String),
    /// The title of a section.
    Heading(String),
    /// Prose; text in backticks is code.
    Text(String),
    /// A table: its head and its rows, of prose.
    Table(Vec<String>, Vec<Vec<String>>),
    /// Verbatim text and its language.
    Code(&'static str, String),
    /// A list of prose.
    List(Vec<String>),
}

/// The width at which text on a terminal is wrapped.
const WIDTH: usize = 100;

/// Renders the page as GitHub-flavoured Markdown.
pub fn markdown(blocks: &[Block]) -> String {
    let blocks: Vec<String> = blocks.iter().map(markdown_block).collect();
    plain::block(&blocks.join("\n")).into_owned()
}

fn markdown_block(block: &Block) -> String {
    match block {
        Block::Title(text) => format!("# {}\n", escaped(text)),
        Block::Heading(text) => format!("## {}\n", escaped(text)),
        Block::Text(text) => format!("{}\n", escaped(text)),
        Block::Table(head, rows) => {
            let row = |cells: &[String]| {
                let cells: Vec<String> =
                    cells.iter().map(|cell| one_line(&escaped(cell)).replace('|', "\\|")).collect();
                format!("| {} |\n", cells.join(" | "))
            };
            let rule = format!("|{}\n", "---|".repeat(head.len()));
            [row(head), rule].into_iter().chain(rows.iter().map(|cells| row(cells))).collect()
        }
        Block::Code(language, text) => {
            let mut fence = "```".to_owned();
            while text.contains(&fence) {
                fence.push('`');
            }
            format!("{fence}{language}\n{}\n{fence}\n", text.trim_end())
        }
        Block::List(points) => points.iter().map(|point| format!("- {}\n", escaped(point))).collect(),
    }
}

/// Escapes `<` and `*` in prose, but not in code in backticks.
fn escaped(prose: &str) -> String {
    let mut code = false;
    prose.chars().fold(String::new(), |mut out, c| {
        code ^= c == '`';
        if !code && matches!(c, '<' | '*') {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// Renders the page for a terminal.
pub fn terminal(blocks: &[Block]) -> String {
    let blocks: Vec<String> = blocks.iter().map(terminal_block).collect();
    plain::block(&blocks.join("\n")).into_owned()
}

fn terminal_block(block: &Block) -> String {
    match block {
        Block::Title(text) => format!("{text}\n"),
        Block::Heading(text) => format!("{}\n", text.to_uppercase()),
        Block::Text(text) => wrapped(text, "  ", "  "),
        Block::Table(head, rows) => {
            let table = table(head, rows);
            if table.lines().any(|line| line.chars().count() + 2 > WIDTH) {
                return stacked(head, rows);
            }
            table.lines().map(|line| format!("  {line}\n")).collect()
        }
        Block::Code(_, text) => {
            text.trim_end().lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect()
        }
        Block::List(points) => points.iter().map(|point| wrapped(point, "  - ", "    ")).collect(),
    }
}

/// A table with columns two blanks apart.
pub fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let all = || std::iter::once(head).chain(rows.iter().map(Vec::as_slice));
    let cells = |row: &[String]| -> Vec<String> { row.iter().map(|cell| one_line(cell)).collect() };
    let mut widths = vec![0; head.len()];
    for row in all() {
        for (width, cell) in widths.iter_mut().zip(cells(row)) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String]| {
        let padded: Vec<String> =
            cells(row).iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    all().map(line).collect()
}

/// Rows stacked vertically, for tables wider than the terminal.
fn stacked(head: &[String], rows: &[Vec<String>]) -> String {
    let row = |cells: &Vec<String>| -> String {
        let named = head.iter().zip(cells).enumerate();
        named
            .map(|(column, (name, cell))| match column {
                0 => wrapped(cell, "  ", "    "),
                _ => wrapped(&format!("{}: {cell}", name.to_lowercase()), "    ", "      "),
            })
            .collect()
    };
    rows.iter().map(row).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn wrapped(text: &str, first: &str, rest: &str) -> String {
    let (mut out, mut line) = (String::new(), first.to_owned());
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = rest.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    out + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_shows_what_was_written() {
        let table = Block::Table(
            vec!["Parameter".to_owned()],
            vec![vec!["paths (globs *) or `a|b*`, <how>\nand why".to_owned()]],
        );
        assert_eq!(
            markdown(&[table]),
            "| Parameter |\n|---|\n| paths (globs \\*) or `a\\|b*`, \\<how> and why |\n"
        );
        assert_eq!(
            markdown(&[Block::Code("yaml", "a: ```\n\n".to_owned()), Block::Text("x".to_owned())]),
            "````yaml\na: ```\n````\n\nx\n"
        );
    }

    #[test]
    fn a_terminal_gets_columns_and_broken_lines() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(table(&row(["id", "title"]), &[row(["grün", "a b"])]), "id    title\ngrün  a b\n");
        let long = "word ".repeat(30);
        let stacked = terminal(&[Block::Table(row(["Id", "Says"]), vec![row(["a", &long])])]);
        assert!(stacked.starts_with("  a\n    says: word word"), "{stacked}");
        let text = terminal(&[Block::List(vec![long])]);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.starts_with("  - word") && text.contains("\n    word"), "{text}");
    }
}
