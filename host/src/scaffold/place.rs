//! Where a new plugin goes, and how it reaches `plugin_api`.

use std::path::{Path, PathBuf};

use super::PluginName;
use crate::error::{Error, Result};

/// How a crate of its own depends on `plugin_api`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dependency {
    /// By the path of a Lacuna checkout.
    Checkout(PathBuf),
    /// By version, from a registry.
    Version(String),
}

/// Where a new plugin goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Into `plugins/` of the workspace with this root.
    Workspace(PathBuf),
    /// Into a folder of its own below this one.
    Apart {
        /// The folder above.
        above: PathBuf,
        /// How it reaches `plugin_api`.
        dependency: Dependency,
    },
}

impl Place {
    /// Where a plugin made in `working` goes: into the workspace when `working` is its root, else apart.
    ///
    /// `directory` asks for a folder above; one outside the workspace makes the plugin a crate of its own. `checkout` is
    /// where Lacuna's source is, as somebody told.
    ///
    /// # Errors
    /// When `checkout` is no checkout of Lacuna.
    pub fn choose(working: &Path, directory: Option<&Path>, checkout: Option<&Path>) -> Result<Self> {
        let own_folder = directory.is_none_or(|directory| directory == Path::new("plugins"));
        if own_folder && is_checkout(working) && checkout.is_none() {
            return Ok(Self::Workspace(working.to_path_buf()));
        }
        let above = directory.map_or_else(|| working.to_path_buf(), |directory| working.join(directory));
        let dependency = match checkout {
            Some(checkout) if is_checkout(checkout) => Dependency::Checkout(absolute(checkout)),
            Some(checkout) => {
                return Err(Error::new(
                    "config/checkout",
                    format!("`{}` is no checkout of Lacuna: it has no `plugin-api` in a workspace", checkout.display()),
                )
                .with_help("give the folder that holds Lacuna's `plugin-api` with --lacuna or LACUNA_SOURCE"));
            }
            None => found_checkout()
                .map_or_else(|| Dependency::Version(env!("CARGO_PKG_VERSION").into()), Dependency::Checkout),
        };
        Ok(Self::Apart { above, dependency })
    }

    /// The folder of a plugin of that name.
    #[must_use]
    pub fn folder(&self, name: &PluginName) -> PathBuf {
        match self {
            Self::Workspace(root) => root.join("plugins").join(name.as_str()),
            Self::Apart { above, .. } => above.join(name.as_str()),
        }
    }
}

/// Whether a folder is the root of Lacuna's workspace.
fn is_checkout(folder: &Path) -> bool {
    let manifest = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    manifest(folder.join("Cargo.toml")).contains("[workspace]")
        && manifest(folder.join("plugin-api/Cargo.toml")).contains("name = \"plugin_api\"")
}

/// The checkout that this program was built in: `target/release/lacuna` lies two folders below.
fn found_checkout() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program.ancestors().skip(1).take(5).find(|folder| is_checkout(folder)).map(absolute)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
