//! A smoke run of the fuzz checks: the corpus, and 20,000 seeded mutations of it for each target.

use crate::hostile::checks;
use smoke::smoke;

#[path = "../../../../fuzz/src/smoke.rs"]
#[allow(unreachable_pub, reason = "the tests of several crates take it in")]
mod smoke;

/// Magic numbers, lengths that lie, tags of DER.
const TOKENS: [&[u8]; 16] = [
    b"KDSK",
    b"DHPM",
    b"DHPB",
    b"ECK1",
    b"ECK5",
    &[0xff; 4],
    &[0; 4],
    &[0, 1, 0, 0],
    &[0, 0, 0, 0x80],
    &[0x30, 0x80],
    &[0x30, 0x84],
    &[0xa0, 0x82],
    &[0x04, 0x82],
    b"\0\xd8",
    b"\"",
    b"\\u",
];

#[test]
fn dpapi_blob() {
    smoke("dpapi_blob", &TOKENS, checks::dpapi_blob);
}

#[test]
fn group_key() {
    smoke("group_key", &TOKENS, checks::group_key);
}

#[test]
fn laps_value() {
    smoke("laps_value", &TOKENS, checks::laps_value);
}

#[test]
fn rpc() {
    smoke("rpc", &TOKENS, checks::rpc);
}
