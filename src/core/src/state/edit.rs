//! The only ways to change the state. Each keeps the indexes and the digest true to the records.

use super::record::{Cluster, Item, JobRecord, NodeRecord, Occurrence, Remembered, Staged, Turn};
use super::{Slot, State, digest};
use crate::access::Token;
use crate::ids::{JobSlot, NodeId, NodeSlot, OccurrenceRef, Origin, RequestId, TokenId};
use crate::rules::Rules;
use crate::schedule::Zone;
use crate::time::Time;
use crate::voters::Wished;
use std::sync::Arc;

impl State {
    pub(crate) fn advance(&mut self, applied: u64, time: Time) {
        self.applied = applied;
        self.time = time;
    }

    pub(super) fn swap_digest(&mut self, old: u128, new: u128) {
        self.digest = self.digest.wrapping_sub(old).wrapping_add(new);
        self.touched += 1;
    }

    pub(crate) fn set_cluster(&mut self, cluster: Cluster, default_zone: Zone) {
        let old = self.cluster.as_ref().map_or(0, digest::cluster);
        self.swap_digest(old, digest::cluster(&cluster));
        self.cluster = Some(cluster);
        self.default_zone = default_zone;
    }

    pub(crate) fn set_default_zone(&mut self, zone: Zone) {
        self.default_zone = zone;
    }

    pub(crate) fn edit_cluster(&mut self, edit: impl FnOnce(&mut Cluster)) {
        let Some(mut cluster) = self.cluster.take() else { return };
        let old = digest::cluster(&cluster);
        edit(&mut cluster);
        self.swap_digest(old, digest::cluster(&cluster));
        self.cluster = Some(cluster);
    }

    /// The shared copy of these rules.
    fn share_rules(&mut self, rules: Arc<Rules>) -> Arc<Rules> {
        match self.rules.get_key_value(&rules) {
            Some((shared, users)) => {
                let (shared, users) = (shared.clone(), users + 1);
                self.rules.insert(shared.clone(), users);
                shared
            }
            None => {
                self.rules.insert(rules.clone(), 1);
                rules
            }
        }
    }

    fn drop_rules(&mut self, rules: &Arc<Rules>) {
        match self.rules.get(rules) {
            Some(users) if *users > 1 => {
                let users = users - 1;
                self.rules.insert(rules.clone(), users);
            }
            _ => {
                self.rules.remove(rules);
            }
        }
    }

    /// The slot and generation that the next new job gets.
    fn vacancy(&self) -> (JobSlot, u32) {
        match self.free.last() {
            Some(slot) => match self.jobs.get(slot.0 as usize) {
                Some(Slot::Free(generation)) => (*slot, generation + 1),
                _ => (*slot, 1),
            },
            None => (JobSlot(self.jobs.len() as u32), 1),
        }
    }

    pub(crate) fn insert_job(&mut self, mut record: JobRecord) -> JobSlot {
        let (slot, generation) = self.vacancy();
        record.generation = generation;
        if self.free.pop_back().is_some() {
            self.swap_digest(digest::free(slot, generation - 1), 0);
        }
        self.place_job(slot, record);
        slot
    }

    /// Puts a record into a slot that holds none.
    pub(super) fn place_job(&mut self, slot: JobSlot, mut record: JobRecord) {
        record.rules = self.share_rules(record.rules);
        while self.jobs.len() <= slot.0 as usize {
            self.jobs.push_back(Slot::Free(0));
        }
        self.names.insert(record.name.clone(), slot);
        self.places.add(&record.name, &self.names);
        if let Some(parent) = record.parent {
            self.children.insert((parent, slot));
        }
        self.note_replan(slot, record.needs_replan());
        self.swap_digest(0, digest::job(slot, &record));
        self.jobs.set(slot.0 as usize, Slot::Living(Arc::new(record)));
    }

    /// Puts the generation of its last user into a slot that was never used on this server.
    pub(super) fn place_free(&mut self, slot: JobSlot, generation: u32) {
        while self.jobs.len() <= slot.0 as usize {
            self.jobs.push_back(Slot::Free(0));
        }
        self.jobs.set(slot.0 as usize, Slot::Free(generation));
        self.free.push_back(slot);
        self.swap_digest(0, digest::free(slot, generation));
    }

    /// Changes what ticks and outcomes change of a job: cursor, next due time, counters, counts. It costs neither
    /// the definition's hash nor a look at anything else.
    pub(crate) fn advance_job(&mut self, slot: JobSlot, advance: impl FnOnce(&mut JobRecord)) {
        let Some(Slot::Living(shared)) = self.jobs.get_mut(slot.0 as usize) else { return };
        let record = Arc::make_mut(shared);
        let settings = cfg!(debug_assertions).then(|| digest::job_settings(slot, record));
        let (old, cursor) = (digest::job_progress(slot, record), record.cursor);
        advance(record);
        debug_assert!(record.cursor >= cursor, "invariant 2: the cursor of {} moved back", record.name);
        debug_assert_eq!(settings, Some(digest::job_settings(slot, record)), "{} was edited", record.name);
        let (new, needs_replan) = (digest::job_progress(slot, record), record.needs_replan());
        self.swap_digest(old, new);
        self.note_replan(slot, needs_replan);
    }

    pub(crate) fn edit_job(&mut self, slot: JobSlot, edit: impl FnOnce(&mut JobRecord)) {
        let Some(Slot::Living(shared)) = self.jobs.get_mut(slot.0 as usize) else { return };
        let record = Arc::make_mut(shared);
        let old = digest::job(slot, record);
        let (cursor, parent, rules) = (record.cursor, record.parent, record.rules.clone());
        edit(record);
        debug_assert!(record.cursor >= cursor, "invariant 2: the cursor of {} moved back", record.name);
        let (new, new_parent, new_rules) = (digest::job(slot, record), record.parent, record.rules.clone());
        let needs_replan = record.needs_replan();
        self.swap_digest(old, new);
        self.note_replan(slot, needs_replan);
        if parent != new_parent {
            parent.map(|parent| self.children.remove(&(parent, slot)));
            new_parent.map(|parent| self.children.insert((parent, slot)));
        }
        if !Arc::ptr_eq(&rules, &new_rules) {
            let shared = self.share_rules(new_rules);
            self.drop_rules(&rules);
            if let Some(Slot::Living(record)) = self.jobs.get_mut(slot.0 as usize) {
                Arc::make_mut(record).rules = shared;
            }
        }
    }

    pub(crate) fn remove_job(&mut self, slot: JobSlot) -> Option<Arc<JobRecord>> {
        let record = self.job(slot)?.clone();
        self.names.remove(&record.name);
        self.places.take(&record.name);
        record.parent.map(|parent| self.children.remove(&(parent, slot)));
        self.drop_rules(&record.rules);
        self.replan.remove(&slot);
        self.jobs.set(slot.0 as usize, Slot::Free(record.generation));
        self.free.push_back(slot);
        self.swap_digest(digest::job(slot, &record), digest::free(slot, record.generation));
        Some(record)
    }

    /// Keeps the list of jobs that the leader must file anew.
    fn note_replan(&mut self, slot: JobSlot, needed: bool) {
        if needed {
            self.replan.insert(slot);
        } else if !self.replan.is_empty() {
            self.replan.remove(&slot);
        }
    }

    pub(super) fn take_place(&mut self, item: Item) -> u64 {
        let place = self.next_place;
        self.next_place += 1;
        self.agenda.insert(place, item);
        place
    }

    /// Brings indexes and agenda from what they say of `old` to what they must say of `new`.
    fn reindex(&mut self, reference: OccurrenceRef, old: Option<&Occurrence>, new: Option<&mut Occurrence>) {
        if let Some(old) = old {
            self.unindex(reference, old, new.as_deref());
        }
        let Some(new) = new else { return };
        if let Turn::Unplaced(place) = &mut new.turn {
            if *place == 0 {
                *place = self.take_place(Item::Place(reference));
            }
            self.timers.insert((new.gives_up_at, super::record::Timer::Unplaced(reference)));
        }
        let names: Vec<_> = new.named_executions(reference).map(|(name, _)| name).collect();
        for (name, execution) in names.into_iter().zip(&mut new.executions) {
            if let Some(timer) = execution.timer(name) {
                self.timers.insert(timer);
            }
            if execution.is_live() {
                self.by_node.insert((execution.node, name));
                self.add_load(execution.node, 1);
            }
            match execution.item(name) {
                Some(item) if execution.agenda == 0 => execution.agenda = self.take_place(item),
                Some(_) => {}
                None => execution.agenda = 0,
            }
        }
    }

    /// Takes out what the indexes say of `old`; agenda places stay where `new` still has the same item.
    fn unindex(&mut self, reference: OccurrenceRef, old: &Occurrence, new: Option<&Occurrence>) {
        if let Turn::Unplaced(place) = old.turn {
            self.timers.remove(&(old.gives_up_at, super::record::Timer::Unplaced(reference)));
            if new.is_none_or(|new| new.turn != old.turn) {
                self.agenda.remove(&place);
            }
        }
        for (name, execution) in old.named_executions(reference) {
            if let Some(timer) = execution.timer(name) {
                self.timers.remove(&timer);
            }
            if execution.is_live() {
                self.by_node.remove(&(execution.node, name));
                self.add_load(execution.node, -1);
            }
            let kept = new
                .and_then(|new| new.executions.get(usize::from(name.ordinal)))
                .is_some_and(|new| new.agenda == execution.agenda);
            if execution.agenda != 0 && !kept {
                self.agenda.remove(&execution.agenda);
            }
        }
    }

    fn add_load(&mut self, node: NodeSlot, change: i32) {
        if let Some(load) = self.loads.get_mut(node.0 as usize) {
            *load = load.saturating_add_signed(change);
        }
    }

    pub(crate) fn insert_occurrence(&mut self, reference: OccurrenceRef, mut occurrence: Occurrence) {
        debug_assert!(!self.occurrences.contains_key(&reference), "invariant 1: {reference:?} twice");
        self.reindex(reference, None, Some(&mut occurrence));
        self.by_job.insert((occurrence.job, reference));
        self.swap_digest(0, digest::occurrence(reference, &occurrence));
        let occurrence = Arc::new(occurrence);
        self.occurrences.insert(reference, occurrence.clone());
        self.follow_backfill(&occurrence);
    }

    pub(crate) fn edit_occurrence(&mut self, reference: OccurrenceRef, edit: impl FnOnce(&mut Occurrence)) {
        let Some(old) = self.occurrences.get(&reference).cloned() else { return };
        let mut new = Occurrence::clone(&old);
        edit(&mut new);
        for (old, new) in old.executions.iter().zip(&mut new.executions) {
            let name = crate::ids::ExecutionRef { occurrence: reference, ordinal: 0, attempt: 0 };
            if old.item(name) != new.item(name) || old.attempt != new.attempt {
                new.agenda = 0;
            }
        }
        self.reindex(reference, Some(&old), Some(&mut new));
        self.swap_digest(digest::occurrence(reference, &old), digest::occurrence(reference, &new));
        self.occurrences.insert(reference, Arc::new(new));
    }

    pub(crate) fn remove_occurrence(&mut self, reference: OccurrenceRef) -> Option<Arc<Occurrence>> {
        let old = self.occurrences.remove(&reference)?;
        self.reindex(reference, Some(&old), None);
        self.by_job.remove(&(old.job, reference));
        self.swap_digest(digest::occurrence(reference, &old), 0);
        self.follow_backfill(&old);
        Some(old)
    }

    /// What is or was made of a backfill row says whether the next one may be decided.
    fn follow_backfill(&mut self, occurrence: &Occurrence) {
        if matches!(occurrence.origin, Origin::Backfill(_)) {
            self.settle_backfill(occurrence.job);
        }
    }

    pub(crate) fn insert_node(&mut self, node: NodeRecord) -> NodeSlot {
        let slot = NodeSlot(self.nodes.len() as u32);
        self.node_ids.insert(node.registration.node, slot);
        self.name_node(node.registration.name.clone(), slot, node.liveness.is_gone());
        self.swap_digest(0, digest::node(slot, &node));
        self.nodes.push_back(Arc::new(node));
        self.loads.push_back(0);
        slot
    }

    pub(crate) fn edit_node(&mut self, slot: NodeSlot, edit: impl FnOnce(&mut NodeRecord)) {
        let Some(shared) = self.nodes.get_mut(slot.0 as usize) else { return };
        let old = digest::node(slot, shared);
        let node = Arc::make_mut(shared);
        let name = node.registration.name.clone();
        edit(node);
        let (new, new_name) = (digest::node(slot, node), node.registration.name.clone());
        let gone = node.liveness.is_gone();
        self.swap_digest(old, new);
        if name != new_name && self.node_names.get(&name) == Some(&slot) {
            self.node_names.remove(&name);
        }
        self.name_node(new_name, slot, gone);
    }

    /// A name leads to the living node that has it; a given-up namesake never takes it away, so that also a
    /// state read from a snapshot knows whose it is.
    fn name_node(&mut self, name: Arc<str>, slot: NodeSlot, gone: bool) {
        let other = self.node_names.get(&name).and_then(|other| self.node(*other));
        if !gone || other.is_none_or(|other| other.liveness.is_gone()) {
            self.node_names.insert(name, slot);
        }
    }

    pub(crate) fn set_wish(&mut self, server: NodeId, wished: Option<Wished>) {
        let old = self.wishes.remove(&server).map_or(0, |old| digest::wish(server, &old));
        let new = wished.as_ref().map_or(0, |new| digest::wish(server, new));
        self.swap_digest(old, new);
        if let Some(wished) = wished {
            self.wishes.insert(server, wished);
        }
    }

    pub(crate) fn remember(&mut self, request: RequestId, remembered: Remembered) {
        self.swap_digest(0, digest::remembered(request, &remembered));
        self.remembered_times.insert((remembered.at, request));
        self.remembered.insert(request, Arc::new(remembered));
    }

    /// Forgets requests answered before `horizon`, and the oldest beyond `max`; a few at a time.
    pub(crate) fn forget_requests(&mut self, horizon: Time, max: usize) {
        for _ in 0..64 {
            let Some((at, request)) = self.remembered_times.get_min().copied() else { return };
            if at >= horizon && self.remembered.len() <= max {
                return;
            }
            self.remembered_times.remove(&(at, request));
            if let Some(old) = self.remembered.remove(&request) {
                self.swap_digest(digest::remembered(request, &old), 0);
            }
        }
    }

    pub(crate) fn set_staged(&mut self, import: RequestId, staged: Option<Staged>) {
        let old = self.staged.remove(&import).map_or(0, |old| digest::staged(import, &old));
        let new = staged.as_ref().map_or(0, |new| digest::staged(import, new));
        self.swap_digest(old, new);
        if let Some(staged) = staged {
            self.staged.insert(import, Arc::new(staged));
        }
    }

    pub(crate) fn set_token(&mut self, id: TokenId, token: Option<Token>) {
        let old = self.tokens.remove(&id).map_or(0, |old| digest::token(id, &old));
        let new = token.as_ref().map_or(0, |new| digest::token(id, new));
        self.swap_digest(old, new);
        if let Some(token) = token {
            self.tokens.insert(id, Arc::new(token));
        }
    }

    /// Forgets imports whose last part came before `horizon`: their client is gone.
    pub(crate) fn forget_imports(&mut self, horizon: Time) {
        let old: Vec<RequestId> = self
            .staged
            .iter()
            .filter(|(_, staged)| staged.touched_at < horizon)
            .map(|(import, _)| *import)
            .collect();
        for import in old {
            self.set_staged(import, None);
        }
    }
}
