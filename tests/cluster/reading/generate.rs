//! Random texts in mixed styles. The same seed and number give the same text.

use super::oracle::{API_VERSION, KIND};

pub const SEED: u64 = 20_240_229;
pub const COUNT: usize = 2400;

const PLAIN: &[&str] = &[
    "a",
    "web",
    "x y",
    "yes",
    "No",
    "on",
    "oFF",
    "y",
    "n",
    "true",
    "False",
    "~",
    "null",
    "Null",
    "",
    "0",
    "12",
    "-1",
    "+7",
    "0644",
    "0o17",
    "08",
    "0x1F",
    "0b11",
    "1_000",
    "1_",
    "1.5",
    ".5",
    "1.",
    "1e3",
    "-1E-2",
    "1_000.5",
    "1:30",
    "2024-01-01",
    "2024-01-01T10:00:00Z",
    "9007199254740993",
    "9223372036854775808",
    "18446744073709551616",
    "1.0",
    "1e21",
    "0.1",
    "100m",
    "1Gi",
    "10%",
    "a:b",
    "http://x/y",
    "a#b",
    "-x",
    "é",
    "日本",
    "=",
    "v1.2.3",
    "<none>",
    "$(X)",
    "a,b",
    "it's",
    "say \"x\"",
    "...x",
    "-",
    "--",
    "x:",
];
const QUOTED: &[&str] = &[
    "''",
    "\"\"",
    "'12'",
    "\"yes\"",
    "'it''s'",
    "\"a\\nb\"",
    "\"\\u00e9\\x41\\t\"",
    "'# no'",
    "\": \"",
    "' a '",
    "\"a\\\\b\"",
    "'{x}'",
    "\"日\"",
    "'---'",
    "\"\\\"\"",
    "\"\\0\"",
];
const TAGGED: &[&str] = &[
    "!!str 12",
    "!!str yes",
    "!!int \"7\"",
    "!!float 3",
    "!!bool 'on'",
    "!!null ''",
    "!!binary aGk=",
    "!x 1",
    "!!str",
    "! 12",
    "!!int x",
    "!!int 0o17",
    "!!timestamp 2024-01-01",
];
const KEYS: &[&str] = &[
    "name",
    "a",
    "b",
    "c d",
    "x/y",
    "stategate.io/z",
    "é",
    "1",
    "0x10",
    "yes",
    "1.5",
    "'quoted'",
    "\"q\\t\"",
    "off",
    "2e3",
    "-k",
    "~",
    "null",
    "k.1",
    "0644",
    "''",
    "n",
    "a:b",
];
const EDITS: &[&str] = &[
    "\t", " ", "  ", "\n", ":", ": ", "-", "- ", "#", " #", "'", "\"", "{", "}", "[", "]", ",", "&a ", "*a",
    "!", "|", ">", "%", "@", "`", "?", "? ", "\\", "0", "~", "é", "\r", "\n---\n", "\n...\n", "<<: ", "=",
    "\u{feff}", "\u{7f}",
];

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in `times` calls on average.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// The name and the bytes of one file.
pub fn file(seed: u64, number: usize) -> (String, Vec<u8>) {
    let mut dice = Dice(seed.wrapping_mul(0x1_0000_0001).wrapping_add(number as u64));
    dice.next();
    let mut text = String::new();
    if dice.once_in(3) {
        text.push_str(dice.pick(&["---\n", "# c\n", "--- # c\n", "# c\n---\n", "\n"]));
    }
    let documents = 1 + dice.below(6) / 4;
    for document in 0..documents {
        if document > 0 {
            text.push_str(dice.pick(&[
                "---\n",
                "---\n",
                "--- # c\n",
                "...\n---\n",
                "---\n---\n",
                "---  \n# c\n",
            ]));
        }
        let mut writer = Writer { dice, scalars: Vec::new(), maps: Vec::new() };
        text.push_str(&format!(
            "apiVersion: {API_VERSION}\nkind: {KIND}\nmetadata: {{name: g{number}}}\nspec:"
        ));
        text.push_str(&writer.value(0, 0));
        dice = writer.dice;
    }
    if dice.once_in(3) {
        for _ in 0..=dice.below(2) {
            edit(&mut text, &mut dice);
        }
    }
    if dice.once_in(6) {
        text = text.replace('\n', "\r\n");
    }
    let name = format!("generated-{number:04}.yaml");
    if dice.once_in(12) {
        text.insert(0, '\u{feff}');
        if dice.once_in(2) {
            return (name, text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        }
    }
    (name, text.into_bytes())
}

/// Inserts text or removes a character, below the head.
fn edit(text: &mut String, dice: &mut Dice) {
    let from = text.rfind("spec:").unwrap_or_default() + 5;
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).filter(|at| *at >= from).collect();
    let at = places[dice.below(places.len())];
    if dice.once_in(4) {
        text.remove(at);
    } else {
        text.insert_str(at, dice.pick(EDITS));
    }
}

struct Writer {
    dice: Dice,
    /// The anchors on scalars and on maps so far.
    scalars: Vec<String>,
    maps: Vec<String>,
}

impl Writer {
    /// The text after `key:` or `-`, including the final line break.
    fn value(&mut self, indent: usize, depth: usize) -> String {
        let kinds = if depth > 3 { 6 } else { 14 };
        match self.dice.below(kinds) {
            0..4 => {
                let end = self.dice.pick(&["\n", "\n", "\n", " # c\n", "  \n", "\t# c\n"]);
                format!(" {}{end}", self.scalar(true))
            }
            4 => self.block_text(indent),
            5 => self.long_text(indent),
            6..8 => {
                let separator = self.dice.pick(&[", ", ",", " ,"]);
                format!(" {}\n", self.flow(depth + 1, separator))
            }
            8..12 => self.map(indent, depth),
            _ => self.list(indent, depth),
        }
    }

    fn scalar(&mut self, anchors: bool) -> String {
        let text = match self.dice.below(8) {
            0..4 => self.dice.pick(PLAIN),
            4..6 => self.dice.pick(QUOTED),
            6 => self.dice.pick(TAGGED),
            _ if !self.scalars.is_empty() => {
                let at = self.dice.below(self.scalars.len());
                return format!("*{}", self.scalars[at]);
            }
            _ => "z",
        };
        if anchors && self.dice.once_in(8) {
            let name = format!("s{}", self.scalars.len());
            let text = format!("&{name} {text}");
            self.scalars.push(name);
            return text;
        }
        text.to_owned()
    }

    fn key(&mut self, count: usize) -> String {
        // Few keys are equal; otherwise most files would be rejected for duplicates.
        match self.dice.below(5) {
            0 => self.dice.pick(KEYS).to_owned(),
            1 => format!("\"k {count}\""),
            _ => format!("k{count}"),
        }
    }

    fn map(&mut self, indent: usize, depth: usize) -> String {
        let indent = indent + 1 + self.dice.below(4);
        let pad = " ".repeat(indent);
        let anchored = self.dice.once_in(4);
        let mut text = if anchored { format!(" &m{}\n", self.maps.len()) } else { "\n".to_owned() };
        if !self.maps.is_empty() && self.dice.once_in(3) {
            let at = self.dice.below(self.maps.len());
            let name = &self.maps[at];
            text.push_str(&format!("{pad}<<: *{name}\n"));
        }
        for count in 0..=self.dice.below(4) {
            if self.dice.once_in(6) {
                text.push_str(self.dice.pick(&["\n", "# c\n", "   # c\n", "  \n", "              # c\n"]));
            }
            let key = self.key(count);
            text.push_str(&format!("{pad}{key}:{}", self.value(indent, depth + 1)));
        }
        if anchored {
            self.maps.push(format!("m{}", self.maps.len()));
        }
        text
    }

    fn list(&mut self, indent: usize, depth: usize) -> String {
        let pad = " ".repeat(indent + self.dice.below(3));
        let mut text = "\n".to_owned();
        for _ in 0..=self.dice.below(3) {
            if self.dice.once_in(8) {
                text.push_str(self.dice.pick(&["\n", "# c\n"]));
            }
            if self.dice.once_in(3) {
                let (key, other) = (self.key(0), self.key(1));
                let first = self.scalar(false);
                let second = self.value(pad.len() + 2, depth + 2);
                text.push_str(&format!("{pad}- {key}: {first}\n{pad}  {other}:{second}"));
            } else {
                text.push_str(&format!("{pad}-{}", self.value(pad.len() + 1, depth + 1)));
            }
        }
        text
    }

    fn flow(&mut self, depth: usize, separator: &str) -> String {
        let item = |writer: &mut Self| match writer.dice.below(if depth > 3 { 3 } else { 5 }) {
            // A comma would end the scalar, so such texts become empty items.
            0..3 => Some(writer.scalar(false)).filter(|text| !text.contains(',')).unwrap_or_default(),
            _ => writer.flow(depth + 1, separator),
        };
        let mut items: Vec<String> = Vec::new();
        let map = self.dice.once_in(2);
        for count in 0..self.dice.below(4) {
            let value = item(self);
            let colon = self.dice.pick(&[": ", ": ", " : ", ":  "]);
            items.push(if map { format!("{}{colon}{value}", self.key(count)) } else { value });
        }
        let mut text = items.join(separator);
        if self.dice.once_in(8) && !items.is_empty() {
            text.push_str(", ");
        }
        if map { format!("{{{text}}}") } else { format!("[{text}]") }
    }

    fn block_text(&mut self, indent: usize) -> String {
        let style = self.dice.pick(&["|", "|-", "|+", ">", ">-", ">+", "| # c", ">-  "]);
        let pad = " ".repeat(indent + 1 + self.dice.below(3));
        let mut text = format!(" {style}\n");
        for number in 0..=self.dice.below(4) {
            let line = self.dice.pick(&[
                "one", "two  ", "a: b", "# c", "- x", "'q\"", "", "  deeper", "日本", "x\ty", "%a", "{b",
            ]);
            // The first line determines the indentation.
            let line = if number == 0 { line.trim_start() } else { line };
            text.push_str(&if line.is_empty() { "\n".to_owned() } else { format!("{pad}{line}\n") });
        }
        text
    }

    /// A plain or quoted scalar over several lines.
    fn long_text(&mut self, indent: usize) -> String {
        let pad = " ".repeat(indent + 1 + self.dice.below(3));
        let quote = self.dice.pick(&["", "'", "\""]);
        let mut words = Vec::new();
        for _ in 0..=self.dice.below(4) {
            words.push(self.dice.pick(&["one", "two three", "12", "yes", "a-b", "日本", "x#y"]));
        }
        let between = self.dice.pick(&["\n", "\n", "\n\n", "  \n"]);
        format!(" {quote}{}{quote}\n", words.join(&format!("{between}{pad}")))
    }
}
