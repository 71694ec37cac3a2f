//! The plugins inside this binary: Connect's transforms and predicates, the file, HTTP and SQL connectors, the data generator.

use millstream_plugin::Bundled;

/// Puts a file at the beginning of a page, so that code in it can be run where it is.
macro_rules! page_aligned {
    ($path:expr) => {{
        #[repr(C, align(4096))]
        struct Pages<T: ?Sized>(T);
        static PAGES: &Pages<[u8]> = &Pages(*include_bytes!($path));
        &PAGES.0
    }};
}

/// Each with its component and the code that the build made of it for a baseline CPU. Not a constant, of which every
/// use would be a copy.
#[expect(unsafe_code, reason = "only this build knows that it has compiled the code itself")]
pub static BUNDLED: &[Bundled] = &include!(concat!(env!("OUT_DIR"), "/bundled.rs"));
