//! How long it takes to find plugins and to load one.
//!
//! *Manifests*: all libraries beside the program are looked through, first with an empty cache, then with the one that this
//! left behind. *Loading*: the plugin `mlm` from its file to a checked table of its functions, which is reading and hashing
//! the file, copying it into the cache, opening the copy and comparing layouts; first with an empty cache, then with the copy
//! there. Each figure is the median of 15 fresh processes (a library is opened once in a process), timed within it. The
//! files themselves are in the system's memory.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use lacuna::loader::{Catalogue, SearchPath};
use lacuna_benches::measure::median;
use lacuna_benches::program::release_folder;

const PROCESSES: usize = 15;
/// Asks this program for one measurement instead of all.
const ONE: &str = "--one";

fn catalogue() -> Catalogue {
    Catalogue::read(&SearchPath::only(&[release_folder()]))
}

/// Milliseconds of one measurement, in this process.
fn measured(what: &str) -> f64 {
    let found = (what == "load").then(|| catalogue().find("mlm").expect("`make bench` builds the plugin mlm first"));
    let started = Instant::now();
    match found {
        Some(found) => {
            let plugin = lacuna::loader::Plugin::open(&found.path, &found.manifest).expect("the plugin opens");
            lacuna::boundary::required::<lacuna_abi::Objective>(&plugin).expect("the layout fits");
        }
        None => assert!(catalogue().plugins().count() > 1, "there are plugins beside the program"),
    }
    started.elapsed().as_secs_f64() * 1e3
}

/// The same in a fresh process with its cache in `cache`.
fn in_a_process(what: &str, cache: &Path) -> f64 {
    let program = std::env::current_exe().expect("the system tells where the bench is");
    let output = Command::new(program).args([ONE, what]).env("LACUNA_CACHE", cache).output().expect("it starts again");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number of milliseconds")
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == ONE) {
        println!("{}", measured(arguments.get(at + 1).expect("what to measure")));
        return;
    }
    for what in ["manifests", "load"] {
        let (mut fresh, mut again) = (Vec::new(), Vec::new());
        for _ in 0..PROCESSES {
            let cache = tempfile::tempdir().expect("a temporary folder");
            fresh.push(in_a_process(what, cache.path()));
            again.push(in_a_process(what, cache.path()));
        }
        println!("bench: {what} fresh_ms={:.2} cached_ms={:.2}", median(fresh), median(again));
    }
}
