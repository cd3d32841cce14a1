//! Metrics of the process itself, under the names that all Prometheus clients use. prometheus-client has none.

use std::fmt;

use procfs::WithCurrentSystemInfo as _;
use procfs::process::{LimitValue, Process};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Reads /proc when metrics are asked for; what cannot be read is left out.
#[derive(Debug)]
pub struct ProcessMetrics;

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut write = |name: &str, help: &str, metric: &dyn EncodeMetric| {
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
        };
        let Ok(process) = Process::myself() else { return Ok(()) };
        if let Ok(stat) = process.stat() {
            let ticks = procfs::ticks_per_second();
            let cpu = seconds(stat.utime.saturating_add(stat.stime), ticks);
            write(
                "process_cpu_seconds",
                "Total user and system CPU time spent in seconds",
                &ConstCounter::new(cpu),
            )?;
            let resident = stat.rss_bytes().get();
            for (name, help, bytes) in [
                ("process_resident_memory_bytes", "Resident memory size in bytes", resident),
                ("process_virtual_memory_bytes", "Virtual memory size in bytes", stat.vsize),
            ] {
                write(name, help, &ConstGauge::new(bytes))?;
            }
            write(
                "process_threads",
                "Number of OS threads in the process",
                &ConstGauge::new(stat.num_threads),
            )?;
            if let Ok(boot) = procfs::boot_time_secs() {
                let start = seconds(stat.starttime, ticks) + seconds(boot, 1);
                let help = "Start time of the process since unix epoch in seconds";
                write("process_start_time_seconds", help, &ConstGauge::new(start))?;
            }
        }
        if let Ok(open) = process.fd_count() {
            let open = u64::try_from(open).unwrap_or(u64::MAX);
            write("process_open_fds", "Number of open file descriptors", &ConstGauge::new(open))?;
        }
        if let Ok(limits) = process.limits()
            && let LimitValue::Value(most) = limits.max_open_files.soft_limit
        {
            write("process_max_fds", "Maximum number of open file descriptors", &ConstGauge::new(most))?;
        }
        Ok(())
    }
}

/// Ticks as seconds.
fn seconds(ticks: u64, per_second: u64) -> f64 {
    let whole = ticks / per_second.max(1);
    let rest = u32::try_from(ticks % per_second.max(1)).unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^52")]
    let (whole, per_second) = (whole as f64, per_second.max(1) as f64);
    whole + f64::from(rest) / per_second
}
