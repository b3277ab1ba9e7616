//! What a conformance run found, in words and as JSON.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use crate::loader::Manifest;

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds; what was measured, in words.
    Held(String),
    /// It does not; why, in words.
    Failed(String),
    /// It does not, and the plugin declared why.
    Exempted {
        /// The plugin's reason.
        reason: String,
        /// What was found.
        found: String,
    },
    /// It does not apply; why.
    Skipped(String),
}

/// One check and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `objective`, `model` or `library`.
    pub subject: &'static str,
    /// A short name, the one exemptions go by: `gradients`.
    pub check: &'static str,
    /// How it ended.
    pub verdict: Verdict,
}

/// All checks of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The plugin.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// The checks in the order they ran.
    pub findings: Vec<Finding>,
    exemptions: Vec<(String, String)>,
}

impl Report {
    pub(super) fn new(manifest: &Manifest) -> Self {
        Self {
            plugin: manifest.name.clone(),
            version: manifest.version.clone(),
            findings: Vec::new(),
            exemptions: exemptions(manifest),
        }
    }

    /// Adds a check: `Ok` says what was measured, `Err` why it does not hold.
    pub(super) fn add(&mut self, subject: &'static str, check: &'static str, outcome: Result<String, String>) {
        let exemption = self.exemptions.iter().find(|(name, _)| name == check).map(|(_, reason)| reason.clone());
        let verdict = match (outcome, exemption) {
            (Ok(measured), _) => Verdict::Held(measured),
            (Err(found), Some(reason)) => Verdict::Exempted { reason, found },
            (Err(found), None) => Verdict::Failed(found),
        };
        self.findings.push(Finding { subject, check, verdict });
    }

    pub(super) fn skip(&mut self, subject: &'static str, check: &'static str, reason: impl Into<String>) {
        self.findings.push(Finding { subject, check, verdict: Verdict::Skipped(reason.into()) });
    }

    /// Whether no check failed.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.failures() == 0
    }

    /// The number of checks that failed.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Failed(_))).count()
    }

    /// How the check of that name ended, the first where there are several.
    #[must_use]
    pub fn verdict(&self, check: &str) -> Option<&Verdict> {
        self.findings.iter().find(|finding| finding.check == check).map(|finding| &finding.verdict)
    }

    /// The report as lines of text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{} {}\n", self.plugin, self.version);
        for finding in &self.findings {
            let (word, said) = match &finding.verdict {
                Verdict::Held(measured) => ("ok", measured.clone()),
                Verdict::Failed(why) => ("FAILED", why.replace('\n', "\n                                ")),
                Verdict::Exempted { reason, found } => ("exempted", format!("{reason} (found: {found})")),
                Verdict::Skipped(why) => ("skipped", why.clone()),
            };
            let _ = writeln!(text, "  {:<9} {:<12} {word:<8} {said}", finding.subject, finding.check);
        }
        let failures = self.failures();
        let _ = match failures {
            0 => write!(text, "{} checks, none failed", self.findings.len()),
            _ => write!(text, "{} checks, {failures} failed", self.findings.len()),
        };
        text
    }

    /// The report as JSON.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let findings: Vec<Json> = self
            .findings
            .iter()
            .map(|finding| {
                let (verdict, text) = match &finding.verdict {
                    Verdict::Held(measured) => ("ok", measured.clone()),
                    Verdict::Failed(why) => ("failed", why.clone()),
                    Verdict::Exempted { reason, .. } => ("exempted", reason.clone()),
                    Verdict::Skipped(why) => ("skipped", why.clone()),
                };
                json!({ "subject": finding.subject, "check": finding.check, "verdict": verdict, "text": text })
            })
            .collect();
        json!({ "plugin": self.plugin, "version": self.version, "holds": self.holds(), "findings": findings })
    }
}

/// The checks a plugin declares itself exempt from, each with its reason: `"exempt":[{"check":"…","reason":"…"}]`.
#[must_use]
pub(crate) fn exemptions(manifest: &Manifest) -> Vec<(String, String)> {
    let json: Json = serde_json::from_str(&manifest.text).unwrap_or_default();
    let entries = json.get("exempt").and_then(Json::as_array).cloned().unwrap_or_default();
    let text = |entry: &Json, key: &str| entry.get(key).and_then(Json::as_str).map(str::to_owned);
    entries.iter().filter_map(|entry| Some((text(entry, "check")?, text(entry, "reason")?))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn report(exempt: &str) -> Report {
        let text = format!(
            r#"{{"name":"x","version":"1.0.0","boundary":1,"doc":"","target":"t","rustc":"r","provides":[]{exempt}}}"#
        );
        Report::new(&Manifest::from_text("x.so".as_ref(), &text).unwrap())
    }

    #[test]
    fn a_failure_counts_unless_it_is_declared() {
        let mut plain = report("");
        plain.add("objective", "gradients", Err("off by 2".into()));
        assert!(
            !plain.holds() && plain.to_text().contains("FAILED") && plain.to_text().ends_with("1 checks, 1 failed")
        );
        let mut declared = report(r#","exempt":[{"check":"gradients","reason":"straight-through, section 3.2"}]"#);
        declared.add("objective", "gradients", Err("off by 2".into()));
        declared.add("objective", "finite", Ok("2.0".into()));
        assert!(declared.holds());
        assert!(declared.to_text().contains("straight-through, section 3.2 (found: off by 2)"));
        assert_eq!(declared.verdict("finite"), Some(&Verdict::Held("2.0".into())));
        assert_eq!(declared.to_json()["findings"][0]["verdict"], "exempted");
    }
}
