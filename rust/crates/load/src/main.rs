//! `panthera-load run|limit|ceilings`: dispatch and exit codes (0 fine, 1 failed, 2 misunderstood), nothing else.

use panthera_load::args::{self, Options};
use panthera_load::{ceilings, client, limit};
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "panthera-load run --op OP [--option value]…     one JSON line (see bench/README.md)
panthera-load limit --listen HOST:PORT [--size 4096] [--seed 1]   the bare hyper server
panthera-load ceilings --dir DIR                                  rates of this machine as JSON";

enum Failure {
    Usage(String),
    Failed(std::io::Error),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Usage(message)
    }
}

fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn command() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let verb = words.next().unwrap_or_default();
    let mut options = Options::parse(words)?;
    match verb.as_str() {
        "run" => {
            let report = client::run(&args::config(options, |name| std::env::var(name).ok())?)?;
            say(&report.json())?;
        }
        "limit" => {
            let listener = TcpListener::bind(options.take("listen", "127.0.0.1:9100".to_owned())?)?;
            let size = options.take_bytes("size", 4096)? as usize;
            let answers = limit::Answers::new(options.take("seed", 1)?, size);
            options.finish()?;
            say(&format!("ready http://{}", listener.local_addr()?))?;
            limit::run(listener, answers)?;
        }
        "ceilings" => {
            let directory = options.take("dir", ".".to_owned())?;
            options.finish()?;
            say(&ceilings::measure(Path::new(&directory))?)?;
        }
        _ => return Err(Failure::Usage("run, limit or ceilings?".into())),
    }
    Ok(())
}

fn main() -> ExitCode {
    let (message, code) = match command() {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => (format!("{message}\n{USAGE}"), 2),
        Err(Failure::Failed(error)) => (error.to_string(), 1),
    };
    let _ = writeln!(std::io::stderr(), "panthera-load: {message}");
    ExitCode::from(code)
}
