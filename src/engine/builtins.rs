//! Builtins within limits. regorus stops a loop, but not a call: `concat` of a text with itself, forty times
//! over, takes all memory in one step. So every builtin that makes something, or works through a whole value,
//! is replaced by one that first charges the most it can cost.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use super::ast::{BUILTINS, BuiltinFcn, Engine, Expr, Ref, Source, Span, Value, error_line};
use super::limits::{self, BYTES, TooLarge, VALUE};

/// The most that a call can cost in bytes beside its operands.
type Cost = fn(&[Value]) -> usize;

/// The builtins whose result may hold their operands, or be as large.
const COSTS: &[(&str, Cost)] = &[
    ("array.concat", operands_only),
    ("array.reverse", operands_only),
    ("array.slice", slice),
    ("bits.lsh", shifted),
    ("concat", concat),
    ("contains", operands_only),
    ("count", operands_only),
    ("endswith", operands_only),
    ("format_int", operands_only),
    ("glob.match", pattern),
    ("glob.quote_meta", operands_only),
    ("indexof", operands_only),
    ("indexof_n", pieces),
    ("intersection", operands_only),
    ("json.filter", operands_only),
    ("json.is_valid", operands_only),
    ("json.marshal", operands_only),
    ("json.marshal_with_options", indented),
    ("json.remove", operands_only),
    ("json.unmarshal", pieces),
    ("lower", operands_only),
    ("max", operands_only),
    ("min", operands_only),
    ("object.filter", operands_only),
    ("object.keys", operands_only),
    ("object.remove", operands_only),
    ("object.subset", operands_only),
    ("object.union", operands_only),
    ("object.union_n", operands_only),
    ("product", product),
    ("regex.find_all_string_submatch_n", pieces),
    ("regex.find_n", pieces),
    ("regex.is_valid", pattern),
    ("regex.match", pattern),
    ("regex.replace", regex_replace),
    ("regex.split", pieces),
    ("regex.template_match", pattern),
    ("replace", replace),
    ("sort", operands_only),
    ("split", split),
    ("sprintf", sprintf),
    ("startswith", operands_only),
    ("strings.any_prefix_match", pairs),
    ("strings.any_suffix_match", pairs),
    ("strings.count", operands_only),
    ("strings.replace_n", replace_n),
    ("strings.reverse", operands_only),
    ("substring", operands_only),
    ("sum", operands_only),
    ("time.format", operands_only),
    ("to_number", number),
    ("trim", operands_only),
    ("trim_left", operands_only),
    ("trim_prefix", operands_only),
    ("trim_right", operands_only),
    ("trim_space", operands_only),
    ("trim_suffix", operands_only),
    ("union", operands_only),
    ("upper", operands_only),
    ("walk", walk),
];

/// The builtins that give a number or a boolean of what they are given.
const PLAIN: &[&str] = &[
    "abs",
    "bits.and",
    "bits.negate",
    "bits.or",
    "bits.rsh",
    "bits.xor",
    "ceil",
    "floor",
    "object.get",
    "round",
    "semver.compare",
    "semver.is_valid",
    "time.add_date",
    "time.clock",
    "time.date",
    "time.diff",
    "time.parse_duration_ns",
    "time.parse_ns",
    "time.parse_rfc3339_ns",
    "time.weekday",
];

/// The builtins that take anything, and give a boolean or a word.
const FREE: &[&str] =
    &["is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set", "is_string", "type_name"];

/// The builtins that have no value for some of what they take: the empty collection has no greatest item.
const MAY_BE_UNDEFINED: &[&str] = &["max", "min"];

/// A place for errors of builtins. Whoever calls them adds the real one.
static NOWHERE: LazyLock<Option<Span>> = LazyLock::new(|| {
    let source = Source::from_contents(String::new(), String::new()).ok()?;
    Some(Span { source, line: 0, col: 0, start: 0, end: 0 })
});

/// Why a builtin gave no value.
#[derive(Debug, thiserror::Error)]
pub enum BuiltinError {
    /// The rule has spent its bytes.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// It failed; the text names no place.
    #[error("{0}")]
    Failed(String),
}

/// A builtin within limits.
#[derive(Clone)]
pub struct Builtin {
    name: &'static str,
    function: BuiltinFcn,
    cost: Cost,
    places: Vec<Ref<Expr>>,
}

impl Builtin {
    /// The builtin of this name, unless it is one that no policy may call.
    pub fn named(name: &str) -> Option<Self> {
        let known = |names: &[&'static str], cost: Cost| {
            names.iter().find(|known| **known == name).map(|name| (*name, cost))
        };
        let charged = COSTS.iter().copied().find(|(known, _)| *known == name);
        let (name, cost) =
            charged.or_else(|| known(PLAIN, operands_only)).or_else(|| known(FREE, operands_only))?;
        let (function, span) = (*BUILTINS.get(name)?, NOWHERE.as_ref()?);
        let nothing = Ref::new(Expr::Null { span: span.clone(), value: Value::Null, eidx: 0 });
        Some(Self { name, function, cost, places: vec![nothing; usize::from(function.1)] })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The number of its arguments.
    pub fn arguments(&self) -> usize {
        usize::from(self.function.1)
    }

    /// Charges for a call with these operands, none of which is undefined, and calls.
    ///
    /// # Errors
    /// If the rule has spent its bytes, or the builtin fails.
    pub fn call(&self, operands: &[Value]) -> Result<Value, BuiltinError> {
        if !FREE.contains(&self.name) {
            limits::charge(taken(self.name, operands).saturating_add((self.cost)(operands)))?;
        }
        // A panic would be taken for a fault of the policy, which is put aside after two of them: no object may bring
        // that about. Between calls, builtins keep only patterns, which are whole or not there.
        catch_unwind(AssertUnwindSafe(|| self.answer(operands))).unwrap_or_else(|_| Err(self.refusal()))
    }

    fn answer(&self, operands: &[Value]) -> Result<Value, BuiltinError> {
        if let Some(answer) = instead(self.name, operands) {
            return answer.ok_or_else(|| self.refusal());
        }
        let span = self.places.first().map(|place| place.span()).or(NOWHERE.as_ref());
        let Some(span) = span else { return Err(self.refusal()) };
        match (self.function.0)(span, &self.places, operands, true) {
            // Some have no value where they should fail, although they are told to be strict.
            Ok(Value::Undefined) if !MAY_BE_UNDEFINED.contains(&self.name) => Err(self.refusal()),
            Ok(value) => Ok(value),
            Err(error) => Err(BuiltinError::Failed(bare(&error.to_string()))),
        }
    }

    fn refusal(&self) -> BuiltinError {
        BuiltinError::Failed(format!("`{}` does not take these operands", self.name))
    }
}

/// The answer, or none if there is to be an error, where regorus is known to panic. For OPA, the empty text and the
/// empty array are parts like any other.
fn instead(name: &str, operands: &[Value]) -> Option<Option<Value>> {
    match (name, operands) {
        // It would also count parts that overlap.
        ("strings.count", [Value::String(text), Value::String(part)]) => {
            Some(Some(Value::from(text.matches(&**part).count())))
        }
        ("object.subset", [whole, part]) => Some(Some(Value::from(is_subset(whole, part)))),
        ("time.parse_ns", [Value::String(layout), Value::String(time)])
            if !(layout.is_ascii() && time.is_ascii()) =>
        {
            Some(None)
        }
        _ => None,
    }
}

/// As regorus has it.
fn is_subset(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| is_subset(whole, part)))
        }
        (Value::Set(whole), Value::Set(part)) => part.iter().all(|item| whole.contains(item)),
        (Value::Array(whole), Value::Set(part)) => part.iter().all(|item| whole.contains(item)),
        (Value::Array(whole), Value::Array(part)) => {
            let [whole, part] = [whole, part].map(|items| items.iter().collect::<Vec<_>>());
            part.is_empty() || whole.windows(part.len()).any(|items| items == part)
        }
        (whole, part) => whole == part,
    }
}

/// Replaces the builtins of an engine by those within limits.
pub fn limit(engine: &mut Engine) {
    let names = COSTS.iter().map(|(name, _)| *name).chain(PLAIN.iter().copied());
    for builtin in names.filter_map(Builtin::named) {
        let (name, arguments) = (builtin.name.to_owned(), builtin.function.1);
        let call = move |operands: Vec<Value>| Ok(builtin.call(&operands)?);
        // It fails only if the engine has this extension already.
        let _ = engine.add_extension(name, arguments, Box::new(call));
    }
}

/// Whether the result of a builtin may hold its operands, or be as large.
pub fn makes_values(name: &str) -> bool {
    const PASSED_ON: &[&str] = &["abs", "object.get"];
    PASSED_ON.contains(&name) || COSTS.iter().any(|(known, _)| *known == name)
}

/// The error without the frame in which regorus shows it.
fn bare(framed: &str) -> String {
    error_line(framed).unwrap_or(framed).trim().to_owned()
}

fn text(operand: Option<&Value>) -> &str {
    match operand {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

fn length(operand: &Value) -> usize {
    match operand {
        Value::String(text) => text.len(),
        Value::Array(items) => items.len().saturating_mul(VALUE),
        Value::Set(items) => items.len().saturating_mul(VALUE),
        Value::Object(fields) => fields.len().saturating_mul(2 * VALUE),
        _ => 0,
    }
}

fn sum(costs: impl Iterator<Item = usize>) -> usize {
    costs.fold(VALUE, usize::saturating_add)
}

/// What it costs to read the operands. All of each counts, also where only its length matters: a builtin that does
/// not take an operand quotes all of it in its error. Left out is what a builtin takes, and does not go through.
fn taken(name: &str, operands: &[Value]) -> usize {
    let cost = |(position, operand): (usize, &Value)| match (name, position, operand) {
        ("count", _, Value::Array(_) | Value::Set(_) | Value::Object(_))
        | ("object.get", 0, Value::Object(_))
        | ("array.slice", 0, Value::Array(_))
        // Its texts are counted with their delimiters.
        | ("concat", 1, Value::Array(_) | Value::Set(_)) => 0,
        ("array.concat" | "array.reverse", _, Value::Array(_)) | ("object.keys", _, Value::Object(_)) => {
            length(operand)
        }
        _ => limits::size(operand, BYTES + 1),
    };
    operands.iter().enumerate().map(cost).fold(0, usize::saturating_add)
}

/// A result no larger than the operands, or a search through them.
fn operands_only(_: &[Value]) -> usize {
    0
}

fn slice(operands: &[Value]) -> usize {
    let bound = |position: usize| operands.get(position).and_then(|bound| bound.as_u64().ok()).unwrap_or(0);
    let items = usize::try_from(bound(2).saturating_sub(bound(1))).unwrap_or(usize::MAX);
    items.saturating_mul(VALUE).min(operands.first().map_or(0, length)).saturating_add(VALUE)
}

/// A pattern is compiled each time that it is new.
fn pattern(_: &[Value]) -> usize {
    1024
}

/// All of the operands is written.
fn sizes(operands: &[Value]) -> usize {
    sum(operands.iter().map(|operand| limits::size(operand, BYTES + 1)))
}

fn indented(operands: &[Value]) -> usize {
    let options = operands.get(1).map_or(0, |options| limits::size(options, BYTES + 1) / VALUE);
    sizes(operands).saturating_mul(options)
}

/// Each text of one list is compared with each of the other.
fn pairs(operands: &[Value]) -> usize {
    let lengths = operands.iter().map(|operand| length(operand) / VALUE + 1);
    lengths.fold(VALUE, usize::saturating_mul)
}

/// Each value comes with the path that leads to it.
fn walk(operands: &[Value]) -> usize {
    sizes(operands).saturating_mul(7)
}

/// A text may fall into as many pieces as it has characters.
fn pieces(operands: &[Value]) -> usize {
    let longest = operands.iter().map(length).max().unwrap_or(0);
    longest.saturating_mul(VALUE).saturating_add(VALUE)
}

fn split(operands: &[Value]) -> usize {
    let (text, delimiter) = (text(operands.first()), text(operands.get(1)));
    occurrences(text, delimiter).saturating_mul(VALUE)
}

fn occurrences(text: &str, pattern: &str) -> usize {
    if pattern.is_empty() { text.len() + 1 } else { text.matches(pattern).count() + 1 }
}

fn concat(operands: &[Value]) -> usize {
    let delimiter = text(operands.first()).len();
    let joined = |texts: &mut dyn Iterator<Item = &Value>| {
        sum(texts.map(|item| length(item).saturating_add(delimiter)))
    };
    match operands.get(1) {
        Some(Value::Array(items)) => joined(&mut items.iter()),
        Some(Value::Set(items)) => joined(&mut items.iter()),
        _ => 0,
    }
}

fn replace(operands: &[Value]) -> usize {
    let [text, old, new] = [0, 1, 2].map(|position| text(operands.get(position)));
    occurrences(text, old).saturating_mul(new.len()).saturating_add(text.len())
}

/// regorus replaces one pattern after another, so that what one has put in grows by the next.
fn replace_n(operands: &[Value]) -> usize {
    let mut replaced = text(operands.get(1)).to_owned();
    let mut cost = replaced.len();
    let Some(Value::Object(patterns)) = operands.first() else { return cost };
    for (old, new) in patterns.iter() {
        let (old, new) = (text(Some(old)), text(Some(new)));
        let longer = occurrences(&replaced, old).saturating_mul(new.len()).saturating_add(replaced.len());
        cost = cost.saturating_add(longer);
        if cost > BYTES {
            return cost;
        }
        replaced = replaced.replace(old, new);
    }
    cost
}

/// `$1` stands for as much as the whole text.
fn regex_replace(operands: &[Value]) -> usize {
    let (searched, new) = (text(operands.first()), text(operands.get(2)));
    let groups = new.matches('$').count().saturating_add(1);
    let inserted = (searched.len() + 1).saturating_mul(new.len() + 1);
    sum([inserted, groups.saturating_mul(searched.len())].into_iter())
}

/// Widths are literals below 100, each for one of the arguments; `lint/sprintf.rs` refuses others.
fn sprintf(operands: &[Value]) -> usize {
    text(operands.first()).matches('%').count().saturating_mul(100)
}

/// A number with more bits than anybody counts with is slow to multiply and to write.
fn shifted(operands: &[Value]) -> usize {
    match operands.get(1).map(Value::as_u64) {
        Some(Ok(bits)) if bits > 1024 => usize::MAX,
        _ => VALUE,
    }
}

fn number(operands: &[Value]) -> usize {
    let digits = text(operands.first()).len();
    if digits > 400 { usize::MAX } else { digits }
}

fn product(operands: &[Value]) -> usize {
    let factors = operands.first().map_or(0, length) / VALUE;
    if factors > 1000 { usize::MAX } else { factors.saturating_mul(VALUE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builtins that `lint/calls.rs` refuses, or that are an operator's other name.
    const REFUSED: &[&str] = &[
        "http.",
        "opa.",
        "rand.",
        "uuid.",
        "time.now_ns",
        "units.",
        "numbers.range",
        "net.",
        "graph.",
        "trace",
        "test.",
        "__builtin_sets.",
        "print",
    ];

    #[test]
    fn every_builtin_is_charged_or_known_to_be_free() {
        for name in BUILTINS.keys() {
            let charged = COSTS.iter().any(|(known, _)| known == name) || PLAIN.contains(name);
            let refused = REFUSED.iter().any(|start| name.starts_with(start));
            assert!(charged || FREE.contains(name) || refused, "what does {name} cost?");
        }
        for name in COSTS.iter().map(|(name, _)| name).chain(PLAIN) {
            assert!(BUILTINS.contains_key(name), "there is no {name}");
        }
        assert!(NOWHERE.is_some());
    }

    #[test]
    fn a_cost_is_at_least_what_comes_out() {
        let text = Value::from("a,b,,c");
        let list = Value::from(vec![Value::from("xx"), Value::from("yyy")]);
        let patterns = Value::from_json_str(r#"{"a": "bb", "b": "aaaa", "c": ""}"#).unwrap();
        let calls: &[(&str, Vec<Value>)] = &[
            ("concat", vec![Value::from(", "), list.clone()]),
            ("split", vec![text.clone(), Value::from(",")]),
            ("split", vec![text.clone(), Value::from("")]),
            ("replace", vec![text.clone(), Value::from(","), Value::from("-----")]),
            ("replace", vec![text.clone(), Value::from(""), Value::from("-----")]),
            ("strings.replace_n", vec![patterns.clone(), text.clone()]),
            ("sprintf", vec![Value::from("%v and %90d"), Value::from(vec![list.clone(), Value::from(7)])]),
            ("json.marshal", vec![patterns.clone()]),
            ("json.unmarshal", vec![Value::from("[[],{},[1,2]]")]),
            ("regex.replace", vec![text.clone(), Value::from("(.)"), Value::from("$1$1$1")]),
            ("regex.find_n", vec![Value::from("."), text.clone(), Value::from(-1)]),
            ("indexof_n", vec![Value::from("aaaa"), Value::from("a")]),
            ("walk", vec![list.clone()]),
            ("array.concat", vec![list.clone(), list.clone()]),
            ("object.union", vec![patterns.clone(), patterns]),
            ("upper", vec![text]),
        ];
        for (name, operands) in calls {
            let (builtin, _) = BUILTINS.get(name).unwrap();
            let span = NOWHERE.as_ref().unwrap();
            let nothing = Ref::new(Expr::Null { span: span.clone(), value: Value::Null, eidx: 0 });
            let value = builtin(span, &vec![nothing; operands.len()], operands, true).unwrap();
            let (_, cost) = COSTS.iter().find(|(known, _)| known == name).unwrap();
            let (cost, size) = (taken(name, operands) + cost(operands), limits::size(&value, usize::MAX));
            // The pieces of a text share nothing with it; the limit is of the order, not of the byte.
            assert!(cost + 2 * VALUE >= size, "{name}: {cost} for {size}: {value:?}");
        }
    }

    /// Values of every type, some of which no builtin expects.
    fn values() -> Vec<Value> {
        let written = r#"[null, true, 0, 1, -1, 2.5, 1e300, 9223372036854775807, "", "a", "ab", "é", "(", "[a", "{", "%v%d",
            "1.2.3", "2006-01-02T15:04:05Z", "1e400", [], ["a"], ["", "a"], [1, null], [[]], [["/a"]], {}, {"a": 1},
            {"": "a", "a": ""}, {"a": {"b": []}}]"#;
        let mut values: Vec<Value> =
            Value::from_json_str(written).unwrap().as_array().unwrap().iter().cloned().collect();
        values.push(Value::new_set());
        values.push(Value::from(std::collections::BTreeSet::from([Value::from("a"), Value::from(1)])));
        values
    }

    /// Calls with all combinations of operands, or as many as are affordable.
    fn each_call(mut tell: impl FnMut(&Builtin, &[Value])) {
        let values = values();
        for name in COSTS.iter().map(|(name, _)| *name).chain(PLAIN.iter().chain(FREE).copied()) {
            let builtin = Builtin::named(name).unwrap();
            let (arguments, mut at) = (u32::try_from(builtin.arguments()).unwrap(), 0);
            let all = values.len().pow(arguments);
            // A prime number meets all values at all places.
            let step = if all > 40_000 { 101 } else { 1 };
            while at < all {
                let place = |place| values[at / values.len().pow(place) % values.len()].clone();
                tell(&builtin, &(0..arguments).map(place).collect::<Vec<_>>());
                at += step;
            }
        }
    }

    #[test]
    fn no_builtin_panics_or_has_no_value() {
        let (mut faults, mut answered) = (std::collections::BTreeMap::new(), 0);
        each_call(|builtin, operands| {
            limits::begin();
            let fault = match catch_unwind(AssertUnwindSafe(|| builtin.answer(operands))) {
                Err(_) => "panics on",
                Ok(Ok(Value::Undefined)) if !MAY_BE_UNDEFINED.contains(&builtin.name()) => "has no value for",
                Ok(Ok(_)) => return answered += 1,
                Ok(Err(_)) => return,
            };
            faults.insert(builtin.name(), format!("{fault} {operands:?}"));
        });
        assert!(faults.is_empty(), "{faults:#?}");
        assert!(answered > 10_000, "most calls fail: {answered}");
    }

    #[test]
    fn parts_of_a_text_are_counted_as_opa_does() {
        for (text, part, count) in
            [("", "", 1), ("aé", "", 3), ("aaaa", "aa", 2), ("abcab", "ab", 2), ("a", "b", 0)]
        {
            let operands = [Value::from(text), Value::from(part)];
            let value = Builtin::named("strings.count").unwrap().call(&operands).unwrap();
            assert_eq!(value, Value::from(count as u64), "{part:?} in {text:?}");
        }
    }

    #[test]
    fn a_builtin_without_a_value_fails() {
        for (name, operands) in [
            ("regex.replace", ["a", "[", ""].map(Value::from).to_vec()),
            ("substring", vec![Value::from("abc"), Value::from(-1), Value::from(1)]),
        ] {
            let answer = Builtin::named(name).unwrap().call(&operands);
            assert!(matches!(answer, Err(BuiltinError::Failed(_))), "{name}: {answer:?}");
        }
        let nothing = Builtin::named("max").unwrap().call(&[Value::new_array()]).unwrap();
        assert_eq!(nothing, Value::Undefined);
    }
}
