//! Who may become a member, and which member may vote.

use super::watch::{is_alive, is_well};
use super::{Member, Situation, Watch, Wish, admits};
use crate::ids::NodeId;
use crate::roster::Announcement;
use crate::time::Time;
use std::collections::BTreeSet;

/// Whether a living server that is no member is taken in.
pub(super) fn may_join(situation: &Situation, server: &Announcement) -> bool {
    let members = &situation.membership.members;
    let taken = |(id, member): (&NodeId, &Member)| {
        *id != server.id && is_alive(situation, *id) && name_of(situation, *id, member) == &*server.name
    };
    !members.contains_key(&server.id)
        && &*server.region == situation.region
        && server.stamp.is_none_or(|stamp| stamp == situation.stamp)
        && admits(situation.format, server).is_ok()
        && situation.wishes.get(&server.id) != Some(&Wish::Remove)
        && !members.iter().any(taken)
}

/// A member's present name, or the last known one.
pub(super) fn name_of<'a>(situation: &'a Situation, id: NodeId, member: &'a Member) -> &'a str {
    situation.roster.server(id).map_or(&member.name, |server| &server.name)
}

/// The members that could vote at once, in order: well for long enough, and nobody wants it otherwise.
pub(super) fn candidates<'a>(
    situation: &'a Situation,
    watch: &'a Watch,
    now: Time,
) -> impl Iterator<Item = NodeId> + 'a {
    let learners = situation.membership.members.iter().filter(|(_, member)| !member.voter).map(|(id, _)| *id);
    learners.filter(move |id| may_vote(situation, *id, now) && watch.is_stable(*id, situation.settings, now))
}

/// Whether a member is well, reads what is written, and nobody wants it not to vote.
pub(super) fn may_vote(situation: &Situation, id: NodeId, now: Time) -> bool {
    let unwanted = matches!(situation.wishes.get(&id), Some(Wish::Demote | Wish::Remove));
    let reads = situation.roster.server(id).is_some_and(|server| admits(situation.format, server).is_ok());
    is_well(situation, id, now) && reads && !unwanted && !situation.agents.contains(&id)
}

/// Whether one more vote in a member's zone is wanted, once these voters are gone.
pub(super) fn is_zone_free(situation: &Situation, id: NodeId, without: Option<NodeId>) -> bool {
    let zone_of = |id: NodeId| {
        let tag = situation.settings.zone_tag.as_ref()?;
        situation.roster.server(id)?.tags.get(tag)
    };
    let voters: BTreeSet<NodeId> = situation.membership.voters();
    let Some(zone) = zone_of(id) else { return true };
    !voters.into_iter().filter(|voter| Some(*voter) != without).any(|voter| zone_of(voter) == Some(zone))
}
