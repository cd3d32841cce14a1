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
pub enum Stage {
    /// Requests are served.
    Open,
    /// Requests are served, but `/readyz` says no: a Service's endpoints lag behind.
    Draining,
    /// No new connections; what was begun is finished.
    Closing,
    /// Whatever is still there is dropped.
    Cut,
}

/// The only one who moves the stage of a listener and its connections.
pub struct Stages {
    stage: watch::Sender<Stage>,
    alive: watch::Sender<()>,
}

/// What a connection knows of the stage. It is waited for as long as it holds one of these.
#[derive(Clone)]
pub struct Observer {
    stage: watch::Receiver<Stage>,
    _alive: watch::Receiver<()>,
}

impl Stages {
    pub fn new() -> Self {
        Self { stage: watch::Sender::new(Stage::Open), alive: watch::Sender::new(()) }
    }

    /// For a connection, or whoever accepts them.
    pub fn connection(&self) -> Observer {
        Observer { stage: self.stage.subscribe(), _alive: self.alive.subscribe() }
    }

    /// For those who only want to know; nobody waits for them.
    pub fn watch(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    pub fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// Until there are no connections any more.
    pub async fn ended(&self) {
        self.alive.closed().await;
    }
}

impl Observer {
    /// Until this stage or a later one; for a server that is gone already, at once.
    pub async fn reached(&mut self, stage: Stage) {
        let _ = self.stage.wait_for(|now| *now >= stage).await;
    }

    pub fn draining(&self) -> bool {
        *self.stage.borrow() > Stage::Open
    }
}

/// Who may ask for the end: the kubelet by SIGTERM, a person at a terminal by SIGINT.
pub struct Asked {
    terminate: Signal,
    interrupt: Signal,
}

impl Asked {
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
