#![no_main]

use lapwing_fuzz::dpapi_checks as checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::envelope(bytes);
    checks::key_id(bytes);
    checks::public_key(bytes);
    checks::group(bytes);
    checks::hash(bytes);
});
