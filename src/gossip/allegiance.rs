//! Which cluster each region of this pool has: two clusters on one network never mix. A pure part.
//!
//! The rule: **a pool has at most one cluster for each region.** Every datagram says what its sender takes
//! the regions' clusters to be; one that contradicts is dropped whole. A server with a stamp stands for its
//! own cluster, for ever. One without a stamp stands for none, may meet anybody, and stands for what it has
//! met from then on: otherwise it would carry news from one cluster to another. What it stands for lapses
//! when nobody of that cluster was heard of for a while; if it then meets another, it starts afresh, with
//! nothing to carry over. A claim is passed on with its age, so that those who only heard of a cluster do not
//! keep its memory alive among themselves.

use dkron_core::ids::ClusterId;
use dkron_core::roster::Announcement;
use dkron_wire::gossip::{CLAIMS_MAX, Claim};
use ring::digest::{SHA256, digest};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// What to do with a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It is of this pool.
    Welcome,
    /// It is of another cluster.
    Foreign,
    /// It is of a cluster that takes the place of one that is gone: forget all, then listen.
    Afresh,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    cluster: ClusterId,
    heard: Instant,
}

/// What this server takes the regions' clusters to be.
#[derive(Debug)]
pub(super) struct Allegiance {
    /// After this long without news a claim may be replaced.
    lapse: Duration,
    held: BTreeMap<u64, Held>,
    /// The own region and cluster, once there is one.
    own: Option<(u64, ClusterId)>,
}

/// A region's name in claims.
fn region(name: &str) -> u64 {
    let hash = digest(&SHA256, name.as_bytes());
    hash.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

impl Allegiance {
    pub(super) fn new(lapse: Duration) -> Allegiance {
        Allegiance { lapse, held: BTreeMap::new(), own: None }
    }

    /// What to say in a datagram.
    pub(super) fn claims(&self, now: Instant) -> Vec<Claim> {
        let fresh = self.held.iter().filter(|(region, held)| !self.is_lapsed(**region, held, now));
        let claims = fresh.map(|(region, held)| {
            let age = now.saturating_duration_since(held.heard).as_millis();
            Claim { region: *region, cluster: held.cluster, age_ms: age.try_into().unwrap_or(u32::MAX) }
        });
        claims.take(CLAIMS_MAX).collect()
    }

    /// Judges what a datagram says, and remembers it if it fits.
    pub(super) fn hear(&mut self, claims: &[Claim], now: Instant) -> Verdict {
        let fresh: Vec<(u64, Held)> = claims.iter().filter_map(|claim| self.read(claim, now)).collect();
        let mut verdict = Verdict::Welcome;
        for (region, said) in &fresh {
            match self.held.get(region) {
                Some(held) if held.cluster == said.cluster => {}
                Some(held) if !self.is_lapsed(*region, held, now) => return Verdict::Foreign,
                Some(_) => verdict = Verdict::Afresh,
                None => {}
            }
        }
        for (region, said) in fresh {
            self.hold(region, said);
        }
        verdict
    }

    /// Takes in what the roster says; true if all that is known has to be forgotten.
    pub(super) fn refresh<'a>(
        &mut self,
        own: &Announcement,
        living: impl Iterator<Item = &'a Announcement>,
        now: Instant,
    ) -> bool {
        let mut afresh = false;
        if let Some(stamp) = own.stamp {
            let region = region(&own.region);
            afresh = self.held.get(&region).is_some_and(|held| held.cluster != stamp.cluster);
            self.own = Some((region, stamp.cluster));
            self.hold(region, Held { cluster: stamp.cluster, heard: now });
        }
        for server in living {
            let Some(stamp) = server.stamp else { continue };
            let region = region(&server.region);
            let fits = self.held.get(&region).is_none_or(|held| held.cluster == stamp.cluster);
            if fits {
                self.hold(region, Held { cluster: stamp.cluster, heard: now });
            }
        }
        afresh
    }

    fn read(&self, claim: &Claim, now: Instant) -> Option<(u64, Held)> {
        let age = Duration::from_millis(claim.age_ms.into());
        let heard = now.checked_sub(age)?;
        (age <= self.lapse).then_some((claim.region, Held { cluster: claim.cluster, heard }))
    }

    fn hold(&mut self, region: u64, said: Held) {
        let is_full = self.held.len() >= CLAIMS_MAX && !self.held.contains_key(&region);
        if is_full && self.own.is_none_or(|(own, _)| own != region) {
            return;
        }
        let held = self.held.entry(region).or_insert(said);
        if held.cluster != said.cluster || held.heard < said.heard {
            *held = said;
        }
    }

    fn is_lapsed(&self, region: u64, held: &Held, now: Instant) -> bool {
        self.own != Some((region, held.cluster)) && now.saturating_duration_since(held.heard) > self.lapse
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dkron_core::ids::{Incarnation, Stamp};

    const LAPSE: Duration = Duration::from_secs(10);
    const A: u128 = 0xa;
    const B: u128 = 0xb;

    fn server(region: &str, cluster: u128) -> Announcement {
        let stamp = Stamp { cluster: ClusterId(cluster), incarnation: Incarnation(1) };
        Announcement {
            stamp: (cluster != 0).then_some(stamp),
            region: region.into(),
            ..Announcement::default()
        }
    }

    /// The pool as seen by a server that is of this cluster of region "one" (0: of none).
    fn seen_by(cluster: u128, now: Instant) -> Allegiance {
        let mut allegiance = Allegiance::new(LAPSE);
        assert!(!allegiance.refresh(&server("one", cluster), [].into_iter(), now));
        allegiance
    }

    fn now() -> Instant {
        crate::clock::runtime() + Duration::from_secs(3_600)
    }

    #[test]
    fn two_clusters_of_one_region_never_listen_to_one_another() {
        let now = now();
        let (mut a, mut b, mut other_a) = (seen_by(A, now), seen_by(B, now), seen_by(A, now));
        assert_eq!(a.hear(&b.claims(now), now), Verdict::Foreign);
        assert_eq!(b.hear(&a.claims(now), now + 9 * LAPSE), Verdict::Foreign);
        assert_eq!(a.hear(&other_a.claims(now), now), Verdict::Welcome);
        assert_eq!(other_a.hear(&[], now), Verdict::Welcome);
    }

    #[test]
    fn a_server_without_a_stamp_meets_anybody_and_then_carries_no_news_elsewhere() {
        let now = now();
        let (a, b, mut unformed, mut another) =
            (seen_by(A, now), seen_by(B, now), seen_by(0, now), seen_by(0, now));
        assert_eq!(unformed.hear(&another.claims(now), now), Verdict::Welcome);
        assert_eq!(unformed.hear(&a.claims(now), now), Verdict::Welcome);
        assert_eq!(unformed.hear(&b.claims(now), now), Verdict::Foreign);
        assert_eq!(another.hear(&unformed.claims(now), now), Verdict::Welcome);
        assert_eq!(another.hear(&b.claims(now), now), Verdict::Foreign);
    }

    #[test]
    fn a_cluster_that_is_gone_gives_way_to_another_and_nothing_is_carried_over() {
        let start = now();
        let (mut unformed, mut another) = (seen_by(0, start), seen_by(0, start));
        let claims = seen_by(A, start).claims(start);
        assert_eq!(unformed.hear(&claims, start), Verdict::Welcome);
        // They keep telling one another, and the claim grows old all the same.
        let mut now = start;
        while now < start + LAPSE {
            assert_eq!(another.hear(&unformed.claims(now), now), Verdict::Welcome);
            assert_eq!(unformed.hear(&another.claims(now), now), Verdict::Welcome);
            now += LAPSE / 20;
        }
        let later = start + LAPSE + LAPSE / 10;
        assert_eq!(unformed.claims(later), []);
        let b = seen_by(B, later).claims(later);
        assert_eq!(unformed.hear(&b, later), Verdict::Afresh);
        assert_eq!(unformed.hear(&b, later), Verdict::Welcome);
        assert_eq!(unformed.hear(&seen_by(A, later).claims(later), later), Verdict::Foreign);
    }

    #[test]
    fn regions_see_one_another_and_bring_no_two_clusters_of_a_third_together() {
        let now = now();
        let (one, mut two) = (seen_by(A, now), Allegiance::new(LAPSE));
        two.refresh(&server("two", B), [].into_iter(), now);
        assert_eq!(two.hear(&one.claims(now), now), Verdict::Welcome);
        let mut rival = seen_by(0xc, now);
        assert_eq!(two.hear(&rival.claims(now), now), Verdict::Foreign);
        assert_eq!(rival.hear(&two.claims(now), now), Verdict::Foreign);
    }

    #[test]
    fn who_forms_a_cluster_while_standing_for_another_starts_afresh() {
        let now = now();
        let mut unformed = seen_by(0, now);
        unformed.hear(&seen_by(A, now).claims(now), now);
        assert!(!unformed.refresh(&server("one", A), [].into_iter(), now));
        let mut other = seen_by(0, now);
        other.hear(&seen_by(A, now).claims(now), now);
        assert!(other.refresh(&server("one", B), [].into_iter(), now));
        assert!(!other.refresh(&server("one", B), [].into_iter(), now));
    }

    #[test]
    fn what_lives_is_remembered_and_the_memory_is_bounded() {
        let start = now();
        let mut unformed = seen_by(0, start);
        unformed.hear(&seen_by(A, start).claims(start), start);
        let later = start + 2 * LAPSE;
        unformed.refresh(&server("one", 0), [server("one", A)].iter(), later);
        assert_eq!(unformed.hear(&seen_by(B, later).claims(later), later), Verdict::Foreign);
        let claims: Vec<Claim> =
            (0..40).map(|region| Claim { region, cluster: ClusterId(1), age_ms: 0 }).collect();
        unformed.hear(&claims, later);
        assert!(unformed.claims(later).len() <= CLAIMS_MAX);
        unformed.refresh(&server("own", B), [].into_iter(), later);
        assert!(unformed.held.contains_key(&region("own")));
    }
}
