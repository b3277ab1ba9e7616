//! Why a plugin can't be found or loaded, and how to mend it.

use std::path::PathBuf;

use lacuna_abi::BOUNDARY;

/// A fault in finding or loading a plugin. `Display` is the one-line fact.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file is not there or can't be read.
    #[error("cannot read plugin `{}`: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is no library for this system.
    #[error("`{}` is no shared library{hint}", path.display())]
    NotALibrary {
        /// The file.
        path: PathBuf,
        /// What it looks like, if that is known.
        hint: String,
    },
    /// The library carries no manifest.
    #[error("`{}` is a shared library, but no Lacuna plugin: it exports no `LACUNA_MANIFEST`", path.display())]
    NotAPlugin {
        /// The file.
        path: PathBuf,
    },
    /// The manifest can't be understood.
    #[error("the manifest of `{}` cannot be read: {reason}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Built for another kind of machine.
    #[error("plugin `{name}` was built for {theirs}, and this program runs on {ours}")]
    Target {
        /// The file.
        path: PathBuf,
        /// The plugin.
        name: String,
        /// The plugin's target.
        theirs: String,
        /// The host's.
        ours: String,
    },
    /// Another version of the boundary.
    #[error("plugin `{name}` {version} speaks boundary {theirs}, and this host speaks boundary {BOUNDARY}")]
    Boundary {
        /// The file.
        path: PathBuf,
        /// The plugin.
        name: String,
        /// Its version.
        version: String,
        /// The plugin's boundary.
        theirs: u32,
    },
    /// The system can't open the library.
    #[error("cannot open plugin `{name}`: {reason}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The plugin.
        name: String,
        /// What the system said.
        reason: String,
    },
    /// It does not provide what it is asked for.
    #[error("plugin `{name}` {version} does not provide `{interface}`")]
    Interface {
        /// The file.
        path: PathBuf,
        /// The plugin.
        name: String,
        /// Its version.
        version: String,
        /// The interface.
        interface: String,
        /// What it does provide.
        provides: Vec<String>,
    },
    /// Two different plugins of one name.
    #[error("two plugins are called `{name}`: `{}` and `{}`", first.display(), second.display())]
    Twice {
        /// The name.
        name: String,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// No plugin of that name.
    #[error("there is no plugin called `{name}`")]
    Unknown {
        /// The name asked for.
        name: String,
        /// A similar one.
        suggestion: Option<String>,
        /// Those that are there.
        known: Vec<String>,
        /// Where was looked.
        looked: Vec<PathBuf>,
        /// A file that has the right name but is no loadable plugin.
        broken: Option<Box<LoadError>>,
    },
}

impl LoadError {
    /// The stable code of this kind of fault.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "plugin/missing-file",
            Self::NotALibrary { .. } => "plugin/not-a-library",
            Self::NotAPlugin { .. } => "plugin/not-a-plugin",
            Self::Manifest { .. } => "plugin/manifest",
            Self::Target { .. } => "plugin/target",
            Self::Boundary { .. } => "plugin/boundary",
            Self::Open { .. } => "plugin/open",
            Self::Interface { .. } => "plugin/interface",
            Self::Twice { .. } => "plugin/two-of-one-name",
            Self::Unknown { .. } => "plugin/unknown",
        }
    }

    /// The file the fault is about.
    #[must_use]
    pub fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::Read { path, .. }
            | Self::NotALibrary { path, .. }
            | Self::NotAPlugin { path }
            | Self::Manifest { path, .. }
            | Self::Target { path, .. }
            | Self::Boundary { path, .. }
            | Self::Open { path, .. }
            | Self::Interface { path, .. } => Some(path),
            Self::Twice { first, .. } => Some(first),
            Self::Unknown { .. } => None,
        }
    }

    /// How to mend it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Read { .. } => "check the path; `lacuna plugins` lists what is installed".into(),
            Self::NotALibrary { .. } | Self::NotAPlugin { .. } => {
                "a plugin is a `cdylib` crate with `export_plugin!`; `lacuna plugins new NAME --objective` writes one".into()
            }
            Self::Manifest { .. } => "rebuild the plugin against this Lacuna's `plugin_api`".into(),
            Self::Target { .. } => "rebuild the plugin on this machine: `cargo build --release`".into(),
            Self::Boundary { theirs, .. } if *theirs < BOUNDARY => {
                "the plugin is older than the host: rebuild it against this Lacuna's `plugin_api` (drafts load only with the same boundary)".into()
            }
            Self::Boundary { .. } => {
                "the plugin is newer than the host: update Lacuna, or rebuild the plugin against this Lacuna's `plugin_api`".into()
            }
            Self::Open { .. } => "a library it links may be missing: see `ldd` on the file; or rebuild the plugin".into(),
            Self::Interface { provides, .. } => format!("it provides {}", list(provides)),
            Self::Twice { .. } => "remove one of the two, or name the file itself in place of the plugin's name".into(),
            Self::Unknown { suggestion, known, looked, broken, .. } => unknown_help(suggestion.as_deref(), known, looked, broken.as_deref()),
        }
    }
}

fn unknown_help(suggestion: Option<&str>, known: &[String], looked: &[PathBuf], broken: Option<&LoadError>) -> String {
    if let Some(broken) = broken {
        return format!("a file of that name is there, but {broken}; {}", broken.help());
    }
    let folders: Vec<String> = looked.iter().map(|folder| folder.display().to_string()).collect();
    match suggestion {
        Some(suggestion) => format!("did you mean `{suggestion}`? installed are {}", list(known)),
        None if known.is_empty() => {
            format!(
                "no plugins are installed in {}; build them with `cargo build --release`, or give --plugin-dir",
                folders.join(", ")
            )
        }
        None => format!("installed are {}, found in {}", list(known), folders.join(", ")),
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".into();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
