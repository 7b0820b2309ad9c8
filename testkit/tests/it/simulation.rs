//! The simulator loses nothing, replays what it found, and sees every protection that is taken away.

use testkit::sim::{Fault, Kind, Mutation, Options, run};

/// A missing protection is found within so many runs (issue 3, point 2).
const RUNS_MAX: u64 = 1_000;

/// Without faults nothing is in the way of anybody: every due device rotates in its next cycle (I4).
#[test]
fn without_faults_every_machine_rotates_when_it_is_due() {
    for store in [Kind::Memory, Kind::Sqlite] {
        let outcome = run(Options { store: Some(store), faults: Some(&[]), ..Options::new(1) });
        assert_eq!(outcome.loss, None);
        assert!(outcome.tally.rotations >= 60 && outcome.tally.due_cycles >= 60, "{:?}", outcome.tally);
        assert_eq!(outcome.tally.faults_total(), 0);
    }
}

/// rotation.md 4 under every fault of rotation.md 5; CI runs thousands with `cargo xtask simulate`.
#[test]
fn under_faults_nothing_is_lost() {
    for seed in 0..6 {
        let outcome = run(Options::new(seed));
        assert_eq!(outcome.loss, None, "seed {seed}");
        let tally = outcome.tally;
        assert!(tally.rotations >= 60 && tally.faults_total() >= 10 && tally.faults.len() >= 4, "{tally:?}");
    }
}

/// The same seed is the same run.
#[test]
fn a_seed_replays() {
    let once = |store| run(Options { store: Some(store), trace: true, ..Options::new(3) });
    for store in [Kind::Memory, Kind::Sqlite] {
        let (first, second) = (once(store), once(store));
        assert_eq!(first.tally, second.tally);
        assert_eq!(first.trace.len(), second.trace.len());
    }
}

/// A kind of fault alone: it comes true, and nothing is lost.
#[test]
fn a_kind_of_fault_can_be_injected_alone() {
    // The rest of them comes with the seeds of `cargo xtask simulate`, which counts each kind.
    for fault in Fault::ALL.into_iter().step_by(5) {
        let only: &'static [Fault] = Box::leak(Box::new([fault]));
        let outcome = run(Options { faults: Some(only), store: Some(Kind::Memory), ..Options::new(5) });
        assert_eq!(outcome.loss, None, "{fault:?}");
        assert!(outcome.tally.faults_total() > 0, "{fault:?} never came true");
    }
}

#[track_caller]
fn is_found(mutation: Mutation) {
    let mutated = |seed| Options { mutation: Some(mutation), store: Some(Kind::Memory), ..Options::new(seed) };
    let found = (0..RUNS_MAX).find_map(|seed| run(mutated(seed)).loss.map(|loss| (seed, loss)));
    assert!(found.is_some(), "{mutation:?} was not found in {RUNS_MAX} runs");
    let named = found.as_ref().map(|(_, loss)| loss.invariant);
    assert_eq!(named, Some(mutation.breaks()), "{mutation:?}: {found:?}");
}

macro_rules! is_found {
    ($($name:ident: $mutation:ident;)*) => {
        $(#[test] fn $name() { is_found(Mutation::$mutation); })*
    };
}

is_found! {
    a_password_that_is_set_before_it_is_stored_is_found: SetBeforeStored;
    a_write_that_is_not_synced_is_found: NothingSynced;
    a_comparison_of_what_is_not_synced_is_found: ComparedUnsynced;
    a_journal_that_outlives_its_key_is_found: KeyMadeAnew;
    a_renamed_account_that_is_taken_for_never_set_is_found: RenamedAbandoned;
    an_old_account_that_goes_too_early_is_found: OldGoesFirst;
    a_volatile_account_database_that_is_taken_is_found: VolatileTaken;
    an_expiry_that_is_forgotten_is_found: ExpiryForgotten;
    a_password_in_an_event_is_found: PasswordInEvent;
    a_store_that_is_acknowledged_too_early_is_found: AcknowledgedBeforeDurable;
    a_version_that_is_trimmed_too_early_is_found: TrimmedAtOnce;
    a_proof_that_removes_versions_is_found: ProveRemoves;
    an_abandonment_that_removes_the_version_is_found: AbandonRemoves;
    a_reveal_that_is_recorded_too_late_is_found: AuditedAfterAnswer;
}

/// The tests above name every mutation.
#[test]
fn every_mutation_has_its_test() {
    assert_eq!(Mutation::ALL.len(), 14);
}
