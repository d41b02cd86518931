//! How much memory a process holds, as the kernel counts it.

use std::fs;

/// The peak from now on is a new one.
pub(super) fn forget_peak(process: u32) {
    fs::write(format!("/proc/{process}/clear_refs"), "5").expect("the process is this user's");
}

/// What is resident now, in bytes.
pub(super) fn resident(process: u32) -> u64 {
    status(process, "VmRSS:")
}

/// The most that was ever resident, or since [`forget_peak`], in bytes.
pub(super) fn peak(process: u32) -> u64 {
    status(process, "VmHWM:")
}

fn status(process: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes * 1_024
}
