//! The disk of a machine, file by file: what a process sees, what would outlive a power cut, and how an
//! act on it may end.
//!
//! A file is replaced as the agent does it: temporary file, fsync, rename, fsync of the directory. Each of
//! these is one act, before which the machine may die and at which the disk may fail.

use super::dice::Dice;

/// How a machine stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The process is killed; the disk keeps what was written.
    Killed,
    /// The power is cut; what was not synced may be lost or torn.
    PowerCut,
}

/// Why the disk did not do an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No space left.
    Full,
    /// An I/O error.
    Failed,
}

/// An act that did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// The machine stopped before the act.
    Stopped(Stop),
    /// The file is as it was.
    Before(Fault),
    /// The file is replaced, and may not be so durably.
    After(Fault),
}

/// What is going to happen to the acts of a machine.
#[derive(Debug, Clone, Default)]
pub(super) struct Hazard {
    /// The machine stops before this many more acts are done.
    pub(super) stop: Option<(u32, Stop)>,
    /// The disk fails after this many more acts on files, for so many acts.
    pub(super) fault: Option<(u32, u32, Fault)>,
    /// Something happens before this many more acts are done, and the machine goes on.
    pub(super) midst: Option<u32>,
    /// That time has come.
    pub(super) struck_midst: bool,
    /// How often either came true; the caller takes and counts them.
    pub(super) struck_stop: Option<Stop>,
    /// The disk's fault that came true.
    pub(super) struck_fault: Option<Fault>,
}

impl Hazard {
    /// One elementary act. Does the machine live to do it?
    ///
    /// # Errors
    /// It does not.
    pub(super) fn act(&mut self) -> Result<(), Stop> {
        match &mut self.midst {
            Some(0) => {
                self.midst = None;
                self.struck_midst = true;
            }
            Some(left) => *left -= 1,
            None => {}
        }
        match &mut self.stop {
            Some((0, stop)) => {
                let stop = *stop;
                self.stop = None;
                self.struck_stop = Some(stop);
                Err(stop)
            }
            Some((left, _)) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn write(&mut self) -> Result<Option<Fault>, Stop> {
        self.act()?;
        Ok(match &mut self.fault {
            Some((0, times, fault)) => {
                let fault = *fault;
                *times -= 1;
                if *times == 0 {
                    self.fault = None;
                }
                self.struck_fault = Some(fault);
                Some(fault)
            }
            Some((left, ..)) => {
                *left -= 1;
                None
            }
            None => None,
        })
    }
}

/// What stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content<T> {
    /// There is no such file.
    Absent,
    /// It is whole.
    Whole(T),
    /// It cannot be read: a part is missing.
    Torn,
}

/// A file that is there whole or not at all, when it is written with care.
#[derive(Debug, Clone)]
pub(super) struct File<T> {
    seen: Content<T>,
    durable: Content<T>,
    /// A change that was not synced with its directory; and whether its data was synced.
    loose: Option<bool>,
}

impl<T: Clone> File<T> {
    /// A file that is durable as it is.
    pub(super) fn new(content: Content<T>) -> Self {
        Self { durable: content.clone(), seen: content, loose: None }
    }

    /// What a process sees.
    pub(super) fn content(&self) -> &Content<T> {
        &self.seen
    }

    /// What a process sees, when the file is whole.
    pub(super) fn whole(&self) -> Option<&T> {
        match &self.seen {
            Content::Whole(value) => Some(value),
            _ => None,
        }
    }

    /// What would outlive a power cut, when it is whole.
    pub(super) fn durable(&self) -> Option<&T> {
        match &self.durable {
            Content::Whole(value) => Some(value),
            _ => None,
        }
    }

    /// Replaces it. `careful`: with both syncs, as the agent does; without is a mutation.
    ///
    /// # Errors
    /// [`Broken`]
    pub(super) fn replace(&mut self, value: T, hazard: &mut Hazard, careful: bool) -> Result<(), Broken> {
        let steps: &[bool] = if careful { &[false, false, false] } else { &[false, false] };
        for _ in steps {
            if let Some(fault) = hazard.write().map_err(Broken::Stopped)? {
                return Err(Broken::Before(fault));
            }
        }
        self.seen = Content::Whole(value);
        self.loose = Some(careful);
        if careful { self.sync(hazard) } else { Ok(()) }
    }

    /// Removes it.
    ///
    /// # Errors
    /// [`Broken`]
    pub(super) fn remove(&mut self, hazard: &mut Hazard) -> Result<(), Broken> {
        if matches!(self.seen, Content::Absent) {
            return Ok(());
        }
        if let Some(fault) = hazard.write().map_err(Broken::Stopped)? {
            return Err(Broken::Before(fault));
        }
        self.seen = Content::Absent;
        self.loose = Some(true);
        self.sync(hazard)
    }

    /// Syncs what is there, if it was not.
    ///
    /// # Errors
    /// [`Broken`]
    pub(super) fn settle(&mut self, hazard: &mut Hazard) -> Result<(), Broken> {
        if self.loose.is_some() { self.sync(hazard) } else { Ok(()) }
    }

    /// Another file of its directory was synced, and the directory with it: a rename whose data was synced is
    /// durable now.
    pub(super) fn settle_with_directory(&mut self) {
        if self.loose == Some(true) {
            self.durable = self.seen.clone();
            self.loose = None;
        }
    }

    fn sync(&mut self, hazard: &mut Hazard) -> Result<(), Broken> {
        if let Some(fault) = hazard.write().map_err(Broken::Stopped)? {
            return Err(Broken::After(fault));
        }
        self.durable = self.seen.clone();
        self.loose = None;
        Ok(())
    }

    /// The power is cut: a loose change is kept, lost, or (when its data was not synced either) torn.
    /// Answers whether anything was lost.
    pub(super) fn cut(&mut self, dice: &mut Dice) -> bool {
        let Some(data_synced) = self.loose.take() else {
            return false;
        };
        if dice.percent(50) {
            self.seen = self.durable.clone();
            return true;
        }
        if !data_synced && dice.percent(50) {
            self.seen = Content::Torn;
        }
        self.durable = self.seen.clone();
        matches!(self.seen, Content::Torn)
    }

    /// Makes it this, durably, by another hand.
    pub(super) fn force(&mut self, content: Content<T>) {
        *self = Self::new(content);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever act the power is cut before: a careful replacement leaves the old or the new content.
    #[test]
    fn a_careful_replacement_is_never_torn() {
        for seed in 0..64 {
            for at in 0..5 {
                let mut file = File::new(Content::Whole(1));
                let mut hazard = Hazard { stop: Some((at, Stop::PowerCut)), ..Hazard::default() };
                let replaced = file.replace(2, &mut hazard, true);
                file.cut(&mut Dice::new(seed));
                match replaced {
                    Ok(()) => assert_eq!(file.whole(), Some(&2)),
                    Err(_) => assert!(matches!(file.whole(), Some(1 | 2))),
                }
            }
        }
    }

    #[test]
    fn a_careless_one_may_be_lost_or_torn() {
        let ends: Vec<_> = (0..64)
            .map(|seed| {
                let mut file = File::new(Content::Whole(1));
                file.replace(2, &mut Hazard::default(), false).unwrap();
                file.cut(&mut Dice::new(seed));
                file.content().clone()
            })
            .collect();
        for end in [Content::Whole(1), Content::Whole(2), Content::Torn] {
            assert!(ends.contains(&end), "{end:?}");
        }
    }

    #[test]
    fn a_fault_before_the_rename_leaves_the_file() {
        let mut file = File::new(Content::Whole(1));
        let mut hazard = Hazard { fault: Some((2, 1, Fault::Full)), ..Hazard::default() };
        assert_eq!(file.replace(2, &mut hazard, true), Err(Broken::Before(Fault::Full)));
        assert_eq!(file.whole(), Some(&1));
        hazard.fault = Some((3, 1, Fault::Failed));
        assert_eq!(file.replace(2, &mut hazard, true), Err(Broken::After(Fault::Failed)));
        assert_eq!(file.whole(), Some(&2));
    }
}
