//! The macro that makes a crate a component.

/// Makes the crate a component that carries these plugins. Kinds may be left out; the order of the
/// kinds is fixed.
///
/// ```
/// # use millstream_sdk::{Info, Record, Result, RowTransform, Rows};
/// # struct Shout;
/// # impl RowTransform for Shout {
/// #     const INFO: Info = Info::new("org.example.Shout");
/// #     type Config = ();
/// #     fn configure(_: ()) -> Result<Self> { Ok(Self) }
/// #     fn apply(&mut self, record: Record) -> Result<Option<Record>> { Ok(Some(record)) }
/// # }
/// millstream_sdk::plugin! {
///     // sources: [TickSource],
///     // sinks: [LogSink],
///     transforms: [Rows<Shout>],
///     // predicates: [Rows<IsLoud>],
///     // converters: [RowsInRole<YamlConverter>],
/// }
/// # fn main() {}
/// ```
///
/// The crate is a `cdylib`, built for `wasm32-wasip2`. For other targets only the list itself
/// ([`Component`](crate::Component)) is there, as `MillstreamComponent`, so that tests can look at the
/// description.
#[macro_export]
macro_rules! plugin {
    (
        $(sources: [$($source:ty),* $(,)?] $(,)?)?
        $(sinks: [$($sink:ty),* $(,)?] $(,)?)?
        $(transforms: [$($transform:ty),* $(,)?] $(,)?)?
        $(predicates: [$($predicate:ty),* $(,)?] $(,)?)?
        $(converters: [$($converter:ty),* $(,)?] $(,)?)?
    ) => {
        /// The plugins of this component.
        pub struct MillstreamComponent;

        impl $crate::Component for MillstreamComponent {
            fn plugins() -> ::std::vec::Vec<$crate::Plugin> {
                ::std::vec![
                    $($($crate::Plugin::source::<$source>(),)*)?
                    $($($crate::Plugin::sink::<$sink>(),)*)?
                    $($($crate::Plugin::transform::<$transform>(),)*)?
                    $($($crate::Plugin::predicate::<$predicate>(),)*)?
                    $($($crate::Plugin::converter::<$converter>(),)*)?
                ]
            }
        }

        // The names of the exports carry a version and do not link anywhere else.
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::guest::Exports<MillstreamComponent>;
            $crate::bindings::plugin::__export_plugin!(Exported with_types_in $crate::bindings::plugin);
            $(
                const _: [(); 0 $(+ { let _ = ::core::marker::PhantomData::<$source>; 0 })*] = [];
                $crate::bindings::source::__export_source!(Exported with_types_in $crate::bindings::source);
            )?
            $(
                const _: [(); 0 $(+ { let _ = ::core::marker::PhantomData::<$sink>; 0 })*] = [];
                $crate::bindings::sink::__export_sink!(Exported with_types_in $crate::bindings::sink);
            )?
            $(
                const _: [(); 0 $(+ { let _ = ::core::marker::PhantomData::<$transform>; 0 })*] = [];
                $crate::bindings::transform::__export_transform!(Exported with_types_in $crate::bindings::transform);
            )?
            $(
                const _: [(); 0 $(+ { let _ = ::core::marker::PhantomData::<$predicate>; 0 })*] = [];
                $crate::bindings::predicate::__export_predicate!(Exported with_types_in $crate::bindings::predicate);
            )?
            $(
                const _: [(); 0 $(+ { let _ = ::core::marker::PhantomData::<$converter>; 0 })*] = [];
                $crate::bindings::converter::__export_converter!(Exported with_types_in $crate::bindings::converter);
            )?
        };
    };
}
