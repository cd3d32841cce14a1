//! Server shutdown, in stages that all tasks can observe.
//!
//! ```text
//! Open ──signal──▶ Draining ──drain delay──▶ Closing ──all answered, or timeout──▶ Aborted
//! ```

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// The stage of a shutdown. Stages only advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShutdownStage {
    /// Requests are served.
    Open,
    /// Requests are served, but `/readyz` fails: a Service's endpoints lag behind.
    Draining,
    /// No new connections; requests in flight are completed.
    Closing,
    /// Remaining connections are dropped.
    Aborted,
}

/// Controls the stage of a listener and its connections.
pub struct Shutdown {
    stage: watch::Sender<ShutdownStage>,
    alive: watch::Sender<()>,
}

/// A connection's view of the stage. The shutdown waits for it as long as it exists.
#[derive(Clone)]
pub struct Observer {
    stage: watch::Receiver<ShutdownStage>,
    _alive: watch::Receiver<()>,
}

impl Shutdown {
    pub fn new() -> Self {
        Self { stage: watch::Sender::new(ShutdownStage::Open), alive: watch::Sender::new(()) }
    }

    /// An observer for a connection, or for the task that accepts connections.
    pub fn connection(&self) -> Observer {
        Observer { stage: self.stage.subscribe(), _alive: self.alive.subscribe() }
    }

    /// For tasks that only watch; the shutdown does not wait for them.
    pub fn watch(&self) -> watch::Receiver<ShutdownStage> {
        self.stage.subscribe()
    }

    pub fn enter(&self, stage: ShutdownStage) {
        self.stage.send_replace(stage);
    }

    /// Waits until no connections are left.
    pub async fn ended(&self) {
        self.alive.closed().await;
    }
}

impl Observer {
    /// Waits for this stage or a later one; returns at once if the server is gone.
    pub async fn reached(&mut self, stage: ShutdownStage) {
        let _ = self.stage.wait_for(|now| *now >= stage).await;
    }

    pub fn draining(&self) -> bool {
        *self.stage.borrow() > ShutdownStage::Open
    }
}

/// The signals that request a shutdown: SIGTERM from the kubelet, SIGINT from a terminal.
pub struct ShutdownSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl ShutdownSignals {
    /// Installs the handlers; neither signal kills the process from here on.
    pub fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next signal and returns its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
