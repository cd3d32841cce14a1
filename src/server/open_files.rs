//! How many connections fit into the limit on open files.

use tracing::warn;

use super::ServeError;
use super::connection_table::overhang;

/// Files for everything but connections: listeners, logs, and policies, certificates and the sandbox's pipes
/// while they are read again.
const RESERVED: usize = 64;
/// Fewer connections than this are no service.
const LEAST: usize = 16;
/// Connections to the status port. A few would do, but the more there are, the longer a probe has to ask when
/// others of its own address flood the port.
const STATUS: usize = 1024;

/// Connections to each port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    pub webhook: usize,
    pub status: usize,
}

/// Raises the limit on open files as far as it may be, and divides it between the ports.
pub fn connection_limits(webhook: usize) -> Result<ConnectionLimits, ServeError> {
    let files = rlimit::increase_nofile_limit(u64::MAX).map_err(ServeError::Files)?;
    let limits = divide(webhook, usize::try_from(files).unwrap_or(usize::MAX))?;
    if limits.webhook < webhook {
        let ConnectionLimits { webhook: connections, .. } = limits;
        warn!(
            files,
            connections,
            wanted = webhook,
            "the limit on open files allows few connections; raise it (ulimit -n)"
        );
    }
    Ok(limits)
}

fn divide(webhook: usize, files: usize) -> Result<ConnectionLimits, ServeError> {
    let spare = files.saturating_sub(RESERVED);
    let status = STATUS.min(spare / 4);
    let rest = spare.saturating_sub(status + overhang(status));
    let fits = webhook.min((rest.saturating_sub(1) / 5).saturating_mul(4));
    if status < LEAST || fits < LEAST {
        let needed = RESERVED + 4 * LEAST;
        return Err(ServeError::FewFiles { files, needed });
    }
    Ok(ConnectionLimits { webhook: fits, status })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connections_fit_into_the_limit_on_files() {
        assert_eq!(divide(1024, 1 << 20).unwrap(), ConnectionLimits { webhook: 1024, status: 1024 });
        assert_eq!(divide(1024, usize::MAX).unwrap().webhook, 1024);
        for files in 0..5000 {
            match divide(1024, files) {
                Ok(ConnectionLimits { webhook, status }) => {
                    let all = webhook + overhang(webhook) + status + overhang(status) + RESERVED;
                    assert!(all <= files && webhook >= LEAST && status >= LEAST, "{files}");
                }
                Err(ServeError::FewFiles { needed, .. }) => {
                    assert!(files < needed, "{files} are enough, but refused");
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}
