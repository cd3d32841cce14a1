//! Label selectors as Kubernetes matches them, and globs for names.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::diagnostic::without_value;

/// Why a value is not a valid label selector: unknown fields or operators, wrong types, or values that do not
/// fit the operator.
#[derive(Debug, Error)]
#[error("label selector: {}", without_value(.0))]
pub struct LabelError(#[from] serde_json::Error);

/// Selects objects by their labels: all conditions must hold, and an empty selector matches every object.
/// This is
/// [`metav1.LabelSelector`](https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/).
///
/// Whatever is deserialised is validated, also within another type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selector {
    /// Labels that must have exactly these values.
    #[serde(default, deserialize_with = "texts", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub match_labels: BTreeMap<String, String>,
    /// Further conditions.
    #[serde(default, deserialize_with = "requirements", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<Requirement>>")]
    pub match_expressions: Vec<Requirement>,
}

/// One condition on one label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// How the label is matched.
    pub operator: Operator,
    /// What `In` and `NotIn` compare with; empty for the others.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<String>>")]
    pub values: Vec<String>,
}

/// How a requirement matches a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// The label exists and has one of the values.
    In,
    /// The label has none of the values or does not exist.
    NotIn,
    /// The label exists.
    Exists,
    /// The label does not exist.
    DoesNotExist,
}

impl Selector {
    /// Reads and validates a selector from a manifest.
    ///
    /// # Errors
    /// An unknown field or operator, `In` or `NotIn` without values, `Exists` or `DoesNotExist` with values.
    /// `null` is an error: in Kubernetes it means the opposite of an empty selector, so the caller must
    /// decide.
    pub fn from_json(value: &Value) -> Result<Selector, LabelError> {
        Ok(Selector::deserialize(value)?)
    }

    /// Whether the labels meet every condition.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.matches(labels))
    }

    /// Whether the selector has no conditions and so matches everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }
}

/// As `kubectl -l` takes it: `tier=prod,team in (a,b),!legacy`.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equal = self.match_labels.iter().map(|(key, value)| format!("{key}={value}"));
        let others = self.match_expressions.iter().map(|Requirement { key, operator, values }| {
            let values = values.join(",");
            match operator {
                Operator::In => format!("{key} in ({values})"),
                Operator::NotIn => format!("{key} notin ({values})"),
                Operator::Exists => key.clone(),
                Operator::DoesNotExist => format!("!{key}"),
            }
        });
        f.write_str(&equal.chain(others).collect::<Vec<_>>().join(","))
    }
}

impl Requirement {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let label = labels.get(&self.key);
        let listed = label.is_some_and(|value| self.values.contains(value));
        match self.operator {
            Operator::In => listed,
            Operator::NotIn => !listed,
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
        }
    }

    fn validate(&self) -> Result<(), String> {
        let Requirement { key, operator, values } = self;
        match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                Err(format!("{operator:?} for key {key:?} needs at least one value"))
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                Err(format!("{operator:?} for key {key:?} takes no values: use In or NotIn"))
            }
            _ => Ok(()),
        }
    }
}

fn requirements<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Requirement>, D::Error> {
    let requirements: Vec<Requirement> = nullable(deserializer)?;
    requirements.iter().try_for_each(Requirement::validate).map_err(D::Error::custom)?;
    Ok(requirements)
}

/// Templates can leave `matchLabels:` without a value; the API server treats that as empty.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// As the API server reads them: a key without a value has an empty one.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let texts: BTreeMap<String, Option<String>> = nullable(deserializer)?;
    Ok(texts.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect())
}

/// Whether a whole name matches a pattern in which `*` matches any text, `?` any one character and everything
/// else itself.
///
/// Takes at most pattern length × text length steps for any pattern: backtracks only to the latest `*`,
/// because extending the match of an earlier one cannot help.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut latest_star = None;
    loop {
        let before = text.clone();
        match (pattern.next(), text.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                text = before;
                latest_star = Some((pattern.clone(), text.clone()));
            }
            // Extending the last star cannot supply what the pattern still needs.
            (Some(_), None) => return false,
            (Some(expected), Some(found)) if expected == '?' || expected == found => {}
            _ => {
                let Some((after_star, mut rest)) = latest_star else {
                    return false;
                };
                rest.next();
                (pattern, text) = (after_star.clone(), rest.clone());
                latest_star = Some((after_star, rest));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use serde_json::json;
    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn selector(value: Value) -> Selector {
        Selector::from_json(&value).unwrap()
    }

    fn said(value: Value) -> String {
        Selector::from_json(&value).unwrap_err().to_string()
    }

    #[test]
    fn matches_as_kubernetes_does() {
        let database = selector(json!({
            "matchLabels": {"app": "postgres"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["gold", "silver"]},
                {"key": "env", "operator": "NotIn", "values": ["dev"]},
                {"key": "owner", "operator": "Exists"},
                {"key": "retired", "operator": "DoesNotExist", "values": null},
            ],
        }));
        let empty = selector(json!({"matchLabels": {"owner": null}}));
        assert!(empty.matches(&labels(&[("owner", "")])) && !empty.matches(&labels(&[("owner", "a")])));
        let good = labels(&[("app", "postgres"), ("tier", "gold"), ("owner", "")]);
        assert!(database.matches(&good));
        for (key, value) in [("app", "mysql"), ("tier", "tin"), ("env", "dev"), ("retired", "")] {
            let mut bad = good.clone();
            bad.insert(key.to_owned(), value.to_owned());
            assert!(!database.matches(&bad), "{key}={value}");
        }
        for key in ["app", "tier", "owner"] {
            let mut bad = good.clone();
            bad.remove(key);
            assert!(!database.matches(&bad), "without {key}");
        }
    }

    #[test]
    fn an_empty_selector_matches_everything() {
        for value in [json!({}), json!({"matchLabels": null, "matchExpressions": []})] {
            let everything = selector(value);
            assert!(everything.is_empty());
            assert!(everything.matches(&labels(&[])));
            assert!(everything.matches(&labels(&[("a", "b")])));
        }
        assert!(!selector(json!({"matchLabels": {"a": "b"}})).is_empty());
    }

    #[test]
    fn errors_say_what_is_wrong_and_what_is_right() {
        let expression = |operator: &str, values: Value| json!({"matchExpressions": [{"key": "a", "operator": operator, "values": values}]});
        for operator in ["In", "NotIn"] {
            assert_eq!(
                said(expression(operator, json!([]))),
                format!("label selector: {operator} for key \"a\" needs at least one value")
            );
        }
        for operator in ["Exists", "DoesNotExist"] {
            assert_eq!(
                said(expression(operator, json!(["x"]))),
                format!("label selector: {operator} for key \"a\" takes no values: use In or NotIn")
            );
        }
        assert_eq!(
            said(expression("Equals", json!(["x"]))),
            "label selector: unknown variant, expected one of `In`, `NotIn`, `Exists`, \
             `DoesNotExist`"
        );
        assert_eq!(
            said(json!({"app": "postgres"})),
            "label selector: unknown field `app`, expected `matchLabels` or `matchExpressions`"
        );
        for value in [json!(null), json!("app=postgres"), json!({"matchLabels": {"a": 1}})] {
            assert!(Selector::from_json(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_selector_within_another_type_is_validated_too() {
        let invalid = json!([{"matchExpressions": [{"key": "a", "operator": "In"}]}]);
        assert!(serde_json::from_value::<Vec<Selector>>(invalid).is_err());
    }

    #[test]
    fn globs_names() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "anything"),
            ("**", "x"),
            ("data-*", "data-postgres-0"),
            ("*-0", "data-0-0"),
            ("a*b*c", "a-b-b-c"),
            ("p?-0", "pg-0"),
            ("?", "é"),
            ("*é?", "caféé!"),
        ] {
            assert!(glob(pattern, text), "{pattern} should match {text}");
        }
        for (pattern, text) in [
            ("", "x"),
            ("?", ""),
            ("a", "A"),
            ("data-*", "data"),
            ("a*b", "abc"),
            ("a.c", "abc"),
            ("[ab]", "a"),
        ] {
            assert!(!glob(pattern, text), "{pattern} should not match {text}");
        }
    }

    #[test]
    fn a_glob_of_many_stars_ends_soon() {
        // Exponential backtracking would not finish.
        assert!(!glob(&format!("{}b", "*a".repeat(500)), &"a".repeat(5_000)));
        assert!(!glob(&"*a".repeat(2_000), &"a".repeat(1_999)));
    }

    fn naive_glob(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', rest @ ..], _) => (0..=text.len()).any(|skip| naive_glob(rest, &text[skip..])),
            (['?', rest @ ..], [_, tail @ ..]) => naive_glob(rest, tail),
            ([c, rest @ ..], [d, tail @ ..]) if c == d => naive_glob(rest, tail),
            _ => false,
        }
    }

    fn one(operator: Operator, key: &str, values: Vec<String>) -> Selector {
        let requirement = Requirement { key: key.to_owned(), operator, values };
        Selector { match_expressions: vec![requirement], ..Selector::default() }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn each_operator_has_its_opposite(
            labels in btree_map("[ab]", "[xy]", 0..3), key in "[ab]", values in vec("[xy]", 1..3),
        ) {
            let matches = |operator, values| one(operator, &key, values).matches(&labels);
            prop_assert_ne!(
                matches(Operator::In, values.clone()),
                matches(Operator::NotIn, values.clone())
            );
            prop_assert_ne!(
                matches(Operator::Exists, vec![]),
                matches(Operator::DoesNotExist, vec![])
            );
            prop_assert!(!matches(Operator::In, values) || matches(Operator::Exists, vec![]));
        }

        #[test]
        fn a_match_label_is_an_in_of_one_value(
            labels in btree_map("[ab]", "[xy]", 0..3), key in "[ab]", value in "[xy]",
        ) {
            let exact = Selector {
                match_labels: BTreeMap::from([(key.clone(), value.clone())]),
                ..Selector::default()
            };
            prop_assert_eq!(
                exact.matches(&labels),
                one(Operator::In, &key, vec![value]).matches(&labels)
            );
        }

        #[test]
        fn a_selector_survives_json(
            match_labels in btree_map("[ab]", "[xy]", 0..3), key in "[ab]", values in vec("[xy]", 1..3),
        ) {
            let selector = Selector { match_labels, ..one(Operator::NotIn, &key, values) };
            let json = serde_json::to_value(&selector).unwrap();
            prop_assert_eq!(Selector::from_json(&json).unwrap(), selector);
        }

        #[test]
        fn glob_agrees_with_the_naive_reading(pattern in "[ab*?]{0,8}", text in "[abé]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(glob(&pattern, &text), naive_glob(&chars(&pattern), &chars(&text)));
        }

        #[test]
        fn a_glob_without_wildcards_is_equality(a: String, b: String) {
            prop_assume!(!a.contains(['*', '?']));
            prop_assert!(glob(&a, &a));
            prop_assert_eq!(glob(&a, &b), a == b);
        }
    }
}
