//! Tokens of the API, made and revoked. With the first one the API is closed to everybody without a token, on all
//! servers with the same entry, and stays so, whichever are revoked later.

use super::Step;
use crate::access::Token;
use crate::command::{Refusal, Reply};
use crate::ids::TokenId;
use crate::limits::TOKENS_MAX;

impl Step<'_> {
    /// `first` is the one token that may be made while the API is open.
    pub(super) fn create_token(&mut self, id: TokenId, token: &Token, first: bool) -> Result<Reply, Refusal> {
        if first && self.state().is_closed() {
            return Err(Refusal::TokensExist);
        }
        if !first && !self.state().is_closed() {
            return Err(Refusal::Invalid("the first token is made by `dkron token bootstrap`".into()));
        }
        token.check().map_err(|problem| Refusal::Invalid(problem.into()))?;
        if self.state().token(id).is_some() {
            return Err(Refusal::Invalid(format!("token {id} is there already").into()));
        }
        if self.state().tokens().count() >= TOKENS_MAX {
            let problem = format!("there are {TOKENS_MAX} tokens, which is as many as may be: revoke some");
            return Err(Refusal::Invalid(problem.into()));
        }
        let token = Token { created_at: self.now, ..token.clone() };
        self.ledger.state.set_token(id, Some(token));
        self.ledger.state.edit_cluster(|cluster| cluster.closed = true);
        Ok(Reply::Done)
    }

    pub(super) fn revoke_token(&mut self, id: TokenId) -> Result<Reply, Refusal> {
        if self.state().token(id).is_none() {
            return Err(Refusal::UnknownToken(id));
        }
        self.ledger.state.set_token(id, None);
        Ok(Reply::Done)
    }
}
