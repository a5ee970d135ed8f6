//! Nodes that are kept from work, fail, come back and come anew.

use crate::world::{World, at, job};
use dkron_core::command::{Action, Refusal, Reply};
use dkron_core::ids::NodeSlot;
use dkron_core::job::Concurrency;
use dkron_core::node::{Liveness, Work};
use dkron_core::plan::{Planner, Proposal};
use dkron_core::state::record::Turn;

#[test]
fn a_cordoned_node_that_fails_returns_or_loses_its_journal_is_still_cordoned() {
    let mut world = World::new();
    let shown = |world: &World, slot| {
        let node = world.ledger.state.node(NodeSlot(slot)).expect("the node");
        (node.liveness, node.work)
    };
    world.apply(at(1), Action::Cordon { node: NodeSlot(0), work: Work::Draining });
    assert!(world.ledger.state.is_drained(NodeSlot(0)), "nothing of it is open");
    world.apply(at(2), Action::Mark { node: NodeSlot(0), liveness: Liveness::Failed });
    assert_eq!(shown(&world, 0), (Liveness::Failed, Work::Draining));
    world.register(3, 1, 1);
    assert_eq!(shown(&world, 0), (Liveness::Alive, Work::Draining));
    world.register(4, 2, 1);
    assert_eq!(shown(&world, 0), (Liveness::Left, Work::Draining));
    assert_eq!(shown(&world, 1), (Liveness::Alive, Work::Draining));
    let applied = world.apply(at(5), Action::Cordon { node: NodeSlot(0), work: Work::Open });
    let refused = vec![Reply::Refused(Refusal::UnknownNode)];
    assert_eq!(applied.replies, refused, "a place that was left is nobody's");
}

#[test]
fn what_waits_for_a_node_is_placed_as_soon_as_one_comes() {
    let mut world = World::new();
    world.put(0, &job("one", "@manually", Concurrency::Forbid));
    world.apply(at(1), Action::Mark { node: NodeSlot(0), liveness: Liveness::Left });
    world.run(1, "one");
    let mut planner = Planner::default();
    for _ in 0..3 {
        let plan = planner.plan(&mut world.ledger, at(1), true);
        for proposal in plan.proposals {
            let reply = world.apply(at(1), proposal.action).replies.pop();
            planner.answered(&mut world.ledger, proposal.token, reply.as_ref());
        }
    }
    assert!(matches!(world.turns()[..], [Turn::Unplaced(_)]));
    world.register(1, 1, 1);
    planner.contact(&world.ledger.state, NodeSlot(0));
    let proposals = planner.plan(&mut world.ledger, at(1), true).proposals;
    assert!(matches!(proposals[..], [Proposal { action: Action::Assign(_), .. }]), "{proposals:?}");
}
