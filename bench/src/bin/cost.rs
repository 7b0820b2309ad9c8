//! CPU and memory of a whole process: `cost [--runs 11] -- COMMAND ARGUMENTS...` runs it and prints the medians of CPU (user
//! and system) and of wall time, and the largest resident set. Standard input is passed on to every run.

use anyhow::{Context as _, Result, bail, ensure};
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Instant;

fn main() -> Result<()> {
    let command: Vec<String> = std::env::args().skip_while(|word| word != "--").skip(1).collect();
    let (program, arguments) = command.split_first().context("usage: cost [--runs N] -- COMMAND ARGUMENTS...")?;
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    let (mut cpu_ms, mut wall_ms, mut resident_kib) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench::number("runs", 11) {
        let began = Instant::now();
        let mut child = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read closes the pipe; that is no failure.
            drop(stdin.write_all(&input));
        }
        let usage = wait(child.id())?;
        wall_ms.push(began.elapsed().as_secs_f64() * 1e3);
        let ms = |time: libc::timeval| time.tv_sec as f64 * 1e3 + time.tv_usec as f64 / 1e3;
        cpu_ms.push(ms(usage.ru_utime) + ms(usage.ru_stime));
        resident_kib.push(usage.ru_maxrss as f64);
    }
    let median = |values: &mut Vec<f64>| bench::quantile(values, 0.5);
    println!(
        "{{\"runs\":{},\"cpu_ms\":{:.2},\"wall_ms\":{:.2},\"resident_mib\":{:.2}}}",
        cpu_ms.len(),
        median(&mut cpu_ms),
        median(&mut wall_ms),
        bench::quantile(&mut resident_kib, 1.0) / 1024.0
    );
    Ok(())
}

/// Waits for the process and tells what it used; an exit status other than 0 is an error.
fn wait(pid: u32) -> Result<libc::rusage> {
    let mut status = 0;
    // SAFETY: rusage is plain numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right types; the process is a child that nobody else waits for.
    let waited = unsafe { libc::wait4(libc::pid_t::try_from(pid)?, &raw mut status, 0, &raw mut usage) };
    ensure!(waited > 0, "wait4: {}", std::io::Error::last_os_error());
    if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
        bail!("the command failed (status {status})");
    }
    Ok(usage)
}
