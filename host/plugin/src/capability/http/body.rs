//! What a server sends, as a guest reads it: bounded, unpacked, and over when the task is asked to stop.

use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use millstream_metrics::PluginInstance;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::Error as WasiError;

use super::failure::{Cause, Failure};
use super::pool::Lease;

/// Packed bytes that are unpacked at a time: they become at most a thousand times as many.
const UNPACK_STEP: usize = 4 << 10;

/// The end of a wait that somebody else decides.
pub(super) type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The body of an answer.
pub(super) struct Received {
    incoming: Incoming,
    /// Goes back when everything was read.
    lease: Option<Lease>,
    unpacking: Option<MultiGzDecoder<Vec<u8>>>,
    /// Whether anything packed has come.
    begun: bool,
    /// Unpacked bytes that may still come, and how many could.
    left: u64,
    limit: u64,
    silence: Duration,
    waiting: Pin<Box<Sleep>>,
    stop: Stop,
    ended: bool,
    metrics: Arc<PluginInstance>,
}

impl Received {
    pub(super) fn new(
        incoming: Incoming,
        lease: Lease,
        is_packed: bool,
        limit: u64,
        silence: Duration,
        stop: Stop,
        metrics: Arc<PluginInstance>,
    ) -> Self {
        let mut received = Self {
            incoming,
            lease: Some(lease),
            unpacking: is_packed.then(|| MultiGzDecoder::new(Vec::new())),
            begun: false,
            left: limit,
            limit,
            silence,
            waiting: Box::pin(tokio::time::sleep(silence)),
            stop,
            ended: false,
            metrics,
        };
        if received.incoming.is_end_stream() {
            received.finish();
        }
        received
    }

    fn finish(&mut self) {
        self.ended = true;
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    fn fail(&mut self, failure: Failure) -> Poll<Option<Result<Frame<Bytes>, WasiError>>> {
        self.ended = true;
        self.lease = None;
        Poll::Ready(Some(Err(failure.into())))
    }

    /// The bytes as they are counted and handed on.
    fn take(&mut self, data: Bytes) -> Result<Bytes, Failure> {
        self.metrics.http_received.add(data.len() as u64);
        let too_large = |limit: u64| {
            let text = format!(
                "the answer has more than {limit} bytes (plugin.http.response.max.bytes, or the connector's own limit)"
            );
            Failure::new(Cause::TooLarge, text)
        };
        let data = match &mut self.unpacking {
            None => data,
            Some(decoder) => {
                self.begun = true;
                for step in data.chunks(UNPACK_STEP) {
                    let damaged = |error| Failure::new(Cause::Cut, format!("unpack the answer: {error}"));
                    decoder.write_all(step).map_err(damaged)?;
                    if self.left < decoder.get_ref().len() as u64 {
                        return Err(too_large(self.limit));
                    }
                }
                std::mem::take(decoder.get_mut()).into()
            }
        };
        self.left = self.left.checked_sub(data.len() as u64).ok_or_else(|| too_large(self.limit))?;
        Ok(data)
    }

    /// What the decoder still had when the packed bytes ended.
    fn last(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(decoder) = self.unpacking.take().filter(|_| self.begun) else { return Ok(None) };
        let rest = decoder.finish().map_err(|error| Failure::new(Cause::Cut, format!("unpack the answer: {error}")))?;
        Ok((!rest.is_empty()).then(|| rest.into()))
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = WasiError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WasiError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.stop.as_mut().poll(context).is_ready() {
            return self.fail(Failure::stopping());
        }
        loop {
            match Pin::new(&mut self.incoming).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    let until = Instant::now() + self.silence;
                    self.waiting.as_mut().reset(until);
                    // Trailers say nothing that a guest has asked for.
                    let Ok(data) = frame.into_data() else { continue };
                    match self.take(data) {
                        // Nothing to hand on yet, as while a packed header comes.
                        Ok(data) if data.is_empty() => continue,
                        Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                        Err(failure) => return self.fail(failure),
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    let text = format!("the connection ended within the answer: {error}");
                    return self.fail(Failure::new(Cause::Cut, text));
                }
                Poll::Ready(None) => {
                    let last = self.last();
                    return match last {
                        Ok(None) => {
                            self.finish();
                            Poll::Ready(None)
                        }
                        Ok(Some(rest)) => match self.take_plain(rest) {
                            Ok(rest) => Poll::Ready(Some(Ok(Frame::data(rest)))),
                            Err(failure) => self.fail(failure),
                        },
                        Err(failure) => self.fail(failure),
                    };
                }
                Poll::Pending => {
                    if self.waiting.as_mut().poll(context).is_ready() {
                        let text = format!("nothing more of the answer came within {} ms", self.silence.as_millis());
                        return self.fail(Failure::new(Cause::Timeout, text));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        if self.unpacking.is_some() { SizeHint::default() } else { self.incoming.size_hint() }
    }
}

impl Received {
    fn take_plain(&mut self, data: Bytes) -> Result<Bytes, Failure> {
        self.left = self
            .left
            .checked_sub(data.len() as u64)
            .ok_or_else(|| Failure::new(Cause::TooLarge, format!("the answer has more than {} bytes", self.limit)))?;
        Ok(data)
    }
}
