//! `stategate completions`: shell completions.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Exit, print_exactly};

#[derive(Args)]
#[command(after_help = "Examples:
  stategate completions bash > /etc/bash_completion.d/stategate
  stategate completions zsh > \"${fpath[1]}/_stategate\"
  stategate completions fish > ~/.config/fish/completions/stategate.fish")]
pub struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "stategate", &mut script);
    print_exactly(&String::from_utf8(script)?)?;
    Ok(Exit::Clean)
}
