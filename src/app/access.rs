//! Who asks, and what that allows: tokens of the API.
//!
//! While no token was ever made, everybody may do everything. From the first one on, on all servers by the same entry
//! of the log, nobody may do anything without one. A write is judged twice: by the server that was asked, and by the
//! leader, whose state holds every token made or revoked before.

use super::{App, Error, Kind, fresh_request};
use crate::raft::Priority;
use crate::task;
use dkron_core::access::{Capability, Policy, Principal, Token};
use dkron_core::command::{Action, Refusal};
use dkron_core::ids::TokenId;
use dkron_core::intent::Intent;
use dkron_core::state::State;
use dkron_core::time::Time;
use ring::digest::{SHA256, digest};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The file in the data directory that says that tokens are asked for, also before the log says it again.
const CLOSED_FILE: &str = "tokens-required";
/// The file in the data directory by which an operator shows that the server's disk is his.
pub const RECOVERY_FILE: &str = "token-recovery";
/// What every token begins with, so that one that was published by mistake is found.
const HEAD: &str = "dkron_";
/// More than any token or recovery word has.
const SECRET_BYTES_MAX: usize = 256;

tokio::task_local! {
    /// Who asked for what is being done.
    static CALLER: Caller;
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Anybody: no token is asked for.
    Anybody,
    /// Who holds this token.
    Holder(TokenId, Arc<Token>),
    /// Who has the disk of this server.
    Operator,
}

/// A token as clients see it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its id.
    pub id: TokenId,
    /// The token.
    pub token: Arc<Token>,
    /// Whether its time is over.
    pub expired: bool,
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct Order {
    /// What people call it.
    pub name: Arc<str>,
    /// What it allows.
    pub policy: Policy,
    /// When it ends.
    pub expires_at: Option<Time>,
}

/// A token that was just made: the only time that its secret is seen.
pub struct Made {
    /// The token.
    pub shown: Shown,
    /// What its holder sends.
    pub secret: String,
}

impl Caller {
    /// Whether it may do this, for this job or, without one, for some jobs at least.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] with the capability that is missing.
    pub fn may(&self, capability: Capability, job: Option<&str>) -> Result<(), Error> {
        let Caller::Holder(id, token) = self else { return Ok(()) };
        let whose = || format!("token '{}' ({id})", token.name);
        if !token.policy.has(capability) {
            let message = format!("{} lacks the capability {}", whose(), capability.word());
            return Err(Error::new(Kind::Forbidden, message));
        }
        match job {
            Some(job) if !token.policy.means(job) => {
                let prefixes = token.policy.jobs.join(", ");
                let word = capability.word();
                let message = format!("{} has {word} only for jobs that begin with: {prefixes}", whose());
                Err(Error::new(Kind::Forbidden, message))
            }
            _ => Ok(()),
        }
    }

    /// The same for all jobs.
    ///
    /// # Errors
    /// As [`Caller::may`].
    pub fn may_for_all(&self, capability: Capability) -> Result<(), Error> {
        self.may(capability, None)?;
        match self {
            Caller::Holder(id, token) if !token.policy.jobs.is_empty() => {
                let (name, word) = (&token.name, capability.word());
                let message = format!("token '{name}' ({id}) lacks the capability {word} for all jobs");
                Err(Error::new(Kind::Forbidden, message))
            }
            _ => Ok(()),
        }
    }

    /// Whether a job is among those that it may see.
    pub fn means(&self, job: &str) -> bool {
        match self {
            Caller::Holder(_, token) => token.policy.means(job),
            _ => true,
        }
    }

    /// Whether it may see only some jobs.
    pub fn is_limited(&self) -> bool {
        matches!(self, Caller::Holder(_, token) if !token.policy.jobs.is_empty())
    }

    fn policy(&self) -> Policy {
        match self {
            Caller::Holder(_, token) => token.policy.clone(),
            _ => Policy::all(),
        }
    }

    fn principal(&self) -> Principal {
        match self {
            Caller::Anybody => Principal::Nobody,
            Caller::Holder(id, _) => Principal::Token(*id),
            Caller::Operator => Principal::Operator,
        }
    }

    /// Does what was asked for, in this caller's name.
    pub async fn asks<T>(self, work: impl Future<Output = T>) -> T {
        CALLER.scope(self, work).await
    }
}

/// In whose name this task works.
pub(super) fn principal() -> Principal {
    CALLER.try_with(Caller::principal).unwrap_or(Principal::Nobody)
}

/// Whether this one may still write, by the state of the server that leads.
pub(super) fn admit(state: &State, by: Principal, now: Time) -> Result<(), Error> {
    match by {
        _ if !state.is_closed() => Ok(()),
        Principal::Operator => Ok(()),
        Principal::Nobody => {
            let message = "the server that was asked does not know yet that tokens are asked for: try again";
            Err(Error::new(Kind::Unavailable, message))
        }
        Principal::Token(id) => match state.token(id) {
            Some(token) if !token.is_expired(now) => Ok(()),
            _ => Err(Error::new(Kind::Unauthenticated, "the token was revoked or has expired")),
        },
    }
}

impl App {
    /// Who asks, by what was sent with the request.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] if there is no token, or none that counts.
    pub async fn caller(&self, sent: Option<&str>) -> Result<Caller, Error> {
        let view = self.view().await?;
        if !view.state.is_closed() {
            let message = "this server has not read yet which tokens count: try again";
            return match self.keep.is_closed() {
                true => Err(Error::new(Kind::Unavailable, message)),
                false => Ok(Caller::Anybody),
            };
        }
        let refused = |message: String| Err(Error::new(Kind::Unauthenticated, message));
        let Some(sent) = sent else {
            return refused(
                "no token: send 'Authorization: Bearer TOKEN' or 'X-Dkron-Token: TOKEN'".to_owned(),
            );
        };
        let known = id_of(sent).and_then(|id| Some((id, view.state.token(id)?)));
        let Some((id, token)) = known.filter(|(_, token)| is_equal(&hash(sent), &token.hash)) else {
            return refused("the token does not count here: unknown, or revoked".to_owned());
        };
        match token.expires_at {
            Some(end) if token.is_expired(self.now()) => {
                refused(format!("the token '{}' expired at {end}", token.name))
            }
            _ => Ok(Caller::Holder(id, token.clone())),
        }
    }

    /// Makes the first token, which may do everything; from then on the API asks everybody for one.
    pub async fn bootstrap_token(&self) -> Result<Made, Error> {
        if self.view().await?.state.is_closed() || self.keep.is_closed() {
            return Err(Refusal::TokensExist.into());
        }
        let made = self.make_token(everything("bootstrap"), true).await?;
        self.keep.close().await?;
        Ok(made)
    }

    /// Makes a token that may do everything, for who wrote the word that was sent into a file of this server.
    pub async fn recover_token(&self, word: &str) -> Result<Made, Error> {
        self.keep.prove(word).await?;
        let first = !self.view().await?.state.is_closed();
        let made = Caller::Operator.asks(self.make_token(everything("recovery"), first)).await?;
        self.keep.close().await?;
        tracing::warn!(id = %made.shown.id, "a token was made for who has this server's disk");
        Ok(made)
    }

    /// Makes a token that allows no more than its maker may.
    pub async fn create_token(&self, by: &Caller, order: Order) -> Result<Made, Error> {
        if !by.policy().covers(&order.policy) {
            let message = "allow, jobs: a token may only be made by who may do all that it allows";
            return Err(Error::new(Kind::Forbidden, message));
        }
        self.make_token(order, false).await
    }

    async fn make_token(&self, order: Order, first: bool) -> Result<Made, Error> {
        let (id, secret) = fresh_secret()?;
        let Order { name, policy, expires_at } = order;
        let token = Token { name, hash: hash(&secret), policy, created_at: self.now(), expires_at };
        token.check().map_err(|problem| Error::new(Kind::Invalid, problem))?;
        let action = Action::CreateToken { id, token: token.clone(), first };
        self.act(Priority::Write, fresh_request()?, Intent::Change(action)).await?;
        tracing::info!(%id, name = %token.name, "a token was made");
        let token = self.view().await?.state.token(id).cloned().unwrap_or_else(|| Arc::new(token));
        Ok(Made { shown: Shown { id, expired: token.is_expired(self.now()), token }, secret })
    }

    /// All tokens, the oldest first.
    pub async fn tokens(&self) -> Result<Vec<Shown>, Error> {
        let (view, now) = (self.view().await?, self.now());
        let shown = |(id, token): (TokenId, &Arc<Token>)| Shown {
            id,
            token: token.clone(),
            expired: token.is_expired(now),
        };
        let mut tokens: Vec<Shown> = view.state.tokens().map(shown).collect();
        tokens.sort_by_key(|shown| (shown.token.created_at, shown.id));
        Ok(tokens)
    }

    /// One token.
    pub async fn token(&self, id: TokenId) -> Result<Shown, Error> {
        let found = self.tokens().await?.into_iter().find(|shown| shown.id == id);
        found.ok_or_else(|| Error::new(Kind::NotFound, format!("no token has the id {id}")))
    }

    /// Takes a token back: what it allowed, it allows no more.
    pub async fn revoke_token(&self, by: &Caller, id: TokenId) -> Result<Shown, Error> {
        let shown = self.token(id).await?;
        if !by.policy().covers(&shown.token.policy) {
            let message = "a token may only be revoked by who may do all that it allows";
            return Err(Error::new(Kind::Forbidden, message));
        }
        let action = Action::RevokeToken { id };
        self.act(Priority::Write, fresh_request()?, Intent::Change(action)).await?;
        tracing::info!(%id, name = %shown.token.name, "a token was revoked");
        Ok(shown)
    }
}

fn everything(name: &str) -> Order {
    Order { name: name.into(), policy: Policy::all(), expires_at: None }
}

/// What the disk of this server says of tokens. Cheap to clone.
#[derive(Clone)]
pub struct Keep {
    data_dir: Arc<Path>,
    /// Whether the file is there: every request asks, and none waits for a disk.
    closed: Arc<AtomicBool>,
}

impl Keep {
    /// As it stands in this data directory now.
    pub fn new(data_dir: PathBuf) -> Keep {
        let closed = data_dir.join(CLOSED_FILE).exists();
        Keep { data_dir: data_dir.into(), closed: Arc::new(closed.into()) }
    }

    /// Whether tokens were asked for before this process started, or are since.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Remembers that tokens are asked for.
    pub async fn close(&self) -> Result<(), Error> {
        let path = self.data_dir.join(CLOSED_FILE);
        let writing = task::blocking("note that tokens are asked for", move || {
            let file = fs::File::create(path)?;
            file.sync_all()
        });
        let written = writing.await.map_err(|_| Error::new(Kind::Unavailable, "this server stops"))?;
        written.map_err(|error| Error::new(Kind::Internal, format!("{CLOSED_FILE}: {error}")))?;
        self.closed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the word stands in the file that only who has the disk can have written. It counts once.
    async fn prove(&self, word: &str) -> Result<(), Error> {
        let path = self.data_dir.join(RECOVERY_FILE);
        let reading = task::blocking("read the recovery file", move || {
            let written = fs::read_to_string(&path)?;
            fs::remove_file(&path)?;
            Ok::<String, io::Error>(written)
        });
        let read = reading.await.map_err(|_| Error::new(Kind::Unavailable, "this server stops"))?;
        let proven = read.is_ok_and(|written| {
            written.trim().len() >= 32 && is_equal(&hash(written.trim()), &hash(word.trim()))
        });
        match proven {
            true => Ok(()),
            false => Err(Error::new(
                Kind::Forbidden,
                "the word is not the one in this server's data directory: `dkron token recover` on the server's \
                 machine writes and sends it, and it counts once",
            )),
        }
    }
}

/// A random id and a token with it.
fn fresh_secret() -> Result<(TokenId, String), Error> {
    let (id, one, other) = (TokenId(super::random()?), super::random()?, super::random()?);
    Ok((id, format!("{HEAD}{id}_{one:032x}{other:032x}")))
}

/// The id in a token; none if it is no token.
fn id_of(sent: &str) -> Option<TokenId> {
    let rest = sent.strip_prefix(HEAD).filter(|_| sent.len() <= SECRET_BYTES_MAX)?;
    let (id, _) = rest.split_once('_')?;
    TokenId::parse(id)
}

fn hash(secret: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    hash
}

/// Takes as long for equal bytes as for others.
fn is_equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let differing = one.iter().zip(other).fold(0, |differing, (one, other)| differing | (one ^ other));
    std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_its_id_and_nothing_else_does() {
        let (id, secret) = fresh_secret().expect("random bytes");
        assert_eq!(id_of(&secret), Some(id));
        assert_eq!(secret.len(), HEAD.len() + 32 + 1 + 64);
        for wrong in ["", "dkron_", "dkron_1_2", "Bearer", &secret[1..], &secret.replace('_', "-")] {
            assert_eq!(id_of(wrong), None, "{wrong}");
        }
        assert!(is_equal(&hash(&secret), &hash(&secret)) && !is_equal(&hash(&secret), &hash("other")));
    }

    #[test]
    fn what_is_missing_is_named() {
        let policy = Policy { capabilities: [Capability::ReadJobs].into(), jobs: vec!["team-a/".into()] };
        let hash = [0; 32];
        let name = "reports".into();
        let token = Token { name, hash, policy, created_at: Time::EPOCH, expires_at: None };
        let caller = Caller::Holder(TokenId(7), Arc::new(token));
        assert!(caller.may(Capability::ReadJobs, Some("team-a/x")).is_ok());
        let said = |result: Result<(), Error>| result.expect_err("refused").to_string();
        let lacking = said(caller.may(Capability::WriteJobs, Some("team-a/x")));
        assert!(
            lacking.ends_with("lacks the capability write-jobs") && lacking.contains("'reports'"),
            "{lacking}"
        );
        let other = said(caller.may(Capability::ReadJobs, Some("team-b/x")));
        assert!(other.ends_with("only for jobs that begin with: team-a/"), "{other}");
        assert!(said(caller.may_for_all(Capability::ReadJobs)).ends_with("read-jobs for all jobs"));
        assert!(Caller::Anybody.may_for_all(Capability::ManageTokens).is_ok());
    }
}
