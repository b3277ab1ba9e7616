//! `lacuna doctor`: what this installation can do, and what is missing.

use serde_json::json;

use super::{Common, Outcome, print_json};
use crate::error::Result;
use crate::loader::cache_folder;

pub(super) fn run(common: &Common) -> Result<Outcome> {
    let catalogue = common.catalogue();
    let plugins: Vec<_> = catalogue
        .plugins()
        .map(|found| (found.manifest.name.clone(), found.manifest.version.clone(), found.manifest.boundary))
        .collect();
    let devices = compute::device::describe();
    if common.json {
        print_json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "boundary": lacuna_abi::BOUNDARY,
            "cache": cache_folder(),
            "devices": devices.to_string(),
            "plugins": plugins.iter().map(|(name, version, boundary)| json!({"name": name, "version": version, "boundary": boundary})).collect::<Vec<_>>(),
            "searched": catalogue.looked(),
        }));
        return Ok(Outcome::Done);
    }
    println!(
        "lacuna {}, boundary {} (draft: plugins load only with the same boundary)",
        env!("CARGO_PKG_VERSION"),
        lacuna_abi::BOUNDARY
    );
    println!("\ndevices\n{}", indent(&devices.to_string()));
    println!("\nplugins");
    for (name, version, boundary) in &plugins {
        let remark = if *boundary == lacuna_abi::BOUNDARY {
            String::new()
        } else {
            format!("   boundary {boundary}: rebuild it")
        };
        println!("  {name} {version}{remark}");
    }
    if plugins.is_empty() {
        println!("  none; build them with `cargo build --release`, or give --plugin-dir");
    }
    for (path, error) in catalogue
        .not_plugins()
        .iter()
        .filter(|(_, error)| !matches!(error, crate::loader::LoadError::NotAPlugin { .. }))
    {
        println!("  {}: {error}", path.display());
    }
    println!("\nsearched for plugins");
    for folder in catalogue.looked() {
        println!("  {}{}", folder.display(), if folder.is_dir() { "" } else { "   (not there)" });
    }
    println!("\ncache\n  {}", cache_folder().display());
    Ok(Outcome::Done)
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
