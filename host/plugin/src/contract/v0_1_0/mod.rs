//! `millstream:connect@0.1.0`, as published below `wit/`.

pub(crate) mod fast;
pub(crate) mod lift;

#[allow(clippy::all, reason = "generated from the contract")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit/millstream-connect@0.1.0",
        world: "bundle",
        imports: { default: async | trappable },
        exports: { default: async },
        with: { "millstream:connect/host-files.file": crate::capability::OpenFile },
    });
}

pub(crate) use generated::exports::millstream::connect as exports;
pub(crate) use generated::millstream::connect as imports;

/// What a component of this version exports: the indices of those interfaces that it has.
#[derive(Clone)]
pub(crate) struct Exports {
    pub(crate) plugin: exports::plugin::GuestIndices,
    pub(crate) source: Option<exports::source_api::GuestIndices>,
    pub(crate) sink: Option<exports::sink_api::GuestIndices>,
    pub(crate) transform: Option<exports::transform_api::GuestIndices>,
    pub(crate) predicate: Option<exports::predicate_api::GuestIndices>,
    pub(crate) converter: Option<exports::converter_api::GuestIndices>,
}

/// A 64-bit number in the contract's two halves.
pub(crate) fn wide(number: u64) -> imports::types::Wide {
    imports::types::Wide { high: (number >> 32) as u32, low: number as u32 }
}

impl From<imports::types::Wide> for u64 {
    fn from(imports::types::Wide { high, low }: imports::types::Wide) -> Self {
        Self::from(high) << 32 | Self::from(low)
    }
}

/// Offers the interface that has types only.
pub(crate) fn add_types(linker: &mut wasmtime::component::Linker<crate::instance::GuestState>) -> wasmtime::Result<()> {
    type State = wasmtime::component::HasSelf<crate::instance::GuestState>;
    imports::types::add_to_linker::<_, State>(linker, |state| state)
}

impl imports::types::Host for crate::instance::GuestState {}

impl Exports {
    /// Looks up what a component exports.
    ///
    /// # Errors
    ///
    /// When it does not export `plugin`, or an interface of ours lacks a function.
    pub(crate) fn of<T>(component: &wasmtime::component::InstancePre<T>) -> wasmtime::Result<Self> {
        let has = |interface: &str| {
            component.component().get_export_index(None, format!("{}/{interface}@0.1.0", super::PACKAGE)).is_some()
        };
        Ok(Self {
            plugin: exports::plugin::GuestIndices::new(component)?,
            source: has("source-api").then(|| exports::source_api::GuestIndices::new(component)).transpose()?,
            sink: has("sink-api").then(|| exports::sink_api::GuestIndices::new(component)).transpose()?,
            transform: has("transform-api")
                .then(|| exports::transform_api::GuestIndices::new(component))
                .transpose()?,
            predicate: has("predicate-api")
                .then(|| exports::predicate_api::GuestIndices::new(component))
                .transpose()?,
            converter: has("converter-api")
                .then(|| exports::converter_api::GuestIndices::new(component))
                .transpose()?,
        })
    }
}
