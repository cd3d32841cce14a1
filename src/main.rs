//! Parse, run, exit code; everything else is in the library.

fn main() -> std::process::ExitCode {
    stategate::cli::main()
}
