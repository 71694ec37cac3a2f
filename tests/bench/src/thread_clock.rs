//! Time that this thread has had a processor. On a shared machine it says more than the clock on the wall.

use std::time::Duration;

/// The layout of C's `struct timespec` on 64-bit Linux.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanos: i64,
}

/// `CLOCK_THREAD_CPUTIME_ID` of Linux.
const THREAD: i32 = 3;

unsafe extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
}

/// Processor time of the thread so far.
pub fn busy() -> Duration {
    let mut time = Timespec { seconds: 0, nanos: 0 };
    // SAFETY: the pointer is to a value of the layout that the function fills in.
    let result = unsafe { clock_gettime(THREAD, &mut time) };
    assert_eq!(result, 0, "the thread's clock can be read");
    Duration::new(time.seconds as u64, time.nanos as u32)
}
