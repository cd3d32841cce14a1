//! Compiles the embedded policies when stategate is built, so that it does not parse them at each start. A test compares
//! what this writes with what loading the policies gives.

#![allow(clippy::disallowed_methods, reason = "it reads the policies and writes what it makes of them")]
#![allow(clippy::print_stdout, reason = "this is how a build script talks to cargo")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, thread};

/// The part of the engine that goes from the text of modules to compiled rules.
#[allow(dead_code, unused_imports, reason = "the build does not evaluate rules")]
#[path = "engine"]
mod engine {
    pub mod ast;
    pub mod builtins;
    pub mod compilation;
    pub mod compiled {
        pub mod calls;
        pub mod compile;
        pub mod modules;
        pub mod place;
        pub mod program;
        pub mod schedule;
        pub mod scope;
        pub mod serialized;

        pub use program::Program;
    }
    pub mod limits;
    pub mod reads;
    pub mod rule_id;
    pub mod walk;
}
#[allow(dead_code, reason = "the build reads modules only")]
#[path = "source/file_kind.rs"]
mod file_kind;

use engine::compilation::Compilation;
use file_kind::{FileKind, kind};

/// In bytes: the parser recurses.
const STACK: usize = 256 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    for path in ["policies", "src/build.rs", "src/engine", "src/source/file_kind.rs"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let policies =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo names no directory")?).join("policies");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo names no directory for output")?);
    let compile = move || compile(&policies).map_err(|error| error.to_string());
    let compiled = thread::Builder::new().stack_size(STACK).spawn(compile)?.join();
    let compiled = compiled.map_err(|_| "compiling the policies panicked")?.unwrap_or_else(|error| {
        // stategate itself says better what is wrong, and parses its policies until then.
        println!("cargo::warning=the policies are not compiled: {}", error.replace('\n', " "));
        Vec::new()
    });
    fs::write(out.join("modules"), compiled)?;
    Ok(())
}

/// The policies, and then the libraries, as a catalogue lists them.
fn compile(policies: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut paths = Vec::new();
    let mut waiting = vec![policies.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                paths.push(path.strip_prefix(policies)?.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    paths.sort();
    let mut sources = Vec::new();
    for wanted in [FileKind::Policy, FileKind::Library] {
        for path in paths.iter().filter(|path| kind(path) == wanted) {
            sources.push((format!("policies/{path}"), fs::read_to_string(policies.join(path))?));
        }
    }
    let sources = sources.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Ok(Compilation::of_sources(sources)?.to_bytes()?)
}
