//! `generate`: every password meets its policy.

use crate::program::lapwing;
use std::collections::HashSet;

/// The literal alphabets of laps-behaviour.md 3.1, class by class.
fn classes(complexity: u32) -> &'static [&'static str] {
    const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
    const DIGITS: &str = "0123456789";
    match complexity {
        1 => &[UPPER],
        2 => &[UPPER, LOWER],
        3 => &[UPPER, LOWER, DIGITS],
        4 => &[UPPER, LOWER, DIGITS, ",.-+;!#&@{}[]$/()%|<>:=?*_^~\"'`\\"],
        _ => &["ABCDEFGHJKLMNPRSTUVWXYZ", "abcdefghijkmnpqrstuvwxyz", "23456789", "-+!#&@{}[]$/()%:=?*"],
    }
}

#[test]
fn every_password_has_its_length_and_a_sign_of_each_class() {
    for complexity in 1..=5 {
        for length in [8, 14, 64] {
            let run =
                lapwing(&["generate", "-c", &complexity.to_string(), "--length", &length.to_string(), "-n", "200"]);
            assert_eq!((run.status, run.err.as_str()), (0, ""), "{run:?}");
            let passwords: Vec<_> = run.out.lines().collect();
            assert_eq!(passwords.len(), 200);
            assert_eq!(passwords.iter().collect::<HashSet<_>>().len(), 200, "two are the same");
            for password in passwords {
                assert_eq!(password.len(), length, "{password}");
                assert!(password.chars().all(|c| classes(complexity).concat().contains(c)), "{complexity} {password}");
                for class in classes(complexity) {
                    assert!(password.chars().any(|c| class.contains(c)), "{complexity} {password} lacks {class}");
                }
            }
        }
    }
}

#[test]
fn every_passphrase_has_its_words() {
    for complexity in 6..=8 {
        for words in [3_usize, 6, 10] {
            let run = lapwing(&["generate", "-c", &complexity.to_string(), "--words", &words.to_string(), "-n", "100"]);
            assert_eq!(run.status, 0, "{run:?}");
            for phrase in run.out.lines() {
                assert_eq!(phrase.chars().filter(char::is_ascii_uppercase).count(), words, "{phrase}");
                assert!(phrase.starts_with(|c: char| c.is_ascii_uppercase()), "{phrase}");
            }
        }
    }
}

#[test]
fn the_defaults_are_those_of_the_settings() {
    assert_eq!(lapwing(&["generate", "-c", "4"]).out.trim_end().len(), 14);
    let phrase = lapwing(&["generate", "-c", "6"]).out;
    assert_eq!(phrase.chars().filter(char::is_ascii_uppercase).count(), 6);
    assert_eq!(lapwing(&["generate", "-c", "4", "-n", "3000"]).out.lines().count(), 3000);
}

#[test]
fn what_is_out_of_range_names_setting_and_range() {
    for (arguments, text) in [
        (["generate", "-c", "4", "--length", "7"], "PasswordLength is 7: expected 8 to 64"),
        (["generate", "-c", "4", "--length", "65"], "PasswordLength is 65: expected 8 to 64"),
        (["generate", "-c", "6", "--words", "2"], "PassphraseLength is 2: expected 3 to 10"),
        (["generate", "-c", "6", "--words", "11"], "PassphraseLength is 11: expected 3 to 10"),
        (["generate", "-c", "6", "--length", "14"], "use --words"),
        (["generate", "-c", "1", "--words", "6"], "use --length"),
    ] {
        let run = lapwing(&arguments);
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{arguments:?}");
        assert!(run.err.contains(text), "{arguments:?} {run:?}");
    }
}

#[test]
fn as_json_it_is_an_array() {
    let run = lapwing(&["generate", "-c", "3", "-n", "2", "--output", "json"]);
    let passwords: Vec<String> = serde_json::from_str(&run.out).unwrap();
    assert_eq!(passwords.len(), 2);
}
