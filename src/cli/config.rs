//! `stategate.yaml`: the flags of a repository, searched for from the current directory upwards. Its keys
//! are the long names of flags, its values their values; a flag on the command line wins.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, CommandFactory as _, Subcommand, ValueHint};
use serde_json::{Value, json};

use super::confined::{COMMAND_LINE_ONLY, Confined};
use super::project::{CONFIG_FILE, Project};
use super::{Exit, print};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText, did_you_mean};
use crate::path::Segment;
use crate::plain;
use crate::reader;
use crate::source::read_text;
use crate::yaml::Document;

/// The key of the PATHs to check if the command line names none.
const PATHS: &str = "paths";

/// Which configuration applies.
#[derive(Args, Clone, Default)]
pub struct ConfigArguments {
    /// The configuration file [default: stategate.yaml in this directory or above, within the repository]
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    config: Option<PathBuf>,

    /// Ignore stategate.yaml
    #[arg(long)]
    no_config: bool,
}

impl ConfigArguments {
    /// The file that applies because it lies in the repository, not because --config names it.
    pub fn found(&self) -> anyhow::Result<Option<PathBuf>> {
        if self.config.is_some() { Ok(None) } else { self.file() }
    }

    /// The file that applies.
    pub fn file(&self) -> anyhow::Result<Option<PathBuf>> {
        match (&self.config, self.no_config) {
            (_, true) => Ok(None),
            (Some(file), _) => Ok(Some(file.clone())),
            (None, _) => Ok(Project::config()?),
        }
    }
}

#[derive(Subcommand)]
#[command(after_help = "Examples:
  stategate config show
  stategate config show --profile baseline")]
pub enum ConfigCommand {
    /// Print the configuration that `check` would use, and where each value comes from
    Show(Box<super::check::Arguments>),
}

/// One value of a configuration, as its flag.
struct Setting {
    /// The id of the argument in the command.
    id: String,
    arguments: Vec<OsString>,
    line: usize,
}

/// The arguments of a run, completed by those of the configuration.
///
/// # Errors
/// If the configuration cannot be read, or a key or value of it is wrong.
pub fn configured(
    command: &Command,
    given: &[OsString],
    matches: &ArgMatches,
) -> anyhow::Result<Vec<OsString>> {
    let (command, matches, depth) = leaf(command, matches);
    let Some((_, settings)) = settings(command, matches)? else { return Ok(given.to_vec()) };
    let wanted = settings.into_iter().filter(|setting| !is_overruled(command, matches, &setting.id));
    let (paths, flags): (Vec<Setting>, Vec<Setting>) = wanted.partition(|setting| setting.id == PATHS);
    // Flags go right after the subcommand, since what follows a `--` is not a flag; paths go after one.
    let (head, tail) = given.split_at_checked(1 + depth).unwrap_or((given, &[]));
    let mut all = head.to_vec();
    all.extend(flags.into_iter().flat_map(|setting| setting.arguments));
    all.extend_from_slice(tail);
    if !paths.is_empty() && !tail.iter().any(|argument| argument == "--") {
        all.push("--".into());
    }
    all.extend(paths.into_iter().flat_map(|setting| setting.arguments));
    Ok(all)
}

/// The chosen subcommand, and how many words name it.
fn leaf<'a>(mut command: &'a Command, mut matches: &'a ArgMatches) -> (&'a Command, &'a ArgMatches, usize) {
    let mut depth = 0;
    while let Some((name, below)) = matches.subcommand()
        && let Some(sub) = command.find_subcommand(name)
    {
        (command, matches, depth) = (sub, below, depth + 1);
    }
    (command, matches, depth)
}

/// Is the argument, or one that conflicts with it, on the command line?
fn is_overruled(command: &Command, matches: &ArgMatches, id: &str) -> bool {
    let find = |id: &str| command.get_arguments().find(|argument| argument.get_id() == id);
    let against =
        |a: &Arg, b: &Arg| command.get_arg_conflicts_with(a).iter().any(|other| other.get_id() == b.get_id());
    is_given(matches, id)
        || find(id).is_some_and(|own| {
            let mut given =
                command.get_arguments().filter(|other| is_given(matches, other.get_id().as_str()));
            given.any(|given| against(own, given) || against(given, own))
        })
}

fn is_given(matches: &ArgMatches, id: &str) -> bool {
    matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// The configuration of a command; `None` if the command takes none, or there is none.
fn settings(command: &Command, matches: &ArgMatches) -> anyhow::Result<Option<(PathBuf, Vec<Setting>)>> {
    if !command.get_arguments().any(|argument| argument.get_id() == "no_config") {
        return Ok(None);
    }
    let arguments = ConfigArguments {
        config: matches.get_one::<PathBuf>("config").cloned(),
        no_config: matches.get_flag("no_config"),
    };
    let Some(file) = arguments.file()? else { return Ok(None) };
    // What a repository says is confined to it. A file that --config names is the user's own word.
    let confined = arguments.found()?.map(|file| Confined::by(&file)).transpose()?;
    let text = read_text(&file).map_err(Diagnostics::from)?;
    let base = file.parent().unwrap_or(Path::new(""));
    let settings = read(command, &text, base, confined.as_ref())?;
    Ok(Some((file, settings)))
}

fn read(
    command: &Command,
    text: &SourceText,
    base: &Path,
    confined: Option<&Confined>,
) -> anyhow::Result<Vec<Setting>> {
    // A key of another command is not an error here: one file serves all commands.
    let check = super::Arguments::command();
    let check = check.find_subcommand("check").unwrap_or(command);
    let documents = reader::documents(text).map_err(Diagnostics::from)?;
    // An empty file, or comments only.
    if documents.is_empty() {
        return Ok(Vec::new());
    }
    let document = reader::one(text)?;
    let Value::Object(fields) = &document.value else {
        return Err(Diagnostics::from(text.error(1, 0, "must be a map of keys to values")).into());
    };
    let (mut settings, mut errors) = (Vec::new(), Vec::new());
    for (key, value) in fields {
        let place = document.positions.key_place(&[Segment::from(key.clone())]).unwrap_or_default();
        let Some(id) = keys(check).into_iter().find(|(known, _)| known == key).map(|(_, id)| id) else {
            let mut error = text.error(place.line, place.column, format!("there is no key {key}"));
            let known: Vec<String> = keys(check).into_iter().map(|(key, _)| key).collect();
            // Each run asks for these anew.
            let typed = match key.as_str() {
                "writeKnown" => Some("type --write-known on the command line".to_owned()),
                "allowRemote" => Some("type --allow-remote on the command line".to_owned()),
                _ => None,
            };
            error.help = typed
                .or_else(|| did_you_mean(key, known.iter().map(String::as_str)))
                .or_else(|| Some(format!("there are {}", known.join(", "))));
            errors.push(error);
            continue;
        };
        if let Some(help) = confined.and_then(|confined| confined.refusal(&id, value)) {
            errors.push(wrong(text, &document, key, COMMAND_LINE_ONLY.to_owned()).with_help(help));
            continue;
        }
        let Some(argument) = command.get_arguments().find(|argument| argument.get_id() == id.as_str()) else {
            continue;
        };
        match flag(argument, value, base, confined).and_then(|arguments| valid(command, arguments)) {
            Ok(arguments) => settings.push(Setting { id, arguments, line: place.line }),
            Err(message) => errors.push(wrong(text, &document, key, message)),
        }
    }
    errors.sort_by_key(|error| (error.line, error.column));
    if errors.is_empty() { Ok(settings) } else { Err(Diagnostics(errors).into()) }
}

fn wrong(text: &SourceText, document: &Document, key: &str, message: String) -> Diagnostic {
    let place = document.positions.place(&[Segment::from(key.to_owned())]);
    text.error(place.line, place.column, format!("{key}: {message}"))
}

/// The keys, each with the id of its argument.
fn keys(command: &Command) -> Vec<(String, String)> {
    let arguments = command.get_arguments().filter(|argument| {
        !["help", "config", "no_config", "write_known", "allow_remote"].contains(&argument.get_id().as_str())
    });
    arguments.map(|argument| (key(argument), argument.get_id().to_string())).collect()
}

/// `failOn` of `--fail-on`.
fn key(argument: &Arg) -> String {
    let Some(long) = argument.get_long() else { return PATHS.to_owned() };
    let mut words = long.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |key, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        key + &head.to_uppercase() + tail
    })
}

/// The flag for a value. Paths are relative to the directory of the configuration.
fn flag(
    argument: &Arg,
    value: &Value,
    base: &Path,
    confined: Option<&Confined>,
) -> Result<Vec<OsString>, String> {
    if value.is_null() {
        return Ok(Vec::new());
    }
    let many = is_list(argument);
    if matches!(argument.get_action(), ArgAction::SetTrue) {
        let set = value.as_bool().ok_or("must be true or false")?;
        return Ok(set.then(|| long(argument)).into_iter().collect());
    }
    let values = match value {
        Value::Array(values) if many => values.as_slice(),
        Value::Array(_) => return Err("takes one value, not a list".to_owned()),
        one => std::slice::from_ref(one),
    };
    let mut arguments = Vec::new();
    for value in values {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err("must be a string or a list of strings".to_owned()),
        };
        if let Some(confined) = confined.filter(|_| argument.get_value_hint() == ValueHint::AnyPath) {
            confined.path(base, &text)?;
        }
        let value = match (argument.get_value_hint(), argument.get_id().as_str(), text.split_once('=')) {
            (_, "output", Some((format, file))) => {
                OsString::from(format!("{format}={}", base.join(file).display()))
            }
            (ValueHint::AnyPath, _, _) if text != "-" => base.join(text).into_os_string(),
            _ => OsString::from(text),
        };
        if argument.is_positional() {
            arguments.push(value);
        } else {
            let mut flag = long(argument);
            flag.push("=");
            flag.push(value);
            arguments.push(flag);
        }
    }
    Ok(arguments)
}

fn is_list(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Append) || argument.is_positional()
}

fn long(argument: &Arg) -> OsString {
    OsString::from(format!("--{}", argument.get_long().unwrap_or_default()))
}

/// Only the command line knows which values a flag takes.
fn valid(command: &Command, arguments: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let name = OsString::from(command.get_name());
    // A path may look like a flag.
    let dashes =
        arguments.first().filter(|first| !first.to_string_lossy().starts_with("--")).map(|_| "--".into());
    let words = std::iter::once(name).chain(dashes).chain(arguments.iter().cloned());
    match command.clone().try_get_matches_from(words) {
        Err(error) if error.kind() != clap::error::ErrorKind::MissingRequiredArgument => {
            let said = error.to_string();
            let first = said.lines().next().unwrap_or_default();
            Err(first.trim_start_matches("error: ").to_owned())
        }
        _ => Ok(arguments),
    }
}

/// The JSON Schema of `stategate.yaml`: a property for each key, as the command line describes its flag.
pub fn schema() -> Value {
    let command = super::Arguments::command();
    let check = command.find_subcommand("check").unwrap_or(&command);
    let known = check.get_arguments().filter_map(|argument| {
        let id = argument.get_id().as_str();
        let (key, _) = keys(check).into_iter().find(|(_, known)| known == id)?;
        Some((key, property(argument)))
    });
    let properties: serde_json::Map<String, Value> = known.collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": CONFIG_FILE,
        "description": "Flags of a repository: the keys are the long names of flags of `stategate check` in camelCase; a flag on \
            the command line wins. Paths are relative to the directory of this file. Unless --config names the file, \
            they must lie in its repository, and changedSince, old, an output to a file and an \
            exempt namespace are refused.",
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": false,
    })
}

/// What [`flag`] accepts for an argument. `null` leaves it unset.
fn property(argument: &Arg) -> Value {
    let choices = argument.get_possible_values();
    let choices = choices.iter().map(|choice| choice.get_name().into());
    let choices: Vec<Value> = choices.chain([Value::Null]).collect();
    let text = ["string", "number"];
    let mut property = match argument.get_action() {
        ArgAction::SetTrue => json!({"type": ["boolean", "null"]}),
        _ if is_list(argument) => {
            json!({"type": ["array", "string", "number", "null"], "items": {"type": text}})
        }
        _ if choices.len() == 1 => json!({"type": ["string", "number", "null"]}),
        _ => json!({"enum": choices}),
    };
    if let Some(fields) = property.as_object_mut() {
        fields.extend(argument.get_help().map(|help| ("description".to_owned(), help.to_string().into())));
        let default = argument.get_default_values().first().filter(|_| argument.get_action().takes_values());
        fields.extend(default.map(|default| ("default".to_owned(), default.to_string_lossy().into())));
    }
    property
}

/// Prints the effective configuration. `matches` include the configuration, `given` do not.
pub fn show(given: &ArgMatches, matches: &ArgMatches, command: &Command) -> anyhow::Result<Exit> {
    let (command, given, _) = leaf(command, given);
    let matches = std::iter::successors(Some(matches), |matches| Some(matches.subcommand()?.1))
        .last()
        .unwrap_or(matches);
    let settings = settings(command, given)?;
    let mut rows = Vec::new();
    for (key, id) in keys(command) {
        let of_config = settings.as_ref().and_then(|(file, settings)| {
            let setting = settings.iter().find(|setting| setting.id == id)?;
            Some(format!("{}:{}", plain::path(file), setting.line))
        });
        let origin = match (matches.value_source(&id), of_config) {
            _ if is_given(given, &id) => "command line".to_owned(),
            (Some(ValueSource::CommandLine), Some(origin)) => origin,
            (Some(ValueSource::DefaultValue), _) => "default".to_owned(),
            (Some(ValueSource::EnvVariable), _) => "environment".to_owned(),
            _ => "not set".to_owned(),
        };
        let values: Vec<String> = matches
            .get_raw(&id)
            .map(|values| values.map(|value| value.to_string_lossy().into_owned()).collect())
            .unwrap_or_default();
        let argument = command.get_arguments().find(|argument| argument.get_id() == id.as_str());
        rows.push((key, argument.is_some_and(is_list), values, origin));
    }
    let file = settings.map_or(format!("no {CONFIG_FILE} found"), |(file, _)| plain::path(file));
    let mut out = format!("# {file}\n");
    for (key, is_list, values, origin) in rows {
        let value = match values.as_slice() {
            [] if is_list => "[]".to_owned(),
            [] => "null".to_owned(),
            [one] => yaml_text(one),
            many => format!("[{}]", many.iter().map(|value| yaml_text(value)).collect::<Vec<_>>().join(", ")),
        };
        let line = format!("{key}: {value}");
        out.push_str(&format!("{line:<40} # {origin}\n"));
    }
    print(&out)?;
    Ok(Exit::Clean)
}

/// A string as YAML, on one line.
fn yaml_text(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        plain::escaped_json(&Value::from(text).to_string()).into_owned()
    }
}
