//! `export_plugin!`: the two symbols a plugin exports.

/// Exports a plugin: its manifest, readable without opening the library, and its root.
///
/// ```ignore
/// export_plugin! { name: "mlm", provides: [Objective<Mlm>, Collate<Mlm>, Evaluate<Mlm>] }
/// ```
///
/// `provides` lists what the types implement: [`Objective`](crate::Objective), [`Collate`](crate::Collate),
/// [`Evaluate`](crate::Evaluate), [`Phases`](crate::Phases), [`Couple`](crate::Couple), [`Experience`](crate::Experience),
/// [`Gradients`](crate::Gradients), [`Figures`](crate::Figures); [`Evaluator`](crate::Evaluator); [`Decoder`](crate::Decoder); `Model` for a [`ModelFamily`](crate::ModelFamily), [`Decode`](crate::Decode),
/// [`Axes`](crate::Axes), [`HuggingFace`](crate::HuggingFace). Version and description are those of the plugin's
/// `Cargo.toml`, whose library is a `cdylib`.
///
/// A conformance check that cannot hold is declared with its reason, which `lacuna plugins info` and `check` show:
/// `exempt: [("gradients", "straight-through estimator, section 3.2")]` behind `provides`.
#[macro_export]
macro_rules! export_plugin {
    (
        name: $name:literal,
        provides: [$($interface:ident<$provider:ty>),+ $(,)?]
        $(, exempt: [$(($check:literal, $reason:literal)),+ $(,)?])? $(,)?
    ) => {
        #[cfg(panic = "abort")]
        ::core::compile_error!(
            "a Lacuna plugin must unwind, so that a panic becomes an error: remove `panic = \"abort\"` from the profile"
        );

        const _: () = {
            struct Plugin;
            impl $crate::__private::Exported for Plugin {
                const ENTRIES: &'static [$crate::__private::Entry] =
                    &[$($crate::__private::$interface::<$provider>::ENTRY),+];
            }
            const MANIFEST: $crate::__private::Manifest = $crate::__private::Manifest {
                name: $name,
                version: ::core::env!("CARGO_PKG_VERSION"),
                doc: ::core::env!("CARGO_PKG_DESCRIPTION"),
                entries: <Plugin as $crate::__private::Exported>::ENTRIES,
                exempt: &[$($(($check, $reason)),+)?],
            };

            #[used]
            #[unsafe(no_mangle)]
            pub static LACUNA_MANIFEST: [u8; MANIFEST.len()] = MANIFEST.bytes();

            #[used]
            #[unsafe(no_mangle)]
            pub static LACUNA_ROOT: $crate::__private::Root = $crate::__private::Root {
                header: $crate::__private::HEADER,
                boundary: $crate::__private::BOUNDARY,
                open: $crate::__private::open,
                query: $crate::__private::query::<Plugin>,
            };
        };
    };
}
