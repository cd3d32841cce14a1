use serde_json::{Value as Json, json};

use crate::diagnostic::SourceText;
use crate::engine::{
    EngineKind, EvaluationError, Evaluator, InputDocument, Rego, RuleId, limits, on_large_stack,
};

fn load(text: &str) -> Rego {
    let texts = [SourceText::new("t.rego", format!("package t\n\n{text}\n"))];
    let parsed = on_large_stack(|| Rego::load_checked(&texts, &[])).unwrap();
    let parsed = parsed.unwrap_or_else(|faults| panic!("{faults}\n{text}"));
    // What was written and read again must be the same.
    let written = parsed.compilation().to_bytes().unwrap();
    let read = Rego::load_checked(&texts, &written).unwrap();
    assert_eq!(read.compilation().to_bytes().unwrap(), written, "{text}");
    read
}

fn rule(name: &str) -> RuleId {
    RuleId(format!("data.t.{name}").into())
}

fn ask(evaluator: &mut Evaluator, name: &str, input: &Json) -> Result<Option<Json>, EvaluationError> {
    let (document, parameters) = InputDocument::from_json(input).unwrap();
    evaluator.evaluate(&rule(name), &document, &parameters).map(|answer| answer.to_json().unwrap())
}

#[test]
fn what_is_left_to_the_interpreter() {
    let names = |number: usize| (0..number).map(|n| format!("x{n} := 1")).collect::<Vec<_>>().join("\n");
    let parts = |number: usize| (0..number).map(|n| format!("input.x{n}")).collect::<Vec<_>>().join(",\n");
    let chain = |number: usize| {
        let rules = (0..number).map(|n| format!("q{n} if q{}\n", n + 1));
        format!("{}q{number} := 1\np := q0", rules.collect::<String>())
    };
    let cases = [
        ("p contains input.a", "an element that may be undefined"),
        ("p contains [input.a] if true", "an element that may be undefined"),
        ("p contains {\"a\": input.a} if true", "an element that may be undefined"),
        ("p := 1 if { input.a } { input.b }", "several bodies"),
        ("p := input.o[z] if { z := 1 } else := 4", "a name in brackets before else"),
        ("p := input.o[[z]] if { z := 1 } else := 4", "a name in brackets before else"),
        ("p := [count(input.o[z].a)] if { some z in [1] } else := 4", "a name in brackets before else"),
        ("f(y) := input.o[z] if { z := y } else := 4\np := f(1)", "it uses data.t.f"),
        ("p := - -1", "a sign before something other than a number"),
        ("p := - -0", "a sign before something other than a number"),
        ("p := - 1.5", "such a negative number"),
        ("p := - 9223372036854775808", "such a negative number"),
        ("p if { input.a with input.a as 1 }", "with"),
        ("p if { some x; x = 1 }", "some without in"),
        ("p if { some x in [1]; some x in [1] }", "a name that is bound twice"),
        ("p if { {\"a\": x} := input.o }", "an object as a pattern"),
        ("p if { x = 1 }", "unification"),
        ("p := -input.a", "a sign before something other than a number"),
        ("p if { walk(input.a, [1, 2]) }", "a call that binds its last argument"),
        ("p := walk(input.a)", "a call that binds its last argument"),
        ("p if { count(input.a, 1) }", "a call that binds its last argument"),
        ("f(x) := x\np if f(1, 2)", "a call with another number of arguments"),
        ("q := 1\np if q(1)", "a call of a rule that is no function"),
        ("f(x) := x\np := f", "a function as a value"),
        ("p := time.now_ns()", "such a builtin"),
        ("f(x) := x\ndefault f(_) := 1\np := f(1)", "it uses data.t.f"),
        ("p if { input == {} }", "the whole input"),
        ("p := input[\"a\"][input.b].c if { data.u.v }", "a reference that leads to no rule"),
        ("q contains 1\np if q[x]", "a name that is not bound yet"),
        ("p if { x := y; y := x }", "lines without an order"),
        ("p[x] := 1 if { some x in [1] }", "a name that is no plain name"),
        ("q.r := 1\np := q.r", "a name that is no plain name"),
        (&*format!("p if {{ {} }}", names(201)), "very many names"),
        (&*format!("p if {{ {} }}", names(200)), ""),
        (&*format!("p := [{}]", parts(65)), "too many parts of the input"),
        (&*format!("p := [{}]", parts(64)), ""),
        (&*chain(900), "too many rules that use one another"),
        (&*chain(700), ""),
        ("p contains x if { some x in input.a }", ""),
        ("p contains [x, {\"a\": {x, 1}}] if { some x in input.a }", ""),
        ("f(x) := x\np := f(1)", ""),
        ("p := -1", ""),
        ("p := 1 if { input.a } else := 2", ""),
    ];
    for (text, reason) in cases {
        let rego = load(text);
        let name = if text.contains("q.r := 1") { "q.r" } else { "p" };
        let name = if text.starts_with("p[x]") { "p" } else { name };
        let left = rego.unsupported(&rule(name)).map(ToString::to_string).unwrap_or_default();
        assert!(left.contains(reason) && left.is_empty() == reason.is_empty(), "{left:?} of\n{text:.200}");
    }
}

/// The interpreter takes a name in the brackets of the first value for unbound if there is an `else`, so wherever one is
/// there, the rule is left to it.
#[test]
fn a_name_in_brackets_before_else_is_found_anywhere() {
    let values = [
        "E",
        "E.a.b",
        "input[E]",
        "input.x[E].y",
        "input.x[input.y[E]]",
        "[1, E]",
        "{E}",
        "{E: 1}",
        "{1: E}",
        "count(E)",
        "E | {1}",
        "{1} & E",
        "E == 1",
        "1 < E",
        "E + 1",
        "1 * E",
        "E in [1]",
        "1 in E",
        "(E, 1 in [1])",
    ];
    let lists = [
        "z",
        "[z]",
        "{z}",
        "{z: 1}",
        "{1: z}",
        "[w | w := z]",
        "[z | w := 1]",
        "{w | w := z}",
        "{w: 1 | w := z}",
        "{z: 1 | w := 1}",
        "{1: z | w := 1}",
        "[w | some w in z]",
        "[w | not z; w := 1]",
        "[1 | every w in z { w }]",
        "[1 | every w in [1] { z }]",
        "count(z)",
        "z.a",
        "z[0]",
        "input.x[z]",
        "(z | {1})",
        "({1} | z)",
        "z == 1",
        "1 == z",
        "z + 1",
        "1 + z",
        "z in [1]",
        "1 in z",
        "(z, 1 in [1])",
    ];
    let bodies =
        ["z := 1", "[z] := [1]", "some z in [1]", "some z, _ in [1]", "some {\"a\": z} in [{\"a\": 1}]"];
    let indices = lists.map(|index| format!("[{index}]")).into_iter().chain(["z".to_owned()]);
    let in_values = values.iter().map(|value| (value.replace('E', "input.o[z]"), bodies[0]));
    let in_indices = indices.map(|index| (format!("input.o[{index}]"), bodies[0]));
    let bound = bodies.iter().map(|body| ("input.o[z]".to_owned(), *body));
    for (value, body) in in_values.chain(in_indices).chain(bound) {
        let text = format!("p := {value} if {{ {body} }} else := 4");
        let left = load(&text).unsupported(&rule("p")).map(ToString::to_string);
        assert_eq!(left.as_deref(), Some("it has a name in brackets before else"), "{text}");
    }
    for value in
        ["input.o[y]", "input.o[\"z\"]", "[z]", "input.o[z.a]", "[w | w := input.o[z]]", "input.o[lower(z)]"]
    {
        let text = format!("p := {value} if {{ z := 1 }} else := 4\ny := 1");
        assert_eq!(load(&text).unsupported(&rule("p")), None, "{text}");
    }
}

/// Texts with answers that only one meaning has.
#[test]
fn each_construct_means_the_same() {
    let texts = [
        "p := 1 if { input.a } else := 2 if { input.b } else := 3",
        "default p := 7\np := 1 if { input.a == 1 }",
        "p := 1 if { input.a }\np := 2 if { input.b }",
        "p := x if { some x in input.list }",
        "p := [x | x := input.a[\"b\"].c]",
        "p := [k | some k, _ in input.list]",
        "p := [v | some 1, v in input.list]",
        "p := [[k, v] | some k, v in input.o]",
        "p := [v | some [\"x\", v] in input.pairs]",
        "p := [v | some [v, _] in input.pairs]",
        "p := {x: y | some [x, y] in input.pairs}",
        "p := [x | some x in input.list; every y in input.list { y <= x }]",
        "p := [x | some x in input.list; every i, y in input.list { y <= x; i >= 0 }]",
        "p if { not input.a; not input.list[7] }",
        "p := [1 | 2 in input.list]",
        "p := [1 | 0, 2 in input.list]",
        "p := [1 | \"k\", 2 in input.o]",
        "p := [1 | 2 in input.o]",
        "p := input.list[count(input.list) - 1]",
        "p := {1, 2, 3} - {x | some x in input.list} | {9} & {9}",
        "p := [input.list[0] < 2, input.list[0] <= 2, input.list[0] > 2, input.list[0] >= 2]",
        "p := [-1, - 2, -1.5, 7 % 2, 7 / 2, 2 * 3]",
        "f(x) := y if { y := x + 1 }\np := f(f(input.a))",
        "f(1, x) := x\nf(2, x) := x * 10\np := [f(1, 5), f(2, 5)]",
        "f([x, 2]) := x\np := [y | some z in input.pairs; y := f(z)]",
        "f(x) if x > 1\np := [x | some x in input.list; f(x)]",
        "f(x) := 1 if { x > 1 } else := 2\np := [f(x) | some x in input.list]",
        "p := [y | some x in input.list; z := 1; input.a; y := x + z]",
        "p := q[input.key]\nq := {\"k\": 1}",
        "q contains x if { some x in input.list }\np := [1 | some x in q; x > 1]",
        "p := {\"a\": {\"b\": [1, {2}]}}",
        "p := {input.key: input.a, \"z\": [input.a]}",
        "p contains 1 if { some x in input.list; x > 0 }",
        "p contains x if { some x in input.list }\np contains \"more\"",
        "p := 5",
        "p if { 1 }",
        "f(x) := x\nf(x) := x + 1\np := f(1)",
        "f(_) := 1\nf(_) := 1\nf(_) := 2\np := f(1)",
        "f(_) := 1\nf(_) := 2\nf(_) := 2\np := f(1)",
        "f(x) := x + \"a\"\nf(_) := 1\np := f(1)",
        "f(_) := 1\nf(_) := 2\nf(x) := x + \"a\"\np := f(1)",
        "f(x) := y if { some y in x }\np := f(input.list)",
        "f(x) := y if { some y in x }\np := f([1, 1, 2, 2])",
        "f(x) := y if { some y in x }\np := f([1, 1])",
        "f(x) := y if { some y in x }\nf(x) := count(x) + \"a\"\np := f(input.list)",
        "f(x) if { some y in x; y > 1 }\np := f(input.list)",
        "f(x) := input.none if { x }\np := [f(true)]",
        "f(x) := input.none if { x } else := 2\np := [f(true)]",
        "f(x) if { x } else := 2\np := [f(true), f(false)]",
        "f(x) := y if { some z in x; y := input.o[z] }\np := f([\"none\", \"k\", \"none\"])",
        "f(x) := input.o[z] if { some z in x }\np := f([\"none\", \"k\", \"none\"])",
        "p := input.o[z] if { some z in [\"none\", \"k\"] }",
        "p := input.o[z] if { some z in [\"k\", \"none\"] }",
        "p := input.o[z.y] if { z := {\"y\": \"k\"} } else := 4",
        "p := input.o[lower(z)] if { z := \"K\" } else := 4",
        "p := 1 if { input.none } else := input.o[z] if { z := \"k\" }",
        "f(z) := input.o[z] if { z } else := 4\np := f(\"k\")",
        "p := [w | w := input.o[z]] if { z := \"k\" } else := 4",
        "p := object.get(input.o, z, 1) if { z := \"k\" } else := 4",
        "p := z if { z := input.list[0] } else := 4",
        "p := 1 if { input.none } else := input.none if { true } else := 3",
        "p := q\nq := x if { some x in input.list; x > 1 }\nq := 2",
        "p := [1, q]\nq := 1 if { input.a }\nq := 1 if { input.b }\nq := 2 if { input.list }",
        "p := [x | some x in input.list; f(x) == 1]\nf(2) := 1",
        "p := f(input.none)\nf(_) := 1",
        "p := count(input.none)",
        "p := [input.none, 1]",
        "p := {\"a\": input.none}",
        "p := {input.none: 1}",
        "p := {input.none, 1}",
        "p := input.none + 1",
        "p := input.none == input.none",
        "p := [1 | input.none in [1]]",
        "p := [1 | not input.none in [1]]",
        "p := {x: 1 | x := input.o.none}",
        "p := {x: y | some x in [1, 2]; y := x}",
        "p := {1: y | some y in input.list}",
        "p := max([])",
        "p if { k := \"k\"; input.o[k] == 2; [input.o[k]] == [2]; {input.o[k]} == {2}; {\"a\": input.o[k]} == {\"a\": 2} }",
        "p if { k := \"k\"; count([input.o[k]]) == 1; input.o[k] + 1 == 3; {input.o[k]} | {1} == {1, 2} }",
        "p if { k := 1; input.list[k] in [2]; 2 in [input.list[k]]; input.list[k], 2 in [0, 1, 2]; input.pairs[k][k] }",
        "p if { [x, y] := [1, [2]]; [z, [_]] := [x, y]; z < y[0] }",
        "p := y if { y := [z | x := 1; z := x + 1] }",
        "p := [y | x := 1; some y in [z | z := x]; every w in [y] { w == x }]",
        "p := {1} - [1]",
        "p := 1 | 2",
        "p := 1 - {1}",
        "p := 1 / 0",
        "p := \"a\" * 2",
        "p := `raw` if { null == null; true != false }",
    ];
    let inputs = [
        json!({}),
        json!({"a": 1, "b": true, "key": "k", "list": [1, 2, 3], "o": {"k": 2, "l": 3}, "pairs": [["x", 2], ["y", 3]]}),
        json!({"a": {"b": {"c": false}}, "b": false, "key": 2, "list": [2], "o": {}, "pairs": [["x", 1], ["x", 2], 3]}),
        json!({"a": false, "b": null, "list": {"a": 2}, "o": [2], "pairs": []}),
    ];
    let mut differences = Vec::new();
    for text in texts {
        let rego = load(text);
        assert_eq!(rego.unsupported(&rule("p")), None, "{text}");
        for input in &inputs {
            let [one, other] = [EngineKind::Compiled, EngineKind::Interpreter]
                .map(|engine| ask(&mut rego.evaluator(engine), "p", input));
            if one != other {
                differences.push(format!("{text}\n  {input}\n  compiled {one:?}\n  interpreted {other:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// No verdict may depend on which questions came before, and neither may what it costs.
#[test]
fn what_is_known_costs_what_it_did() {
    let text = "one := [upper(x) | some x in input.a]
        two := concat(\"\", one)
        three := count(one) + count(split(two, \"A\"))
        four := concat(two, one)
        five if { two; four; three > 0 }
        f(x) := concat(x, one)
        six := f(two)
        seven := {x | some x in one; x != two}
        eight := [three, four, six] if { input.parameters.b }
        nine := count(input.parameters.b) if { seven; five; not eight }
        ten := [two, eight] if { eight; two; eight }
        g(x, y) := [v | some z in x; v := concat(z, one); some w in x; v != y; w != v]
        h(x) := count(g(x, two)) + count(input.parameters.b)
        eleven := [g(input.a, two), g(one, two), g(input.a, two)]
        twelve := [h(input.a), count(g(input.a, two)), h(one), h(input.a)] if { eleven; g(one, \"x\") }
        thirteen := count(g(input.a, two)) if h(input.a) > 1
        words := [upper(x) | some x in {\"x\", \"y\"}]
        said := [concat(\"-\", words), count(words)]
        fourteen := [said, words, one]
        fifteen := [g(words, x) | some x in said[0]; said[1] > 1]
        sixteen := concat(said[0], words)";
    let rego = load(text);
    let names = [
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "thirteen", "fourteen", "fifteen", "sixteen",
    ];
    // What is known stays known for the same value only, wherever it is.
    let inputs = [
        json!({"a": ["a", "b"], "parameters": {"b": [1]}}),
        json!({"a": ["ba"], "parameters": {"b": false}}),
        json!({"a": {}, "parameters": {"b": [1, 2]}}),
    ]
    .map(|input| InputDocument::from_json(&input).unwrap());
    let evaluate = |evaluator: &mut Evaluator, (document, parameters, name): (usize, usize, &str)| {
        let answer = evaluator.evaluate(&rule(name), &inputs[document].0, &inputs[parameters].1);
        (answer.map(|answer| answer.to_json().unwrap()), limits::spent(), evaluator.steps())
    };
    let mut questions = Vec::new();
    for name in names {
        questions.extend((0..9).map(|both| (both / 3, both % 3, name)));
    }
    // Not even what reads no input is known to a program that nobody has asked.
    let first = |question: &_| evaluate(&mut load(text).evaluator(EngineKind::Compiled), *question);
    let first: Vec<_> = questions.iter().map(first).collect();
    let mut evaluator = rego.evaluator(EngineKind::Compiled);
    let mut at = 0;
    for turn in 0..5000 {
        // Often about the same input as before.
        at = if turn % 7 == 0 { at * 5 + 7 + turn / 27 } else { at + 9 * (1 + turn % 5) } % questions.len();
        let question = questions[at];
        let fresh = evaluate(&mut rego.evaluator(EngineKind::Compiled), question);
        assert_eq!(fresh, first[at], "{question:?}, turn {turn}, of a program that was asked before");
        assert_eq!(evaluate(&mut evaluator, question), fresh, "{question:?}, turn {turn}");
    }
}

#[test]
fn a_rule_has_a_limited_number_of_steps() {
    let rego = load("p := count([1 | some x in input.a; some y in input.a; x == y])");
    let mut evaluator = rego.evaluator(EngineKind::Compiled);
    let list = |number: usize| json!({ "a": vec![1; number] });
    assert!(ask(&mut evaluator, "p", &list(300)).is_ok());
    assert_eq!(ask(&mut evaluator, "p", &list(1000)), Err(EvaluationError::StepsExceeded));
    assert!(ask(&mut evaluator, "p", &list(300)).is_ok());
}
