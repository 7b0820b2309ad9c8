//! Both directions against the Python package dpapi-ng, unmodified. `LAPWING_DPAPI_NG_PYTHON` names a Python that has it.

use crate::domain::{agreements, hex, unhex};
use dpapi::{
    Sid,
    blob::{Blob, open, protect},
    gkdi::{Agreement, Hash, KeyIndex, RootKey},
    target_descriptor,
};
use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use serde_json::{Value, json};
use std::{
    hash::{BuildHasher as _, RandomState},
    io::Write as _,
    process::{Command, Stdio},
};
use uuid::Uuid;
use zeroize::Zeroizing;

/// For each hash, method and form.
const ROUNDS: usize = 17;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/peer.py");

struct Case {
    root: RootKey,
    data: [u8; 64],
    principal: Sid,
    index: KeyIndex,
    public: bool,
    clear: Vec<u8>,
}

fn number(rng: &mut ChaCha12Rng, below: u32) -> i32 {
    i32::try_from(rng.next_u32() % below).unwrap()
}

fn case(rng: &mut ChaCha12Rng, hash: Hash, agreement: &Agreement, public: bool) -> Case {
    let mut data = [0; 64];
    rng.fill_bytes(&mut data);
    let id = Uuid::from_u64_pair(rng.next_u64(), rng.next_u64());
    let root = RootKey::new(id, "SP800_108_CTR_HMAC", hash, agreement.clone(), Zeroizing::new(data)).unwrap();
    let parts: String = (0..=number(rng, 6)).map(|_| format!("-{}", rng.next_u32())).collect();
    let index = KeyIndex::new(number(rng, 1000), number(rng, 32), number(rng, 32)).unwrap();
    let mut clear = vec![0; usize::try_from(number(rng, 400)).unwrap()];
    rng.fill_bytes(&mut clear);
    Case { root, data, principal: format!("S-1-5{parts}").parse().unwrap(), index, public, clear }
}

impl Case {
    /// The case with a blob of ours, for the package.
    fn question(&self, rng: &mut ChaCha12Rng) -> Value {
        let descriptor = target_descriptor(&self.principal);
        let (domain, forest) = ("child.corp.example", "corp.example");
        let envelope = if self.public {
            self.root.public_envelope(&descriptor, self.index, domain, forest).unwrap()
        } else {
            self.root.seed_envelope(&descriptor, self.index, domain, forest)
        };
        let blob = protect(&self.clear, &self.principal, &envelope, rng).unwrap();
        let parameters = self.root.parameters();
        json!({
            "root_key": hex(&self.data),
            "root_key_id": parameters.root_key_id.to_string(),
            "kdf_parameters": hex(&parameters.hash.to_parameters()),
            "method": parameters.agreement.method().name(),
            "method_parameters": hex(&parameters.agreement.to_parameters()),
            "private_key_bits": parameters.agreement.private_key_bits(),
            "public_key_bits": parameters.agreement.public_key_bits(),
            "principal": self.principal.to_string(),
            "envelope": hex(&envelope.to_bytes()),
            "clear": hex(&self.clear),
            "blob": hex(&if rng.next_u32().is_multiple_of(2) { blob.to_bytes() } else { blob.to_bytes_enclosed() }),
        })
    }
    /// What the package opened is what we protected, and we open what it made.
    fn judge(&self, answer: &Value) {
        assert_eq!(answer["opened"].as_str().unwrap(), hex(&self.clear), "opened by the package");
        let made = unhex(answer["made"].as_str().unwrap());
        let blob = Blob::from_bytes(&made).unwrap();
        assert_eq!((&blob.principal, blob.key_id.index), (&self.principal, self.index));
        assert!([blob.to_bytes(), blob.to_bytes_enclosed()].contains(&made), "written again as the package wrote it");
        let keys = self.root.seed_key(&target_descriptor(&self.principal), self.index);
        assert_eq!(open(&blob, &keys).unwrap().as_slice(), self.clear, "made by the package");
    }
}

#[test]
fn blobs_go_both_ways_between_us_and_dpapi_ng() {
    let Some(python) = std::env::var_os("LAPWING_DPAPI_NG_PYTHON") else {
        eprintln!(
            "SKIPPED python::blobs_go_both_ways_between_us_and_dpapi_ng: LAPWING_DPAPI_NG_PYTHON names no Python with \
             dpapi-ng"
        );
        return;
    };
    let drawn = || RandomState::new().hash_one(0);
    let seed = std::env::var_os("LAPWING_SEED").map_or_else(drawn, |seed| seed.to_string_lossy().parse().unwrap());
    eprintln!("seed {seed}");
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let mut cases = Vec::new();
    for _ in 0..ROUNDS {
        for hash in Hash::ALL {
            for agreement in &agreements() {
                cases.extend([false, true].map(|public| case(&mut rng, hash, agreement, public)));
            }
        }
    }
    let questions: String = cases.iter().map(|case| format!("{}\n", case.question(&mut rng))).collect();
    let mut child = Command::new(python)
        .arg(SCRIPT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the Python that LAPWING_DPAPI_NG_PYTHON names");
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(questions.as_bytes()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the package failed: {}", output.status);
    writer.join().unwrap().unwrap();

    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), cases.len());
    for (case, answer) in cases.iter().zip(&answers) {
        case.judge(answer);
    }
    assert!(cases.len() >= 500, "{} blobs each way", cases.len());
    eprintln!("{} blobs each way", cases.len());
}
