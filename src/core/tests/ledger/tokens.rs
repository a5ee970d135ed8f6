//! Tokens of the API in the state: the first one closes it for good, the rest come and go.

use crate::world::{World, at};
use dkron_core::access::{Capability, Policy, Token};
use dkron_core::command::{Action, Refusal, Reply};
use dkron_core::ids::TokenId;
use dkron_core::limits::TOKENS_MAX;
use dkron_core::time::Time;

fn token(name: &str) -> Token {
    Token {
        name: name.into(),
        hash: [7; 32],
        policy: Policy { capabilities: [Capability::ReadJobs].into(), jobs: Vec::new() },
        created_at: Time::EPOCH,
        expires_at: None,
    }
}

fn create(id: u128, name: &str, first: bool) -> Action {
    Action::CreateToken { id: TokenId(id), token: token(name), first }
}

fn reply(world: &mut World, second: i64, action: Action) -> Reply {
    world.apply(at(second), action).replies.remove(0)
}

#[test]
fn the_first_token_closes_the_api_and_revoking_all_does_not_open_it() {
    let mut world = World::new();
    assert!(!world.ledger.state.is_closed());
    let early = reply(&mut world, 1, create(1, "early", false));
    assert!(matches!(early, Reply::Refused(Refusal::Invalid(_))), "{early:?}");
    assert!(!world.ledger.state.is_closed(), "a refused token closes nothing");
    assert_eq!(reply(&mut world, 2, create(1, "first", true)), Reply::Done);
    assert!(world.ledger.state.is_closed());
    assert_eq!(world.ledger.state.token(TokenId(1)).map(|token| token.created_at), Some(at(2)));
    assert_eq!(reply(&mut world, 3, create(2, "again", true)), Reply::Refused(Refusal::TokensExist));
    let digest = world.ledger.state.digest();
    assert_eq!(reply(&mut world, 4, create(3, "other", false)), Reply::Done);
    assert_ne!(world.ledger.state.digest(), digest);
    let unknown = Reply::Refused(Refusal::UnknownToken(TokenId(9)));
    assert_eq!(reply(&mut world, 5, Action::RevokeToken { id: TokenId(9) }), unknown);
    assert_eq!(reply(&mut world, 6, Action::RevokeToken { id: TokenId(3) }), Reply::Done);
    assert_eq!(world.ledger.state.digest(), digest, "a revoked token leaves nothing behind");
    assert_eq!(reply(&mut world, 7, Action::RevokeToken { id: TokenId(1) }), Reply::Done);
    assert!(world.ledger.state.is_closed() && world.ledger.state.tokens().next().is_none());
}

#[test]
fn tokens_are_bounded_and_checked() {
    let mut world = World::new();
    assert_eq!(reply(&mut world, 1, create(0, "first", true)), Reply::Done);
    let twice = reply(&mut world, 1, create(0, "twice", false));
    assert!(matches!(&twice, Reply::Refused(Refusal::Invalid(said)) if said.contains("there already")));
    let nameless = reply(&mut world, 1, create(5, "", false));
    assert!(matches!(&nameless, Reply::Refused(Refusal::Invalid(said)) if said.starts_with("name: ''")));
    for id in 1..TOKENS_MAX as u128 {
        assert_eq!(reply(&mut world, 2, create(id, "more", false)), Reply::Done);
    }
    let full = reply(&mut world, 3, create(u128::MAX, "one too many", false));
    assert!(matches!(&full, Reply::Refused(Refusal::Invalid(said)) if said.contains("revoke some")));
}
