//! Waiting for what never waits.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Native converters compute and never wait.
pub fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a native converter waits for nothing"),
    }
}
