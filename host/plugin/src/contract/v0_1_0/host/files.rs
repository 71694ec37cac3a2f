//! `host-files`: the contract's side of [`OpenFile`].

use millstream_connector::Failure;
use wasmtime::component::Resource;

use super::super::imports::host_files::{Host, HostFile};
use super::super::imports::types::{Error, Wide};
use super::super::lift::{lowered, wide};
use crate::capability::{FileError, OpenFile};
use crate::instance::GuestState;

impl Host for GuestState {}

impl HostFile for GuestState {
    async fn open(&mut self, key: String) -> wasmtime::Result<Result<Option<Resource<OpenFile>>, Error>> {
        let files = self.capabilities.files.clone();
        let opened = self.clock.outside(tokio::task::spawn_blocking(move || files.open(&key))).await?;
        match opened {
            Ok(Some(file)) => Ok(Ok(Some(self.table.push(file)?))),
            Ok(None) => Ok(Ok(None)),
            Err(error) => Ok(Err(reported(error))),
        }
    }

    async fn read(&mut self, file: Resource<OpenFile>, max: u32) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let read = self.table.get(&file)?.read(max);
        Ok(self.clock.outside(read).await.map_err(reported))
    }

    async fn size(&mut self, file: Resource<OpenFile>) -> wasmtime::Result<Result<Option<Wide>, Error>> {
        let size = self.table.get(&file)?.size();
        Ok(self.clock.outside(size).await.map(|size| size.map(wide)).map_err(reported))
    }

    async fn seek(&mut self, file: Resource<OpenFile>, position: Wide) -> wasmtime::Result<Result<(), Error>> {
        let seek = self.table.get(&file)?.seek(position.into());
        Ok(self.clock.outside(seek).await.map_err(reported))
    }

    async fn write(&mut self, file: Resource<OpenFile>, bytes: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        let write = self.table.get(&file)?.write(bytes);
        Ok(self.clock.outside(write).await.map_err(reported))
    }

    async fn truncate(&mut self, file: Resource<OpenFile>, length: Wide) -> wasmtime::Result<Result<(), Error>> {
        let truncate = self.table.get(&file)?.truncate(length.into());
        Ok(self.clock.outside(truncate).await.map_err(reported))
    }

    async fn sync(&mut self, file: Resource<OpenFile>) -> wasmtime::Result<Result<(), Error>> {
        let sync = self.table.get(&file)?.sync();
        Ok(self.clock.outside(sync).await.map_err(reported))
    }

    async fn ends_rest(&mut self, file: Resource<OpenFile>) -> wasmtime::Result<bool> {
        let grown = self.table.get(&file)?.grown();
        let can_tell = grown.is_some();
        if let Some(grown) = grown {
            self.capabilities.rest.ended_by(file.rep(), grown);
        }
        Ok(can_tell)
    }

    async fn drop(&mut self, file: Resource<OpenFile>) -> wasmtime::Result<()> {
        self.table.delete(file)?;
        Ok(())
    }
}

fn reported(error: FileError) -> Error {
    lowered(Failure::from(error))
}
