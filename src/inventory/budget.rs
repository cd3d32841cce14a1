//! The number of pods that a PodDisruptionBudget allows to be evicted, rounded as in the disruption
//! controller.

use serde_json::Value;

use crate::workload::int_or_percent::{IntOrPercent, Rounding};
use crate::workload::view::DisruptionBudget;

/// The number of pods that may be evicted if all replicas are healthy. `None` if the budget cannot be read.
///
/// As in kube-controller-manager, `disruption.go`: percentages refer to the desired replicas and are rounded
/// up, including those of `maxUnavailable`; without replicas, or without either bound, no eviction is
/// allowed.
pub fn allowed(budget: &DisruptionBudget, replicas: i64) -> Option<i64> {
    let least = match (&budget.max_unavailable, &budget.min_available) {
        (Some(most), _) => replicas.saturating_sub(scaled(most, replicas)?).max(0),
        (None, Some(least)) => scaled(least, replicas)?,
        (None, None) => return Some(0),
    };
    Some(if replicas <= 0 { 0 } else { replicas.saturating_sub(least).max(0) })
}

/// A number, or a percentage of `total` rounded up.
fn scaled(value: &Value, total: i64) -> Option<i64> {
    IntOrPercent::parse(value).ok()?.of(Some(total), Rounding::Up)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn budget(key: &str, value: Value) -> DisruptionBudget {
        let mut budget = DisruptionBudget::default();
        match key {
            "min" => budget.min_available = Some(value),
            _ => budget.max_unavailable = Some(value),
        }
        budget
    }

    #[test]
    fn as_the_controller_rounds() {
        for (key, value, replicas, expected) in [
            ("min", json!(2), 3, Some(1)),
            ("min", json!(3), 3, Some(0)),
            ("min", json!(0), 3, Some(3)),
            ("min", json!(5), 3, Some(0)),
            ("min", json!("50%"), 3, Some(1)),
            ("min", json!("51%"), 100, Some(49)),
            ("min", json!("1%"), 3, Some(2)),
            ("min", json!("100%"), 3, Some(0)),
            ("max", json!(1), 3, Some(1)),
            ("max", json!(0), 3, Some(0)),
            ("max", json!(7), 3, Some(3)),
            ("max", json!("50%"), 3, Some(2)),
            ("max", json!("1%"), 3, Some(1)),
            ("max", json!("0%"), 3, Some(0)),
            ("max", json!("30%"), 7, Some(3)),
            ("max", json!(1), 0, Some(0)),
            ("min", json!(0), 0, Some(0)),
            ("min", json!("half"), 3, None),
            ("min", json!("-1%"), 3, None),
            ("min", json!("%"), 3, None),
            ("max", json!(1.5), 3, None),
        ] {
            assert_eq!(
                allowed(&budget(key, value.clone()), replicas),
                expected,
                "{key} {value} of {replicas}"
            );
        }
        assert_eq!(
            allowed(&DisruptionBudget::default(), 3),
            Some(0),
            "a budget without a demand lets nothing go"
        );
    }

    proptest! {
        #[test]
        fn never_more_than_there_are_and_stricter_is_never_more(replicas in 0i64..500, percent in 0i64..=100) {
            let of = |key, percent: i64| allowed(&budget(key, json!(format!("{percent}%"))), replicas).unwrap();
            for key in ["min", "max"] {
                prop_assert!((0..=replicas).contains(&of(key, percent)));
            }
            if percent < 100 {
                prop_assert!(of("min", percent + 1) <= of("min", percent));
                prop_assert!(of("max", percent + 1) >= of("max", percent));
            }
        }

        #[test]
        fn no_number_overflows(value in any::<i64>(), replicas in any::<i64>()) {
            allowed(&budget("min", json!(value)), replicas);
            allowed(&budget("max", json!(value)), replicas);
            allowed(&budget("max", json!(format!("{}%", value.unsigned_abs()))), replicas);
        }
    }
}
