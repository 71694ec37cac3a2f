//! The kit's guest in Rust: the plugins that every language's guest has, which do what their configuration says and log
//! what they hear. `tests/kit/GUEST.md` is their specification.

mod convert;
mod kit;
mod show;
mod sink;
mod source;
mod transforms;
mod types;

millstream_sdk::plugin! {
    sources: [source::KitSource],
    sinks: [sink::KitSink],
    transforms: [
        millstream_sdk::Rows<transforms::Echo>,
        transforms::Stamp,
        millstream_sdk::Rows<transforms::SetField>,
        millstream_sdk::Rows<transforms::Split>,
        millstream_sdk::Rows<transforms::Odd>,
        millstream_sdk::Rows<transforms::Count>,
    ],
    predicates: [millstream_sdk::Rows<transforms::HasText>],
    converters: [
        millstream_sdk::RowsInRole<convert::KitConverter>,
        millstream_sdk::RowsInRole<convert::KitHeaderConverter>,
    ],
}
