//! What was injected and what came of it, counted.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::time::Duration;

use arrowredis_faults::Injected;

/// At least so many of a hundred verbs succeed whose faults pass by themselves.
const SUCCEEDING: u64 = 95;

/// What came of some verbs.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    verbs: u64,
    succeeded: u64,
}

impl Tally {
    fn count(&mut self, other: Self) {
        self.verbs += other.verbs;
        self.succeeded += other.succeeded;
    }
}

/// What was injected and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Account {
    schedules: u64,
    injected: Injected,
    all: Tally,
    /// Of the verbs that met a fault, by its name.
    met: BTreeMap<&'static str, Tally>,
    by_verb: BTreeMap<&'static str, Tally>,
    failures: Vec<String>,
    wrong: Vec<String>,
    longest: Duration,
}

impl Account {
    /// Of so many schedules, and faults that are of no one verb.
    pub(crate) fn of(schedules: u64, injected: Injected) -> Self {
        Self { schedules, injected, ..Self::default() }
    }

    /// One verb more.
    pub(crate) fn verb(
        &mut self,
        verb: &'static str,
        injected: Injected,
        took: Duration,
        failure: Option<String>,
    ) {
        let tally = Tally { verbs: 1, succeeded: u64::from(failure.is_none()) };
        self.all.count(tally);
        self.by_verb.entry(verb).or_default().count(tally);
        for (fault, count) in injected.each() {
            if count > 0 {
                self.met.entry(fault).or_default().count(tally);
            }
        }
        self.injected = self.injected + injected;
        self.longest = self.longest.max(took);
        self.failures.extend(failure);
    }

    /// Something that must not be.
    pub(crate) fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    pub(crate) fn is_wrong(&self) -> bool {
        !self.wrong.is_empty()
    }

    pub(crate) fn add(mut self, other: Self) -> Self {
        self.schedules += other.schedules;
        self.injected = self.injected + other.injected;
        self.all.count(other.all);
        for (key, tally) in other.met {
            self.met.entry(key).or_default().count(tally);
        }
        for (key, tally) in other.by_verb {
            self.by_verb.entry(key).or_default().count(tally);
        }
        self.failures.extend(other.failures);
        self.wrong.extend(other.wrong);
        self.longest = self.longest.max(other.longest);
        self
    }

    /// Prints it past the test harness, which would keep it to itself.
    pub(crate) fn print(&self, title: &str) {
        let mut out = std::io::stderr().lock();
        writeln!(out, "\n{title}\n{self}").unwrap();
        for text in self.failures.iter().take(10) {
            writeln!(out, "  failed: {text}").unwrap();
        }
        for text in &self.wrong {
            writeln!(out, "  WRONG: {text}").unwrap();
        }
    }

    /// Commands of all verbs.
    pub(crate) fn commands(&self) -> u64 {
        self.injected.commands
    }

    /// That nothing was wrong.
    pub(crate) fn check_truth(&self) {
        assert!(self.wrong.is_empty(), "{:#?}", self.wrong);
    }

    /// That nothing was wrong, and that enough verbs succeeded whatever they met.
    pub(crate) fn check(&self) {
        self.check_truth();
        let Tally { verbs, succeeded } = self.all;
        let failures = &self.failures;
        assert!(succeeded * 100 >= verbs * SUCCEEDING, "{succeeded} of {verbs}: {failures:#?}");
    }
}

/// Prints a line past the test harness.
pub(crate) fn note(text: &str) {
    writeln!(std::io::stderr().lock(), "{text}").unwrap();
}

impl fmt::Display for Account {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schedules, injected, all, longest, .. } = self;
        writeln!(out, "  {schedules} schedules: {} faults, {injected}", injected.total())?;
        writeln!(
            out,
            "  {} of {} verbs succeeded, the longest took {:.1} s",
            all.succeeded,
            all.verbs,
            longest.as_secs_f64()
        )?;
        writeln!(out, "  {:<22}{:>10}{:>12}{:>12}", "fault", "injected", "met by", "succeeded")?;
        for (fault, count) in injected.each().into_iter().filter(|(_, count)| *count > 0) {
            let Tally { verbs, succeeded } = self.met.get(fault).copied().unwrap_or_default();
            writeln!(out, "  {fault:<22}{count:>10}{verbs:>12}{succeeded:>12}")?;
        }
        writeln!(out, "  {:<32}{:>12}{:>12}", "verb", "run", "succeeded")?;
        for (verb, Tally { verbs, succeeded }) in &self.by_verb {
            writeln!(out, "  {verb:<32}{verbs:>12}{succeeded:>12}")?;
        }
        Ok(())
    }
}
