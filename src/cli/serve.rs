//! `stategate webhook-config`: what the API server must know.
use super::Exit;
use clap::Args;
#[derive(Args)]
pub struct Arguments {}
pub fn run(_: Arguments) -> anyhow::Result<Exit> {
    Ok(Exit::Broken)
}
