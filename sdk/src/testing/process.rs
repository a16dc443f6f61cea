use std::{
    io::{self, BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// A process whose lines are kept. Ended when dropped: asked by SIGTERM, killed when it does not listen.
pub(super) struct Process {
    child: Mutex<Child>,
    output: Arc<Output>,
}

#[derive(Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    changed: Condvar,
}

impl Output {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(self: Arc<Self>, pipe: impl Read + Send + 'static) {
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                self.lines().push(String::from_utf8_lossy(&line).into_owned());
                self.changed.notify_all();
            }
            self.changed.notify_all();
        });
    }
}

impl Process {
    pub(super) fn spawn(mut command: Command) -> io::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let output = Arc::new(Output::default());
        Arc::clone(&output).follow(child.stdout.take().expect("it is piped"));
        Arc::clone(&output).follow(child.stderr.take().expect("it is piped"));
        Ok(Self { child: Mutex::new(child), output })
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    pub(super) fn signal(&self, signal: Signal) {
        let child = self.child();
        let pid = Pid::from_child(&child);
        drop(child);
        // One that ended meanwhile is noticed by whoever waits for its answer.
        let _ = kill_process(pid, signal);
    }

    /// How many lines there are.
    pub(super) fn lines(&self) -> usize {
        self.output.lines().len()
    }

    /// The lines from one on.
    pub(super) fn output(&self, from: usize) -> String {
        self.output.lines()[from..].join("\n")
    }

    /// The first line from one on that is wanted; `None` if it does not come, or the process ends before.
    pub(super) fn wait_for(&self, patience: Duration, from: usize, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let end = Instant::now() + patience;
        let mut lines = self.output.lines();
        loop {
            if let Some(line) = lines.iter().skip(from).find(|line| wanted(line)) {
                return Some(line.clone());
            }
            let left = end.checked_duration_since(Instant::now())?;
            if !self.is_running() {
                return None;
            }
            let tick = left.min(Duration::from_millis(20));
            lines = self.output.changed.wait_timeout(lines, tick).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let end = Instant::now() + Duration::from_secs(10);
        while self.is_running() && Instant::now() < end {
            thread::sleep(Duration::from_millis(10));
        }
        let mut child = self.child();
        // It has ended, or is made to.
        let _ = child.kill();
        let _ = child.wait();
    }
}
