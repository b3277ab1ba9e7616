//! The manifest: JSON put together while the plugin is compiled.

use crate::raw::Entry;

/// What the manifest says beside target and compiler, which this crate knows itself.
pub struct Manifest {
    /// The plugin's name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its description.
    pub doc: &'static str,
    /// What it provides.
    pub entries: &'static [Entry],
    /// Conformance checks that it declares itself exempt from, each with its reason.
    pub exempt: &'static [(&'static str, &'static str)],
}

/// Writes as many bytes as there is room for and counts all.
struct Writer<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

const HEX: &[u8; 16] = b"0123456789abcdef";

impl<const N: usize> Writer<N> {
    const fn byte(&mut self, byte: u8) {
        if self.len < N {
            self.bytes[self.len] = byte;
        }
        self.len += 1;
    }

    const fn raw(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut index = 0;
        while index < bytes.len() {
            self.byte(bytes[index]);
            index += 1;
        }
    }

    /// Text as a JSON string.
    const fn quoted(&mut self, text: &str) {
        self.byte(b'"');
        let bytes = text.as_bytes();
        let mut index = 0;
        while index < bytes.len() {
            match bytes[index] {
                byte @ (b'"' | b'\\') => {
                    self.byte(b'\\');
                    self.byte(byte);
                }
                byte if byte < 0x20 => {
                    self.raw("\\u00");
                    self.byte(HEX[(byte >> 4) as usize]);
                    self.byte(HEX[(byte & 15) as usize]);
                }
                byte => self.byte(byte),
            }
            index += 1;
        }
        self.byte(b'"');
    }

    const fn field(&mut self, name: &str, text: &str) {
        self.quoted(name);
        self.byte(b':');
        self.quoted(text);
        self.byte(b',');
    }

    const fn number(&mut self, value: u32) {
        if value >= 10 {
            self.number(value / 10);
        }
        self.byte(b'0' + (value % 10) as u8);
    }
}

impl Manifest {
    const fn write<const N: usize>(&self) -> Writer<N> {
        let mut to = Writer { bytes: [0; N], len: 0 };
        to.byte(b'{');
        to.field("name", self.name);
        to.field("version", self.version);
        to.raw("\"boundary\":");
        to.number(lacuna_abi::BOUNDARY);
        to.byte(b',');
        to.field("doc", self.doc);
        to.field("target", env!("LACUNA_TARGET"));
        to.field("cpu_features", env!("LACUNA_CPU_FEATURES"));
        to.field("rustc", env!("LACUNA_RUSTC"));
        to.raw("\"provides\":[");
        let mut index = 0;
        while index < self.entries.len() {
            let entry = &self.entries[index];
            if index > 0 {
                to.byte(b',');
            }
            to.raw("{\"interface\":");
            to.quoted(entry.interface);
            if !entry.settings.is_empty() {
                to.raw(",\"settings\":");
                to.raw(entry.settings);
            }
            to.byte(b'}');
            index += 1;
        }
        to.raw("]");
        let mut index = 0;
        while index < self.exempt.len() {
            to.raw(if index == 0 { ",\"exempt\":[{" } else { ",{" });
            to.field("check", self.exempt[index].0);
            to.quoted("reason");
            to.byte(b':');
            to.quoted(self.exempt[index].1);
            to.byte(b'}');
            index += 1;
        }
        to.raw(if self.exempt.is_empty() { "}" } else { "]}" });
        to
    }

    /// The number of bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a manifest is never empty")]
    pub const fn len(&self) -> usize {
        self.write::<0>().len
    }

    /// The JSON; `N` is [`Manifest::len`].
    #[must_use]
    pub const fn bytes<const N: usize>(&self) -> [u8; N] {
        self.write::<N>().bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::{Value, json};

    fn nothing() -> lacuna_abi::Interface {
        lacuna_abi::Interface::NONE
    }

    const MANIFEST: Manifest = Manifest {
        name: "odd",
        version: "0.3.1",
        doc: "says \"hello\",\n\\ and a tab\t — in Łódź",
        entries: &[
            Entry { interface: "lacuna.objective/0", settings: r#"[{"name":"rate"}]"#, table: nothing },
            Entry { interface: "lacuna.objective.collate/0", settings: "", table: nothing },
        ],
        exempt: &[("gradients", "a \"straight-through\" one"), ("packing", "positions")],
    };
    static BYTES: [u8; MANIFEST.len()] = MANIFEST.bytes();

    #[test]
    fn is_json_with_everything_in_it() {
        let value: Value = serde_json::from_slice(&BYTES).unwrap();
        assert_eq!(value["doc"], "says \"hello\",\n\\ and a tab\t — in Łódź");
        assert_eq!(value["boundary"], lacuna_abi::BOUNDARY);
        assert_eq!(
            value["provides"],
            json!([
                { "interface": "lacuna.objective/0", "settings": [{ "name": "rate" }] },
                { "interface": "lacuna.objective.collate/0" }
            ])
        );
        assert_eq!(
            value["exempt"],
            json!([
                { "check": "gradients", "reason": "a \"straight-through\" one" },
                { "check": "packing", "reason": "positions" }
            ])
        );
        assert!(value["target"].as_str().unwrap().contains('-'));
        assert!(value["rustc"].as_str().unwrap().starts_with("1."));
        assert!(value["cpu_features"].is_string());
    }
}
