use lb_model::bindings::lb_controller::provider::{
    files::FileError,
    services::{Host, Report, ServiceError, StartOutcome},
};

use crate::{call::CallContext, service::Service};

impl Host for CallContext {
    async fn start(&mut self, service: String) -> wasmtime::Result<Result<StartOutcome, ServiceError>> {
        self.budget.charge_host_call()?;
        Ok(match self.granted_service(service) {
            Ok(service) => service.start().await,
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
            Ok(path) => service.check(&path).await,
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
            Ok(service) => service.reload().await,
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
            Ok(service) => service.stop().await,
            Err(error) => Err(error),
        })
    }
}

impl CallContext {
    fn granted_service(&self, name: String) -> Result<&Service, ServiceError> {
        self.granted.services.get(&name).ok_or(ServiceError::NotGranted(name))
    }
}
