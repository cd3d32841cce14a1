//! Schedules and durations: the cron dialects of Kubernetes controllers.
//!
//! A [`Schedule`] answers one question about a backup: what is the longest time until the next run?
//!
//! Cron expressions are read as [robfig/cron](https://pkg.go.dev/github.com/robfig/cron/v3#ParseStandard)
//! reads them, because the CronJob controller, Velero and CloudNativePG use it. Its rules differ from crontab
//! in places: Sunday is `0` and never `7`, `5/15` means `5-max/15`, and `?` means `*`.

mod duration;

use std::iter;

use thiserror::Error;

pub use duration::duration_seconds;

/// Why a text is not a valid duration or schedule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// The duration is malformed; also holds the units that its reader accepts.
    #[error("duration {0:?} is not a row of numbers with units ({1}), such as 1h30m")]
    DurationShape(String, String),
    /// The duration has a minus sign.
    #[error("duration {0:?} is negative: write it without the minus sign")]
    DurationNegative(String),
    /// The duration is longer than Go can represent.
    #[error("duration {0:?} is too long: the longest is 292 years")]
    DurationTooLong(String),
    /// The zone after `TZ=` is not a name, or nothing follows it.
    #[error(
        "time zone of schedule {0:?} is not an IANA name: write TZ=, a name such as \
         Europe/Berlin, a space and the schedule"
    )]
    Zone(String),
    /// An unknown `@` word.
    #[error(
        "schedule {0:?} is not known: use @yearly, @annually, @monthly, @weekly, @daily, \
         @midnight, @hourly or @every with a duration"
    )]
    UnknownDescriptor(String),
    /// The schedule has the wrong number of fields; also holds the fields expected, in order.
    #[error("schedule {0:?} must have {1}")]
    FieldCount(String, &'static str),
    /// One field of a cron schedule is invalid.
    #[error("{field} field {text:?}: {problem}")]
    Field {
        /// The field's name, such as `hour`.
        field: &'static str,
        /// The field as written.
        text: String,
        /// What is wrong with the field and what it allows, as text for a person.
        problem: String,
    },
}

/// A parsed schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    zone: Option<String>,
    timing: Timing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Timing {
    Every { seconds: i64 },
    Calendar(Calendar),
}

impl Schedule {
    /// Parses a CronJob's or Velero's schedule: five cron fields, an `@` word such as `@daily`, or
    /// `@every 6h`, each optionally preceded by `TZ=Zone ` or `CRON_TZ=Zone ` ([robfig/cron
    /// v3](https://pkg.go.dev/github.com/robfig/cron/v3#ParseStandard)).
    ///
    /// # Errors
    /// Names the field and what it allows. Unlike robfig, refuses a negative `@every` instead of running it
    /// every second, and checks only the shape of a zone's name.
    pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
        let (zone, rest) = split_zone(text)?;
        Ok(Schedule { zone: zone.map(str::to_owned), timing: Timing::parse(rest, Dialect::Five)? })
    }

    /// Parses a CloudNativePG ScheduledBackup's schedule: six cron fields, seconds first, or one of the `@`
    /// forms, without a zone. The operator uses [robfig/cron
    /// v1](https://github.com/robfig/cron/blob/v1.2.0/parser.go), where a stepped star (`*/2`) still counts
    /// as a star when both day fields are given; in v3 it does not.
    ///
    /// # Errors
    /// Names the field and what it allows. Five fields are refused: the operator would read `0 2 * * *` as
    /// "every hour at minute 2", which is hardly ever intended.
    pub fn parse_with_seconds(text: &str) -> Result<Schedule, ScheduleError> {
        Ok(Schedule { zone: None, timing: Timing::parse(text, Dialect::Six)? })
    }

    /// The zone named by `TZ=` or `CRON_TZ=`. CronJobs refuse it in favour of `spec.timeZone`.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// The longest time between two consecutive runs, in seconds; `None` if the schedule never runs
    /// (`0 0 31 2 *`).
    ///
    /// Exact over the days from 2024 to 2032, which include three leap days. Ignores daylight saving time,
    /// which can shift a run by an hour.
    #[must_use]
    pub fn max_gap_seconds(&self) -> Option<i64> {
        match &self.timing {
            Timing::Every { seconds } => Some(*seconds),
            Timing::Calendar(calendar) => calendar.longest_gap(),
        }
    }
}

fn split_zone(text: &str) -> Result<(Option<&str>, &str), ScheduleError> {
    let Some(zoned) = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) else {
        return Ok((None, text));
    };
    let named = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
    zoned
        .split_once(' ')
        .filter(|(zone, _)| zone.starts_with(|c: char| c.is_ascii_alphabetic()))
        .filter(|(zone, _)| zone.chars().all(named))
        .map(|(zone, rest)| (Some(zone), rest.trim()))
        .ok_or_else(|| ScheduleError::Zone(text.to_owned()))
}

/// The fields of a cron schedule and the library version whose rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// robfig/cron v3 `ParseStandard`.
    Five,
    /// robfig/cron v1 `Parse`.
    Six,
}

impl Dialect {
    fn fields(self) -> &'static str {
        match self {
            Dialect::Five => "5 fields: minute hour day-of-month month day-of-week",
            Dialect::Six => "6 fields: second minute hour day-of-month month day-of-week",
        }
    }
}

impl Timing {
    fn parse(text: &str, dialect: Dialect) -> Result<Timing, ScheduleError> {
        if let Some(duration) = text.strip_prefix("@every ") {
            // robfig's `Every` truncates to whole seconds and runs at most once per second.
            let seconds = duration::nanoseconds(duration, duration::GO_UNITS)? / duration::SECOND;
            return Ok(Timing::Every { seconds: seconds.max(1) });
        }
        let calendar = match text {
            "@yearly" | "@annually" => Calendar::parse("0 0 1 1 *", Dialect::Five),
            "@monthly" => Calendar::parse("0 0 1 * *", Dialect::Five),
            "@weekly" => Calendar::parse("0 0 * * 0", Dialect::Five),
            "@daily" | "@midnight" => Calendar::parse("0 0 * * *", Dialect::Five),
            "@hourly" => Calendar::parse("0 * * * *", Dialect::Five),
            _ if text.starts_with('@') => Err(ScheduleError::UnknownDescriptor(text.to_owned())),
            _ => Calendar::parse(text, dialect),
        };
        calendar.map(Timing::Calendar)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Calendar {
    seconds: Values,
    minutes: Values,
    hours: Values,
    days_of_month: Values,
    months: Values,
    days_of_week: Values,
}

impl Calendar {
    fn parse(text: &str, dialect: Dialect) -> Result<Calendar, ScheduleError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let (second, minute, hour, day, month, weekday) = match (dialect, fields.as_slice()) {
            (Dialect::Five, &[minute, hour, day, month, weekday]) => ("0", minute, hour, day, month, weekday),
            (Dialect::Six, &[second, minute, hour, day, month, weekday]) => {
                (second, minute, hour, day, month, weekday)
            }
            _ => return Err(ScheduleError::FieldCount(text.to_owned(), dialect.fields())),
        };
        Ok(Calendar {
            seconds: SECONDS.parse(second, dialect)?,
            minutes: MINUTES.parse(minute, dialect)?,
            hours: HOURS.parse(hour, dialect)?,
            days_of_month: DAYS_OF_MONTH.parse(day, dialect)?,
            months: MONTHS.parse(month, dialect)?,
            days_of_week: DAYS_OF_WEEK.parse(weekday, dialect)?,
        })
    }

    /// All matching days have the same run times, so the cost is one check per day.
    fn longest_gap(&self) -> Option<i64> {
        let minute = Runs::ONE.repeated(self.seconds.iter())?;
        let hour = minute.repeated(self.minutes.iter().map(|minute| minute * 60))?;
        let day = hour.repeated(self.hours.iter().map(|hour| hour * 3_600))?;
        let days = days().filter(|day| self.runs_on(day)).map(|day| day.number * 86_400);
        day.repeated(days).map(|all| all.longest_gap)
    }

    fn runs_on(&self, day: &Day) -> bool {
        let of_month = self.days_of_month.contains(day.of_month);
        let of_week = self.days_of_week.contains(day.of_week);
        // In cron, two restricted day fields match either day instead of both.
        let day_matches = if self.days_of_month.star || self.days_of_week.star {
            of_month && of_week
        } else {
            of_month || of_week
        };
        self.months.contains(day.month) && day_matches
    }
}

/// The runs within a period, in seconds from its start.
#[derive(Debug, Clone, Copy)]
struct Runs {
    first: i64,
    last: i64,
    longest_gap: i64,
}

impl Runs {
    const ONE: Runs = Runs { first: 0, last: 0, longest_gap: 0 };

    /// These runs repeated at each of the ascending starts; `None` if there are no starts.
    fn repeated(self, starts: impl Iterator<Item = i64>) -> Option<Runs> {
        starts.map(|start| Runs { first: start + self.first, last: start + self.last, ..self }).reduce(
            |before, after| Runs {
                first: before.first,
                last: after.last,
                longest_gap: before.longest_gap.max(after.first - before.last),
            },
        )
    }
}

struct Day {
    /// Days since 2024-01-01.
    number: i64,
    month: u32,
    of_month: u32,
    of_week: u32,
}

/// The days from 2024-01-01 to 2032-12-31.
fn days() -> impl Iterator<Item = Day> {
    (2024..2033)
        .flat_map(|year| (1..=12).map(move |month| (month, days_in_month(year, month))))
        .flat_map(|(month, length)| iter::repeat_n(month, length).zip(1..))
        .zip(0..)
        // 2024-01-01 was a Monday.
        .zip((0..7).cycle().skip(1))
        .map(|(((month, of_month), number), of_week)| Day { number, month, of_month, of_week })
}

fn days_in_month(year: u32, month: u32) -> usize {
    match month {
        // Valid until the year 2100.
        2 if year.is_multiple_of(4) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The values that one cron field allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Values {
    bits: u64,
    /// Whether the field is unrestricted, which decides how the two day fields combine.
    star: bool,
}

impl Values {
    fn contains(self, value: u32) -> bool {
        self.bits >> value & 1 == 1
    }

    fn iter(self) -> impl Iterator<Item = i64> {
        (0..64_u32).filter(move |value| self.contains(*value)).map(i64::from)
    }
}

/// One position in a cron schedule.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names for the values from `min` on; empty if the field has none.
    names: &'static [&'static str],
}

const SECONDS: Field = Field::new("second", 0, 59, &[]);
const MINUTES: Field = Field::new("minute", 0, 59, &[]);
const HOURS: Field = Field::new("hour", 0, 23, &[]);
const DAYS_OF_MONTH: Field = Field::new("day-of-month", 1, 31, &[]);
const MONTHS: Field = Field::new(
    "month",
    1,
    12,
    &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
);
const DAYS_OF_WEEK: Field =
    Field::new("day-of-week", 0, 6, &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]);

impl Field {
    const fn new(name: &'static str, min: u32, max: u32, names: &'static [&'static str]) -> Field {
        Field { name, min, max, names }
    }

    fn parse(&self, text: &str, dialect: Dialect) -> Result<Values, ScheduleError> {
        let mut values = Values { bits: 0, star: false };
        // robfig ignores empty elements, so `1,,2` is `1,2` and `,` never runs.
        for element in text.split(',').filter(|element| !element.is_empty()) {
            let more = self.element(element, dialect).map_err(|problem| ScheduleError::Field {
                field: self.name,
                text: text.to_owned(),
                problem,
            })?;
            values.bits |= more.bits;
            values.star |= more.star;
        }
        Ok(values)
    }

    /// Parses one list element: a value or a range, optionally with a step.
    fn element(&self, text: &str, dialect: Dialect) -> Result<Values, String> {
        let parts = |text, separator| match str::split_once(text, separator) {
            Some((first, second)) => (first, Some(second)),
            None => (text, None),
        };
        let (range, step) = parts(text, '/');
        let (start, end) = parts(range, '-');
        let star = start == "*" || start == "?";
        let (low, high) = match end {
            // robfig ignores the end of the range here and reads `*-5` as `*`.
            _ if star => (self.min, self.max),
            Some(end) => (self.value(start)?, self.value(end)?),
            None if step.is_some() => (self.value(start)?, self.max),
            None => (self.value(start)?, self.value(start)?),
        };
        if low > high {
            return Err(format!("the range {low}-{high} ends before it starts: write {high}-{low}"));
        }
        let step = match step.map(str::parse::<usize>) {
            None => 1,
            Some(Ok(step)) if step > 0 => step,
            Some(_) => return Err(format!("the step of {text:?} is not a number of 1 or more")),
        };
        let bits = (low..=high).step_by(step).fold(0, |bits, value| bits | 1 << value);
        Ok(Values { bits, star: star && (step == 1 || dialect == Dialect::Six) })
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let (min, max) = (self.min, self.max);
        let named = (min..).zip(self.names).find(|(_, name)| name.eq_ignore_ascii_case(text));
        match named.map_or_else(|| text.parse(), |(value, _)| Ok(value)) {
            Ok(value) if value < min => Err(format!("{value} is below the minimum of {min}")),
            Ok(value) if value > max => Err(format!("{value} is above the maximum of {max}")),
            Ok(value) => Ok(value),
            Err(_) => Err(match self.names {
                [first, .., last] => {
                    format!("{text:?} is neither a number from {min} to {max} nor one of {first} to {last}")
                }
                _ => format!("{text:?} is not a number from {min} to {max}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const DAY: i64 = 86_400;

    fn gap(text: &str) -> Option<i64> {
        Schedule::parse(text).unwrap_or_else(|error| panic!("{error}")).max_gap_seconds()
    }

    fn gap_with_seconds(text: &str) -> Option<i64> {
        Schedule::parse_with_seconds(text).unwrap_or_else(|error| panic!("{error}")).max_gap_seconds()
    }

    fn said(text: &str) -> String {
        Schedule::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn knows_the_longest_gap() {
        for (text, expected) in [
            ("* * * * *", 60),
            ("*/5 * * * *", 300),
            ("*/7 * * * *", 420),
            ("5/15 * * * *", 900),
            ("0 */6 * * *", 6 * 3_600),
            ("0 1,3 * * *", 22 * 3_600),
            ("0 9-17 * * *", 16 * 3_600),
            ("0 1-10/3 * * *", 15 * 3_600),
            ("0 2 * * *", DAY),
            ("0 2 ? * ?", DAY),
            (" 0  2\t* * * ", DAY),
            ("0 2 * * MON-fri", 3 * DAY),
            ("0 2 * * 0", 7 * DAY),
            ("0 2 1 * *", 31 * DAY),
            ("0 2 31 * *", 61 * DAY),
            ("0 2 29 * *", 59 * DAY),
            ("0 2 1 jan *", 366 * DAY),
            ("0 2 1 1,7 *", 184 * DAY),
            ("0 0 29 2 *", 1461 * DAY),
            ("0 0 1 * 1", 7 * DAY),
            ("0 0 31 2 1", 350 * DAY),
            ("0 0 *-5 * 0", 7 * DAY),
            ("0 0,,12 * * *", DAY / 2),
            ("+5 +0 * * *", DAY),
            ("@yearly", 366 * DAY),
            ("@annually", 366 * DAY),
            ("@monthly", 31 * DAY),
            ("@weekly", 7 * DAY),
            ("@daily", DAY),
            ("@midnight", DAY),
            ("@hourly", 3_600),
            ("@every 1h30m", 5_400),
            ("@every 500ms", 1),
            ("@every 1.9s", 1),
            ("@every 0", 1),
        ] {
            assert_eq!(gap(text), Some(expected), "{text}");
        }
        for never in ["0 0 31 2 *", "0 0 30 feb *", "0 0 31 4,6,9,11 *", ", * * * *"] {
            assert_eq!(gap(never), None, "{never}");
        }
    }

    #[test]
    fn the_days_are_those_of_the_calendar() {
        let all: Vec<_> = days().map(|d| (d.number, d.month, d.of_month, d.of_week)).collect();
        assert_eq!(all[0], (0, 1, 1, 1), "Monday 2024-01-01");
        assert_eq!(all[59], (59, 2, 29, 4), "Thursday 2024-02-29");
        assert_eq!(all[3_287], (3_287, 12, 31, 5), "Friday 2032-12-31");
        assert_eq!(all.len(), 3_288);
    }

    #[test]
    fn a_stepped_star_is_a_restriction_in_v3_and_not_in_v1() {
        // v3: odd days or Mondays. v1: odd days that are Mondays.
        assert_eq!(gap("0 0 */2 * 1"), Some(2 * DAY));
        assert_eq!(gap("0 0 */1 * 1"), Some(7 * DAY));
        assert_eq!(gap_with_seconds("0 0 0 */2 * 1"), Some(21 * DAY));
    }

    #[test]
    fn reads_seconds_first_when_asked() {
        assert_eq!(gap_with_seconds("0 0 2 * * *"), Some(DAY));
        assert_eq!(gap_with_seconds("*/10 * * * * *"), Some(10));
        assert_eq!(gap_with_seconds("30 0 * * * *"), Some(3_600));
        assert_eq!(gap_with_seconds("@daily"), Some(DAY));
        assert_eq!(gap_with_seconds("@every 45s"), Some(45));
        assert_eq!(
            Schedule::parse_with_seconds("0 2 * * *").unwrap_err().to_string(),
            "schedule \"0 2 * * *\" must have 6 fields: second minute hour day-of-month month day-of-week"
        );
        assert!(Schedule::parse_with_seconds("TZ=UTC 0 0 2 * * *").is_err());
    }

    #[test]
    fn keeps_the_zone() {
        for (text, zone) in [
            ("0 2 * * *", None),
            ("TZ=Europe/Berlin 0 2 * * *", Some("Europe/Berlin")),
            ("CRON_TZ=UTC 0 2 * * *", Some("UTC")),
            ("TZ=Etc/GMT+1  @daily", Some("Etc/GMT+1")),
        ] {
            let schedule = Schedule::parse(text).unwrap();
            assert_eq!((schedule.zone(), schedule.max_gap_seconds()), (zone, Some(DAY)), "{text}");
        }
        for text in ["TZ=UTC", "TZ= 0 2 * * *", "TZ=../etc 0 2 * * *", "CRON_TZ=/x 0 2 * * *"] {
            assert_eq!(Schedule::parse(text), Err(ScheduleError::Zone(text.to_owned())));
        }
    }

    #[test]
    fn errors_name_the_field_and_what_it_allows() {
        for (text, message) in [
            ("0 25 * * *", "hour field \"25\": 25 is above the maximum of 23"),
            ("0 0 0 * *", "day-of-month field \"0\": 0 is below the minimum of 1"),
            ("0 0 * * 7", "day-of-week field \"7\": 7 is above the maximum of 6"),
            (
                "0 0 * JANUARY *",
                "month field \"JANUARY\": \"JANUARY\" is neither a number from 1 to 12 \
                 nor one of JAN to DEC",
            ),
            ("0 x * * *", "hour field \"x\": \"x\" is not a number from 0 to 23"),
            (
                "0 0 * * FRI-MON",
                "day-of-week field \"FRI-MON\": the range 5-1 ends before it starts: write 1-5",
            ),
            ("*/0 * * * *", "minute field \"*/0\": the step of \"*/0\" is not a number of 1 or more"),
            ("1-2-3 * * * *", "minute field \"1-2-3\": \"2-3\" is not a number from 0 to 59"),
            (
                "1,2/3/4 * * * *",
                "minute field \"1,2/3/4\": the step of \"2/3/4\" is not a number of 1 or more",
            ),
            (
                "0 0 2 * * *",
                "schedule \"0 0 2 * * *\" must have 5 fields: minute hour day-of-month month day-of-week",
            ),
            ("", "schedule \"\" must have 5 fields: minute hour day-of-month month day-of-week"),
        ] {
            assert_eq!(said(text), message);
        }
        assert_eq!(
            said("@every 1d"),
            "duration \"1d\" is not a row of numbers with units (ns us µs μs ms s m h), such as 1h30m"
        );
        assert_eq!(Schedule::parse("@reboot"), Err(ScheduleError::UnknownDescriptor("@reboot".to_owned())));
    }

    /// A field as text, the values it should allow, and whether it is a star.
    type Oracle = (String, Vec<u32>, bool);

    fn field(min: u32, max: u32) -> impl Strategy<Value = Oracle> {
        let every = move |step: u32| (min..=max).filter(|v| (v - min).is_multiple_of(step)).collect();
        let element = prop_oneof![
            2 => Just(("*".to_owned(), every(1), true)),
            1 => (2..9_u32).prop_map(move |step| (format!("*/{step}"), every(step), false)),
            2 => (min..=max).prop_map(|value| (value.to_string(), vec![value], false)),
            1 => (min..=max, min..=max, 1..5_u32).prop_map(|(a, b, step)| {
                let (low, high) = (a.min(b), a.max(b));
                let values = (low..=high).filter(|v| (v - low).is_multiple_of(step)).collect();
                (format!("{low}-{high}/{step}"), values, false)
            }),
        ];
        vec(element, 1..3).prop_map(|elements: Vec<Oracle>| {
            let texts: Vec<_> = elements.iter().map(|e| e.0.as_str()).collect();
            let values = elements.iter().flat_map(|e| e.1.clone()).collect();
            (texts.join(","), values, elements.iter().any(|e| e.2))
        })
    }

    fn allowed((_, values, _): &Oracle) -> [bool; 64] {
        std::array::from_fn(|value| values.contains(&(value as u32)))
    }

    /// Month and day of month by Howard Hinnant's `civil_from_days`, independent of the code under test.
    fn civil(days_since_2024: i64) -> (usize, usize) {
        let z = days_since_2024 + 19_723 + 719_468;
        let day_of_era = z % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        (if shifted < 10 { shifted + 3 } else { shifted - 9 } as usize, day as usize)
    }

    /// Checks every minute of the given number of days.
    fn brute_force(fields: &[Oracle; 5], days: i64) -> Option<i64> {
        let [minutes, hours, days_of_month, months, days_of_week] = fields.each_ref().map(allowed);
        let star = fields[2].2 || fields[4].2;
        let (mut last, mut longest) = (None, None);
        for day in 0..days {
            let (month, of_month) = civil(day);
            let (m, w) = (days_of_month[of_month], days_of_week[((day + 1) % 7) as usize]);
            let day_matches = months[month] && if star { m && w } else { m || w };
            for minute in 0..1440 {
                if day_matches && hours[minute / 60] && minutes[minute % 60] {
                    let now = day * DAY + minute as i64 * 60;
                    longest = longest.max(last.map(|last| now - last));
                    last = Some(now);
                }
            }
        }
        longest
    }

    fn text(fields: &[Oracle; 5]) -> String {
        fields.each_ref().map(|field| field.0.as_str()).join(" ")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn never_panics(
            any in any::<String>(),
            near in "(TZ=[A-Z/]{0,3} |@every )?([-0-9*?/,A-Z]{1,6} ){3,6}[0-9*.a-z]{0,4}",
        ) {
            for text in [&any, &near] {
                let _ = duration_seconds(text);
                let _ = Schedule::parse(text).map(|schedule| schedule.max_gap_seconds());
                let _ = Schedule::parse_with_seconds(text).map(|schedule| schedule.max_gap_seconds());
            }
        }

        #[test]
        fn weekly_gaps_agree_with_every_minute_of_three_weeks(
            minute in field(0, 59), hour in field(0, 23), day_of_week in field(0, 6),
        ) {
            let star = |min, max| ("*".to_owned(), (min..=max).collect(), true);
            let fields = [minute, hour, star(1, 31), star(1, 12), day_of_week];
            prop_assert_eq!(gap(&text(&fields)), brute_force(&fields, 21));
        }

        #[test]
        fn seconds_only_refine(minute in field(0, 59), hour in field(0, 23), second in 0..60_u32) {
            let minutes = format!("{} {} * * *", minute.0, hour.0);
            prop_assert_eq!(gap(&minutes), gap_with_seconds(&format!("{second} {minutes}")));
            let each_second = gap_with_seconds(&format!("* {minutes}"));
            let gap = gap(&minutes).unwrap();
            prop_assert_eq!(each_second, Some(if gap == 60 { 1 } else { gap - 59 }));
        }

        #[test]
        fn a_step_is_the_list_of_its_values(start in 0..60_usize, step in 1..70_usize) {
            let list = |from| (from..60).step_by(step).map(|v: usize| v.to_string()).collect::<Vec<_>>().join(",");
            let gap = |minutes: String| gap(&format!("{minutes} * * * *"));
            prop_assert_eq!(gap(format!("*/{step}")), gap(list(0)));
            prop_assert_eq!(gap(format!("{start}/{step}")), gap(list(start)));
            prop_assert_eq!(gap(format!("{start}-59/{step}")), gap(list(start)));
        }

    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn all_gaps_agree_with_every_minute_of_nine_years(
            minute in field(0, 59), hour in field(0, 23),
            day in field(1, 31), month in field(1, 12), day_of_week in field(0, 6),
        ) {
            let fields = [minute, hour, day, month, day_of_week];
            prop_assert_eq!(gap(&text(&fields)), brute_force(&fields, 3_288));
        }
    }
}
