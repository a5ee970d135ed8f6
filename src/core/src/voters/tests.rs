//! Scenarios of membership, one sentence each; the simulation of clusters has the rest.

use super::*;
use crate::format::Formats;
use crate::ids::{ClusterId, Incarnation};
use crate::roster::{Announcement, Liveness, Sighting};

/// A cluster as its leader, the server 1, sees it.
struct Scene {
    roster: Roster,
    membership: Membership,
    wishes: BTreeMap<NodeId, Wish>,
    agents: BTreeSet<NodeId>,
    gone: BTreeSet<NodeId>,
    settings: Settings,
    watch: Watch,
    now: Time,
}

const STAMP: Stamp = Stamp { cluster: ClusterId(9), incarnation: Incarnation(1) };

fn id(number: u128) -> NodeId {
    NodeId(number)
}

impl Scene {
    fn of(voters: u128) -> Scene {
        let mut scene = Scene {
            roster: Roster { own: id(1), ..Roster::default() },
            membership: Membership { leader: id(1), ..Membership::default() },
            wishes: BTreeMap::new(),
            agents: BTreeSet::new(),
            gone: BTreeSet::new(),
            settings: Settings::default(),
            watch: Watch::default(),
            now: Time::from_seconds(1_000),
        };
        (1..=voters).for_each(|number| scene.come(number));
        (1..=voters).for_each(|number| scene.member(number, true));
        scene.look();
        scene
    }

    fn come(&mut self, number: u128) {
        let server = Announcement {
            id: id(number),
            name: format!("s{number}").into(),
            calls: format!("10.0.0.{number}:6868").into(),
            formats: Formats { first: 1, last: 2 },
            ..Announcement::default()
        };
        self.roster.servers.insert(id(number), Sighting { server: server.into(), liveness: Liveness::Alive });
    }

    fn announce(&mut self, number: u128, change: impl Fn(&mut Announcement)) {
        let sighting = self.roster.servers.get_mut(&id(number)).expect("seen");
        let mut server = (*sighting.server).clone();
        change(&mut server);
        sighting.server = server.into();
    }

    fn member(&mut self, number: u128, voter: bool) {
        let server = self.roster.server(id(number)).expect("seen");
        let (name, address) = (server.name.clone(), server.calls.clone());
        let member = Member { name, address, voter, lag: Some(0), heard: Some(self.now) };
        self.membership.members.insert(id(number), member);
    }

    fn fall_silent(&mut self, number: u128) {
        self.roster.servers.get_mut(&id(number)).expect("seen").liveness = Liveness::Failed;
        self.membership.members.get_mut(&id(number)).expect("a member").heard = None;
    }

    fn situation(&self) -> Situation<'_> {
        Situation {
            stamp: STAMP,
            region: "",
            format: 1,
            roster: &self.roster,
            membership: &self.membership,
            wishes: &self.wishes,
            agents: &self.agents,
            gone: &self.gone,
            settings: &self.settings,
        }
    }

    fn look(&mut self) {
        let mut watch = std::mem::take(&mut self.watch);
        watch.look(&self.situation(), self.now);
        self.watch = watch;
    }

    /// So much later, who was heard is heard still.
    fn pass(&mut self, span: Span) {
        self.look();
        self.now = self.now + span;
        let now = self.now;
        self.membership
            .members
            .values_mut()
            .filter_map(|member| member.heard.as_mut())
            .for_each(|at| *at = now);
        self.look();
    }

    fn admit(&self, number: u128, wish: Wish) -> Result<(), Unfit> {
        admit(&self.situation(), id(number), wish, self.now)
    }

    fn is_done(&self, number: u128, wish: Wish, process: u64, age: Span) -> bool {
        let wished = Wished { wish, process, at: self.now };
        is_done(&self.situation(), id(number), wished, self.now + age)
    }

    fn next(&self) -> Option<Change> {
        plan(&self.situation(), &self.watch, self.now).map(|proposal| proposal.change)
    }
}

#[test]
fn quorum_and_failure_tolerance_are_those_of_the_deployment_table() {
    for (servers, quorum_size, tolerance) in
        [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2), (6, 4, 2), (7, 4, 3)]
    {
        let scene = Scene::of(servers);
        let health = Health::of(&scene.situation(), &scene.watch, scene.now);
        assert_eq!(
            (health.healthy, health.quorum_size, health.failure_tolerance),
            (true, quorum_size, tolerance)
        );
        assert_eq!(scene.next(), None, "{servers} servers that are well");
    }
}

#[test]
fn a_failed_server_lowers_the_tolerance_and_says_why() {
    let mut scene = Scene::of(5);
    scene.fall_silent(4);
    scene.look();
    let health = Health::of(&scene.situation(), &scene.watch, scene.now);
    assert_eq!((health.healthy, health.failure_tolerance), (false, 1));
    assert_eq!(health.servers[3].complaints, [Complaint::NotAlive, Complaint::Unheard]);
}

#[test]
fn a_server_that_comes_is_taken_in_and_votes_once_it_is_near_and_was_well_for_a_while() {
    let mut scene = Scene::of(3);
    scene.come(4);
    let address: Arc<str> = "10.0.0.4:6868".into();
    assert_eq!(scene.next(), Some(Change::AddLearner { id: id(4), name: "s4".into(), address }));
    scene.member(4, false);
    scene.membership.members.get_mut(&id(4)).expect("a member").lag = Some(10_000);
    scene.pass(Span::from_seconds(60));
    assert_eq!(scene.next(), None, "it lags");
    scene.membership.members.get_mut(&id(4)).expect("a member").lag = Some(3);
    scene.pass(Span::from_seconds(2));
    assert_eq!(scene.next(), None, "not for long");
    scene.pass(Span::from_seconds(4));
    assert_eq!(scene.next(), Some(Change::Promote(id(4))));
    scene.membership.changing = true;
    assert_eq!(scene.next(), None, "one at a time");
}

#[test]
fn strangers_are_not_taken_in() {
    let mut scene = Scene::of(3);
    let other = Stamp { cluster: ClusterId(8), incarnation: Incarnation(1) };
    for change in [
        (|server| server.region = "mars".into()) as fn(&mut Announcement),
        |server| server.name = "s2".into(),
        |server| server.formats = Formats { first: 2, last: 3 },
    ] {
        scene.come(4);
        scene.announce(4, change);
        assert_eq!(scene.next(), None);
    }
    scene.come(4);
    scene.announce(4, |server| server.stamp = Some(other));
    assert_eq!(scene.next(), None);
    scene.announce(4, |server| server.stamp = Some(STAMP));
    assert!(matches!(scene.next(), Some(Change::AddLearner { .. })));
}

#[test]
fn a_dead_voter_goes_after_the_threshold_but_not_below_the_smallest_quorum() {
    let mut scene = Scene::of(4);
    scene.fall_silent(4);
    scene.pass(Span::from_seconds(limits::DEAD_AFTER.seconds() - 1));
    assert_eq!(scene.next(), None);
    scene.pass(Span::from_seconds(1));
    assert_eq!(scene.next(), Some(Change::Remove(id(4))));
    let mut scene = Scene::of(3);
    scene.fall_silent(3);
    scene.pass(limits::DEAD_AFTER);
    assert_eq!(scene.next(), None, "three are the smallest by default");
    scene.settings.min_quorum = 2;
    assert_eq!(scene.next(), Some(Change::Remove(id(3))));
    scene.settings.clean_up = false;
    assert_eq!(scene.next(), None);
}

#[test]
fn a_machine_that_is_gone_is_not_waited_for() {
    let mut scene = Scene::of(5);
    scene.gone.insert(id(5));
    assert_eq!(scene.next(), None, "the failure detector does not agree");
    scene.fall_silent(5);
    scene.look();
    assert_eq!(scene.next(), Some(Change::Remove(id(5))));
}

#[test]
fn no_wish_takes_a_voter_away_below_a_live_quorum() {
    let mut scene = Scene::of(3);
    scene.fall_silent(3);
    scene.wishes.insert(id(2), Wish::Remove);
    scene.look();
    assert_eq!(scene.next(), None);
    scene.wishes = BTreeMap::from([(id(3), Wish::Remove)]);
    assert_eq!(scene.next(), Some(Change::Remove(id(3))), "the dead one can go");
    scene.wishes = BTreeMap::from([(id(3), Wish::Demote)]);
    assert_eq!(scene.next(), Some(Change::Demote(id(3))));
}

#[test]
fn a_server_that_leaves_for_good_goes_at_once_and_stays_away() {
    let mut scene = Scene::of(3);
    scene.wishes.insert(id(2), Wish::Remove);
    assert_eq!(scene.next(), Some(Change::Remove(id(2))));
    scene.membership.members.remove(&id(2));
    assert_eq!(scene.next(), None);
}

#[test]
fn a_wish_that_would_leave_too_few_live_voters_is_refused_with_the_numbers() {
    let mut scene = Scene::of(3);
    assert_eq!(scene.admit(2, Wish::Remove), Ok(()));
    scene.fall_silent(3);
    let refused = Err(Unfit::TooFew { voters: 2, live: 1, needed: 2 });
    assert_eq!(scene.admit(2, Wish::Remove), refused);
    assert_eq!(scene.admit(2, Wish::Demote), refused);
    assert_eq!(scene.admit(1, Wish::Demote), refused, "the leader is a voter like any other");
    assert_eq!(scene.admit(3, Wish::Remove), Ok(()), "the dead one can go");
    assert_eq!(Scene::of(1).admit(1, Wish::Remove), Err(Unfit::LastVoter));
    assert_eq!(Scene::of(2).admit(1, Wish::Remove), Ok(()));
    let mut scene = Scene::of(2);
    scene.wishes.insert(id(2), Wish::Remove);
    assert_eq!(scene.admit(1, Wish::Demote), Err(Unfit::LastVoter), "with the other one's wish");
    assert_eq!(scene.admit(9, Wish::Promote), Err(Unfit::Gone));
}

#[test]
fn a_removed_server_stays_away_while_its_process_runs_and_may_come_back_by_a_new_one() {
    let mut scene = Scene::of(3);
    scene.announce(3, |server| server.process = 7);
    scene.membership.members.remove(&id(3));
    scene.wishes.insert(id(3), Wish::Remove);
    let day = Span::from_seconds(86_400);
    assert!(!scene.is_done(3, Wish::Remove, 7, day), "it runs");
    assert_eq!(scene.next(), None);
    scene.roster.servers.get_mut(&id(3)).expect("seen").liveness = Liveness::Failed;
    assert!(!scene.is_done(3, Wish::Remove, 7, day), "a moment of silence is no new start");
    scene.roster.servers.get_mut(&id(3)).expect("seen").liveness = Liveness::Alive;
    scene.announce(3, |server| server.process = 8);
    assert!(scene.is_done(3, Wish::Remove, 7, Span::ZERO));
    scene.roster.servers.remove(&id(3));
    assert!(!scene.is_done(3, Wish::Remove, 7, Span::from_seconds(60)));
    assert!(scene.is_done(3, Wish::Remove, 7, day), "nobody knows it any more");
}

#[test]
fn wishes_are_over_when_they_are_fulfilled_or_their_server_is_gone() {
    let mut scene = Scene::of(3);
    assert!(scene.is_done(3, Wish::Promote, 0, Span::ZERO), "it votes");
    assert!(!scene.is_done(3, Wish::Demote, 0, Span::ZERO), "it would be promoted again");
    scene.membership.members.remove(&id(3));
    assert!(scene.is_done(3, Wish::Demote, 0, Span::ZERO));
    assert!(!scene.is_done(3, Wish::Promote, 0, Span::ZERO), "it is on its way in");
    scene.roster.servers.remove(&id(3));
    assert!(scene.is_done(3, Wish::Promote, 0, Span::ZERO));
}

#[test]
fn a_change_that_was_begun_is_finished_before_anything_else_is_begun() {
    let mut scene = Scene::of(2);
    scene.come(3);
    scene.membership.unfinished = true;
    scene.membership.changing = true;
    assert_eq!(scene.next(), None, "it is not in the log yet");
    scene.membership.changing = false;
    scene.fall_silent(2);
    assert_eq!(scene.next(), Some(Change::Finish), "even if too few live for anything else");
}

#[test]
fn the_heir_is_the_voter_that_lags_least_and_stays() {
    let mut scene = Scene::of(4);
    let lag = |scene: &mut Scene, number: u128, lag| {
        scene.membership.members.get_mut(&id(number)).expect("a member").lag = lag;
    };
    lag(&mut scene, 2, Some(9));
    lag(&mut scene, 4, None);
    assert_eq!(heir(&scene.membership, &scene.wishes), Some(id(3)));
    scene.wishes.insert(id(3), Wish::Remove);
    assert_eq!(heir(&scene.membership, &scene.wishes), Some(id(2)));
    assert_eq!(heir(&Scene::of(1).membership, &BTreeMap::new()), None);
}

#[test]
fn a_leader_that_is_to_go_hands_over_first() {
    let mut scene = Scene::of(3);
    scene.wishes.insert(id(1), Wish::Demote);
    assert_eq!(scene.next(), Some(Change::HandOver { to: id(2) }));
}

#[test]
fn a_server_that_runs_as_an_agent_now_votes_no_more() {
    let mut scene = Scene::of(3);
    scene.agents.insert(id(3));
    assert_eq!(scene.next(), None, "it still answers as a server");
    scene.fall_silent(3);
    scene.look();
    assert_eq!(scene.next(), Some(Change::Remove(id(3))));
}

#[test]
fn a_new_id_under_a_dead_voters_name_takes_its_place_in_one_change() {
    let mut scene = Scene::of(3);
    scene.fall_silent(3);
    scene.come(4);
    scene.announce(4, |server| server.name = "s3".into());
    assert!(matches!(scene.next(), Some(Change::AddLearner { .. })));
    scene.member(4, false);
    scene.look();
    assert_eq!(scene.next(), Some(Change::Replace { old: id(3), new: id(4) }));
    scene.membership.members.get_mut(&id(4)).expect("a member").lag = None;
    assert_eq!(scene.next(), None, "not before it has caught up");
}

#[test]
fn a_new_address_is_noted() {
    let mut scene = Scene::of(3);
    scene.announce(2, |server| server.calls = "10.9.9.9:6868".into());
    assert_eq!(scene.next(), Some(Change::UpdateAddress { id: id(2), address: "10.9.9.9:6868".into() }));
}

#[test]
fn surplus_and_zone_crowding_servers_do_not_vote_until_they_are_needed() {
    let mut scene = Scene::of(3);
    scene.settings.voters_max = 3;
    scene.come(4);
    scene.member(4, false);
    scene.pass(Span::from_seconds(10));
    assert_eq!(scene.next(), None);
    scene.fall_silent(3);
    scene.pass(limits::DEAD_AFTER);
    assert_eq!(scene.next(), Some(Change::Replace { old: id(3), new: id(4) }));

    let mut scene = Scene::of(3);
    scene.settings.zone_tag = Some("zone".to_owned());
    scene.come(4);
    scene.member(4, false);
    for (number, zone) in [(1, "a"), (2, "b"), (3, "c"), (4, "c")] {
        scene.announce(number, |server| drop(server.tags.insert("zone".to_owned(), zone.to_owned())));
    }
    scene.pass(Span::from_seconds(10));
    assert_eq!(scene.next(), None);
    scene.announce(4, |server| drop(server.tags.insert("zone".to_owned(), "d".to_owned())));
    assert_eq!(scene.next(), Some(Change::Promote(id(4))));
}

#[test]
fn without_the_autopilot_only_wishes_count() {
    let mut scene = Scene::of(5);
    scene.settings.autopilot = false;
    scene.come(6);
    scene.member(6, false);
    scene.fall_silent(5);
    scene.pass(limits::DEAD_AFTER);
    assert_eq!(scene.next(), None);
    scene.wishes.insert(id(6), Wish::Promote);
    assert_eq!(scene.next(), Some(Change::Promote(id(6))));
}

#[test]
fn the_log_format_is_what_all_read_and_never_goes_back() {
    let server = |(first, last)| Announcement { formats: Formats { first, last }, ..Announcement::default() };
    let (old, new) = (server((1, 2)), server((2, 3)));
    assert_eq!(log_format(1, [Some(&old), Some(&new)]), 2);
    assert_eq!(log_format(1, [Some(&new), None]), 1, "one of whom nothing is known");
    assert_eq!(log_format(3, [Some(&old), Some(&new)]), 3);
    assert_eq!(admits(2, &old), Ok(()));
    let mut far = server((1, 2));
    (far.name, far.version) = ("s7".into(), "1.0".into());
    assert_eq!(
        admits(3, &far).expect_err("too old").to_string(),
        "server \"s7\" (version 1.0) reads log formats 1 to 2, the cluster writes 3: upgrade one release at a time"
    );
}

#[test]
fn the_format_is_raised_once_every_member_reads_the_next_one_and_not_while_the_members_change() {
    let mut scene = Scene::of(3);
    assert_eq!(raise(&scene.situation()), Some(2));
    scene.announce(3, |server| server.formats = Formats { first: 1, last: 1 });
    assert_eq!(raise(&scene.situation()), None, "a voter does not");
    scene.announce(3, |server| server.formats = Formats { first: 1, last: 3 });
    scene.come(4);
    scene.announce(4, |server| server.formats = Formats { first: 1, last: 1 });
    assert_eq!(raise(&scene.situation()), Some(2), "a stranger is not waited for");
    scene.member(4, false);
    assert_eq!(raise(&scene.situation()), None, "one that may vote later does not");
    scene.announce(4, |server| server.formats = Formats { first: 1, last: 2 });
    scene.fall_silent(4);
    assert_eq!(raise(&scene.situation()), Some(2), "one that is down was heard to read it");
    scene.membership.changing = true;
    assert_eq!(raise(&scene.situation()), None);
    scene.membership.changing = false;
    scene.roster.servers.remove(&id(4));
    assert_eq!(raise(&scene.situation()), None, "of one that was never seen nobody knows");
}

#[test]
fn who_does_not_read_what_is_written_gets_no_vote_and_is_named() {
    let mut scene = Scene::of(3);
    scene.come(4);
    scene.member(4, false);
    // Started again as an older build, after it was taken in.
    scene.announce(4, |server| server.formats = Formats { first: 2, last: 3 });
    scene.pass(limits::STABLE_FOR);
    scene.pass(limits::STABLE_FOR);
    assert_eq!(scene.next(), None);
    let unfit: Vec<String> = strangers(&scene.situation()).map(|unfit| unfit.name).collect();
    assert_eq!(unfit, ["s4"]);
    let holding: Vec<String> = holders(3, &scene.membership, &scene.roster)
        .into_iter()
        .map(|holder| holder.name.to_string())
        .collect();
    assert_eq!(holding, ["s1", "s2", "s3"]);
    let health = Health::of(&scene.situation(), &scene.watch, scene.now);
    let holding: Vec<&str> = health.holding_back().map(|server| &*server.peer.name).collect();
    assert_eq!((health.format, holding), (1, vec!["s1", "s2", "s3"]));
}

#[test]
fn a_server_sees_by_itself_that_it_does_not_read_what_its_cluster_writes() {
    let mut scene = Scene::of(3);
    let seen = |scene: &Scene| gap(&scene.roster).map(|gap| (gap.format, gap.is_final()));
    for number in 2..=3 {
        scene.announce(number, |server| (server.stamp, server.format) = (Some(STAMP), 3));
    }
    assert_eq!(seen(&scene), Some((3, true)), "a newer one: for ever");
    let said = gap(&scene.roster).expect("a gap").to_string();
    assert!(said.contains("log format 3") && said.contains("reads formats 1 to 2"), "{said}");
    scene.announce(1, |server| server.formats = Formats { first: 4, last: 5 });
    assert_eq!(seen(&scene), Some((3, false)), "an older one: it may be raised");
    scene.announce(1, |server| server.formats = Formats { first: 3, last: 5 });
    assert_eq!(seen(&scene), None);
    scene.announce(1, |server| server.formats = Formats { first: 1, last: 2 });
    let other = Stamp { cluster: ClusterId(8), incarnation: Incarnation(1) };
    scene.announce(1, |server| server.stamp = Some(other));
    assert_eq!(seen(&scene), None, "another cluster's affair");
}
