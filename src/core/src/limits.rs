//! Every bound of the deciding code, each with its reason, checked against one another.

use crate::time::Span;

/// A log entry's largest encoding in bytes: sled syncs values only while they stay far from its
/// segment size, and a small entry lets heartbeats and other writes pass between two of them.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024;
/// A job's largest encoded definition in bytes: one definition must fit in one entry.
pub const DEFINITION_BYTES_MAX: usize = 48 * 1024;
/// A job name's largest length in bytes: names are part of file names, which end at 255.
pub const NAME_BYTES_MAX: usize = 200;
/// Most pairs in each of a job's maps (tags, metadata, executor_config, one processor's settings).
pub const MAP_PAIRS_MAX: usize = 128;
/// Most processors of one job.
pub const PROCESSORS_MAX: usize = 16;
/// Most retries of one attempt; Dkron has no bound, but an endless job is an outage.
pub const RETRIES_MAX: u32 = 1_000;
/// Most nodes that one occurrence runs on.
pub const FANOUT_MAX: usize = 256;
/// Most occurrences of one job that wait their turn under `queue`.
pub const QUEUE_MAX: u16 = 100;
/// Most backfilled runs of one job that wait their turn, and most of one request: a few bytes each in an entry.
pub const BACKFILL_MAX: usize = 1_000;
/// Most jobs of one import: its commit makes them all in one turn of apply, about 9 us each (ADR 0008).
pub const IMPORT_JOBS_MAX: usize = 100_000;
/// Most decisions in one `Decide`: about 16 bytes each, well below an entry.
pub const DECISIONS_MAX: usize = 2_000;
/// Most late ticks of one job that one decision round starts.
pub const CATCHUP_STARTS_MAX: usize = 100;
/// The output that travels in the log, in bytes: the tail, for notices and lists.
pub const OUTPUT_TAIL_BYTES: usize = 4 * 1024;
/// The output kept for an execution in the history, in bytes: as Dkron.
pub const OUTPUT_BYTES_MAX: usize = 256_000;
/// How long a request id is remembered.
pub const REQUEST_MEMORY: Span = Span::from_seconds(600);
/// Most remembered request ids: the oldest gives way, so that a flood stays bounded.
pub const REQUESTS_MAX: usize = 100_000;
/// A tick up to this late starts as if on time (the default start deadline).
pub const START_DEADLINE: Span = Span::from_seconds(60);
/// How far back the latest missed tick is still started (the default catch-up window).
pub const CATCHUP_WINDOW: Span = Span::from_seconds(3_600);
/// When an execution of a silent agent is given up (the default).
pub const LOST_AFTER: Span = Span::from_seconds(24 * 3_600);
/// How long an unplaced occurrence holds its place before the job's next one takes it.
pub const UNPLACED_YIELD: Span = Span::from_seconds(60);
/// How long an execution may stand unaccepted before it is listed again.
pub const REDELIVER_AFTER: Span = Span::from_seconds(2);
/// How long an occurrence without a node waits until nodes are looked for again.
pub const PLACE_AGAIN: Span = Span::from_seconds(1);
/// The largest jitter: beyond a day a schedule is the better tool.
pub const JITTER_MAX: Span = Span::from_seconds(24 * 3_600);
/// Most executions that an agent holds unsettled: beyond it takes no new work, outcomes are never dropped.
pub const UNSETTLED_MAX: usize = 100_000;
/// Most executions that an agent has starting at a time: fewer than its supervisor queues, so that it refuses none.
pub const STARTING_MAX: u32 = 4_096;
/// How long an agent remembers a settled execution, to answer a launch that comes twice.
pub const SETTLED_MEMORY: Span = Span::from_seconds(24 * 3_600);
/// Most settled executions that an agent remembers beyond their `start_before`: about 200 bytes each.
pub const SETTLED_MAX: usize = 100_000;
/// Most executions in an agent's memory, settled ones that could still be launched again included.
pub const JOURNAL_ENTRIES_MAX: usize = 1_000_000;
/// How often a server that waits for a cluster asks another one.
pub const HELLO_EVERY: Span = Span::from_millis(250);
/// How long a server with addresses to join looks there before it forms a cluster of one.
pub const LOOK_FOR: Span = Span::from_seconds(2);
/// How long the promises of a set are asked for: who is asleep for longer is not there.
pub const ATTEMPT_FOR: Span = Span::from_seconds(5);
/// The first pause after an attempt to form a cluster that came to nothing; it doubles up to sixteen times this.
pub const ATTEMPT_PAUSE: Span = Span::from_millis(500);
/// How long the initialiser of a promised cluster may be silent before the promise is withdrawn: a restart of its
/// machine is not waited for, because withdrawing costs nothing but another attempt.
pub const WITHDRAW_AFTER: Span = Span::from_seconds(30);
/// How long a server is silent until its vote is taken away (the default): longer than the restart of a machine.
pub const DEAD_AFTER: Span = Span::from_seconds(600);
/// How long a server is well until it may vote (the default).
pub const STABLE_FOR: Span = Span::from_seconds(5);
/// How many entries a server may lag behind and be well (the default): a moment's worth under load.
pub const LAG_MAX: u64 = 250;
/// How long a server may be unheard by the leader and be well (the default): some forty heartbeats.
pub const SILENCE_MAX: Span = Span::from_seconds(2);
/// Most voters (the default): each more makes every write slower and adds little.
pub const VOTERS_MAX: usize = 7;

const _: () = assert!(UNSETTLED_MAX + SETTLED_MAX <= JOURNAL_ENTRIES_MAX);
const _: () = assert!(DEFINITION_BYTES_MAX + 4 * OUTPUT_TAIL_BYTES <= ENTRY_BYTES_MAX);
const _: () = assert!(DECISIONS_MAX * 32 <= ENTRY_BYTES_MAX);
const _: () = assert!(BACKFILL_MAX * 16 <= ENTRY_BYTES_MAX);
