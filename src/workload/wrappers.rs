//! Programs that run the rest of their command line, such as `exec`, `env` and `su`.

use super::command::program;

/// What a wrapper runs.
pub enum Step<'a> {
    /// These words.
    Words(&'a [String]),
    /// These words, after assignments of variables.
    Assigned(&'a [String]),
    /// These words, in another directory or under another root.
    Elsewhere(&'a [String]),
    /// These words, and more that it reads.
    Continued(&'a [String]),
    /// A shell script.
    Script(String),
}

/// A program that runs the rest of its command line: its name, its flags that take a value in a word of their
/// own, and the number of words between its flags and the command.
type Wrapper = (&'static str, &'static [&'static str], usize);

const WRAPPERS: &[Wrapper] = &[
    ("builtin", &[], 0),
    ("busybox", &[], 0),
    ("catatonit", &[], 0),
    ("chpst", &["-/", "-C", "-U", "-b", "-c", "-d", "-e", "-f", "-l", "-m", "-n", "-o", "-p", "-u"], 0),
    ("chrt", &["-D", "-P", "-T"], 1),
    ("command", &[], 0),
    ("dumb-init", &["-r", "--rewrite"], 0),
    ("exec", &["-a"], 0),
    ("flock", &["-E", "-w", "--timeout"], 1),
    ("gosu", &[], 1),
    ("ionice", &["-c", "-n", "--class", "--classdata"], 0),
    ("nice", &["-n", "--adjustment"], 0),
    ("nohup", &[], 0),
    ("nsenter", &["-S", "-G", "-t", "--target"], 0),
    (
        "numactl",
        &["-C", "-N", "-i", "-m", "-p", "--cpunodebind", "--interleave", "--membind", "--preferred"],
        0,
    ),
    ("s6-setuidgid", &[], 1),
    ("setpriv", &["--reuid", "--regid", "--groups", "--inh-caps", "--ambient-caps", "--bounding-set"], 0),
    ("setsid", &[], 0),
    ("setuidgid", &[], 1),
    ("stdbuf", &["-e", "-i", "-o"], 0),
    ("su-exec", &[], 1),
    ("taskset", &[], 1),
    ("time", &["-f", "-o"], 0),
    ("timeout", &["-k", "-s", "--kill-after", "--signal"], 1),
    ("tini", &["-e", "-p"], 0),
    ("tini-static", &["-e", "-p"], 0),
    ("toybox", &[], 0),
    ("unshare", &["-S", "-G"], 0),
];

/// What the first word runs, if it is a wrapper. An entry point that gets only flags runs the image's own
/// program.
pub fn step(words: &[String]) -> Option<Step<'_>> {
    let first = program(words.first()?);
    let rest = words.get(1..).unwrap_or_default();
    match first {
        "env" => return Some(env(rest)),
        "sudo" => {
            return Some(Step::Assigned(after_flags(
                rest,
                &["-C", "-D", "-g", "-p", "-u", "--group", "--user"],
                0,
            )));
        }
        "xargs" => {
            return Some(Step::Continued(after_flags(
                rest,
                &[
                    "-E",
                    "-I",
                    "-L",
                    "-P",
                    "-a",
                    "-d",
                    "-n",
                    "-s",
                    "--arg-file",
                    "--delimiter",
                    "--max-args",
                    "--max-procs",
                ],
                0,
            )));
        }
        "chroot" => return Some(Step::Elsewhere(after_flags(rest, &[], 1))),
        "eval" => return Some(Step::Script(rest.join(" "))),
        "runuser" if rest.first().is_some_and(|word| is_user(word)) => {
            return Some(Step::Words(after_flags(rest, &["-G", "-g", "-u", "--group", "--user"], 0)));
        }
        "su" | "runuser" => return su(rest).map(Step::Script),
        _ => {}
    }
    if first.ends_with("entrypoint.sh") && rest.first().is_some_and(|word| !word.starts_with('-')) {
        return Some(Step::Words(rest));
    }
    let (_, valued, operands) = WRAPPERS.iter().find(|(name, ..)| *name == first)?;
    Some(Step::Words(after_flags(rest, valued, *operands)))
}

/// The words after the flags and the operands of a wrapper.
fn after_flags<'a>(words: &'a [String], valued: &[&str], operands: usize) -> &'a [String] {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        at += if valued.contains(&word.as_str()) { 2 } else { 1 };
        if word == "--" {
            break;
        }
    }
    words.get(at + operands..).unwrap_or_default()
}

fn env(words: &[String]) -> Step<'_> {
    let flags = || words.iter().take_while(|word| word.starts_with('-'));
    let elsewhere = flags().any(|word| word.starts_with("-C") || word.starts_with("--chdir"));
    let split = |word: &String| {
        let long = word.strip_prefix("--split-string").map(|text| text.strip_prefix('=').unwrap_or(text));
        word.strip_prefix("-S").or(long).map(str::to_owned)
    };
    if let Some((at, text)) = flags().enumerate().find_map(|(at, word)| Some((at, split(word)?))) {
        return Step::Script(format!("{text} {}", words.get(at + 1..).unwrap_or_default().join(" ")));
    }
    let rest = after_flags(words, &["-C", "-u", "--chdir", "--unset"], 0);
    if elsewhere { Step::Elsewhere(rest) } else { Step::Assigned(rest) }
}

fn is_user(word: &str) -> bool {
    word == "-u" || word.starts_with("--user")
}

/// The script that `su` passes to a shell: `su postgres -c 'SCRIPT'`.
fn su(words: &[String]) -> Option<String> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if let Some(script) = word.strip_prefix("--command=") {
            return Some(script.to_owned());
        }
        let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
        if letters.is_some_and(|letters| letters.ends_with('c'))
            || ["--command", "--session-command"].contains(&word.as_str())
        {
            return words.next().cloned();
        }
    }
    None
}

/// The commands that `find` runs.
pub fn executed(words: &[String]) -> impl Iterator<Item = &[String]> {
    let starts = |word: &String| ["-exec", "-execdir", "-ok", "-okdir"].contains(&word.as_str());
    words.split(move |word| starts(word)).skip(1).map(|words| {
        let end = words.iter().position(|word| matches!(word.as_str(), ";" | "+")).unwrap_or(words.len());
        words.get(..end).unwrap_or_default()
    })
}
