use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use crate::{Report, ServiceError, Services, StartOutcome};

/// Services that do as they are told and remember what was asked of them. Clones are the same script: keep one.
///
/// Without a word in advance everything succeeds, and a service runs once it was started.
#[derive(Debug, Clone, Default)]
pub struct Script(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    running: bool,
    calls: Vec<String>,
    starts: VecDeque<ServiceError>,
    checks: VecDeque<Report>,
    reloads: VecDeque<Report>,
}

impl Script {
    /// The next start that has no answer yet fails.
    pub fn fail_start(&self, error: ServiceError) {
        self.0.borrow_mut().starts.push_back(error);
    }

    /// The next check that has no answer yet is refused with this output.
    pub fn refuse_check(&self, output: impl Into<String>) {
        self.0.borrow_mut().checks.push_back(Report { ok: false, output: output.into() });
    }

    /// The next checks that have no answer yet succeed, or are refused with this output.
    pub fn answer_checks(&self, answers: impl IntoIterator<Item = bool>, output: &str) {
        let report = |ok| Report { ok, output: if ok { String::new() } else { output.to_owned() } };
        self.0.borrow_mut().checks.extend(answers.into_iter().map(report));
    }

    /// The next reload that has no answer yet is refused with this output.
    pub fn refuse_reload(&self, output: impl Into<String>) {
        self.0.borrow_mut().reloads.push_back(Report { ok: false, output: output.into() });
    }

    /// Says that the service runs, or that it died.
    pub fn set_running(&self, running: bool) {
        self.0.borrow_mut().running = running;
    }

    /// What was asked since the last time, for example `check nginx`.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.borrow_mut().calls)
    }

    fn called(&self, function: &str, service: &str) {
        self.0.borrow_mut().calls.push(format!("{function} {service}"));
    }
}

impl Services for Script {
    fn start(&self, service: &str) -> Result<StartOutcome, ServiceError> {
        self.called("start", service);
        let mut state = self.0.borrow_mut();
        if state.running {
            return Ok(StartOutcome::AlreadyRunning);
        }
        state.starts.pop_front().map_or(Ok(()), Err)?;
        state.running = true;
        Ok(StartOutcome::Started)
    }

    fn check(&self, service: &str, _path: &str) -> Result<Report, ServiceError> {
        self.called("check", service);
        Ok(self.0.borrow_mut().checks.pop_front().unwrap_or_else(succeeded))
    }

    fn reload(&self, service: &str) -> Result<Report, ServiceError> {
        self.called("reload", service);
        let mut state = self.0.borrow_mut();
        state.running = true;
        Ok(state.reloads.pop_front().unwrap_or_else(succeeded))
    }

    fn running(&self, service: &str) -> Result<bool, ServiceError> {
        self.called("running", service);
        Ok(self.0.borrow().running)
    }

    fn stop(&self, service: &str) -> Result<(), ServiceError> {
        self.called("stop", service);
        self.0.borrow_mut().running = false;
        Ok(())
    }
}

fn succeeded() -> Report {
    Report { ok: true, output: String::new() }
}
