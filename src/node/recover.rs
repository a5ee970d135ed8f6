//! `dkron recover`: one stopped server's disk becomes the whole cluster, or a promise is taken back.
//!
//! Here because it takes the data directory as a node does, with all of its locks, and then does not start.

use crate::{clock, lock, raft};
use dkron_core::apply::Ledger;
use dkron_core::bootstrap::Promise;
use dkron_core::command::{Action, Command, Scope};
use dkron_core::ids::Stamp;
use raft::{Ground, Survey};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Why a data directory cannot be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// There is no server's log in it.
    #[error("data-dir: {0} holds no data of a server: allowed is the data directory of a stopped server")]
    NoServer(PathBuf),
    /// A process works in it.
    #[error("data-dir: {path} is in use by {holder}: stop it first")]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who it is.
        holder: String,
    },
    /// It belongs to no cluster.
    #[error(
        "data-dir: the server in {0} belongs to no cluster yet, so there is nothing to recover; if it waits for the \
         initialiser of a promised cluster that is gone for good, --reset-promise sets it free"
    )]
    NoCluster(PathBuf),
    /// Its cluster never was.
    #[error(
        "data-dir: cluster {cluster} of {path} was never founded, so nothing was ever agreed upon: remove the \
         directory and start the server anew"
    )]
    NeverFounded {
        /// The directory.
        path: PathBuf,
        /// Its cluster.
        cluster: Stamp,
    },
    /// A promise that is part of a log already.
    #[error(
        "--reset-promise: the log in {path} was begun for cluster {cluster}, so the promise binds no more: if that \
         cluster cannot come to be, remove the directory and start the server anew"
    )]
    Begun {
        /// The directory.
        path: PathBuf,
        /// Its cluster.
        cluster: Stamp,
    },
    /// The data cannot be read or written.
    #[error(transparent)]
    Raft(#[from] raft::Error),
    /// The system refuses something.
    #[error("{what}")]
    System {
        /// What.
        what: String,
        /// Why.
        source: std::io::Error,
    },
}

/// The data directory of a stopped server, held so that nobody starts in it.
pub struct Stopped {
    path: PathBuf,
    ground: Ground,
    /// The agent's lock.
    _agent: Option<File>,
}

impl Stopped {
    /// Takes the directory.
    ///
    /// # Errors
    /// [`RecoverError`]: somebody works in it, or it is not a server's.
    pub async fn take(data_dir: &Path) -> Result<Stopped, RecoverError> {
        let database = data_dir.join("raft").join("db");
        if !database.is_file() {
            raft::refuse_dkron(data_dir)?;
            return Err(RecoverError::NoServer(data_dir.to_path_buf()));
        }
        let agent = take_lock(&data_dir.join("agent").join("lock"), data_dir)?;
        let ground = raft::open(data_dir, None).await.map_err(|error| match error {
            raft::Error::InUse(_) => in_use(data_dir, &database),
            error => error.into(),
        })?;
        Ok(Stopped { path: data_dir.to_path_buf(), ground, _agent: agent })
    }

    /// What the directory holds.
    ///
    /// # Errors
    /// [`RecoverError`]: it holds no cluster, or the data are damaged.
    pub async fn survey(&self) -> Result<Survey<Ledger>, RecoverError> {
        let survey = match self.ground.survey::<Ledger>().await {
            Err(raft::Error::NoCluster) => return Err(RecoverError::NoCluster(self.path.clone())),
            survey => survey?,
        };
        match survey.view.state.cluster() {
            Some(_) => Ok(survey),
            None => Err(RecoverError::NeverFounded { path: self.path.clone(), cluster: survey.stamp }),
        }
    }

    /// Makes its server the whole cluster. Ticks up to now are passed over, since the lost servers may have started
    /// them; with `catch_up` each job's policy decides on them.
    ///
    /// # Errors
    /// [`RecoverError`] of the disk; then nothing has changed.
    pub async fn recover(&self, survey: &Survey<Ledger>, catch_up: bool) -> Result<Stamp, RecoverError> {
        let commands = match catch_up || survey.view.state.held_since().is_some() {
            true => Vec::new(),
            false => vec![Action::Hold(Scope::Cluster), Action::Release(Scope::Cluster)],
        };
        let commands = commands.into_iter().map(|action| Command { request: None, action }).collect();
        Ok(self.ground.recover(survey, commands, clock::wall()).await?)
    }

    /// The promise that binds the server, if it waits for its cluster to be formed.
    ///
    /// # Errors
    /// [`RecoverError::Begun`]: its log is begun, which no reset undoes.
    pub fn promise(&self) -> Result<Option<Promise>, RecoverError> {
        match (self.ground.promise(), self.ground.identity().stamp) {
            (Some(_), Some(cluster)) => Err(RecoverError::Begun { path: self.path.clone(), cluster }),
            (promise, _) => Ok(promise.cloned()),
        }
    }

    /// Takes the promise back.
    ///
    /// # Errors
    /// [`RecoverError`] of the disk; then nothing has changed.
    pub async fn reset_promise(&self) -> Result<(), RecoverError> {
        self.ground.reset_promise().await?;
        Ok(())
    }

    /// Gives the directory back.
    ///
    /// # Errors
    /// [`RecoverError`] if the closing broke off.
    pub async fn close(self) -> Result<(), RecoverError> {
        Ok(self.ground.close().await?)
    }
}

/// The lock of an agent that may work here too; none if there never was one.
fn take_lock(path: &Path, data_dir: &Path) -> Result<Option<File>, RecoverError> {
    let file = match File::options().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RecoverError::System { what: path.display().to_string(), source }),
    };
    let taken = lock::take(&file);
    match taken.map_err(|source| RecoverError::System { what: path.display().to_string(), source })? {
        true => Ok(Some(file)),
        false => Err(in_use(data_dir, path)),
    }
}

fn in_use(data_dir: &Path, lock: &Path) -> RecoverError {
    let holder = lock::holder(lock).unwrap_or_else(|| "another process".to_owned());
    RecoverError::InUse { path: data_dir.to_path_buf(), holder }
}
