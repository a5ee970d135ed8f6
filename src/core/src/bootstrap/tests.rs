//! Scenarios of bootstrap, one sentence each; the simulation of clusters has the rest.

use super::*;
use crate::ids::Incarnation;
use crate::limits;
use crate::roster::{Announcement, Liveness, Roster, Sighting};
use crate::time::Time;

fn id(number: u128) -> NodeId {
    NodeId(number)
}

fn server(number: u128, expect: u32, cluster: Option<u128>) -> Announcement {
    let stamp = cluster.map(|cluster| Stamp { cluster: ClusterId(cluster), incarnation: Incarnation(1) });
    Announcement {
        id: id(number),
        name: format!("s{number}").into(),
        expect,
        stamp,
        ..Announcement::default()
    }
}

fn roster(own: u128, servers: &[Announcement]) -> Roster {
    let sighting =
        |server: &Announcement| Sighting { server: server.clone().into(), liveness: Liveness::Alive };
    Roster { own: id(own), servers: servers.iter().map(|server| (server.id, sighting(server))).collect() }
}

fn own(number: u128, expect: u32) -> Own {
    Own { id: id(number), expect, ..Own::default() }
}

fn draft(cluster: u128) -> Founding {
    Founding {
        cluster: ClusterId(cluster),
        incarnation: Incarnation(1),
        default_zone: "UTC".into(),
        zone_data: "2026a".into(),
    }
}

fn at(millis: i64) -> Time {
    Time::EPOCH + crate::time::Span::from_millis(millis)
}

fn three(own: u128) -> Roster {
    roster(own, &[server(1, 3, None), server(2, 3, None), server(3, 3, None)])
}

/// Server 1 of three with the promise of cluster 7 on its disk.
fn leading() -> Forming {
    let mut forming = Forming::new(own(1, 3), Stage::Empty, None, at(0));
    let plan = forming.step(&three(1), &draft(7), at(0));
    assert!(matches!(&plan.steps[..], [Step::Store(Some(promise))] if promise.set.len() == 3));
    forming.on_stored(at(1));
    forming
}

#[test]
fn a_server_that_expects_one_forms_at_once() {
    let mut forming = Forming::new(own(1, 1), Stage::Empty, None, at(0));
    let alone = roster(1, &[server(1, 1, None)]);
    let plan = forming.step(&alone, &draft(7), at(0));
    assert!(matches!(&plan.steps[..], [Step::Store(Some(_))]));
    forming.on_stored(at(1));
    assert!(
        matches!(&forming.step(&alone, &draft(8), at(1)).steps[..], [Step::Found(p)] if p.cluster == ClusterId(7))
    );
    forming.on_initialised();
    assert_eq!(
        forming.stage(),
        Stage::Initialised(Stamp { cluster: ClusterId(7), incarnation: Incarnation(1) })
    );
}

#[test]
fn a_server_that_expects_one_and_has_addresses_to_join_looks_there_first() {
    let mut forming = Forming::new(Own { has_seeds: true, ..own(1, 1) }, Stage::Empty, None, at(0));
    let alone = roster(1, &[server(1, 1, None)]);
    assert_eq!(forming.step(&alone, &draft(7), at(0)).wait, Wait::Looking);
    let later = at(0) + limits::LOOK_FOR;
    assert_eq!(forming.step(&alone, &draft(7), later).wait, Wait::Storing);
}

#[test]
fn the_lowest_of_three_gathers_three_promises_and_initialises() {
    let mut first = leading();
    let plan = first.step(&three(1), &draft(8), at(2));
    let [Step::Ask(two, promise), Step::Ask(three_, _)] = &plan.steps[..] else { panic!("{plan:?}") };
    assert_eq!((*two, *three_), (id(2), id(3)));
    for number in [2, 3] {
        let mut other = Forming::new(own(number, 3), Stage::Empty, None, at(0));
        assert_eq!(other.step(&three(number), &draft(9), at(2)).wait, Wait::Begin(id(1)));
        assert_eq!(other.on_promise_request(promise, &three(number)), Verdict::Store(promise.clone()));
        other.on_stored(at(3));
        assert_eq!(other.on_promise_request(promise, &three(number)), Verdict::Granted);
        assert_eq!(other.on_message(promise.stamp()), Service::FoundFirst(promise.clone()));
        first.on_verdict(id(number), promise.cluster, Ok(()));
    }
    assert_eq!(first.step(&three(1), &draft(8), at(4)).steps, [Step::Found(promise.clone())]);
}

#[test]
fn a_second_set_is_refused_by_name_and_a_wrong_one_for_its_number() {
    let mut other = Forming::new(own(3, 3), Stage::Empty, None, at(0));
    let promise = |initialiser: u128, cluster: u128, set: &[u128]| Promise {
        cluster: ClusterId(cluster),
        initialiser: id(initialiser),
        set: set.iter().copied().map(id).collect(),
        founder: draft(cluster),
        withdrawn: false,
    };
    let wide = promise(1, 5, &[1, 2, 3, 4, 5]);
    assert_eq!(other.on_promise_request(&wide, &three(3)), Verdict::Refused(Refusal::Expect(3)));
    for set in [&[1, 2, 4][..], &[2, 3, 1], &[3, 4, 5]] {
        let verdict = other.on_promise_request(&promise(2, 6, set), &three(3));
        assert_eq!(verdict, Verdict::Refused(Refusal::Malformed), "{set:?}");
    }
    let first = promise(1, 7, &[1, 2, 3]);
    assert!(matches!(other.on_promise_request(&first, &three(3)), Verdict::Store(_)));
    let second = promise(2, 8, &[2, 3, 4]);
    assert_eq!(other.on_promise_request(&second, &three(3)), Verdict::Refused(Refusal::Storing));
    other.on_stored(at(1));
    let held = Refusal::Promised { cluster: ClusterId(7), initialiser: id(1) };
    assert_eq!(other.on_promise_request(&second, &three(3)), Verdict::Refused(held));
    assert!(!other.on_abort(id(2), ClusterId(7)), "only the initialiser gives it up");
    assert!(other.on_abort(id(1), ClusterId(7)));
    other.on_stored(at(2));
    assert!(matches!(other.on_promise_request(&second, &three(3)), Verdict::Store(_)));
}

#[test]
fn differing_counts_form_nothing_and_are_named() {
    let mixed = roster(1, &[server(1, 3, None), server(2, 3, None), server(3, 3, None), server(4, 5, None)]);
    let mut forming = Forming::new(own(1, 3), Stage::Empty, None, at(0));
    let plan = forming.step(&mixed, &draft(7), at(0));
    assert_eq!((plan.steps, plan.wait), (vec![], Wait::Person));
    assert_eq!(
        plan.warnings[0].to_string(),
        "server \"s4\" has bootstrap-expect 5, this one 3: allowed is one number for all servers; no cluster is \
         formed before"
    );
}

#[test]
fn of_more_than_enough_servers_the_lowest_form_the_cluster() {
    let four = |own| roster(own, &[1, 2, 3, 4].map(|number| server(number, 3, None)));
    let mut first = Forming::new(own(1, 3), Stage::Empty, None, at(0));
    let plan = first.step(&four(1), &draft(7), at(0));
    assert!(
        matches!(&plan.steps[..], [Step::Store(Some(p))] if p.set == BTreeSet::from([id(1), id(2), id(3)]))
    );
    assert_eq!(plan.warnings, [Warning::TooMany { seen: 4, expect: 3 }]);
    let mut last = Forming::new(own(4, 3), Stage::Empty, None, at(0));
    assert_eq!(last.step(&four(4), &draft(8), at(0)).wait, Wait::Begin(id(1)));
}

#[test]
fn one_name_for_two_living_servers_forms_nothing() {
    let mut twin = server(3, 3, None);
    twin.name = "s2".into();
    let twins = roster(1, &[server(1, 3, None), server(2, 3, None), twin]);
    let mut forming = Forming::new(own(1, 3), Stage::Empty, None, at(0));
    let plan = forming.step(&twins, &draft(7), at(0));
    assert_eq!((plan.wait, plan.warnings), (Wait::Person, vec![Warning::Name("s2".into())]));
}

#[test]
fn a_formed_cluster_is_joined_on_its_own_word_only() {
    let seen = roster(2, &[server(2, 3, None), server(1, 1, Some(9))]);
    let stamp = Stamp { cluster: ClusterId(9), incarnation: Incarnation(1) };
    let mut forming = Forming::new(own(2, 3), Stage::Empty, None, at(0));
    let plan = forming.step(&seen, &draft(7), at(0));
    let [Step::Hello(to, hello)] = &plan.steps[..] else { panic!("{plan:?}") };
    assert_eq!((*to, plan.wait), (id(1), Wait::Confirmation));
    let answer = Answer { stamp: Some(stamp), founded: true, ..Answer::default() };
    forming.on_answer(id(1), hello, answer, at(1));
    assert_eq!(forming.step(&seen, &draft(7), at(2)).steps, [Step::Join { stamp, via: id(1) }]);
    assert_eq!(forming.on_message(stamp), Service::Serve);
    let other = Stamp { cluster: ClusterId(8), incarnation: Incarnation(1) };
    assert_eq!(forming.on_message(other), Service::Refuse);
    forming.on_formed(stamp);
    assert_eq!(forming.step(&seen, &draft(7), at(3)).wait, Wait::Formed(stamp));
}

#[test]
fn an_initialiser_that_sees_a_formed_cluster_gives_up_before_it_joins() {
    let mut forming = leading();
    let seen = roster(1, &[server(1, 3, None), server(2, 3, None), server(9, 1, Some(9))]);
    let plan = forming.step(&seen, &draft(8), at(2));
    assert_eq!(plan.steps, [Step::Store(None)]);
    forming.on_stored(at(3));
    let plan = forming.step(&seen, &draft(8), at(3));
    assert!(matches!(
        &plan.steps[..],
        [Step::Abort(two, ClusterId(7)), Step::Abort(three, ClusterId(7)), Step::Hello(nine, _)]
            if (*two, *three, *nine) == (id(2), id(3), id(9))
    ));
}

#[test]
fn members_whose_initialiser_is_gone_withdraw_and_are_free_once_no_quorum_can_be() {
    let mut first = leading();
    let plan = first.step(&three(1), &draft(8), at(2));
    let Step::Ask(_, promise) = &plan.steps[0] else { panic!("{plan:?}") };
    let mut second = Forming::new(own(2, 3), Stage::Empty, Some(promise.clone()), at(0));
    let mut third = Forming::new(own(3, 3), Stage::Empty, None, at(0));
    let late = at(0) + limits::WITHDRAW_AFTER;
    let plan = second.step(&three(2), &draft(8), late);
    assert_eq!(plan.steps, [Step::Store(Some(Promise { withdrawn: true, ..promise.clone() }))]);
    second.on_stored(late);
    assert_eq!(second.on_message(promise.stamp()), Service::Refuse);
    assert_eq!(second.on_promise_request(promise, &three(2)), Verdict::Refused(Refusal::Withdrawn));
    let plan = second.step(&three(2), &draft(8), late);
    let hello = plan.steps.iter().find_map(|step| match step {
        Step::Hello(to, hello) if *to == id(3) => Some(hello.clone()),
        _ => None,
    });
    let hello = hello.expect("a question to the third");
    let (answer, drawn_in) = third.on_hello(&hello);
    assert_eq!((answer.relation, drawn_in), (Relation::None, Some(promise.cluster)));
    assert_eq!(third.on_promise_request(promise, &three(3)), Verdict::Refused(Refusal::Withdrawn));
    third.on_forsworn(promise.cluster);
    let (answer, _) = third.on_hello(&hello);
    assert_eq!(answer.relation, Relation::Withdrawn);
    second.on_answer(id(3), &hello, answer, late);
    let plan = second.step(&three(2), &draft(8), late);
    assert_eq!(plan.steps, [Step::Forswear(promise.cluster), Step::Store(None)]);
    let mut restarted = Forming::new(own(2, 3), Stage::Empty, None, late);
    restarted = restarted.with_forsworn(BTreeSet::from([promise.cluster]));
    assert_eq!(restarted.on_promise_request(promise, &three(2)), Verdict::Refused(Refusal::Withdrawn));
}

#[test]
fn a_person_frees_a_server_whose_set_is_lost() {
    let mut first = leading();
    let plan = first.step(&three(1), &draft(8), at(2));
    let Step::Ask(_, promise) = &plan.steps[0] else { panic!("{plan:?}") };
    let mut second = Forming::new(own(2, 3), Stage::Empty, Some(promise.clone()), at(0));
    second.on_reset();
    let plan = second.step(&three(2), &draft(8), at(3));
    assert_eq!(plan.steps, [Step::Forswear(promise.cluster), Step::Store(None)]);
}

#[test]
fn a_log_that_no_quorum_can_found_is_set_aside() {
    let mut first = leading();
    let promise = first.promise().cloned().expect("its own");
    [2, 3].iter().for_each(|number| first.on_verdict(id(*number), promise.cluster, Ok(())));
    assert_eq!(first.step(&three(1), &draft(8), at(2)).steps, [Step::Found(promise.clone())]);
    let early = Hello { from: id(1), about: Some(promise.clone()), initialised: false };
    first.on_initialised();
    let withdrawn = Answer { relation: Relation::Withdrawn, ..Answer::default() };
    first.on_answer(id(2), &early, withdrawn, at(3));
    let hello = Hello { initialised: true, ..early };
    first.on_answer(id(3), &hello, withdrawn, at(3));
    let asks = |step: &Step| matches!(step, Step::Hello(..));
    assert!(first.step(&three(1), &draft(8), at(4)).steps.iter().all(asks), "one of three is not enough");
    first.on_answer(id(2), &hello, withdrawn, at(4));
    assert_eq!(first.step(&three(1), &draft(8), at(5)).steps, [Step::SetAside(promise.cluster)]);
}
