//! What the library file holds: no thread pools of its own.

use super::report::Report;
use crate::loader::Found;

/// Names of crates that start threads, as they stand in symbols and in the places of panics.
const POOLS: [(&str, &[&str]); 2] =
    [("rayon", &["rayon_core", "rayon-core-"]), ("tokio", &["tokio7runtime", "tokio::runtime", "/tokio-1"])];

pub(super) fn check(found: &Found, report: &mut Report) {
    let outcome = match std::fs::read(&found.path) {
        Ok(data) => match POOLS.iter().find(|(_, marks)| marks.iter().any(|mark| holds(&data, mark.as_bytes()))) {
            Some((pool, _)) => {
                Err(format!("it links {pool}, whose threads belong to this library alone; use the host's `parallel`"))
            }
            None => Ok(format!("{:.2} MB, links neither rayon nor tokio", data.len() as f64 / 1e6)),
        },
        Err(error) => Err(format!("cannot read {}: {error}", found.path.display())),
    };
    report.add("library", "links", outcome);
}

fn holds(data: &[u8], mark: &[u8]) -> bool {
    data.windows(mark.len()).any(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_anywhere() {
        assert!(holds(b"..rayon-core-1.12/src", b"rayon-core-") && holds(b"abc", b"c") && !holds(b"ab", b"abc"));
    }
}
