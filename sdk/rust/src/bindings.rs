//! The contract as generated code: one module for what the host offers, and one per interface that
//! a plugin may export, so that a component exports only what it carries.
//!
//! Each module stands for a world of its own; the linker joins the worlds of those whose export
//! macro [`plugin!`](crate::plugin!) uses. All of them share the types of [`imports`].
#![expect(missing_docs, reason = "generated; the contract's own comments are the documentation")]
#![allow(clippy::all, reason = "generated")]

/// What the host offers.
pub mod imports {
    wit_bindgen::generate!({
        path: "../../wit/millstream-connect@0.1.0",
        inline: "
            package millstream:sdk-imports;
            world imports {
                import millstream:connect/types@0.1.0;
                import millstream:connect/host-log@0.1.0;
                import millstream:connect/host-metrics@0.1.0;
                import millstream:connect/host-wait@0.1.0;
                import millstream:connect/host-files@0.1.0;
                import millstream:connect/host-lease@0.1.0;
                import millstream:connect/host-sql@0.1.0;
                import millstream:connect/host-columns@0.1.0;
                import millstream:connect/host-report@0.1.0;
                import millstream:connect/host-source@0.1.0;
                import millstream:connect/host-transaction@0.1.0;
                import millstream:connect/host-connector@0.1.0;
                import millstream:connect/host-sink@0.1.0;
            }
        ",
        generate_all,
        generate_unused_types: true,
    });
}

pub use imports::millstream::connect::{
    host_columns, host_connector, host_files, host_lease, host_log, host_metrics, host_report, host_sink, host_source,
    host_sql, host_transaction, host_wait, types,
};

/// What every component exports.
pub mod plugin {
    wit_bindgen::generate!({
        path: "../../wit/millstream-connect@0.1.0",
        inline: "package millstream:sdk-plugin; world plugin { export millstream:connect/plugin@0.1.0; }",
        pub_export_macro: true,
        export_macro_name: "__export_plugin",
        default_bindings_module: "millstream_sdk::bindings::plugin",
    });
}

/// What a component with sources exports.
pub mod source {
    wit_bindgen::generate!({
        path: "../../wit/millstream-connect@0.1.0",
        inline: "package millstream:sdk-source; world source { export millstream:connect/source-api@0.1.0; }",
        with: { "millstream:connect/types@0.1.0": crate::bindings::types },
        pub_export_macro: true,
        export_macro_name: "__export_source",
        default_bindings_module: "millstream_sdk::bindings::source",
    });
}

/// What a component with sinks exports.
pub mod sink {
    wit_bindgen::generate!({
        path: "../../wit/millstream-connect@0.1.0",
        inline: "package millstream:sdk-sink; world sink { export millstream:connect/sink-api@0.1.0; }",
        with: { "millstream:connect/types@0.1.0": crate::bindings::types },
        pub_export_macro: true,
        export_macro_name: "__export_sink",
        default_bindings_module: "millstream_sdk::bindings::sink",
    });
}

/// What a component with transforms exports.
pub mod transform {
    wit_bindgen::generate!({
        path: "../../wit/millstream-connect@0.1.0",
        inline: "package millstream:sdk-transform; world transform { export millstream:connect/transform-api@0.1.0; }",
        with: { "millstream:connect/types@0.1.0": crate::bindings::types },
        pub_export_macro: true,
        export_macro_name: "__export_transform",
        default_bindings_module: "millstream_sdk::bindings::transform",
    });
}

/// What a component with predicates exports.
pub mod predicate {
    wit_bindgen::generate!({
        path: "../../wit/millstream-connect@0.1.0",
        inline: "package millstream:sdk-predicate; world predicate { export millstream:connect/predicate-api@0.1.0; }",
        with: { "millstream:connect/types@0.1.0": crate::bindings::types },
        pub_export_macro: true,
        export_macro_name: "__export_predicate",
        default_bindings_module: "millstream_sdk::bindings::predicate",
    });
}

/// What a component with converters exports.
pub mod converter {
    wit_bindgen::generate!({
        path: "../../wit/millstream-connect@0.1.0",
        inline: "package millstream:sdk-converter; world converter { export millstream:connect/converter-api@0.1.0; }",
        with: { "millstream:connect/types@0.1.0": crate::bindings::types },
        pub_export_macro: true,
        export_macro_name: "__export_converter",
        default_bindings_module: "millstream_sdk::bindings::converter",
    });
}
