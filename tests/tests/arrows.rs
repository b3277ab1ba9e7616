//! The rules of the house that a machine can check: which crate may depend on which, licences, sizes, where `unsafe` is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use lacuna_tests::repository;
use serde_json::Value as Json;

/// The workspace crates that each one may use, tests apart. Plugins: see [`PLUGIN`].
const ARROWS: [(&str, &[&str]); 14] = [
    ("lacuna_abi", &[]),
    ("plugin_api_derive", &[]),
    ("plugin_api", &["lacuna_abi", "plugin_api_derive"]),
    ("philox", &[]),
    ("batching", &["philox"]),
    ("compute", &["philox"]),
    ("experiment", &[]),
    ("records", &["philox"]),
    ("modality_audio", &["philox"]),
    ("modality_text", &["plugin_api"]),
    ("modality_image", &["philox"]),
    (
        "lacuna",
        &[
            "batching",
            "compute",
            "experiment",
            "lacuna_abi",
            "modality_audio",
            "modality_image",
            "modality_text",
            "philox",
            "records",
        ],
    ),
    ("lacuna_tests", &[]),
    (
        "lacuna_benches",
        &[
            "batching",
            "compute",
            "experiment",
            "lacuna",
            "lacuna_abi",
            "modality_audio",
            "modality_image",
            "modality_text",
            "philox",
            "plugin_api",
            "records",
        ],
    ),
];
/// What a plugin may use.
const PLUGIN: &[&str] = &["plugin_api"];
/// Crates in a plugin's tree, itself included.
const MOST_CRATES_OF_A_PLUGIN: usize = 45;
/// Crates that a plugin never links: the compute core, and whatever starts threads.
const NEVER_IN_A_PLUGIN: [&str; 6] = ["compute", "lacuna", "rayon", "rayon-core", "tokio", "candle-core"];
/// Licences that a user of the program may pass on.
const LICENCES: [&str; 15] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "Zlib",
    "0BSD",
    "Unlicense",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "CC0-1.0",
    "MIT-0",
    "bzip2-1.0.6",
];
/// Crates under another licence, each with its reason: MPL-2.0 asks only that changes to the crate's own files are published.
const OTHER_LICENCES: [(&str, &str); 9] = [
    ("generational-arena", "MPL-2.0"),
    ("symphonia", "MPL-2.0"),
    ("symphonia-bundle-flac", "MPL-2.0"),
    ("symphonia-bundle-mp3", "MPL-2.0"),
    ("symphonia-codec-vorbis", "MPL-2.0"),
    ("symphonia-core", "MPL-2.0"),
    ("symphonia-format-ogg", "MPL-2.0"),
    ("symphonia-metadata", "MPL-2.0"),
    ("symphonia-utils-xiph", "MPL-2.0"),
];
/// Folders and files where `unsafe` has its place, each use with a reason.
const UNSAFE: [&str; 13] = [
    "plugin-api/abi/",
    "plugin-api/src/raw/",
    "plugin-api/src/export.rs",
    "plugin-api/tests/",
    "host/src/main.rs",
    "host/src/boundary/",
    "host/src/loader/",
    "host/compute/src/cuda/",
    "host/compute/src/kernel/",
    "host/records/src/tensors.rs",
    "modalities/text/src/shard/read.rs",
    "plugins/transformer/tests/support/",
    "benches/benches/operations.rs",
];
/// Lines of a source file.
const MOST_LINES: usize = 600;

fn metadata(more: &[&str]) -> Json {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(more)
        .current_dir(repository())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

/// The kind of machine that is built for: crates for others need not be there.
fn machine() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host").to_owned()
}

fn list<'a>(json: &'a Json, key: &str) -> impl Iterator<Item = &'a Json> {
    json[key].as_array().into_iter().flatten()
}

fn text<'a>(json: &'a Json, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_default()
}

/// Whether a dependency is there outside of tests.
fn is_real(dependency: &Json) -> bool {
    dependency["kind"] != "dev"
}

fn is_plugin(package: &Json) -> bool {
    text(package, "manifest_path").contains("/plugins/")
}

#[test]
fn arrows_point_one_way() {
    let metadata = metadata(&["--no-deps"]);
    let own: BTreeSet<&str> = list(&metadata, "packages").map(|package| text(package, "name")).collect();
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    for package in list(&metadata, "packages") {
        let name = text(package, "name");
        let may = if is_plugin(package) {
            PLUGIN
        } else {
            allowed.get(name).copied().unwrap_or_else(|| panic!("`{name}` is new: say in {} what it may use", file!()))
        };
        for dependency in list(package, "dependencies").filter(|dependency| is_real(dependency)) {
            let used = text(dependency, "name");
            assert!(!own.contains(used) || may.contains(&used), "`{name}` must not use `{used}`");
            assert!(
                !used.starts_with("candle") || name == "compute",
                "`{name}` uses `{used}`; only `compute` touches candle"
            );
            assert!(!used.starts_with("candle") || !is_plugin(package), "plugin `{name}` uses `{used}`");
        }
        assert_eq!(
            package["publish"],
            Json::Array(Vec::new()),
            "`{name}` can be published by mistake: `publish.workspace = true`"
        );
    }
}

/// All packages that `root` links, by id, tests apart.
fn tree<'a>(resolve: &'a Json, root: &'a str) -> BTreeSet<&'a str> {
    let nodes: BTreeMap<&str, &Json> = list(resolve, "nodes").map(|node| (text(node, "id"), node)).collect();
    let (mut seen, mut open) = (BTreeSet::from([root]), vec![root]);
    while let Some(node) = open.pop().and_then(|id| nodes.get(id)) {
        for dependency in list(node, "deps") {
            let id = text(dependency, "pkg");
            if list(dependency, "dep_kinds").any(is_real) && seen.insert(id) {
                open.push(id);
            }
        }
    }
    seen
}

#[test]
fn plugins_stay_small_and_apart_from_the_core() {
    let metadata = metadata(&["--filter-platform", &machine()]);
    let names: BTreeMap<&str, &str> =
        list(&metadata, "packages").map(|package| (text(package, "id"), text(package, "name"))).collect();
    let mut plugins = 0;
    for plugin in list(&metadata, "packages").filter(|package| is_plugin(package)) {
        plugins += 1;
        let crates: Vec<&str> =
            tree(&metadata["resolve"], text(plugin, "id")).into_iter().map(|id| names[id]).collect();
        let name = text(plugin, "name");
        assert!(crates.len() <= MOST_CRATES_OF_A_PLUGIN, "plugin `{name}` has {} crates: {crates:?}", crates.len());
        for never in NEVER_IN_A_PLUGIN {
            assert!(!crates.contains(&never), "plugin `{name}` links `{never}`");
        }
        println!("{name}: {} crates", crates.len());
    }
    assert!(plugins >= 4, "the plugins were not found");
}

#[test]
fn licences_and_sources() {
    let metadata = metadata(&["--filter-platform", &machine()]);
    for package in list(&metadata, "packages") {
        let (name, licence) = (text(package, "name"), text(package, "license"));
        assert!(
            permitted(licence) || OTHER_LICENCES.contains(&(name, licence)),
            "`{name}` has the licence `{licence}`"
        );
        let source = text(package, "source");
        assert!(
            source.is_empty() || source.starts_with("registry+"),
            "`{name}` comes from {source}; take it from a registry"
        );
    }
}

/// Whether a licence expression can be met with the licences allowed: `A AND (B OR C)`.
fn permitted(expression: &str) -> bool {
    let expression =
        expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ").replace(" WITH ", "+WITH+");
    let words: Vec<String> = expression.split_whitespace().map(|word| word.replace("+WITH+", " WITH ")).collect();
    let mut place = 0;
    !words.is_empty() && any(&words, &mut place) && place == words.len()
}

fn any(words: &[String], place: &mut usize) -> bool {
    let mut met = every(words, place);
    while words.get(*place).is_some_and(|word| word == "OR") {
        *place += 1;
        met |= every(words, place);
    }
    met
}

fn every(words: &[String], place: &mut usize) -> bool {
    let mut met = one(words, place);
    while words.get(*place).is_some_and(|word| word == "AND") {
        *place += 1;
        met &= one(words, place);
    }
    met
}

fn one(words: &[String], place: &mut usize) -> bool {
    let word = words.get(*place).map(String::as_str);
    *place += 1;
    if word == Some("(") {
        let met = any(words, place);
        *place += 1;
        return met;
    }
    word.is_some_and(|word| LICENCES.contains(&word))
}

#[test]
fn licence_expressions_are_understood() {
    for fine in [
        "MIT",
        "MIT OR GPL-3.0",
        "MIT/Apache-2.0",
        "(MIT OR GPL-3.0) AND Unicode-3.0",
        "GPL-3.0 OR Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(permitted(fine), "{fine}");
    }
    for wrong in ["", "GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 OR LGPL-3.0) AND MIT"] {
        assert!(!permitted(wrong), "{wrong}");
    }
}

/// The files of the repository that are neither data nor made.
fn sources() -> Vec<PathBuf> {
    let mut open = vec![repository().to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_dir() && !path.is_symlink() {
                let skipped = matches!(name.as_str(), "target" | "runs" | ".git" | "data" | "shared")
                    && !path.ends_with("src/data");
                if !skipped {
                    open.push(path);
                }
            } else if [".rs", ".toml", ".md", "Makefile"].iter().any(|end| name.ends_with(end)) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn shown(path: &Path) -> String {
    path.strip_prefix(repository()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

#[test]
fn files_are_short_begin_with_a_sentence_and_know_no_machine() {
    // In pieces, so that this file passes.
    let folders =
        ["/ho".to_owned() + "me/", "/ro".to_owned() + "ot/", "/wo".to_owned() + "rk/", "C:".to_owned() + "\\Users"];
    let sources = sources();
    assert!(sources.len() > 150, "only {} files were found", sources.len());
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = shown(&path);
        for folder in &folders {
            assert!(!text.contains(folder.as_str()), "{name} names the folder {folder} of some machine");
        }
        if !name.ends_with(".rs") {
            continue;
        }
        assert!(
            text.lines().count() <= MOST_LINES,
            "{name} has {} lines; give each subject a file",
            text.lines().count()
        );
        let template = name.contains("/templates/");
        let build = name.ends_with("build.rs");
        let documented = text
            .lines()
            .find(|line| !line.starts_with("#!") && !line.is_empty())
            .is_some_and(|line| line.starts_with("//!"));
        assert!(documented || template || build, "{name} does not begin with `//!` and a sentence");
        let is_unsafe = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern \"C\" {"].iter().any(|mark| code.contains(mark))
                && !code.contains('"')
        });
        assert!(
            !is_unsafe || UNSAFE.iter().any(|place| name.starts_with(place)),
            "{name} has `unsafe`, which has its places: {UNSAFE:?}"
        );
    }
}
