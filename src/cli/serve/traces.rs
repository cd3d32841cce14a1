//! Where `serve` sends traces: a flag, and the environment variables that OpenTelemetry defines.

use std::time::Duration;

use clap::Args;
use tracing::warn;

use crate::plain;
use crate::server::Collector;

/// What OpenTelemetry has a batch take at most, in milliseconds.
const TIMEOUT: u64 = 10_000;
/// How many spans it has wait at most.
const QUEUE: usize = 2048;
/// Spans that may wait, whatever is asked for: some 100 MiB.
const MOST: usize = 1 << 16;

#[derive(Args)]
pub struct TraceArguments {
    /// Send traces to this collector by OTLP over HTTP (often port 4318), as OTEL_EXPORTER_OTLP_ENDPOINT does; the other
    /// OTEL_… variables count, too
    #[arg(long, value_name = "URL", value_parser = base)]
    otlp_endpoint: Option<String>,
}

/// A URL without the path of the signal, and without a slash at its end.
fn base(url: &str) -> Result<String, String> {
    let authority = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match authority.and_then(|rest| rest.chars().next()) {
        Some(first) if first.is_ascii_alphanumeric() || first == '[' => {
            Ok(url.trim_end_matches('/').to_owned())
        }
        _ => Err("write a URL such as http://collector.example.com:4318".to_owned()),
    }
}

impl TraceArguments {
    /// The collector, if there is one. What is wrong with the environment is logged, and never a reason not to serve.
    pub fn collector(&self, environment: &impl Fn(&str) -> Option<String>) -> Option<Collector> {
        let set =
            |name: &str| environment(name).map(|value| value.trim().to_owned()).filter(|v| !v.is_empty());
        // The variable of the signal before the general one.
        let either = |name: &str| {
            set(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
                .or_else(|| set(&format!("OTEL_EXPORTER_OTLP_{name}")))
        };
        if set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return None;
        }
        let url = match &self.otlp_endpoint {
            Some(base) => format!("{base}/v1/traces"),
            None => named(&set, &either)?,
        };
        warn_of_ignored(&set, &either);
        let number = |name: &str, value: Option<String>, default: u64| {
            let number = value.map(|value| value.parse::<u64>().ok().filter(|number| *number > 0));
            if number == Some(None) {
                warn!(variable = name, "is not a number above 0, and is ignored");
            }
            number.flatten().unwrap_or(default)
        };
        let timeout = number("OTEL_EXPORTER_OTLP_TIMEOUT", either("TIMEOUT"), TIMEOUT);
        let queue = number("OTEL_BSP_MAX_QUEUE_SIZE", set("OTEL_BSP_MAX_QUEUE_SIZE"), QUEUE as u64);
        Some(Collector {
            url,
            authorities: either("CERTIFICATE").map(Into::into),
            timeout: Duration::from_millis(timeout),
            queue: usize::try_from(queue).unwrap_or(MOST).min(MOST),
        })
    }
}

/// The URL for traces that the environment names, if it asks for any.
fn named(set: &impl Fn(&str) -> Option<String>, either: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let exporter = set("OTEL_TRACES_EXPORTER");
    let asked = exporter.as_deref().map(|all| all.split(',').any(|one| one.trim() == "otlp"));
    if asked == Some(false) {
        if exporter.as_deref() != Some("none") {
            warn!("OTEL_TRACES_EXPORTER: stategate knows otlp and none; there are no traces");
        }
        return None;
    }
    let general = set("OTEL_EXPORTER_OTLP_ENDPOINT")
        .or_else(|| asked.map(|_| "http://localhost:4318".to_owned()))
        .map(|base| ("OTEL_EXPORTER_OTLP_ENDPOINT", base, "/v1/traces"));
    let (name, url, path) = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        .map(|whole| ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", whole, ""))
        .or(general)?;
    if either("PROTOCOL").is_some_and(|protocol| protocol != "http/protobuf") {
        warn!(
            "OTEL_EXPORTER_OTLP_PROTOCOL: stategate sends http/protobuf only, often to port 4318; there are no traces"
        );
        return None;
    }
    match base(&url) {
        // The variable of the signal has the whole URL, as it is.
        Ok(_) if path.is_empty() => Some(url),
        Ok(base) => Some(base + path),
        Err(error) => {
            warn!(variable = name, error, "there are no traces");
            None
        }
    }
}

/// Says what is set but has no effect.
fn warn_of_ignored(set: &impl Fn(&str) -> Option<String>, either: &impl Fn(&str) -> Option<String>) {
    let samplers = [
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ];
    if let Some(sampler) = set("OTEL_TRACES_SAMPLER") {
        let share = set("OTEL_TRACES_SAMPLER_ARG").and_then(|share| share.parse::<f64>().ok());
        if !samplers.contains(&&*sampler) {
            let sampler = plain::line(&sampler).into_owned();
            warn!(sampler, "OTEL_TRACES_SAMPLER: not known here; it is parentbased_always_on");
        } else if sampler.ends_with("traceidratio") && share.is_none() {
            warn!(sampler, "OTEL_TRACES_SAMPLER_ARG: not a number; all traces are sampled");
        }
    }
    if either("COMPRESSION").is_some_and(|compression| compression != "none") {
        warn!("OTEL_EXPORTER_OTLP_COMPRESSION: traces are sent without compression");
    }
    if either("CLIENT_CERTIFICATE").or_else(|| either("CLIENT_KEY")).is_some() {
        warn!("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: traces are sent without a certificate of the client");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collector(flag: Option<&str>, variables: &[(&str, &str)]) -> Option<Collector> {
        let environment = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let otlp_endpoint = flag.map(|flag| base(flag).unwrap());
        TraceArguments { otlp_endpoint }.collector(&environment)
    }

    fn url(flag: Option<&str>, variables: &[(&str, &str)]) -> Option<String> {
        collector(flag, variables).map(|collector| collector.url)
    }

    const GENERAL: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/otlp/");
    const WHOLE: (&str, &str) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://c/t/");

    #[test]
    fn the_collector_is_found_as_opentelemetry_has_it() {
        assert_eq!(url(None, &[]), None);
        assert_eq!(url(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), None);
        assert_eq!(url(None, &[GENERAL]).unwrap(), "http://c:4318/otlp/v1/traces");
        assert_eq!(url(None, &[GENERAL, WHOLE]).unwrap(), "https://c/t/");
        assert_eq!(url(Some("http://[::1]:4318"), &[GENERAL, WHOLE]).unwrap(), "http://[::1]:4318/v1/traces");
        let exporter = |name| ("OTEL_TRACES_EXPORTER", name);
        assert_eq!(url(None, &[exporter("otlp")]).unwrap(), "http://localhost:4318/v1/traces");
        for off in ["none", "console"] {
            assert_eq!(url(None, &[GENERAL, exporter(off)]), None);
        }
        for off in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")] {
            assert_eq!(url(None, &[GENERAL, off]), None);
        }
        let protocols = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        ];
        assert!(url(None, &[&[GENERAL][..], &protocols].concat()).is_some());
        for wrong in ["c:4318", "ftp://c", "http://", "https:///v1"] {
            assert!(base(wrong).is_err());
            assert_eq!(url(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", wrong)]), None);
        }
    }

    #[test]
    fn limits_are_those_of_the_environment_within_reason() {
        let of = |variables: &[(&str, &str)]| {
            let collector = collector(None, &[&[GENERAL], variables].concat()).unwrap();
            (collector.timeout.as_millis(), collector.queue)
        };
        assert_eq!(of(&[]), (10_000, 2048));
        assert_eq!(of(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "500"), ("OTEL_BSP_MAX_QUEUE_SIZE", "7")]), (500, 7));
        assert_eq!(
            of(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "0"), ("OTEL_BSP_MAX_QUEUE_SIZE", "-")]),
            (10_000, 2048)
        );
        assert_eq!(of(&[("OTEL_BSP_MAX_QUEUE_SIZE", "99999999999999")]), (10_000, MOST));
    }
}
