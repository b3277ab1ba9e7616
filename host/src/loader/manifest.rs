//! What a plugin says of itself, read from the file without opening it as a library.

use std::path::Path;

use experiment::Schema;
use object::{Object, ObjectSection, ObjectSymbol};
use serde_json::Value as Json;

use super::LoadError;

/// A plugin's manifest.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The name experiments use.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// The boundary it was built for.
    pub boundary: u32,
    /// One line on what it is.
    pub doc: String,
    /// The target triple it was built for.
    pub target: String,
    /// The compiler that built it.
    pub rustc: String,
    /// Its interfaces.
    pub provides: Vec<Provided>,
    /// The whole manifest as it stands in the file.
    pub text: String,
}

/// An interface a plugin provides.
#[derive(Debug, Clone)]
pub struct Provided {
    /// Its name, for instance `lacuna.objective/0`.
    pub interface: String,
    /// The settings of what it provides; none for interfaces without any.
    pub settings: Option<Schema>,
}

impl Manifest {
    /// Reads the manifest out of a library file.
    ///
    /// # Errors
    /// When the file can't be read, is no library, exports no manifest, or the manifest is not understood.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let data =
            std::fs::read(path).map_err(|error| LoadError::Read { path: path.into(), reason: error.to_string() })?;
        Self::from_library(path, &data)
    }

    /// Reads the manifest out of a library's bytes; `path` is for errors.
    ///
    /// # Errors
    /// As [`Manifest::read`].
    pub fn from_library(path: &Path, data: &[u8]) -> Result<Self, LoadError> {
        let file = object::File::parse(data)
            .map_err(|_| LoadError::NotALibrary { path: path.into(), hint: looks_like(data) })?;
        let bytes =
            exported(&file, lacuna_abi::MANIFEST_SYMBOL).ok_or_else(|| LoadError::NotAPlugin { path: path.into() })?;
        let text = std::str::from_utf8(bytes)
            .map_err(|_| LoadError::Manifest { path: path.into(), reason: "it is not UTF-8 text".into() })?;
        Self::from_text(path, text)
    }

    /// Understands a manifest's text.
    ///
    /// # Errors
    /// When a field is missing or of the wrong kind.
    pub fn from_text(path: &Path, text: &str) -> Result<Self, LoadError> {
        let fault = |reason: String| LoadError::Manifest { path: path.into(), reason };
        let json: Json = serde_json::from_str(text).map_err(|error| fault(error.to_string()))?;
        let field = |name: &str| {
            json.get(name)
                .and_then(Json::as_str)
                .map(str::to_owned)
                .ok_or_else(|| fault(format!("it has no text `{name}`")))
        };
        let boundary = json.get("boundary").and_then(Json::as_u64).and_then(|number| u32::try_from(number).ok());
        let provides =
            json.get("provides").and_then(Json::as_array).ok_or_else(|| fault("it has no list `provides`".into()))?;
        Ok(Self {
            name: field("name")?,
            version: field("version")?,
            boundary: boundary.ok_or_else(|| fault("it has no number `boundary`".into()))?,
            doc: field("doc")?,
            target: field("target")?,
            rustc: field("rustc")?,
            provides: provides.iter().map(|entry| provided(entry).map_err(&fault)).collect::<Result<_, _>>()?,
            text: text.into(),
        })
    }

    /// What it provides under `interface`; `path` is its file, for the error.
    ///
    /// # Errors
    /// When it does not.
    pub fn provided(&self, interface: &str, path: &Path) -> Result<&Provided, LoadError> {
        self.provides.iter().find(|provided| provided.interface == interface).ok_or_else(|| LoadError::Interface {
            path: path.into(),
            name: self.name.clone(),
            version: self.version.clone(),
            interface: interface.into(),
            provides: self.provides.iter().map(|provided| provided.interface.clone()).collect(),
        })
    }

    /// Whether it was built for the kind of machine this program runs on.
    #[must_use]
    pub fn fits_this_machine(&self) -> bool {
        let os = if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS };
        self.target.starts_with(std::env::consts::ARCH) && self.target.contains(os)
    }
}

fn provided(entry: &Json) -> Result<Provided, String> {
    let interface = entry.get("interface").and_then(Json::as_str).ok_or("an entry of `provides` names no interface")?;
    let settings = match entry.get("settings") {
        None | Some(Json::Null) => None,
        Some(fields) => Some(
            Schema::from_json(&fields.to_string()).map_err(|error| format!("settings of `{interface}`: {error}"))?,
        ),
    };
    Ok(Provided { interface: interface.into(), settings })
}

/// The bytes of an exported symbol.
fn exported<'data>(file: &object::File<'data>, name: &str) -> Option<&'data [u8]> {
    // Mach-O puts an underscore before every C name.
    let symbol = file.dynamic_symbols().chain(file.symbols()).find(|symbol| {
        symbol.is_definition() && symbol.name().is_ok_and(|own| own.strip_prefix('_').unwrap_or(own) == name)
    })?;
    let section = file.section_by_index(symbol.section_index()?).ok()?;
    let start = usize::try_from(symbol.address().checked_sub(section.address())?).ok()?;
    let data = section.data().ok()?;
    match usize::try_from(symbol.size()).ok()? {
        // Formats without sizes: the text ends at the first zero byte.
        0 => data.get(start..)?.split(|byte| *byte == 0).next(),
        size => data.get(start..start.checked_add(size)?),
    }
}

fn looks_like(data: &[u8]) -> String {
    match data {
        [] => ": it is empty".into(),
        data if data.starts_with(b"\x7fELF") => ": it looks like a library that is cut off".into(),
        data if std::str::from_utf8(&data[..data.len().min(512)]).is_ok() => ": it looks like text".into(),
        _ => String::new(),
    }
}
