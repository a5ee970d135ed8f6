//! Strategies for tokens of the API and what is said of them.

use crate::any_of::{name, time, wide};
use dkron_core::access::{Capability, Policy, Token};
use dkron_core::command::{Action, Refusal};
use dkron_core::ids::TokenId;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) fn token() -> BoxedStrategy<Token> {
    let capabilities = btree_set(select(&Capability::ALL[..]), 0..4);
    (name(), any::<[u8; 32]>(), capabilities, vec(name(), 0..3), time(), option::of(time()))
        .prop_map(|(name, hash, capabilities, jobs, created_at, expires_at)| Token {
            name,
            hash,
            policy: Policy { capabilities, jobs },
            created_at,
            expires_at,
        })
        .boxed()
}

pub(crate) fn action() -> BoxedStrategy<Action> {
    prop_oneof![
        (wide(), token(), any::<bool>()).prop_map(|(id, token, first)| Action::CreateToken {
            id: TokenId(id),
            token,
            first
        }),
        wide().prop_map(|id| Action::RevokeToken { id: TokenId(id) }),
        // No newer than the build reads.
        (1u8..=2).prop_map(|format| Action::RaiseFormat { format }),
    ]
    .boxed()
}

pub(crate) fn refusal() -> BoxedStrategy<Refusal> {
    prop_oneof![Just(Refusal::TokensExist), wide().prop_map(|id| Refusal::UnknownToken(TokenId(id)))].boxed()
}
