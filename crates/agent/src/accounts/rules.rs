//! The machine's own password rules, as far as they can be judged on a generated password.
//!
//! pwquality.conf(5) and its arguments on the PAM line, `minlen` of pam_unix(8), `PASS_MIN_LEN` of
//! login.defs(5). Not judged: rules against the old password (difok), dictionaries (dictcheck). Not a rule:
//! `PASS_MAX_LEN`, the number of characters that DES crypt reads; Lapwing never makes DES strings.

use super::settings::{LoginDefs, PamModule, pwquality_pairs};
use laps::password::Password;
use std::fmt;

/// A rule of the machine, by the name that its own configuration has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Shortest password, after credits (pwquality).
    Minlen,
    /// Digits demanded.
    Dcredit,
    /// Upper-case letters demanded.
    Ucredit,
    /// Lower-case letters demanded.
    Lcredit,
    /// Other characters demanded.
    Ocredit,
    /// Classes of characters demanded.
    Minclass,
    /// Longest run of one character.
    Maxrepeat,
    /// Longest run of one class.
    Maxclassrepeat,
    /// Longest run such as `1234` or `fedc`.
    Maxsequence,
    /// The account's name must not stand in the password.
    Usercheck,
    /// Words that must not stand in the password.
    Badwords,
    /// Shortest password of pam_unix.
    UnixMinlen,
    /// Shortest password of login.defs.
    PassMinLen,
    /// Longest password that crypt(3) reads: 512 bytes with libxcrypt.
    CryptMax,
}

impl Rule {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minlen => "minlen",
            Self::Dcredit => "dcredit",
            Self::Ucredit => "ucredit",
            Self::Lcredit => "lcredit",
            Self::Ocredit => "ocredit",
            Self::Minclass => "minclass",
            Self::Maxrepeat => "maxrepeat",
            Self::Maxclassrepeat => "maxclassrepeat",
            Self::Maxsequence => "maxsequence",
            Self::Usercheck => "usercheck",
            Self::Badwords => "badwords",
            Self::UnixMinlen => "pam_unix minlen",
            Self::PassMinLen => "PASS_MIN_LEN",
            Self::CryptMax => "crypt maximum",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A password that a rule of the machine does not let through (event 10027). It holds nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the machine's password rule {rule}={limit} does not let the generated password through")]
pub struct RuleRefusal {
    /// The rule.
    pub rule: Rule,
    /// Its value as configured.
    pub limit: i32,
}

impl RuleRefusal {
    /// The stable code.
    pub const CODE: &'static str = "password_rule_refuses";
    /// The event (laps-behaviour.md 10).
    pub const EVENT: u32 = 10027;
    /// What to do next.
    pub const REMEDY: &'static str =
        "raise PasswordLength or PasswordComplexity in the policy, or relax the rule on the machine";
}

/// The rules of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineRules {
    quality: Option<Quality>,
    unix_minlen: Option<u32>,
    pass_min_len: Option<u32>,
}

/// The settings of pwquality that can be judged, with libpwquality's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Quality {
    minlen: i32,
    credits: [i32; 4],
    minclass: i32,
    maxrepeat: i32,
    maxclassrepeat: i32,
    maxsequence: i32,
    usercheck: i32,
    badwords: Vec<String>,
}

impl Default for Quality {
    fn default() -> Self {
        Self {
            minlen: 8,
            credits: [0; 4],
            minclass: 0,
            maxrepeat: 0,
            maxclassrepeat: 0,
            maxsequence: 0,
            usercheck: 1,
            badwords: Vec::new(),
        }
    }
}

impl Quality {
    fn set(&mut self, name: &str, value: &str) {
        if name == "badwords" {
            self.badwords = value.split_whitespace().map(str::to_lowercase).collect();
            return;
        }
        let Ok(value) = value.parse::<i32>() else {
            return;
        };
        match name {
            // libpwquality raises a smaller value to its floor of 6.
            "minlen" => self.minlen = value.max(6),
            "dcredit" => self.credits[0] = value,
            "ucredit" => self.credits[1] = value,
            "lcredit" => self.credits[2] = value,
            "ocredit" => self.credits[3] = value,
            "minclass" => self.minclass = value.min(4),
            "maxrepeat" => self.maxrepeat = value,
            "maxclassrepeat" => self.maxclassrepeat = value,
            "maxsequence" => self.maxsequence = value,
            "usercheck" => self.usercheck = value,
            _ => {}
        }
    }

    fn check(&self, password: &str, account: &str) -> Result<(), (Rule, i32)> {
        let lower = password.to_lowercase();
        if self.usercheck != 0 && account.len() > 3 && lower.contains(&account.to_lowercase()) {
            return Err((Rule::Usercheck, self.usercheck));
        }
        if self.badwords.iter().any(|word| word.len() > 3 && lower.contains(word)) {
            return Err((Rule::Badwords, 1));
        }
        let runs = [
            (Rule::Maxrepeat, self.maxrepeat, run(password, |a, b| a == b)),
            (Rule::Maxclassrepeat, self.maxclassrepeat, run(password, |a, b| class(a) == class(b))),
            (Rule::Maxsequence, self.maxsequence, sequence(password)),
        ];
        for (rule, limit, longest) in runs {
            if limit > 0 && longest > limit {
                return Err((rule, limit));
            }
        }
        let mut counts = [0_i32; 4];
        for c in password.chars() {
            counts[class(c)] += 1;
        }
        let classes = counts.iter().filter(|count| **count > 0).count();
        if i32::try_from(classes).unwrap_or(4) < self.minclass {
            return Err((Rule::Minclass, self.minclass));
        }
        let names = [Rule::Dcredit, Rule::Ucredit, Rule::Lcredit, Rule::Ocredit];
        let mut credit_sum = 0;
        for ((rule, credit), count) in names.into_iter().zip(self.credits).zip(counts) {
            match credit {
                demanded if demanded < 0 && count < demanded.saturating_neg() => {
                    return Err((rule, credit));
                }
                credit if credit > 0 => credit_sum += count.min(credit),
                _ => {}
            }
        }
        let length = i32::try_from(password.chars().count()).unwrap_or(i32::MAX);
        if length.saturating_add(credit_sum) < self.minlen {
            return Err((Rule::Minlen, self.minlen));
        }
        Ok(())
    }
}

/// The class of a character: digit, upper case, lower case, other.
fn class(c: char) -> usize {
    match c {
        c if c.is_numeric() => 0,
        c if c.is_uppercase() => 1,
        c if c.is_lowercase() => 2,
        _ => 3,
    }
}

/// The longest run of neighbours that belong together.
fn run(text: &str, together: impl Fn(char, char) -> bool) -> i32 {
    let (mut longest, mut length) = (0, 0);
    let mut last = None;
    for c in text.chars() {
        length = if last.is_some_and(|before| together(before, c)) { length + 1 } else { 1 };
        longest = longest.max(length);
        last = Some(c);
    }
    longest
}

/// The longest run of characters that each follow, or each precede, the one before.
fn sequence(text: &str) -> i32 {
    let step = |a: char, b: char, by: i64| i64::from(u32::from(b)) - i64::from(u32::from(a)) == by;
    run(text, |a, b| step(a, b, 1)).max(run(text, |a, b| step(a, b, -1)))
}

impl MachineRules {
    /// Reads the rules of a machine.
    ///
    /// `stack` holds the modules of the PAM file that `passwd` uses; `pwquality` the contents of
    /// `pwquality.conf.d/*.conf` in the order of their names and `pwquality.conf` last, where later values
    /// win, and arguments on the PAM line win over both. Without any of them pwquality does not apply.
    pub fn of_machine(stack: &[PamModule], pwquality: &[Vec<u8>], login_defs: &LoginDefs) -> Self {
        let module = stack.iter().find(|module| matches!(module.name.as_str(), "pam_pwquality" | "pam_cracklib"));
        let quality = (module.is_some() || !pwquality.is_empty()).then(|| {
            let mut quality = Quality::default();
            for (name, value) in pwquality.iter().flat_map(|file| pwquality_pairs(file)) {
                quality.set(&name, &value);
            }
            for (name, value) in
                module.into_iter().flat_map(|module| &module.arguments).filter_map(|a| a.split_once('='))
            {
                quality.set(name, value);
            }
            quality
        });
        let unix = stack.iter().find(|module| module.name == "pam_unix");
        Self {
            quality,
            unix_minlen: unix.and_then(|module| module.value("minlen")?.parse().ok()),
            pass_min_len: login_defs.number("PASS_MIN_LEN"),
        }
    }

    /// Characters that a password must have at the least, by the rules that count them. Credits of pwquality
    /// may make up for a few.
    pub fn length_min(&self) -> u32 {
        let quality = self.quality.as_ref().and_then(|quality| u32::try_from(quality.minlen).ok());
        [quality, self.unix_minlen, self.pass_min_len].into_iter().flatten().max().unwrap_or(0)
    }

    /// Judges a candidate before anything is stored (rotation.md 2, step 2). The first rule that refuses
    /// is named; characters are counted, not bytes.
    pub fn check(&self, password: &Password, account: &str) -> Result<(), RuleRefusal> {
        let refusal = |(rule, limit)| RuleRefusal { rule, limit };
        let text = password.reveal();
        let length = text.chars().count();
        if text.len() > 511 {
            return Err(refusal((Rule::CryptMax, 511)));
        }
        for (rule, limit) in [(Rule::UnixMinlen, self.unix_minlen), (Rule::PassMinLen, self.pass_min_len)] {
            if let Some(limit) = limit.filter(|limit| usize::try_from(*limit).is_ok_and(|limit| length < limit)) {
                return Err(refusal((rule, i32::try_from(limit).unwrap_or(i32::MAX))));
            }
        }
        match &self.quality {
            Some(quality) => quality.check(text, account).map_err(refusal),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::pam_password_modules;

    fn verdict(conf: &str, pam: &str, defs: &str, password: &str) -> Option<Rule> {
        let conf: Vec<_> = (!conf.is_empty()).then(|| conf.as_bytes().to_vec()).into_iter().collect();
        let rules =
            MachineRules::of_machine(&pam_password_modules(pam.as_bytes()), &conf, &LoginDefs::read(defs.as_bytes()));
        rules.check(&Password::new(password.into()), "anneke").err().map(|refusal| refusal.rule)
    }

    #[test]
    fn every_rule_of_pwquality_refuses_and_lets_through() {
        let cases = [
            ("minlen = 12", "abcdefXYZ12", Some(Rule::Minlen)),
            ("minlen = 12", "abcdefXYZ12q", None),
            ("minlen = 12\ndcredit = 2", "abcdefXY12", None),
            ("minlen = 12\ndcredit = 1", "abcdefXY12", Some(Rule::Minlen)),
            ("minlen = 3", "aB3de", Some(Rule::Minlen)),
            ("dcredit = -2", "abcdefgh1", Some(Rule::Dcredit)),
            ("dcredit = -2", "abcdefgh12", None),
            ("ucredit=-1", "abcdefgh12", Some(Rule::Ucredit)),
            ("lcredit=-1", "ABCDEFGH12", Some(Rule::Lcredit)),
            ("ocredit=-1 # one", "abcdefgh12", Some(Rule::Ocredit)),
            ("ocredit=-1", "abcdefgh-12", None),
            ("minclass=4", "abcdefGH12", Some(Rule::Minclass)),
            ("minclass=4", "abcdefGH1-", None),
            ("maxrepeat=2", "abbbcdefgh", Some(Rule::Maxrepeat)),
            ("maxrepeat=3", "abbbcdefgh", None),
            ("maxclassrepeat=3", "abcd1234", Some(Rule::Maxclassrepeat)),
            ("maxsequence=3", "xx4321yy", Some(Rule::Maxsequence)),
            ("maxsequence=4", "xx4321yy", None),
            ("minlen=8", "xxAnneke12", Some(Rule::Usercheck)),
            ("usercheck=0", "xxAnneke12", None),
            ("badwords = lapwing peewit", "x-Lapwing-12", Some(Rule::Badwords)),
        ];
        for (conf, password, expected) in cases {
            assert_eq!(verdict(conf, "", "", password), expected, "{conf} {password}");
        }
    }

    #[test]
    fn arguments_of_the_module_win_and_other_sources_count() {
        let pam = "password requisite pam_pwquality.so retry=3 minlen=16\n";
        assert_eq!(verdict("minlen=8", pam, "", "abcdefgh12XYZ"), Some(Rule::Minlen));
        assert_eq!(verdict("", pam, "", "abcdefgh12XYZqrs"), None);
        assert_eq!(verdict("", "password required pam_unix.so minlen=20\n", "", "abcdefgh"), Some(Rule::UnixMinlen));
        assert_eq!(verdict("", "", "PASS_MIN_LEN 9\nPASS_MAX_LEN 4", "abcdefgh"), Some(Rule::PassMinLen));
        assert_eq!(verdict("", "", "PASS_MAX_LEN 4", "abcdefgh"), None);
        assert_eq!(verdict("", "", "", "x"), None);
        assert_eq!(verdict("", "", "", &"x".repeat(512)), Some(Rule::CryptMax));
    }

    #[test]
    fn the_least_length_is_the_strictest() {
        let least = |conf: &str, defs: &str| {
            let conf: Vec<_> = (!conf.is_empty()).then(|| conf.as_bytes().to_vec()).into_iter().collect();
            MachineRules::of_machine(&[], &conf, &LoginDefs::read(defs.as_bytes())).length_min()
        };
        assert_eq!(
            (least("", ""), least("minlen=20", "PASS_MIN_LEN 9"), least("minlen=7", "PASS_MIN_LEN 9")),
            (0, 20, 9)
        );
    }

    #[test]
    fn the_refusal_holds_nothing_of_the_password() {
        let rules = MachineRules::of_machine(&[], &[b"minlen=30".to_vec()], &LoginDefs::default());
        let refusal = rules.check(&Password::new("Canary-77".into()), "ann").unwrap_err();
        assert!(!format!("{refusal} {refusal:?}").contains("Canary"));
        assert!(refusal.to_string().contains("minlen=30"));
    }
}
