//! `generate`

use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output,
};
use clap::Args;
use laps::password::{Password, PasswordSpec, generate};
use rand_core::{TryRng, UnwrapErr};
use zeroize::Zeroizing;

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// PasswordComplexity: 1 upper case, 2 and lower case, 3 and digits, 4 and signs, 5 the same without
    /// look-alikes, 6 long words, 7 short words, 8 short words with unique prefixes
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8))]
    complexity: u32,
    /// Characters, 8 to 64, with complexity 1 to 5; 14 when absent
    #[arg(long, short, value_name = "N", conflicts_with = "words")]
    length: Option<u32>,
    /// Words, 3 to 10, with complexity 6 to 8; 6 when absent
    #[arg(long, short, value_name = "N")]
    words: Option<u32>,
    /// How many passwords
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1)]
    count: u32,
}

/// Characters and words when they are not given: the defaults of PasswordLength and PassphraseLength.
const LENGTH_DEFAULT: u32 = 14;
const WORDS_DEFAULT: u32 = 6;
/// Passwords that are written at once.
const BATCH: u32 = 1024;

/// `lapwing generate`.
pub(crate) fn run(globals: &Globals, arguments: &Generate) -> Result<(), Failure> {
    let is_phrase = arguments.complexity >= 6;
    if is_phrase && arguments.length.is_some() {
        return Err(Failure::wrong_use("length_of_passphrase", "complexity 6 to 8 makes words, not characters")
            .next("use --words instead of --length"));
    }
    if !is_phrase && arguments.words.is_some() {
        return Err(Failure::wrong_use("words_of_password", "complexity 1 to 5 makes characters, not words")
            .next("use --length instead of --words"));
    }
    let length = arguments.length.unwrap_or(LENGTH_DEFAULT);
    let words = arguments.words.unwrap_or(WORDS_DEFAULT);
    let spec = PasswordSpec::new(arguments.complexity, length, words)
        .map_err(|error| Failure::wrong_use("out_of_range", error.to_string()))?;
    // Asked once here, so that a system without randomness is an error and not a panic later.
    getrandom::SysRng
        .try_next_u64()
        .map_err(|error| Failure::failed("no_randomness", format!("the system gives no random numbers: {error}")))?;
    let mut rng = UnwrapErr(getrandom::SysRng);
    if globals.output == Form::Json {
        let passwords: Vec<Password> = (0..arguments.count).map(|_| generate(spec, &mut rng)).collect();
        return output::json(&passwords.iter().map(Password::reveal).collect::<Vec<_>>());
    }
    let mut left = arguments.count;
    while left > 0 {
        let batch = left.min(BATCH);
        let passwords: Vec<Password> = (0..batch).map(|_| generate(spec, &mut rng)).collect();
        let bytes = passwords.iter().map(|password| password.reveal().len() + 1).sum();
        let mut text = Zeroizing::new(String::with_capacity(bytes));
        for password in &passwords {
            text.push_str(password.reveal());
            text.push('\n');
        }
        output::data(&text)?;
        left -= batch;
    }
    Ok(())
}
