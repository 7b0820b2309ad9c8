//! A smoke run of the fuzz checks: the corpus, and 20,000 seeded mutations of it for each target.

use smoke::smoke;

#[path = "../../../../fuzz/src/checks.rs"]
#[allow(unreachable_pub, reason = "the fuzz crate, whose file this is, exports them")]
mod checks;
#[path = "../../../../fuzz/src/smoke.rs"]
#[allow(unreachable_pub, reason = "the tests of several crates take it in")]
mod smoke;

const TOKENS: [&[u8]; 12] =
    [b"<", b">", b"&", b"]]>", b"<![CDATA[", b"&#0;", b"<!DOCTYPE a>", b"</", b"\0", b"\xff", b"%2e", b"<Atomic>"];

#[test]
fn syncml() {
    smoke("syncml", &TOKENS, checks::syncml);
}

#[test]
fn locuri() {
    smoke("locuri", &TOKENS, checks::locuri);
}

#[test]
fn registry_pol() {
    smoke("registry_pol", &TOKENS, checks::registry_pol);
}
