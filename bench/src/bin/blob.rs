//! (h): one LAPS password protected and opened in the public-key form, against the bare exponentiations (two and one, 2048
//! bits, exponents of 512 bits) of the same big-integer library, and against the Python package dpapi-ng.

use anyhow::{Context as _, Result, ensure};
use bench::{Aim, argument, cpu_us_each, number, print_pair};
use crypto_bigint::{
    Odd, Random as _, RandomMod as _, U2048,
    modular::{FixedMontyForm, FixedMontyParams},
};
use dpapi::{
    Sid,
    blob::{Blob, open, protect},
    gkdi::{Agreement, GroupKeyEnvelope, Hash, KeyIndex, RootKey, SeedKey},
    target_descriptor,
    value::Credential,
};
use getrandom::SysRng;
use rand_core::{Rng as _, UnwrapErr};
use serde_json::json;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

const EXPONENT_BITS: u32 = 512;

/// What a device and an administrator have at hand.
struct Case {
    root: RootKey,
    root_bytes: [u8; 64],
    principal: Sid,
    envelope: GroupKeyEnvelope,
    keys: SeedKey,
    clear: Vec<u8>,
}

fn main() -> Result<()> {
    let rounds = number("rounds", 21);
    let slice = Duration::from_millis(number("milliseconds", 200));
    let case = case()?;
    let mut system = UnwrapErr(SysRng);
    let bytes = protect(&case.clear, &case.principal, &case.envelope, &mut system)?.to_bytes();
    let open_one = || open(&Blob::from_bytes(&bytes).expect("a blob"), &case.keys).expect("opens");
    ensure!(*open_one() == case.clear, "the blob opens");

    let powers = Powers::new(&case);
    let mut peer = Peer::start(&case)?;
    let names = ["protect", "open"];
    let (mut ours, mut bare, mut python) =
        ([const { Vec::new() }; 2], [const { Vec::new() }; 2], [const { Vec::new() }; 2]);
    for _ in 0..rounds {
        ours[0].push(cpu_us_each(slice, || {
            drop(black_box(
                protect(&case.clear, &case.principal, &case.envelope, &mut system).expect("protects").to_bytes(),
            ));
        }));
        bare[0].push(cpu_us_each(slice, || _ = black_box((powers.one(), powers.one()))));
        ours[1].push(cpu_us_each(slice, || drop(black_box(open_one()))));
        bare[1].push(cpu_us_each(slice, || _ = black_box(powers.one())));
        if let Some(peer) = &mut peer {
            for (name, times) in names.iter().zip(&mut python) {
                times.push(peer.time(name, slice)?);
            }
        }
    }
    for (at, name) in names.iter().enumerate() {
        let what = format!("{name} a password, DH, against {} of its bare exponentiations", 2 - at);
        print_pair("h1", &what, "us", &ours[at], &bare[at], Aim::AtMost(1.2));
    }
    if peer.is_some() {
        for (at, name) in names.iter().enumerate() {
            let what = format!("{name} a password, DH, against Python dpapi-ng");
            print_pair("h2", &what, "us", &ours[at], &python[at], Aim::AtMost(0.333));
        }
    }
    Ok(())
}

fn case() -> Result<Case> {
    let mut root_bytes = [0; 64];
    UnwrapErr(SysRng).fill_bytes(&mut root_bytes);
    let id = "00112233-4455-6677-8899-aabbccddeeff".parse()?;
    let root = RootKey::new(id, "SP800_108_CTR_HMAC", Hash::Sha512, Agreement::usual(), root_bytes.into())?;
    let principal: Sid = "S-1-5-21-2127521184-1604012920-1887927527-512".parse()?;
    let (descriptor, index) = (target_descriptor(&principal), KeyIndex::new(361, 17, 8)?);
    // Both as they come from a domain controller.
    let envelope = root.public_envelope(&descriptor, index, "corp.example", "corp.example")?;
    let envelope = GroupKeyEnvelope::from_bytes(&envelope.to_bytes())?;
    let keys = root.seed_envelope(&descriptor, index, "corp.example", "corp.example");
    let keys = GroupKeyEnvelope::from_bytes(&keys.to_bytes())?.seed_key().context("a seed key")?;
    let json = r#"{"n":"Administrator","t":"1d9ab8e5c5a5a42","p":"A6a3#7%eUQ8vYw2!pLk"}"#;
    let clear = Credential::from_json(json)?.to_clear().to_vec();
    Ok(Case { root, root_bytes, principal, envelope, keys, clear })
}

/// One exponentiation in the group of the case, by the library alone.
struct Powers {
    parameters: FixedMontyParams<{ U2048::LIMBS }>,
    base: U2048,
    exponent: U2048,
}

impl Powers {
    fn new(case: &Case) -> Self {
        // FFCDHParameters: 12 bytes, then the modulus.
        let parameters = case.root.parameters().agreement.to_parameters();
        let modulus = U2048::from_be_slice(&parameters[12..268]);
        let modulus = Odd::new(modulus).expect("a prime");
        let mut system = UnwrapErr(SysRng);
        let base = U2048::random_mod_vartime(&mut system, modulus.as_nz_ref());
        let exponent = U2048::random_from_rng(&mut system).shr(U2048::BITS - EXPONENT_BITS);
        Self { parameters: FixedMontyParams::new_vartime(modulus), base, exponent }
    }
    fn one(&self) -> U2048 {
        let base = FixedMontyForm::new(black_box(&self.base), &self.parameters);
        base.pow_bounded_exp(black_box(&self.exponent), EXPONENT_BITS).retrieve()
    }
}

/// The Python package, in a process of its own.
struct Peer {
    child: Child,
    input: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// `None` when `--python` names none.
    fn start(case: &Case) -> Result<Option<Self>> {
        let python = argument("python", "");
        if python.is_empty() {
            return Ok(None);
        }
        let mut child = Command::new(python)
            .arg(argument("script", "bench/peer_dpapi.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the Python that has dpapi-ng")?;
        let mut input = child.stdin.take().context("its input")?;
        let answers = BufReader::new(child.stdout.take().context("its output")?).lines();
        let parameters = case.root.parameters();
        let first = json!({
            "clear": hex(&case.clear),
            "envelope": hex(&case.envelope.to_bytes()),
            "principal": case.principal.to_string(),
            "root_key": hex(&case.root_bytes),
            "root_key_id": parameters.root_key_id.to_string(),
            "kdf_parameters": hex(&parameters.hash.to_parameters()),
            "method_parameters": hex(&parameters.agreement.to_parameters()),
        });
        writeln!(input, "{first}")?;
        Ok(Some(Self { child, input, answers }))
    }
    fn time(&mut self, what: &str, slice: Duration) -> Result<f64> {
        writeln!(self.input, "{what} {}", slice.as_millis())?;
        Ok(self.answers.next().context("the package answers")??.parse()?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
