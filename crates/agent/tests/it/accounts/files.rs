//! Properties of the formats.

use agent::accounts::{Method, Shadow, Table, Verifier, hash};
use agent::platform::SystemCrypt;
use laps::password::Password;
use proptest::collection::vec;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Bytes that lean towards what the format gives a meaning to.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(b':'), Just(b'\n'), Just(b'#'), Just(b'+'), Just(b'!'), any::<u8>()], 0..200)
}

/// A well-formed shadow file, with unusual lines in between.
fn shadow_file() -> impl Strategy<Value = (String, usize)> {
    let line = prop_oneof![
        "[!*]{0,2}(\\$6\\$[a-z]{4}\\$[a-zA-Z0-9./]{8})?:[0-9]{0,5}:0:99999:7:[0-9]{0,3}:[0-9]{0,5}:[ -9;-~]{0,6}",
        "\\*:[0-9]{0,5}:0:90:7:::",
    ];
    let unusual = prop_oneof!["", "#[ -~]{0,20}", "\\+[ -~]{0,10}"];
    (vec((line, unusual), 1..8), any::<bool>(), any::<prop::sample::Index>()).prop_map(|(lines, ended, index)| {
        let text: Vec<_> =
            lines.iter().enumerate().map(|(n, (line, unusual))| format!("{unusual}\nuser{n}:{line}")).collect();
        (text.join("\n") + if ended { "\n" } else { "" }, index.index(lines.len()))
    })
}

proptest! {
    #[test]
    fn parse_then_render_is_identity(input in bytes()) {
        prop_assert_eq!(Table::parse(&input).render(), input);
    }

    #[test]
    fn an_edit_changes_one_field_only(input in bytes(), line in 1_usize..8, field in 0_usize..5, value in "[a-z$./]{0,9}") {
        let mut table = Table::parse(&input);
        let before: Vec<Vec<Vec<u8>>> = split(&input);
        match table.set_field(line, field, value.as_bytes()) {
            Ok(()) => {
                let mut expected = before;
                expected[line - 1][field] = value.into_bytes();
                prop_assert_eq!(split(&table.render()), expected);
            }
            Err(_) => {
                prop_assert!(before.get(line - 1).is_none_or(|fields| fields.len() <= field));
                prop_assert_eq!(table.render(), input);
            }
        }
    }

    #[test]
    fn a_new_verifier_touches_two_fields_and_keeps_the_lock((text, index) in shadow_file()) {
        let shadow = Shadow::read(text.as_bytes()).unwrap();
        let entry = shadow.named(&format!("user{index}")).unwrap();
        let new = Verifier::new("$y$j9T$salt$hash".into()).unwrap();
        let after = shadow.with_verifier(entry, &new, 20_700).unwrap();
        let mut expected = split(text.as_bytes());
        let fields = &mut expected[entry.line - 1];
        let locked = entry.password.is_locked();
        prop_assert_eq!(locked, matches!(fields[1].first(), Some(b'!' | b'*')));
        fields[1] = [if locked { &b"!"[..] } else { b"" }, new.as_str().as_bytes()].concat();
        fields[2] = b"20700".to_vec();
        prop_assert_eq!(split(&after), expected);
        let again = Shadow::read(&after).unwrap();
        let entry = again.named(&entry.name).unwrap();
        prop_assert_eq!(entry.password.is_locked(), locked);
        prop_assert_eq!(entry.password.verifier(), Some(&new));
    }

    #[test]
    fn no_bytes_make_the_readers_panic(input in bytes()) {
        let _ = agent::accounts::Passwd::read(&input);
        let _ = Shadow::read(&input);
        let _ = agent::accounts::GroupFile::read(agent::accounts::AccountFile::Group, &input);
        let _ = agent::accounts::pam_password_modules(&input);
        let _ = agent::accounts::LoginDefs::read(&input);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// rotation.md 8: what one implementation hashed, another one opens.
    #[test]
    fn libcrypt_opens_what_we_hash(text in "\\PC{1,80}", seed in any::<u64>(), rounds in 1_000_u32..3_000) {
        let crypt = SystemCrypt::load().expect("this test needs the system's libcrypt");
        let methods = [
            Method::Yescrypt { cost: 1 },
            Method::Yescrypt { cost: 3 },
            Method::YESCRYPT,
            Method::Sha512 { rounds: None },
            Method::Sha512 { rounds: Some(rounds) },
            Method::Sha256 { rounds: None },
            Method::Sha256 { rounds: Some(rounds) },
        ];
        let other = Password::new(format!("{text}x"));
        let password = Password::new(text);
        for method in methods {
            let verifier = hash(&password, method, &mut ChaCha20Rng::seed_from_u64(seed)).unwrap();
            prop_assert!(verifier.is_salted());
            prop_assert_eq!(crypt.opens(&password, &verifier), Some(true), "{:?}", method);
            prop_assert_eq!(crypt.opens(&other, &verifier), Some(false), "{:?}", method);
        }
    }
}

fn split(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    bytes.split(|b| *b == b'\n').map(|line| line.split(|b| *b == b':').map(<[u8]>::to_vec).collect()).collect()
}
