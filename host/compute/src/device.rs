//! Devices by name, and what this build and machine can do.

use std::fmt;

use crate::{Device, Error, Result};

/// The device called `name`: `cpu`, `cuda` (the first), `cuda:1`, or `metal`.
///
/// # Errors
/// When the name is none of these, when the program was built without the feature it needs, or when there is no such
/// device.
pub fn device(name: &str) -> Result<Device> {
    let (kind, index) = match name.split_once(':') {
        Some((kind, index)) => {
            let number = index.parse::<usize>().map_err(|_| {
                Error::argument(
                    "device",
                    format!("`{index}` in `{name}` is no device number; write for example `cuda:1`"),
                )
            })?;
            (kind, Some(number))
        }
        None => (name, None),
    };
    let built = |feature: &str, on: bool| {
        let fact = format!("`{name}` needs a program built with `--features {feature}`; this one was not");
        if on { Ok(()) } else { Err(Error::Device { operation: "device", fact }) }
    };
    let refused = |error: candle_core::Error| {
        let text = error.to_string();
        let fact = format!("`{name}` can't be opened: {}", text.lines().next().unwrap_or_default());
        Error::Device { operation: "device", fact }
    };
    match (kind, index) {
        ("cpu", None) => Ok(Device::Cpu),
        ("cuda", index) => {
            built("cuda", cfg!(feature = "cuda"))?;
            Device::new_cuda(index.unwrap_or(0)).map_err(refused)
        }
        ("metal", index) => {
            built("metal", cfg!(feature = "metal"))?;
            Device::new_metal(index.unwrap_or(0)).map_err(refused)
        }
        _ => Err(Error::argument("device", format!("`{name}` is no device; it is `cpu`, `cuda`, `cuda:1` or `metal`"))),
    }
}

/// What this build and machine can do, for a report to the user. `Display` gives one line for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Threads that kernels run on.
    pub threads: usize,
    /// The widest vector instructions of the CPU that matrix products use.
    pub vectors: &'static str,
    /// Devices this program was built for.
    pub features: Vec<&'static str>,
}

/// Looks at this build and machine.
#[must_use]
pub fn describe() -> Description {
    let mut features = vec!["cpu"];
    if cfg!(feature = "cuda") {
        features.push("cuda");
    }
    if cfg!(feature = "metal") {
        features.push("metal");
    }
    Description { threads: rayon::current_num_threads(), vectors: vectors(), features }
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> &'static str {
    if std::arch::is_x86_feature_detected!("avx512f") {
        "AVX-512"
    } else if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        "AVX2"
    } else {
        "SSE2"
    }
}

#[cfg(target_arch = "aarch64")]
fn vectors() -> &'static str {
    "NEON"
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn vectors() -> &'static str {
    "unknown"
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "threads: {}", self.threads)?;
        writeln!(f, "vector instructions: {}", self.vectors)?;
        write!(f, "devices built in: {}", self.features.join(", "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_lead_to_devices_or_say_what_is_missing() {
        assert!(device("cpu").unwrap().is_cpu());
        for (name, part) in [("gpu", "`cpu`, `cuda`"), ("cuda:x", "`x`"), ("cpu:1", "no device"), ("", "no device")] {
            let text = device(name).unwrap_err().to_string();
            assert!(text.contains(part), "{name}: {text}");
        }
        if cfg!(not(feature = "cuda")) {
            assert!(device("cuda:1").unwrap_err().to_string().contains("--features cuda"));
        }
        if cfg!(not(feature = "metal")) {
            assert!(device("metal").unwrap_err().to_string().contains("--features metal"));
        }
    }

    #[test]
    fn the_description_names_threads_and_vectors() {
        let text = describe().to_string();
        assert!(describe().threads >= 1 && text.contains("threads: ") && text.contains("cpu"), "{text}");
    }
}
