//! How the clocks of the servers stand to one another, so that one wrong clock decides nothing.
//!
//! A leader learns with every answer to a heartbeat what its peer's clock shows, and remembers it against its own
//! boot clock, which nobody sets: so a jump of its own clock does not make the others' look wrong. The median of the
//! voters' clocks is what the cluster goes by. With an even number of known clocks it is the lower one of the two in
//! the middle: a tick that starts late is better than one that starts early.

use crate::ids::NodeId;
use crate::time::{Span, Time};
use std::collections::BTreeMap;

/// A clock that is this far from the median, and by what a measurement may err, is out of step.
pub const OUT_OF_STEP: Span = Span::from_millis(250);
/// A measurement that may err by more says nothing: its answer was too long on its way.
const ERROR_MAX: Span = Span::from_millis(500);
/// A clock that was last heard of so long ago does not count any more.
const FORGOTTEN: Span = Span::from_seconds(600);

/// What one server knows of the clocks of the others.
#[derive(Clone, Debug, Default)]
pub struct Clocks {
    heard: BTreeMap<NodeId, Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Its wall clock less our boot clock.
    base: Span,
    /// By how much that may be wrong.
    error: Span,
    /// By our boot clock.
    at: Span,
}

/// Both clocks of this server, read together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Own {
    /// This server.
    pub id: NodeId,
    /// What its wall clock shows.
    pub wall: Time,
    /// What its boot clock shows.
    pub boot: Span,
}

/// How this server's clock stands to the median.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Fewer clocks are known than make a quorum.
    Unknown,
    /// As it should be.
    InStep,
    /// It is ahead by this much, or behind, and what the median shows is another time.
    Apart {
        /// How far it is ahead; negative if it is behind.
        ahead: Span,
        /// What the median shows.
        time: Time,
    },
}

impl Clocks {
    /// Takes in what a peer's clock showed, between two readings of the own boot clock: before it was asked and when
    /// its answer was there.
    pub fn heard(&mut self, peer: NodeId, shown: Time, (asked, answered): (Span, Span)) {
        let error = Span::from_nanos(answered.nanos().saturating_sub(asked.nanos()) / 2);
        if error <= ERROR_MAX && error >= Span::ZERO {
            let middle = asked.nanos().saturating_add(error.nanos());
            let base = Span::from_nanos(shown.nanos().saturating_sub(middle));
            self.heard.insert(peer, Sample { base, error, at: answered });
        }
    }

    /// How the own clock stands to those of the voters, the own one among them.
    pub fn standing(&self, own: Own, voters: &[NodeId]) -> Standing {
        let here = Sample { base: base(own), error: Span::ZERO, at: own.boot };
        let mut known: Vec<Sample> = voters.iter().filter_map(|id| self.sample(*id, own.boot)).collect();
        if voters.contains(&own.id) {
            known.push(here);
        }
        if known.is_empty() || known.len() < crate::voters::quorum(voters.len()) {
            return if voters.len() <= 1 { Standing::InStep } else { Standing::Unknown };
        }
        known.sort_by_key(|sample| sample.base);
        let median = known[(known.len() - 1) / 2];
        let ahead = Span::from_nanos(here.base.nanos().saturating_sub(median.base.nanos()));
        let allowed = OUT_OF_STEP.nanos().saturating_add(median.error.nanos());
        match ahead.nanos().saturating_abs() > allowed {
            false => Standing::InStep,
            true => Standing::Apart { ahead, time: own.wall - ahead },
        }
    }

    /// How far each peer's clock is ahead of the own one, as last heard.
    pub fn offsets(&self, own: Own) -> BTreeMap<NodeId, Span> {
        let ahead = |sample: &Sample| Span::from_nanos(sample.base.nanos().saturating_sub(base(own).nanos()));
        let known = self.heard.keys().filter_map(|id| Some((*id, self.sample(*id, own.boot)?)));
        known.map(|(id, sample)| (id, ahead(&sample))).collect()
    }

    fn sample(&self, id: NodeId, now: Span) -> Option<Sample> {
        let sample = self.heard.get(&id)?;
        let age = now.nanos().saturating_sub(sample.at.nanos());
        (age <= FORGOTTEN.nanos()).then_some(*sample)
    }
}

/// The leader's clock as its messages to an agent tell: never ahead of it, and behind by as long as the quickest of
/// the last messages was on its way. So the agent's own clock may be wrong and nothing starts early or is refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// What was shown less the own boot clock: the most of this while and of the one before.
    now: Option<Span>,
    before: Option<Span>,
    since: Span,
}

/// How long the quickest message counts, once or twice: clocks drift.
const WHILE: Span = Span::from_seconds(30);
/// No message is so long on its way: the leader's clock was set back.
const SET_BACK: Span = Span::from_seconds(10);

impl Told {
    /// Before anything was told.
    pub const fn new() -> Told {
        Told { now: None, before: None, since: Span::ZERO }
    }

    /// Takes in what the leader's clock showed when it sent something that is here at this time of the boot clock.
    pub fn tell(&mut self, shown: Time, boot: Span) {
        let base = Span::from_nanos(shown.nanos().saturating_sub(boot.nanos()));
        let most = self.now.max(self.before);
        if most.is_some_and(|most| most.nanos().saturating_sub(base.nanos()) > SET_BACK.nanos()) {
            *self = Told { now: Some(base), before: None, since: boot };
        } else if boot.nanos().saturating_sub(self.since.nanos()) > WHILE.nanos() {
            *self = Told { now: Some(base), before: self.now, since: boot };
        } else {
            self.now = self.now.max(Some(base));
        }
    }

    /// What the leader's clock shows now, as far as it told; none if it never did.
    pub fn time(&self, boot: Span) -> Option<Time> {
        let most = self.now.max(self.before)?;
        Some(Time::from_nanos(most.nanos().saturating_add(boot.nanos())))
    }
}

fn base(own: Own) -> Span {
    Span::from_nanos(own.wall.nanos().saturating_sub(own.boot.nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOTERS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

    fn own(seconds: i64) -> Own {
        Own { id: NodeId(1), wall: Time::from_seconds(seconds), boot: Span::from_seconds(50) }
    }

    /// A peer that shows this when the own boot clock shows 50 s.
    fn hear(clocks: &mut Clocks, peer: u128, seconds: i64, way_ms: i64) {
        let at = |ms: i64| Span::from_millis(50_000 + ms);
        clocks.heard(NodeId(peer), Time::from_seconds(seconds), (at(-way_ms), at(way_ms)));
    }

    #[test]
    fn one_wrong_clock_of_three_is_told_from_the_two_right_ones() {
        let mut clocks = Clocks::default();
        assert_eq!(clocks.standing(own(1_000), &VOTERS), Standing::Unknown);
        hear(&mut clocks, 2, 1_000, 1);
        hear(&mut clocks, 3, 4_600, 1);
        assert_eq!(clocks.standing(own(1_000), &VOTERS), Standing::InStep);
        for wrong in [4_600, 990] {
            let mut clocks = Clocks::default();
            hear(&mut clocks, 2, 1_000, 1);
            hear(&mut clocks, 3, 1_000, 1);
            let ahead = Span::from_seconds(wrong - 1_000);
            let apart = Standing::Apart { ahead, time: Time::from_seconds(1_000) };
            assert_eq!(clocks.standing(own(wrong), &VOTERS), apart);
        }
        assert_eq!(clocks.offsets(own(1_000))[&NodeId(3)], Span::from_seconds(3_600));
    }

    #[test]
    fn of_two_clocks_that_differ_the_one_behind_is_gone_by_on_both_servers() {
        let mut clocks = Clocks::default();
        hear(&mut clocks, 2, 1_000, 1);
        assert!(matches!(clocks.standing(own(1_010), &VOTERS), Standing::Apart { .. }));
        hear(&mut clocks, 2, 1_010, 1);
        assert_eq!(clocks.standing(own(1_000), &VOTERS), Standing::InStep);
    }

    #[test]
    fn a_jump_of_the_own_clock_leaves_the_others_where_they_were() {
        let mut clocks = Clocks::default();
        hear(&mut clocks, 2, 1_000, 1);
        hear(&mut clocks, 3, 1_000, 1);
        let later = Own { boot: Span::from_seconds(60), ..own(1_010) };
        assert_eq!(clocks.standing(later, &VOTERS), Standing::InStep);
        let jumped = Own { boot: Span::from_seconds(60), ..own(4_610) };
        let apart = Standing::Apart { ahead: Span::from_seconds(3_600), time: Time::from_seconds(1_010) };
        assert_eq!(clocks.standing(jumped, &VOTERS), apart);
    }

    #[test]
    fn an_answer_that_took_long_says_nothing_and_one_that_took_a_while_says_less() {
        let mut clocks = Clocks::default();
        hear(&mut clocks, 2, 1_000, 600);
        assert_eq!(clocks.standing(own(1_000), &VOTERS), Standing::Unknown);
        hear(&mut clocks, 2, 1_000, 400);
        let at = |ms: i64| Own { wall: Time::from_nanos(1_000_000_000_000 + ms * 1_000_000), ..own(0) };
        assert_eq!(clocks.standing(at(600), &VOTERS), Standing::InStep);
        assert!(matches!(clocks.standing(at(700), &VOTERS), Standing::Apart { .. }));
    }

    #[test]
    fn who_votes_alone_goes_by_its_own_clock_and_old_news_is_no_news() {
        assert_eq!(Clocks::default().standing(own(7), &VOTERS[..1]), Standing::InStep);
        let mut clocks = Clocks::default();
        hear(&mut clocks, 2, 1_000, 1);
        let later = Own { boot: Span::from_seconds(700), ..own(1_650) };
        assert_eq!(clocks.standing(later, &VOTERS), Standing::Unknown);
    }

    #[test]
    fn an_agent_goes_by_the_quickest_message_and_follows_a_clock_that_was_set() {
        let mut told = Told::new();
        assert_eq!(told.time(Span::from_seconds(5)), None);
        let at = |seconds: i64| Span::from_seconds(seconds);
        told.tell(Time::from_seconds(1_000), at(1));
        // This one was on its way for two seconds.
        told.tell(Time::from_seconds(1_001), at(4));
        assert_eq!(told.time(at(5)), Some(Time::from_seconds(1_004)));
        told.tell(Time::from_seconds(4_610), at(10));
        assert_eq!(told.time(at(11)), Some(Time::from_seconds(4_611)));
        told.tell(Time::from_seconds(1_010), at(12));
        assert_eq!(told.time(at(13)), Some(Time::from_seconds(1_011)));
        // A clock that drifts back is followed after two whiles.
        for second in [50, 90, 130] {
            told.tell(Time::from_seconds(997 + second), at(second));
        }
        assert_eq!(told.time(at(130)), Some(Time::from_seconds(1_127)));
    }
}
