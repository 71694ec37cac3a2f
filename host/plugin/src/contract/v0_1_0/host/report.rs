//! `host-report`.

use millstream_connector::TopicRecord;

use super::super::imports::host_report::{Host, Report};
use super::super::imports::types::Error;
use super::super::lift::lowered;
use crate::instance::GuestState;

impl Host for GuestState {
    async fn write(&mut self, key: String, reports: Vec<Report>) -> wasmtime::Result<Result<(), Error>> {
        let context = self.capabilities.worker.sink("write");
        let place = context.and_then(|context| Ok((context, self.capabilities.report.of(&key, reports.len())?)));
        let (context, (topic, replication)) = match place {
            Ok(place) => place,
            Err(failure) => return Ok(Err(lowered(failure))),
        };
        let records = reports.into_iter().map(|Report { key, value, headers }| TopicRecord { key, value, headers });
        let written = context.write_records(&topic, replication, records.collect());
        Ok(self.clock.outside(written).await.map_err(lowered))
    }
}
