//! Hands target, processor features and compiler over to the manifest of every plugin.

use std::process::Command;

/// What every processor of an architecture has, and so what a manifest need not name.
const BASELINE: [&str; 5] = ["fxsr", "sse", "sse2", "x87", "neon"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    let version = Command::new(of("RUSTC")).arg("--version").output().ok();
    let version = version.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    let rustc = version.split_whitespace().nth(1).unwrap_or("unknown");
    let features = of("CARGO_CFG_TARGET_FEATURE");
    let features: Vec<&str> = features.split(',').filter(|feature| !BASELINE.contains(feature)).collect();
    println!("cargo:rustc-env=LACUNA_TARGET={}", of("TARGET"));
    println!("cargo:rustc-env=LACUNA_RUSTC={rustc}");
    println!("cargo:rustc-env=LACUNA_CPU_FEATURES={}", features.join(","));
}
