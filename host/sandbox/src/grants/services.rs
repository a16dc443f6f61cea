use lb_model::bindings::lb_controller::provider::{
    files::FileError,
    services::{Host, Report, ServiceError, StartOutcome},
};

use crate::{call::CallContext, service::Service};

impl Host for CallContext {
    async fn start(&mut self, service: String) -> wasmtime::Result<Result<StartOutcome, ServiceError>> {
        self.budget.charge_host_call()?;
        let rehearsal = self.granted.rehearsal.clone();
        Ok(match self.granted_service(service) {
            Ok(service) => match rehearsal {
                None => service.start().await,
                Some(recorder) => service.running().await.map(|running| {
                    if running {
                        return StartOutcome::AlreadyRunning;
                    }
                    recorder.record(format!("start service {}", service.name()));
                    StartOutcome::Started
                }),
            },
            Err(error) => Err(error),
        })
    }

    async fn check(&mut self, service: String, path: String) -> wasmtime::Result<Result<Report, ServiceError>> {
        self.budget.charge_host_call()?;
        let service = match self.granted_service(service) {
            Ok(service) => service,
            Err(error) => return Ok(Err(error)),
        };
        Ok(match self.granted_directory().directory.absolute(&path) {
            Ok(path) => service.check(self.granted_directory().directory.path(), &path).await,
            Err(
                FileError::InvalidPath(reason)
                | FileError::NotFound(reason)
                | FileError::TooLarge(reason)
                | FileError::Io(reason),
            ) => Err(ServiceError::Failed(format!("cannot check what is not there: {reason}"))),
        })
    }

    async fn reload(&mut self, service: String) -> wasmtime::Result<Result<Report, ServiceError>> {
        self.budget.charge_host_call()?;
        Ok(match self.granted_service(service) {
            Ok(service) => match &self.granted.rehearsal {
                None => service.reload().await,
                Some(recorder) => {
                    recorder.record(format!("reload service {}", service.name()));
                    Ok(Report { ok: true, output: String::new() })
                }
            },
            Err(error) => Err(error),
        })
    }

    async fn running(&mut self, service: String) -> wasmtime::Result<Result<bool, ServiceError>> {
        self.budget.charge_host_call()?;
        Ok(match self.granted_service(service) {
            Ok(service) => service.running().await,
            Err(error) => Err(error),
        })
    }

    async fn stop(&mut self, service: String) -> wasmtime::Result<Result<(), ServiceError>> {
        self.budget.charge_host_call()?;
        Ok(match self.granted_service(service) {
            Ok(service) => match &self.granted.rehearsal {
                None => service.stop().await,
                Some(recorder) => {
                    recorder.record(format!("stop service {}", service.name()));
                    Ok(())
                }
            },
            Err(error) => Err(error),
        })
    }
}

impl CallContext {
    fn granted_service(&self, name: String) -> Result<&Service, ServiceError> {
        self.granted.services.get(&name).ok_or(ServiceError::NotGranted(name))
    }
}
