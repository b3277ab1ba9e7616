//! An opened plugin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use lacuna_abi::{BOUNDARY, QueryFn, Root, code};

use super::{LoadError, Manifest, cache_folder};
use crate::boundary::{Live, Provider};

/// A plugin that is open. Lives as long as the process.
pub struct Plugin {
    /// The file it came from.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// BLAKE3 of the file, in hexadecimal.
    pub hash: String,
    query: QueryFn,
    live: Arc<Live>,
}

/// Plugins already open, by hash.
static OPEN: Mutex<BTreeMap<String, &'static Plugin>> = Mutex::new(BTreeMap::new());

impl Plugin {
    /// Opens the library at `path`, whose manifest was read before. A file already open is not opened again.
    ///
    /// # Errors
    /// When target or boundary do not fit, the system can't open it, or its root is not one of ours.
    pub fn open(path: &Path, manifest: &Manifest) -> Result<&'static Self, LoadError> {
        let (name, version) = (manifest.name.clone(), manifest.version.clone());
        if !manifest.fits_this_machine() {
            let ours = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
            return Err(LoadError::Target { path: path.into(), name, theirs: manifest.target.clone(), ours });
        }
        if manifest.boundary != BOUNDARY {
            return Err(LoadError::Boundary { path: path.into(), name, version, theirs: manifest.boundary });
        }
        let data =
            std::fs::read(path).map_err(|error| LoadError::Read { path: path.into(), reason: error.to_string() })?;
        let hash = blake3::hash(&data).to_hex().to_string();
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plugin) = open.get(&hash) {
            return Ok(plugin);
        }
        let fault = |reason: String| LoadError::Open { path: path.into(), name: name.clone(), reason };
        let copy = copy_into_cache(&data, &hash).map_err(|error| fault(format!("no copy in the cache: {error}")))?;
        let root = open_root(&copy).map_err(&fault)?;
        if !root.header.is_valid() {
            return Err(fault("it was built with another abi_stable; `plugin_api` pins the right one".into()));
        }
        if root.boundary != BOUNDARY {
            return Err(LoadError::Boundary { path: path.into(), name, version, theirs: root.boundary });
        }
        // SAFETY: the root is one of ours by its header, and `open` has the frozen signature.
        match unsafe { (root.open)(crate::boundary::query) } {
            code::OK => {}
            code::HOST_INTERFACE => {
                return Err(fault("it needs an interface that this host lacks or has in another layout".into()));
            }
            code::PANIC => return Err(fault("it panicked while it was opened".into())),
            other => return Err(fault(format!("it answered with code {other}"))),
        }
        let plugin: &'static Self = Box::leak(Box::new(Self {
            path: path.into(),
            manifest: manifest.clone(),
            hash: hash.clone(),
            query: root.query,
            live: Arc::default(),
        }));
        open.insert(hash, plugin);
        Ok(plugin)
    }
}

impl Provider for &'static Plugin {
    fn name(&self) -> &str {
        &self.manifest.name
    }

    fn version(&self) -> &str {
        &self.manifest.version
    }

    fn query(&self) -> QueryFn {
        self.query
    }

    fn live(&self) -> &Arc<Live> {
        &self.live
    }
}

/// Puts the library into the cache under its hash, once.
fn copy_into_cache(data: &[u8], hash: &str) -> std::io::Result<PathBuf> {
    let folder = cache_folder().join("plugins");
    let target = folder.join(format!("{hash}{}", std::env::consts::DLL_SUFFIX));
    // The hash of what is there decides: a copy that was cut off is made again.
    if std::fs::read(&target).is_ok_and(|there| there == data) {
        return Ok(target);
    }
    std::fs::create_dir_all(&folder)?;
    let temporary = folder.join(format!("{hash}.{}.tmp", std::process::id()));
    std::fs::write(&temporary, data)?;
    std::fs::rename(&temporary, &target)?;
    Ok(target)
}

#[cfg(unix)]
fn open_root(path: &Path) -> Result<&'static Root, String> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    // SAFETY: opening runs the library's initialisers; its manifest says that it is a plugin, and plugins have none.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(|error| error.to_string())?;
    root_of(libloading::Library::from(library))
}

#[cfg(not(unix))]
fn open_root(path: &Path) -> Result<&'static Root, String> {
    // SAFETY: as above.
    root_of(unsafe { libloading::Library::new(path) }.map_err(|error| error.to_string())?)
}

fn root_of(library: libloading::Library) -> Result<&'static Root, String> {
    // Never closed, not even after a failure: threads and tables of it may be alive.
    let library = Box::leak(Box::new(library));
    // SAFETY: the symbol is a `Root` by the frozen contract; its header is checked before anything else is read.
    let root = unsafe { library.get::<*const Root>(lacuna_abi::ROOT_SYMBOL.as_bytes()) }
        .map_err(|_| format!("it exports no `{}`", lacuna_abi::ROOT_SYMBOL))?;
    // SAFETY: a static of a library that is never closed.
    unsafe { root.as_ref() }.ok_or_else(|| "its root is null".into())
}
