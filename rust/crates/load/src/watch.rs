//! What the kernel says about a process: CPU time of all its threads and its anonymous memory. Read by the generator
//! itself at both ends of the measured window, so that neither start-up nor warm-up is in the figure.

use rustix::time::{ClockId, clock_gettime};
use std::fs;

/// Processor time of this process in seconds.
pub fn own_cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Ticks of `/proc/PID/stat` per second; Linux shows USER_HZ = 100 to every program on every architecture we run on.
const TICKS_PER_S: f64 = 100.0;

/// Processor time of process `pid` in seconds, user and kernel, threads that ended included; `None` when it is gone.
/// Steps of 10 ms: a window of five seconds is exact to 0.2 %.
pub fn cpu_s(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may hold spaces and brackets; the last bracket ends it. Then: state is field 3, utime 14.
    let mut fields = text[text.rfind(')')? + 1..].split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    Some((user + system) as f64 / TICKS_PER_S)
}

/// Anonymous memory of process `pid` in bytes (`RssAnon`).
pub fn anonymous_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_and_a_missing_one_is_not() {
        let mut sum = 0u64;
        while own_cpu_s() < 0.05 {
            sum = (0..1_000_000).fold(sum, |sum, value| sum.wrapping_add(std::hint::black_box(value)));
        }
        assert!(cpu_s(std::process::id()) >= Some(0.03), "{sum}");
        assert!(anonymous_bytes(std::process::id()) > Some(1 << 16));
        assert_eq!((cpu_s(u32::MAX), anonymous_bytes(u32::MAX)), (None, None));
    }
}
