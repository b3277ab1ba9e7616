//! `export_plugin!`: the manifest, and the answers to `query` and `open`, as a host sees them.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unsafe_code, reason = "a host's side of the boundary")]

use lacuna_abi::{Bytes, Interface, Misfit, QueryFn, code, fit, name};
use plugin_api::Json;
use plugin_api::prelude::*;

#[derive(Settings)]
struct Nothing {}

struct Both;

impl Objective for Both {
    type Settings = Nothing;

    fn new(_: Nothing, _: &Scope) -> Result<Self> {
        panic!("made")
    }

    fn loss(&self, batch: &Batch) -> Result<Loss> {
        Ok(Loss::sum_over(&batch.tensor("x")?))
    }
}

impl Collate for Both {
    fn collate(&self, samples: &Samples) -> Result<()> {
        samples.add("x", &[samples.len() as f32])
    }
}

impl ModelFamily for Both {
    type Settings = ();

    fn build((): (), _: &Scope) -> Result<Self> {
        Ok(Self)
    }

    fn forward(&self, call: &Forward) -> Result<Output> {
        call.hidden().map(Output::new).ok_or_else(|| call.nothing_to_run())
    }

    fn describe(&self) -> Description {
        Description::new(1, 0)
    }
}

export_plugin! { name: "both", provides: [Objective<Both>, Collate<Both>, Model<Both>] }

/// What the linker shows a host: the symbols live in an unnamed scope.
mod symbols {
    use lacuna_abi::Root;

    unsafe extern "C" {
        #[link_name = "LACUNA_ROOT"]
        pub(super) safe static ROOT: Root;
        #[link_name = "LACUNA_MANIFEST"]
        pub(super) safe static MANIFEST: u8;
    }
}

fn query(name: &str) -> Interface {
    // SAFETY: the name lives through the call.
    unsafe { (symbols::ROOT.query)(Bytes::text(name)) }
}

#[test]
fn interfaces_come_by_name_and_fit() {
    assert_eq!(symbols::ROOT.boundary, lacuna_abi::BOUNDARY);
    // SAFETY: the interfaces come from this very program.
    unsafe {
        assert!(fit::<lacuna_abi::Objective>(query(name::OBJECTIVE)).is_ok());
        assert!(fit::<lacuna_abi::Collate>(query(name::COLLATE)).is_ok());
        assert!(fit::<lacuna_abi::Model>(query(name::MODEL)).is_ok());
        assert!(matches!(fit::<lacuna_abi::Evaluate>(query(name::OBJECTIVE)), Err(Misfit::Layout(_))));
        assert!(matches!(fit::<lacuna_abi::Evaluate>(query(name::EVALUATE)), Err(Misfit::Missing)));
        assert!(matches!(fit::<lacuna_abi::Objective>(query("lacuna.objective/1")), Err(Misfit::Missing)));
    }
}

#[test]
fn the_manifest_is_json_that_can_be_read_from_the_first_byte() {
    let first = &raw const symbols::MANIFEST;
    // SAFETY: the manifest is longer than this, and its length is that of its JSON text, which ends with `]}`.
    let text = unsafe {
        let mut len = 2;
        while std::slice::from_raw_parts(first.add(len - 2), 2) != b"]}" || !whole(first, len) {
            len += 1;
        }
        std::slice::from_raw_parts(first, len)
    };
    let manifest: Json = std::str::from_utf8(text).unwrap().parse().unwrap();
    assert_eq!(manifest["name"], "both");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest["provides"].as_array().unwrap().len(), 3);
    assert_eq!(manifest["provides"][0]["settings"], plugin_api::json!([]));
    assert_eq!(manifest["provides"][1], plugin_api::json!({ "interface": name::COLLATE }));
}

/// # Safety
/// `len` bytes from `first` on are alive.
unsafe fn whole(first: *const u8, len: usize) -> bool {
    // SAFETY: by the caller's promise.
    let text = unsafe { std::slice::from_raw_parts(first, len) };
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<Json>().is_ok())
}

#[test]
fn a_host_without_the_tables_is_refused_with_a_code() {
    unsafe extern "C" fn nothing(_: Bytes) -> Interface {
        Interface::NONE
    }
    let host: QueryFn = nothing;
    // SAFETY: a query function of this very program.
    let answer = unsafe { (symbols::ROOT.open)(host) };
    // `open` keeps panics for errors; the other tests want them printed.
    drop(std::panic::take_hook());
    assert_eq!(answer, code::HOST_INTERFACE);
}
