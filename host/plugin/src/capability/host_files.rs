//! `host-files`: the contract's side of [`OpenFile`].

use millstream_record::Chain;
use wasmtime::component::Resource;

use super::files::{FileError, OpenFile};
use crate::contract::v0_1_0::imports::host_files::{Host, HostFile};
use crate::contract::v0_1_0::imports::types::{Error, ErrorKind, Wide};
use crate::contract::v0_1_0::wide;
use crate::instance::GuestState;

impl Host for GuestState {}

impl HostFile for GuestState {
    async fn open(&mut self, key: String) -> wasmtime::Result<Result<Option<Resource<OpenFile>>, Error>> {
        let grants = self.files.clone();
        self.clock.account();
        let opened = tokio::task::spawn_blocking(move || grants.open(&key)).await?;
        self.clock.resume();
        match opened {
            Ok(Some(file)) => Ok(Ok(Some(self.table.push(file)?))),
            Ok(None) => Ok(Ok(None)),
            Err(error) => Ok(Err(reported(&error))),
        }
    }

    async fn read(&mut self, file: Resource<OpenFile>, max: u32) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        self.clock.account();
        let outcome = self.table.get(&file)?.read(max).await;
        self.clock.resume();
        Ok(outcome.map_err(|error| reported(&error)))
    }

    async fn size(&mut self, file: Resource<OpenFile>) -> wasmtime::Result<Result<Option<Wide>, Error>> {
        self.clock.account();
        let outcome = self.table.get(&file)?.size().await;
        self.clock.resume();
        Ok(outcome.map(|size| size.map(wide)).map_err(|error| reported(&error)))
    }

    async fn seek(&mut self, file: Resource<OpenFile>, position: Wide) -> wasmtime::Result<Result<(), Error>> {
        self.clock.account();
        let outcome = self.table.get(&file)?.seek(position.into()).await;
        self.clock.resume();
        Ok(outcome.map_err(|error| reported(&error)))
    }

    async fn write(&mut self, file: Resource<OpenFile>, bytes: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        self.clock.account();
        let outcome = self.table.get(&file)?.write(bytes).await;
        self.clock.resume();
        Ok(outcome.map_err(|error| reported(&error)))
    }

    async fn truncate(&mut self, file: Resource<OpenFile>, length: Wide) -> wasmtime::Result<Result<(), Error>> {
        self.clock.account();
        let outcome = self.table.get(&file)?.truncate(length.into()).await;
        self.clock.resume();
        Ok(outcome.map_err(|error| reported(&error)))
    }

    async fn sync(&mut self, file: Resource<OpenFile>) -> wasmtime::Result<Result<(), Error>> {
        self.clock.account();
        let outcome = self.table.get(&file)?.sync().await;
        self.clock.resume();
        Ok(outcome.map_err(|error| reported(&error)))
    }

    async fn drop(&mut self, file: Resource<OpenFile>) -> wasmtime::Result<()> {
        self.table.delete(file)?;
        Ok(())
    }
}

/// A failure as guests see it: what Connect's users know as an `IOException`, or a denial.
fn reported(error: &FileError) -> Error {
    let kind = match error {
        FileError::NotGranted { .. } | FileError::WrongAccess { .. } => ErrorKind::Fatal,
        FileError::NoValue { .. } | FileError::NotAllowed { .. } => ErrorKind::Config,
        FileError::Open { .. } | FileError::Operation { .. } => ErrorKind::Retriable,
    };
    let source = std::error::Error::source(error);
    Error {
        kind,
        class: "java.io.IOException".into(),
        message: error.to_string(),
        causes: source.map(|source| Chain(source).to_string()).into_iter().collect(),
    }
}
