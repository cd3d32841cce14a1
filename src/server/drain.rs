//! The end of a server, in steps that everybody can see.
//!
//! ```text
//! Open ──asked──▶ Draining ──drain delay──▶ Closing ──all answered, or the limit──▶ Cut
//! ```

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How far the end has come. Only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShutdownStage {
    /// Requests are served.
    Open,
    /// Requests are served, but `/readyz` says no: a Service's endpoints lag behind.
    Draining,
    /// No new connections; what was begun is finished.
    Closing,
    /// Whatever is still there is dropped.
    Aborted,
}

/// The only one who moves the stage of a listener and its connections.
pub struct Shutdown {
    stage: watch::Sender<ShutdownStage>,
    alive: watch::Sender<()>,
}

/// What a connection knows of the stage. It is waited for as long as it holds one of these.
#[derive(Clone)]
pub struct Observer {
    stage: watch::Receiver<ShutdownStage>,
    _alive: watch::Receiver<()>,
}

impl Shutdown {
    pub fn new() -> Self {
        Self { stage: watch::Sender::new(ShutdownStage::Open), alive: watch::Sender::new(()) }
    }

    /// For a connection, or whoever accepts them.
    pub fn connection(&self) -> Observer {
        Observer { stage: self.stage.subscribe(), _alive: self.alive.subscribe() }
    }

    /// For those who only want to know; nobody waits for them.
    pub fn watch(&self) -> watch::Receiver<ShutdownStage> {
        self.stage.subscribe()
    }

    pub fn enter(&self, stage: ShutdownStage) {
        self.stage.send_replace(stage);
    }

    /// Until there are no connections any more.
    pub async fn ended(&self) {
        self.alive.closed().await;
    }
}

impl Observer {
    /// Until this stage or a later one; for a server that is gone already, at once.
    pub async fn reached(&mut self, stage: ShutdownStage) {
        let _ = self.stage.wait_for(|now| *now >= stage).await;
    }

    pub fn draining(&self) -> bool {
        *self.stage.borrow() > ShutdownStage::Open
    }
}

/// Who may ask for the end: the kubelet by SIGTERM, a person at a terminal by SIGINT.
pub struct ShutdownSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl ShutdownSignals {
    /// From here on neither signal kills the process.
    pub fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Until the next signal; returns its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
