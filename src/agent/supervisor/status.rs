//! How a process ended, in the words that Dkron's users know.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// The error text of an exit; empty for success.
pub(super) fn text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => String::new(),
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => {
            let dump = if status.core_dumped() { " (core dumped)" } else { "" };
            format!("signal: {}{dump}", signal_name(signal))
        }
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_told_in_dkrons_words() {
        assert_eq!(text(ExitStatus::from_raw(0)), "");
        assert_eq!(text(ExitStatus::from_raw(3 << 8)), "exit status 3");
        assert_eq!(text(ExitStatus::from_raw(9)), "signal: killed");
        assert_eq!(text(ExitStatus::from_raw(11 | 0x80)), "signal: segmentation fault (core dumped)");
    }
}
