//! Components: compiled once, kept on disk under their digest, and ready to be instantiated in memory.
//!
//! *Invariant:* nothing is compiled while a hook waits, but for one case: after an upgrade of the host its
//! compiled code fits no longer, and the first call makes it anew from the component beside it.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use applet_types::{ComponentDigest, ComponentReport, ErrorCode, Failure};
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::compile::{Compiler, Interfaces};
use crate::fault;
use crate::guest::Guest;
use crate::hooks::Hooks;
use crate::load;
use crate::seal::Seal;
use crate::spin::Told;

pub(crate) struct Components {
    disk: Arc<Disk>,
    compiler: Compiler,
    ready: Mutex<Ready>,
    most: usize,
    /// Held while a component is loaded: callers that want the same one wait instead of loading it too.
    loading: tokio::sync::Mutex<()>,
}

/// A component that can be instantiated.
pub(crate) struct Loaded {
    pub(crate) hooks: Hooks,
    /// What its developers were told.
    pub(crate) told: Arc<Told>,
    interfaces: Interfaces,
}

#[derive(Default)]
struct Ready {
    components: HashMap<ComponentDigest, (u64, Arc<Loaded>)>,
    uses: u64,
}

struct Disk {
    engine: Engine,
    linker: Linker<Guest>,
    seal: Seal,
    directory: PathBuf,
    compatibility: u64,
}

impl Components {
    pub(crate) fn new(
        engine: Engine,
        linker: Linker<Guest>,
        directory: PathBuf,
        compatibility: u64,
        compiler: Compiler,
        most: usize,
    ) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        let seal = Seal::of(&directory, compatibility)?;
        let disk = Arc::new(Disk { engine, linker, seal, directory, compatibility });
        Ok(Self { disk, compiler, ready: Mutex::default(), most, loading: tokio::sync::Mutex::new(()) })
    }

    /// Compiles a component if that has not been done, and says what it is.
    pub(crate) async fn inspect(&self, component: &[u8]) -> Result<ComponentReport, Failure> {
        let digest = ComponentDigest::of(component);
        let loaded = match self.find(digest).await? {
            Some(loaded) => loaded,
            None => self.compile(digest, component).await?,
        };
        let Interfaces { imports, exports } = loaded.interfaces.clone();
        Ok(ComponentReport { digest, imports, exports })
    }

    /// Whether this host has the component, compiled or not.
    pub(crate) fn has(&self, digest: ComponentDigest) -> bool {
        self.disk.component_path(digest).exists()
    }

    /// A component that was inspected before.
    pub(crate) async fn get(&self, digest: ComponentDigest) -> Result<Arc<Loaded>, Failure> {
        if let Some(loaded) = self.find(digest).await? {
            return Ok(loaded);
        }
        let disk = Arc::clone(&self.disk);
        let component = blocking(move || disk.read_component(digest)).await?;
        let Some(component) = component else {
            return Err(fault::internal("component.missing", &digest));
        };
        self.compile(digest, &component).await
    }

    async fn find(&self, digest: ComponentDigest) -> Result<Option<Arc<Loaded>>, Failure> {
        if let Some(loaded) = self.ready().get(digest) {
            return Ok(Some(loaded));
        }
        let _alone = self.loading.lock().await;
        if let Some(loaded) = self.ready().get(digest) {
            return Ok(Some(loaded));
        }
        let disk = Arc::clone(&self.disk);
        let loaded = blocking(move || disk.load(digest)).await?.map(Arc::new);
        if let Some(loaded) = &loaded {
            self.ready().put(digest, Arc::clone(loaded), self.most);
        }
        Ok(loaded)
    }

    async fn compile(&self, digest: ComponentDigest, component: &[u8]) -> Result<Arc<Loaded>, Failure> {
        let compiled = self.compiler.compile(&self.disk.directory, component).await?;
        let (disk, component) = (Arc::clone(&self.disk), component.to_vec());
        blocking(move || {
            let report = serde_json::to_vec(&compiled.interfaces)?;
            let sealed = disk.seal.close(digest, &report, &compiled.code)?;
            write(&disk.directory, &disk.component_path(digest), &component)?;
            write(&disk.directory, &disk.code_path(digest), &sealed)
        })
        .await?;
        self.find(digest).await?.ok_or_else(|| {
            let reason =
                "the component uses an interface of this host in a way that does not fit its version";
            Failure::new(ErrorCode::ManifestInvalid, reason)
        })
    }

    fn ready(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ready {
    fn get(&mut self, digest: ComponentDigest) -> Option<Arc<Loaded>> {
        self.uses += 1;
        let (used, loaded) = self.components.get_mut(&digest)?;
        *used = self.uses;
        Some(Arc::clone(loaded))
    }

    /// Makes room by letting the one go that was used longest ago; calls that run keep theirs.
    fn put(&mut self, digest: ComponentDigest, loaded: Arc<Loaded>, most: usize) {
        if self.components.len() >= most {
            let oldest = self.components.iter().min_by_key(|(_, (used, _))| *used).map(|(digest, _)| *digest);
            if let Some(oldest) = oldest {
                self.components.remove(&oldest);
            }
        }
        self.components.insert(digest, (self.uses, loaded));
    }
}

impl Disk {
    fn component_path(&self, digest: ComponentDigest) -> PathBuf {
        self.directory.join(format!("{digest}.wasm"))
    }

    fn code_path(&self, digest: ComponentDigest) -> PathBuf {
        self.directory.join(format!("{digest}.{:016x}.code", self.compatibility))
    }

    /// The component, if the file still is what its name says.
    fn read_component(&self, digest: ComponentDigest) -> io::Result<Option<Vec<u8>>> {
        Ok(read(&self.component_path(digest))?.filter(|bytes| ComponentDigest::of(bytes) == digest))
    }

    /// Loads compiled code; `None` when there is none that we wrote for this engine.
    fn load(&self, digest: ComponentDigest) -> io::Result<Option<Loaded>> {
        let Some(sealed) = read(&self.code_path(digest))? else { return Ok(None) };
        let Some(opened) = self.seal.open(digest, sealed) else {
            tracing::warn!(target: "runtime.components", %digest, "compiled code with a wrong seal is ignored");
            return Ok(None);
        };
        let interfaces = serde_json::from_slice(opened.report())?;
        let prepared = load::component(&self.engine, &opened)
            .and_then(|component| self.linker.instantiate_pre(&component))
            .map(Hooks::of);
        match prepared {
            Ok(hooks) => Ok(Some(Loaded { hooks, told: Arc::default(), interfaces })),
            Err(error) => {
                tracing::warn!(target: "runtime.components", %digest, cause = %error, "component cannot be linked");
                Ok(None)
            }
        }
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file so that nobody ever sees half of it.
fn write(directory: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    match spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(fault::internal("component.files", &error)),
        Err(error) => Err(fault::internal("component.task", &error)),
    }
}
