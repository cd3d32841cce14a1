//! The text formats of metrics: OpenMetrics, which prometheus-client writes, and the older one of Prometheus, for
//! clients that do not ask for OpenMetrics.

/// What a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Prometheus,
}

impl Exposition {
    /// The format for a client that sends this `Accept` header.
    pub fn accepted(accept: &str) -> Self {
        let types = accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
        let wanted = types.into_iter().any(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
        if wanted { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// `Content-Type` of an answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// How an exemplar begins: a trace, and nothing else, is one.
const EXEMPLAR: &str = " # {trace_id=";

/// OpenMetrics as Prometheus' text format. There, the name of a family is that of its samples, and there are neither
/// exemplars nor a type `info`.
pub fn prometheus(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described;
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|typed| typed.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            let says = help.strip_prefix(name).unwrap_or_default();
            text.push_str(&format!("# HELP {name}{suffix}{says}\n# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line.rsplit_once(EXEMPLAR).map_or(line, |(sample, _)| sample));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_open_metrics_gets_it() {
        let scraper =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        assert_eq!(Exposition::accepted(scraper), Exposition::OpenMetrics);
        for other in ["", "*/*", "text/plain;version=0.0.4", "text/html, application/xml"] {
            assert_eq!(Exposition::accepted(other), Exposition::Prometheus, "{other}");
        }
    }

    #[test]
    fn families_are_named_as_their_samples() {
        let open = "# HELP a_reviews Reviews.\n# TYPE a_reviews counter\na_reviews_total{x=\"# HELP\"} 1\n\
                    # HELP a_build The build.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n\
                    # HELP a_depth Depth.\n# TYPE a_depth gauge\na_depth 2\n\
                    # HELP a_s Time.\n# TYPE a_s histogram\na_s_bucket{le=\"1\"} 3 # {trace_id=\"4bf9\"} 0.5\n# EOF\n";
        let text = "# HELP a_reviews_total Reviews.\n# TYPE a_reviews_total counter\na_reviews_total{x=\"# HELP\"} 1\n\
                    # HELP a_build_info The build.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n\
                    # HELP a_depth Depth.\n# TYPE a_depth gauge\na_depth 2\n\
                    # HELP a_s Time.\n# TYPE a_s histogram\na_s_bucket{le=\"1\"} 3\n";
        assert_eq!(prometheus(open), text);
    }
}
