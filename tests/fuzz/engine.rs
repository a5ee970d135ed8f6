//! The search: the corpus, its mutations, what they are held against, and what is kept.

use super::chance::Chance;
use dkron::clock;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

/// No input is longer: what is found in a short one is understood.
const INPUT_BYTES_MAX: usize = 8 * 1024;
/// Inputs that are mutated further.
const POOL_MAX: usize = 4_000;
/// Files of one target in the corpus.
const KEPT_MAX: usize = 60;
/// What a whole run may take of memory, whatever the inputs promise.
const MEMORY_KIB_MAX: u64 = 2 * 1024 * 1024;

/// What inputs are held against.
pub(super) struct Target {
    /// Its folder in the corpus.
    pub(super) name: &'static str,
    /// Inputs beside those of the corpus.
    pub(super) seeds: fn() -> Vec<Vec<u8>>,
    /// Rounds of a run that is bounded by nothing else: about a second.
    pub(super) rounds: u64,
    /// Words that mean something here.
    pub(super) words: &'static [&'static str],
    /// What came of an input, in words: new words are a find. An error is a broken promise.
    pub(super) run: fn(&[u8]) -> Result<String, String>,
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Runs a target over its corpus and what chance makes of it.
pub(super) fn fuzz(target: &Target) {
    let seconds = variable("FUZZ_SECONDS");
    let seed = variable("FUZZ_SEED").unwrap_or(seconds.map_or(1, |_| clock::wall().nanos() as u64));
    let rounds = variable("FUZZ_ROUNDS").unwrap_or(if seconds.is_some() { u64::MAX } else { target.rounds });
    let began = clock::monotonic();
    let mut search = Search { target, seed, pool: Vec::new(), seen: BTreeSet::new(), kept: 0 };
    search.read_corpus();
    let mut chance = Chance::new(seed);
    let mut round = 0;
    let open = |round: u64| {
        let late = seconds.is_some_and(|seconds| began.elapsed() > Duration::from_secs(seconds));
        round < rounds && !late
    };
    while open(round) {
        round += 1;
        let (one, other) = (chance.pick(&search.pool), chance.pick(&search.pool));
        let Some((one, other)) = one.zip(other) else { break };
        let mut input = chance.mutate(one, other, target.words);
        input.truncate(INPUT_BYTES_MAX);
        search.try_new(input, round);
    }
    println!(
        "{}: seed {seed}, {round} rounds in {:.1?}, {} kinds of outcome, {} inputs kept, {} MiB at most",
        target.name,
        began.elapsed(),
        search.seen.len(),
        search.kept,
        memory_kib() / 1024
    );
    assert!(memory_kib() < MEMORY_KIB_MAX, "{}: seed {seed} takes {} KiB", target.name, memory_kib());
}

struct Search<'a> {
    target: &'a Target,
    seed: u64,
    pool: Vec<Vec<u8>>,
    /// Kinds of outcome, as hashes of their words.
    seen: BTreeSet<u64>,
    kept: usize,
}

impl Search<'_> {
    fn folder(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpus").join(self.target.name)
    }

    /// The corpus by file name, so that each run takes it in the same order.
    fn read_corpus(&mut self) {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(self.folder()).into_iter().flatten().flatten() {
            let bytes = fs::read(entry.path()).expect("the corpus is read");
            files.insert(entry.file_name(), bytes);
        }
        assert!(!files.is_empty(), "{}: no corpus", self.folder().display());
        self.kept = files.len();
        for input in files.into_values().chain((self.target.seeds)()) {
            let words = self.check(&input, 0);
            self.seen.insert(hash(kind(&words).as_bytes()));
            self.pool.push(input);
        }
    }

    fn try_new(&mut self, input: Vec<u8>, round: u64) {
        let words = self.check(&input, round);
        let fresh = self.seen.insert(hash(kind(&words).as_bytes()));
        if fresh && self.pool.len() < POOL_MAX {
            if std::env::var_os("FUZZ_KEEP").is_some() && self.kept < KEPT_MAX {
                self.keep("found", &input);
                self.kept += 1;
            }
            self.pool.push(input);
        }
    }

    fn keep(&self, word: &str, input: &[u8]) -> PathBuf {
        fs::create_dir_all(self.folder()).expect("a folder for the corpus");
        let path = self.folder().join(format!("{word}-{:016x}", hash(input)));
        fs::write(&path, input).expect("an input is kept");
        path
    }

    /// What came of an input; a broken promise is cut down, kept and told.
    fn check(&self, input: &[u8], round: u64) -> String {
        let problem = match self.outcome(input) {
            Ok(words) => return words,
            Err(problem) => problem,
        };
        let small = self.cut_down(input.to_vec(), &kind(&problem));
        let path = self.keep("broken", &small);
        panic!(
            "{}: seed {}, round {round}: {problem}\nkept as {}: {}",
            self.target.name,
            self.seed,
            path.display(),
            small.escape_ascii()
        );
    }

    fn outcome(&self, input: &[u8]) -> Result<String, String> {
        let run = catch_unwind(AssertUnwindSafe(|| (self.target.run)(input)));
        run.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            Err(format!("panic: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?")))
        })
    }

    /// The same break from fewer bytes.
    fn cut_down(&self, mut input: Vec<u8>, same: &str) -> Vec<u8> {
        let mut step = input.len() / 2;
        while step > 0 {
            let mut at = 0;
            while at < input.len() {
                let mut shorter = input.clone();
                shorter.drain(at..(at + step).min(input.len()));
                match self.outcome(&shorter) {
                    Err(problem) if kind(&problem) == same => input = shorter,
                    _ => at += step,
                }
            }
            step /= 2;
        }
        input
    }
}

/// The plain words of an outcome, a few of them, without what stands in quotes or holds more than letters (or is one
/// digit): mostly what differs from value to value.
fn kind(words: &str) -> String {
    let mut plain = String::new();
    let mut quote = None;
    for letter in words.chars() {
        match quote {
            Some(end) if letter == end => quote = None,
            Some(_) => {}
            None if matches!(letter, '\'' | '"') => quote = Some(letter),
            None => plain.push(letter),
        }
    }
    let is_plain = |word: &&str| {
        let digit = matches!(word.as_bytes(), [digit] if digit.is_ascii_digit());
        digit
            || word.len() < 14
                && word.chars().all(|letter| letter.is_ascii_alphabetic() || ":;,.".contains(letter))
    };
    plain.split_whitespace().filter(is_plain).take(12).collect::<Vec<_>>().join(" ")
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The most memory that this process ever had.
fn memory_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Whether what was read and written again is in proportion to what was read.
pub(super) fn in_proportion(read: usize, written: usize) -> Result<(), String> {
    match written <= 64 * read + 4096 {
        true => Ok(()),
        false => Err(format!("{read} bytes are read as something of {written}")),
    }
}

/// Fails with words unless both are equal.
pub(super) fn equal<T: PartialEq + std::fmt::Debug>(what: &str, one: &T, other: &T) -> Result<(), String> {
    match one == other {
        true => Ok(()),
        false => Err(format!("{what}: {one:?} became {other:?}")),
    }
}
