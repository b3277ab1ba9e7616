//! Lines of results.

use std::fmt::Display;

/// A line `bench: NAME key=value …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// A line of `name` without values.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(format!("bench: {name}"))
    }

    /// What every comparison begins with: milliseconds of both sides, how many times faster Lacuna is, the share of its time
    /// that the matrix products alone would take where there are any, and both peaks of memory in MiB.
    #[must_use]
    pub fn versus(name: &str, (lacuna, torch): (f64, f64), products: Option<f64>, mib: (f64, f64)) -> Self {
        let share = products.map_or_else(|| "none".to_owned(), |products| format!("{:.3}", products / lacuna));
        Self::new(name)
            .with("lacuna_ms", milliseconds(lacuna))
            .with("torch_ms", milliseconds(torch))
            .with("ratio", format!("{:.3}", torch / lacuna))
            .with("limit_share", share)
            .with("lacuna_mib", format!("{:.0}", mib.0))
            .with("torch_mib", format!("{:.0}", mib.1))
    }

    /// The line with one more value.
    #[must_use]
    pub fn with(self, key: &str, value: impl Display) -> Self {
        Self(format!("{} {key}={value}", self.0))
    }

    /// Prints it.
    pub fn print(&self) {
        println!("{}", self.0);
    }
}

/// Three or four digits that say something.
fn milliseconds(value: f64) -> String {
    if value < 10.0 { format!("{value:.3}") } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn a_comparison_has_its_fields_in_order() {
        let line = Line::versus("mlm-step", (400.0, 500.0), Some(300.0), (512.4, 800.0)).with("torch", "eager");
        assert_eq!(
            line.0,
            "bench: mlm-step lacuna_ms=400.0 torch_ms=500.0 ratio=1.250 limit_share=0.750 lacuna_mib=512 torch_mib=800 torch=eager"
        );
        assert!(Line::versus("start", (1.0, 2.0), None, (1.0, 1.0)).0.contains("lacuna_ms=1.000"));
    }
}
