//! The environment of this process, for a library that is told things by it alone.

use std::{ffi::OsString, fs, io};

/// Sets variables of this process, as libkrb5 wants to be told of a keytab. Refused when the process has more than
/// one thread: another one might read the environment meanwhile.
///
/// # Errors
/// The process has other threads, or they cannot be counted.
pub fn set_environment(variables: &[(&str, OsString)]) -> io::Result<()> {
    if variables.iter().all(|(name, value)| std::env::var_os(name).as_ref() == Some(value)) {
        return Ok(());
    }
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("the process has more than one thread"));
    }
    for (name, value) in variables {
        // SAFETY: this is the only thread (counted above, and nobody else could start one), so that nobody reads or
        // writes the environment at the same time.
        unsafe { std::env::set_var(name, value) };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_already_is_left_and_other_threads_are_noticed() {
        let path = std::env::var_os("PATH").unwrap();
        set_environment(&[("PATH", path)]).unwrap();
        std::thread::scope(|scope| {
            let (stop, stopped) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || stopped.recv());
            assert!(set_environment(&[("LAPWING_TEST_ENVIRONMENT", "1".into())]).is_err());
            drop(stop);
        });
        assert_eq!(std::env::var_os("LAPWING_TEST_ENVIRONMENT"), None);
    }
}
