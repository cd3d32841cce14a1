//! Durations in Go's notation, extended with days and weeks.

use super::ScheduleError;

/// Nanoseconds in a second.
pub(super) const SECOND: i64 = 1_000_000_000;

/// Units of a Go duration in nanoseconds, from [`time.ParseDuration`](https://pkg.go.dev/time#ParseDuration).
/// Go accepts both micro signs.
pub(super) const GO_UNITS: &[(&str, i64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
];
/// Units that operators accept in addition to Go's.
const DAY_UNITS: &[(&str, i64)] = &[("d", 86_400 * SECOND), ("w", 7 * 86_400 * SECOND)];

/// Parses a duration into whole seconds, rounded up. Accepts Go's units (`1h30m`, `1.5h`, `500ms`) and days
/// and weeks (`35d`, `2w`) of 24-hour days.
///
/// # Errors
/// A missing or unknown unit, a minus sign, or more than 292 years (Go's limit). ISO 8601 durations (`P1D`)
/// are not supported.
pub fn duration_seconds(text: &str) -> Result<i64, ScheduleError> {
    let units: Vec<_> = GO_UNITS.iter().chain(DAY_UNITS).copied().collect();
    let duration = nanoseconds(text, &units)?;
    Ok(duration / SECOND + i64::from(duration % SECOND != 0))
}

/// Parses like Go: truncates to whole nanoseconds.
pub(super) fn nanoseconds(text: &str, units: &[(&str, i64)]) -> Result<i64, ScheduleError> {
    let shape = || {
        let known: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        ScheduleError::DurationShape(text.to_owned(), known.join(" "))
    };
    let too_long = || ScheduleError::DurationTooLong(text.to_owned());
    if text.starts_with('-') {
        return Err(ScheduleError::DurationNegative(text.to_owned()));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(shape());
    }
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let (number, after_number) = split_before(rest, |c| !is_number(c));
        let (unit, after_unit) = split_before(after_number, is_number);
        rest = after_unit;

        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(shape());
        }
        let known = units.iter().find(|(name, _)| *name == unit);
        let (_, length) = known.ok_or_else(shape)?;
        let whole = match whole {
            "" => 0,
            digits => digits.parse::<i64>().map_err(|_| too_long())?,
        };
        total = whole
            .checked_mul(*length)
            .and_then(|duration| duration.checked_add(part_of(*length, fraction)))
            .and_then(|duration| duration.checked_add(total))
            .ok_or_else(too_long)?;
    }
    Ok(total)
}

/// `0.fraction` of a length.
fn part_of(length: i64, fraction: &str) -> i64 {
    // Eighteen digits resolve below a nanosecond even for a week, and fit the arithmetic.
    let digits = fraction.get(..18).unwrap_or(fraction);
    let numerator = digits.bytes().fold(0_i128, |n, digit| n * 10 + i128::from(digit - b'0'));
    let denominator = digits.bytes().fold(1_i128, |n, _| n * 10);
    i64::try_from(i128::from(length) * numerator / denominator).unwrap_or(length)
}

fn split_before(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: i64 = 86_400;

    #[test]
    fn reads_durations() {
        for (text, seconds) in [
            ("0", 0),
            ("90s", 90),
            ("1h30m", 5_400),
            ("1.5h", 5_400),
            (".5m", 30),
            ("1.m", 60),
            ("+5m", 300),
            ("500ms", 1),
            ("1001ms", 2),
            ("1ns", 1),
            ("3us2µs1μs", 1),
            ("35d", 35 * DAY),
            ("2w", 14 * DAY),
            ("1d12h", 36 * 3_600),
            ("0.0000000000000000000000000001s", 0),
            ("9223372036s", 9_223_372_036),
        ] {
            assert_eq!(duration_seconds(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn refuses_durations() {
        for text in ["", "+", "90", "1h30", "s", ".s", "1.2.3s", "1h 30m", "P1D", "PT1H", " 1h"] {
            let error = duration_seconds(text).unwrap_err();
            assert!(matches!(error, ScheduleError::DurationShape(..)), "{text:?}: {error}");
        }
        for text in ["-1h", "-0"] {
            let error = duration_seconds(text).unwrap_err();
            assert!(matches!(error, ScheduleError::DurationNegative(_)), "{text:?}: {error}");
        }
        for text in ["9223372037s", "99999999999999999999h", "200000d", "100000d100000d"] {
            let error = duration_seconds(text).unwrap_err();
            assert!(matches!(error, ScheduleError::DurationTooLong(_)), "{text:?}: {error}");
        }
        assert_eq!(
            duration_seconds("3y").unwrap_err().to_string(),
            "duration \"3y\" is not a row of numbers with units (ns us µs μs ms s m h d w), such as 1h30m"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn never_panics(any: String, near in "[-+]?([0-9.]{0,22}[a-zµ]{1,2}){0,4}") {
            let _ = (duration_seconds(&any), duration_seconds(&near));
        }

        #[test]
        fn a_part_is_cut_off_below_a_nanosecond(nanoseconds in 0..SECOND, beyond in 0..1_000_u32) {
            let text = format!("0.{nanoseconds:09}{beyond:03}s");
            prop_assert_eq!(super::nanoseconds(&text, GO_UNITS), Ok(nanoseconds));
        }

        #[test]
        fn durations_add_up(weeks in 0..99_i64, days in 0..99_i64, hours in 0..99_i64, ms in 0..9_999_i64) {
            let expected = weeks * 7 * DAY + days * DAY + hours * 3_600 + (ms + 999) / 1_000;
            prop_assert_eq!(duration_seconds(&format!("{weeks}w{days}d{hours}h{ms}ms")), Ok(expected));
        }
    }
}
