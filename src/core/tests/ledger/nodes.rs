//! Nodes that are kept from work, fail, come back and come anew.

use crate::world::{World, at, job, outcome};
use dkron_core::command::{Action, Assignment, Event, Refusal, Reply, Report};
use dkron_core::execution::Verdict;
use dkron_core::ids::{BootId, JournalId, NodeId, NodeSlot};
use dkron_core::job::{Concurrency, Job};
use dkron_core::node::{Liveness, Registration, Work};
use dkron_core::placement::{Pending, choose};
use dkron_core::plan::{Planner, Proposal};
use dkron_core::rules::Selector;
use dkron_core::state::record::Turn;
use dkron_core::time::Span;

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

fn machine(number: u128, slots: u32, zone: &str) -> Registration {
    Registration {
        node: NodeId(number),
        name: format!("node-{number}").into(),
        life: 1,
        journal: JournalId(number),
        boot: BootId(number),
        tags: [("dc".to_owned(), "b".to_owned()), ("zone".to_owned(), zone.to_owned())].into(),
        slots,
        server: false,
        address: "127.0.0.1:8946".into(),
    }
}

fn selector(tags: &[(&str, &str)], count: Option<u32>) -> Selector {
    let tags = tags.iter().map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect();
    Selector { tags, count }
}

#[test]
fn one_round_spreads_its_work_by_slots_whatever_tags_it_was_asked_by() {
    let mut world = World::new();
    for (number, slots, zone) in
        [(2, 4, "x"), (3, 4, "x"), (4, 8, "y"), (5, u32::MAX, "z"), (6, u32::MAX, "z")]
    {
        world.apply(at(0), Action::Register(machine(number, slots, zone)));
    }
    let state = &world.ledger.state;
    let mut pending = Pending::default();
    let mut given = [0u32; 6];
    let mut ask = |wanted: &Selector, times: u64| {
        for lot in 0..times {
            let chosen = choose(state, wanted, lot, &mut pending);
            chosen.iter().for_each(|slot| given[slot.0 as usize] += 1);
        }
        given
    };
    let x = ask(&selector(&[("zone", "x")], Some(1)), 4);
    assert_eq!(x[1..3], [2, 2], "{x:?}");
    let all = selector(&[("dc", "b"), ("zone", "y")], Some(1));
    assert_eq!(ask(&all, 4)[3], 4);
    let huge = ask(&selector(&[("zone", "z")], Some(1)), 10);
    assert_eq!(huge[4..], [5, 5], "also where a slot is next to nothing");
    let pair = ask(&selector(&[("dc", "b")], Some(2)), 10);
    assert_eq!(
        pair[4..],
        [15, 15],
        "the two that are as good as empty, whatever tags they were given work by"
    );
    let every = ask(&selector(&[("dc", "b")], None), 1);
    assert_eq!(every[1..], [3, 3, 5, 16, 16]);
    assert_eq!(ask(&selector(&[("dc", "b")], Some(0)), 1), every);
    assert_eq!(ask(&selector(&[("dc", "c")], Some(1)), 1), every);
}

/// Every execution on this node fails, and is to be tried again.
fn fail_all(world: &mut World, second: i64, node: NodeSlot) {
    let state = &world.ledger.state;
    let reports: Vec<Report> = state
        .executions_on(node)
        .filter_map(|execution| {
            let found = state.occurrence(execution.occurrence)?;
            let check = found.execution_id(execution.ordinal, execution.attempt).check();
            Some(Report { execution, check, event: Event::Finished(outcome(Verdict::Failed)) })
        })
        .collect();
    world.apply(at(second), Action::Report(reports));
}

#[test]
fn retries_without_a_node_keep_nobody_elses_retry_waiting_however_many_they_are() {
    let mut world = World::new();
    world.apply(at(0), Action::Register(machine(2, 10_000, "x")));
    let retried = |name: &str, tag: (&str, &str)| Job {
        retries: 1,
        tags: [(tag.0.to_owned(), format!("{}:1", tag.1))].into(),
        ..job(name, "@manually", Concurrency::Allow)
    };
    world.put(1, &retried("stuck", ("zone", "x")));
    world.put(1, &retried("fine", ("dc", "a")));
    (0..4_500).for_each(|_| world.run(2, "stuck"));
    world.plan(2);
    assert_eq!(world.ledger.state.load(NodeSlot(1)), 4_500);
    fail_all(&mut world, 3, NodeSlot(1));
    world.apply(at(3), Action::Cordon { node: NodeSlot(1), work: Work::Cordoned });
    world.run(4, "fine");
    world.plan(4);
    fail_all(&mut world, 5, NodeSlot(0));
    let mut planner = Planner::default();
    let mut assigned = Vec::new();
    for millis in 10_000..10_010 {
        let plan = planner.plan(&mut world.ledger, at(0) + Span::from_millis(millis), true);
        for Proposal { action, token } in plan.proposals {
            let applied = world.apply(at(11), action.clone());
            planner.answered(&mut world.ledger, token, applied.replies.first());
            assigned.extend(match action {
                Action::Assign(assignments) => assignments,
                other => panic!("{other:?}"),
            });
        }
    }
    let nodes: Vec<_> = assigned
        .iter()
        .map(|assignment| match assignment {
            Assignment::Retry { node, .. } => *node,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(nodes, [NodeSlot(0)]);
    world.apply(at(12), Action::Cordon { node: NodeSlot(1), work: Work::Open });
    world.plan(12);
    assert_eq!(world.ledger.state.load(NodeSlot(1)), 4_500, "all of them as soon as they have one");
    assert_eq!(world.check(), Ok(()));
}
