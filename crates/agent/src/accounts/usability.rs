//! Whether an account can be used: facts beside the password, never part of the proof.

use super::passwd::PasswdLine;
use super::shadow::ShadowLine;

/// What may keep an account from being used although its password is right (rotation.md 4, I1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usability {
    /// A lock mark stands before the verifier: no password opens the account.
    pub disabled: bool,
    /// The account's day of expiry has come (shadow(5), field 8).
    pub expired: bool,
    /// The password's age is over its maximum and the days of grace are used up; a rotation ends it.
    pub password_expired: bool,
    /// The shell ends every session at once (`nologin`, `false`).
    pub shell_refuses: bool,
}

impl Usability {
    /// The facts of an account on a day (days since 1970-01-01).
    pub fn of(passwd: &PasswdLine, shadow: &ShadowLine, today: u32) -> Self {
        let today = i64::from(today);
        let aged = match (shadow.last_change_day, shadow.max_days, shadow.inactive_days) {
            (Some(changed), Some(max), Some(inactive)) if changed > 0 && max >= 0 => {
                today > changed.saturating_add(max).saturating_add(inactive)
            }
            _ => false,
        };
        let program = passwd.shell.rsplit('/').next().unwrap_or_default();
        Self {
            disabled: shadow.password.is_locked(),
            expired: shadow.expire_day.is_some_and(|day| today >= day),
            password_expired: aged,
            shell_refuses: matches!(program, "nologin" | "false"),
        }
    }

    /// Whether nothing stands in the way.
    pub fn usable(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{Passwd, Shadow};

    fn facts(shell: &str, shadow: &str) -> Usability {
        let passwd = Passwd::read(format!("a:x:1:1::/:{shell}\n").as_bytes()).unwrap();
        let shadow = Shadow::read(shadow.as_bytes()).unwrap();
        Usability::of(&passwd.lines()[0], &shadow.lines()[0], 20_000)
    }

    #[test]
    fn each_fact_stands_alone() {
        let free = Usability::default();
        assert!(facts("/bin/sh", "a:$6$s$h:19999:0:99999:7:::").usable());
        assert_eq!(facts("", "a:!$6$s$h:19999:0:99999:7:::"), Usability { disabled: true, ..free });
        assert_eq!(facts("", "a:$6$s$h:19999:0:99999:7::20000:"), Usability { expired: true, ..free });
        assert!(facts("", "a:$6$s$h:19999:0:99999:7::20001:").usable());
        assert_eq!(facts("", "a:$6$s$h:19000:0:90:7:14::"), Usability { password_expired: true, ..free });
        assert!(facts("", "a:$6$s$h:19990:0:5:7:5::").usable());
        for shell in ["/usr/sbin/nologin", "/bin/false"] {
            assert_eq!(facts(shell, "a:$6$s$h:1:0:99999:7:::"), Usability { shell_refuses: true, ..free });
        }
    }
}
