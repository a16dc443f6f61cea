//! Runs a program, its output into a log, its progress on the screen.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::terminal::Step;

/// How much of a failed program's output is repeated on the screen.
const TAIL_LINES: usize = 200;

/// Runs a program to its end under a step. Fails, with the end of its output and where the rest is, unless it succeeds.
pub(crate) fn run(step: &mut Step, command: &mut Command, log: &Path) -> Result<()> {
    let shown = show(command);
    // Cargo draws its progress only for terminals unless told; it is read here for the step's detail.
    command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "120");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let (status, tail) = watch(step, &mut child, log)?;
    if !status.success() {
        bail!("`{shown}` ended with {status}:\n\n{}\n\nAll of its output: {}", tail.join("\n"), log.display());
    }
    Ok(())
}

/// Passes output on until the program ends: whole lines to the log, progress to the step.
fn watch(step: &mut Step, child: &mut Child, log: &Path) -> Result<(ExitStatus, Vec<String>)> {
    let mut file = File::create(log).with_context(|| format!("cannot write the log {}", log.display()))?;
    let (sender, lines) = mpsc::channel();
    let stdout = child.stdout.take().context("the output is piped")?;
    let stderr = child.stderr.take().context("the output is piped")?;
    let sender_of_stdout = sender.clone();
    std::thread::spawn(move || split_lines(stdout, &sender_of_stdout));
    std::thread::spawn(move || split_lines(stderr, &sender));

    let mut tail = Vec::new();
    loop {
        match lines.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => match progress(&line) {
                Some(progress) => step.detail(progress),
                None if line.trim().is_empty() => {}
                None => {
                    writeln!(file, "{line}").with_context(|| format!("cannot write the log {}", log.display()))?;
                    tail.push(line);
                    if tail.len() > TAIL_LINES {
                        tail.remove(0);
                    }
                }
            },
            Err(RecvTimeoutError::Timeout) => step.tick(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok((child.wait().context("cannot wait for the program")?, tail))
}

/// Sends what stands between line feeds and carriage returns, without control sequences, until the stream ends.
fn split_lines(mut stream: impl Read, lines: &mpsc::Sender<String>) {
    let mut pending = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        for &byte in &buffer[..count] {
            if byte == b'\n' || byte == b'\r' {
                let line = without_control_sequences(&String::from_utf8_lossy(&pending));
                pending.clear();
                if lines.send(line).is_err() {
                    return;
                }
            } else {
                pending.push(byte);
            }
        }
    }
    if !pending.is_empty() {
        // The other end is gone only when nobody wants the lines any more.
        let _ = lines.send(without_control_sequences(&String::from_utf8_lossy(&pending)));
    }
}

fn without_control_sequences(line: &str) -> String {
    let mut clean = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\x1b' {
            for skipped in characters.by_ref() {
                if skipped.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            clean.push(character);
        }
    }
    clean
}

/// What cargo's progress bar says: `Building [====>   ] 41/361: serde, kube` is `41/361 serde, kube`.
fn progress(line: &str) -> Option<String> {
    let line = line.trim_start();
    let bar = line.strip_prefix("Building [").or_else(|| line.strip_prefix("Downloading ["))?;
    let (_, state) = bar.split_once("] ")?;
    let (count, what) = state.split_once(": ").unwrap_or((state, ""));
    let what: String = what.chars().take(32).collect();
    Some(format!("{count} {what}").trim_end().to_owned())
}

/// A command as one would type it.
pub(crate) fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program()).to_string_lossy();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// Finds a program on the PATH, or where a system keeps what only root runs.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::{progress, without_control_sequences};

    #[test]
    fn reads_the_progress_of_cargo() {
        assert_eq!(progress("    Building [===>    ] 41/361: serde, kube").as_deref(), Some("41/361 serde, kube"));
        assert_eq!(progress("    Building [========] 361/361").as_deref(), Some("361/361"));
        assert_eq!(progress("   Compiling serde v1.0.0"), None);
    }

    #[test]
    fn drops_colours() {
        assert_eq!(without_control_sequences("\x1b[1m\x1b[92m   Compiling\x1b[0m serde"), "   Compiling serde");
    }
}
