//! Faults put in on purpose at the simulation's seams, one at a time, to prove that the checks would see them.

/// One fault each.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Mutant {
    /// A promise is given and never put on disk.
    PromiseIsNotDurable,
    /// A promise is given before it is on disk.
    PromiseIsGivenBeforeItIsStored,
    /// A server that has promised promises another set.
    SecondPromiseIsGiven,
    /// The initialiser does not wait for all promises.
    SomePromisesAreEnough,
    /// The log is initialised with fewer servers than have promised.
    SetIsNotExact,
    /// The initialiser tells that it gave a cluster up, and its disk does not know.
    AbortIsNotDurable,
    /// A server that was restarted does not look whether its log is initialised.
    AbortAfterInitialise,
    /// The initialiser says to members that it knows nothing of their promise.
    InitialiserDeniesItsAttempt,
    /// A withdrawn promise is void at once.
    OneWithdrawalIsEnough,
    /// A server that has withdrawn serves the cluster all the same.
    WithdrawnServerServes,
    /// What was forsworn is forgotten in a restart.
    OathIsForgotten,
    /// The leader takes all servers for live.
    RemovalBelowQuorum,
    /// The leader takes all learners for caught up.
    LaggingLearnerIsPromoted,
    /// A server that is silent for a moment is taken for dead.
    MomentarySilenceIsDeath,
    /// The clean-up goes on below the smallest quorum.
    SmallestQuorumIsIgnored,
    /// The leader promotes and does not replace.
    DeadVotersStay,
    /// A server that was removed is taken for a new one at once.
    RemovalIsForgotten,
    /// Nobody finishes a change whose leader died.
    BegunChangesStayOpen,
}

impl Mutant {
    pub(crate) const ALL: [Mutant; 18] = [
        Mutant::PromiseIsNotDurable,
        Mutant::PromiseIsGivenBeforeItIsStored,
        Mutant::SecondPromiseIsGiven,
        Mutant::SomePromisesAreEnough,
        Mutant::SetIsNotExact,
        Mutant::AbortIsNotDurable,
        Mutant::AbortAfterInitialise,
        Mutant::InitialiserDeniesItsAttempt,
        Mutant::OneWithdrawalIsEnough,
        Mutant::WithdrawnServerServes,
        Mutant::OathIsForgotten,
        Mutant::RemovalBelowQuorum,
        Mutant::LaggingLearnerIsPromoted,
        Mutant::MomentarySilenceIsDeath,
        Mutant::SmallestQuorumIsIgnored,
        Mutant::DeadVotersStay,
        Mutant::RemovalIsForgotten,
        Mutant::BegunChangesStayOpen,
    ];

    /// What the report of a check that finds it begins with; anything else would be another fault.
    pub(crate) fn found_by(self) -> &'static [&'static str] {
        match self {
            Mutant::PromiseIsNotDurable | Mutant::PromiseIsGivenBeforeItIsStored => &["promise"],
            Mutant::SecondPromiseIsGiven | Mutant::InitialiserDeniesItsAttempt => &["promise"],
            Mutant::OneWithdrawalIsEnough => &["promise"],
            Mutant::SomePromisesAreEnough | Mutant::SetIsNotExact => &["set"],
            Mutant::AbortIsNotDurable | Mutant::AbortAfterInitialise => &["abort", "promise", "set"],
            Mutant::WithdrawnServerServes | Mutant::OathIsForgotten => &["withdrawn"],
            Mutant::RemovalBelowQuorum => &["invariant 10"],
            Mutant::LaggingLearnerIsPromoted => &["lag"],
            Mutant::MomentarySilenceIsDeath => &["flapping"],
            Mutant::SmallestQuorumIsIgnored => &["smallest"],
            Mutant::DeadVotersStay | Mutant::BegunChangesStayOpen => &["liveness"],
            Mutant::RemovalIsForgotten => &["removed"],
        }
    }
}
