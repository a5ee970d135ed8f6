//! Files of TLS that are followed: whatever stands in them now is used for the next connection.
//!
//! A change that cannot be used changes nothing: what was there before stays in use, and the log says why.

use super::error::TrustError;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// A file and the setting that names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Source {
    pub(super) setting: &'static str,
    pub(super) path: PathBuf,
}

impl Source {
    pub(super) fn new(setting: &'static str, path: &Path) -> Source {
        Source { setting, path: path.to_owned() }
    }

    pub(super) fn wrong(&self, problem: impl Into<String>) -> TrustError {
        TrustError { setting: self.setting, path: self.path.clone(), problem: problem.into() }
    }
}

/// A file's bytes.
pub(super) struct Content {
    pub(super) source: Source,
    pub(super) bytes: Vec<u8>,
}

impl Content {
    fn read(source: &Source) -> Result<Content, TrustError> {
        let bytes =
            fs::read(&source.path).map_err(|error| source.wrong(format!("cannot be read: {error}")))?;
        Ok(Content { source: source.clone(), bytes })
    }

    /// The certificates in it, one at least.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TrustError> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        match found {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) => Err(self.source.wrong("holds no certificate, allowed is PEM with BEGIN CERTIFICATE")),
            Err(error) => Err(self.source.wrong(format!("is not PEM: {error}"))),
        }
    }

    /// The authorities in it.
    pub(super) fn roots(&self) -> Result<RootCertStore, TrustError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            let added = roots.add(certificate);
            added.map_err(|error| self.source.wrong(format!("is no authority's certificate: {error}")))?;
        }
        Ok(roots)
    }

    /// The private key in it. Nothing of it is in an error.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TrustError> {
        PrivateKeyDer::from_pem_slice(&self.bytes)
            .map_err(|_| self.source.wrong("holds no private key, allowed is PEM with BEGIN PRIVATE KEY"))
    }
}

/// Whether somebody but the owner may read a file; none if it cannot be told.
pub fn is_open_to_others(path: &Path) -> Option<bool> {
    Some(fs::metadata(path).ok()?.permissions().mode() & 0o077 != 0)
}

type Build<T> = Box<dyn Fn(&[Content]) -> Result<T, TrustError> + Send + Sync>;

/// What is made of some files, as they are now.
pub(super) struct Followed<T> {
    sources: Vec<Source>,
    build: Build<T>,
    current: RwLock<Arc<T>>,
    /// The bytes that `current` was made of, and those that could not be used.
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    used: Vec<Vec<u8>>,
    /// What was wrong, and whether it was told: files that are being replaced one after the other do not fit
    /// each other for a moment.
    wrong: Option<(TrustError, bool)>,
}

impl<T> Followed<T> {
    /// Reads the files for the first time.
    pub(super) fn open(sources: Vec<Source>, build: Build<T>) -> Result<Followed<T>, TrustError> {
        let contents = sources.iter().map(Content::read).collect::<Result<Vec<_>, _>>()?;
        let first = build(&contents)?;
        let used = contents.into_iter().map(|content| content.bytes).collect();
        let seen = Mutex::new(Seen { used, wrong: None });
        Ok(Followed { sources, build, current: RwLock::new(Arc::new(first)), seen })
    }

    /// What holds now.
    pub(super) fn current(&self) -> Arc<T> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the files again; whether something else holds from now on.
    pub(super) fn refresh(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match self.read_again(&seen.used) {
            Ok(None) => {
                seen.wrong = None;
                false
            }
            Ok(Some((new, used))) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                *seen = Seen { used, wrong: None };
                true
            }
            Err(error) => {
                let before = seen.wrong.take().filter(|(before, _)| *before == error);
                if let Some((_, false)) = before {
                    tracing::error!(%error, "changed files of TLS cannot be used, those of before stay in use");
                }
                seen.wrong = Some((error, before.is_some()));
                false
            }
        }
    }

    /// What the files make now, and their bytes; none if they are those that are in use.
    #[expect(clippy::type_complexity, reason = "a pair of what was made and of what")]
    fn read_again(&self, used: &[Vec<u8>]) -> Result<Option<(T, Vec<Vec<u8>>)>, TrustError> {
        let contents = self.sources.iter().map(Content::read).collect::<Result<Vec<_>, _>>()?;
        if contents.iter().map(|content| &content.bytes).eq(used) {
            return Ok(None);
        }
        let new = (self.build)(&contents)?;
        Ok(Some((new, contents.into_iter().map(|content| content.bytes).collect())))
    }
}
