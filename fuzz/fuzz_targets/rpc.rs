#![no_main]

use lapwing_fuzz::dpapi_checks as checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::fragment(bytes);
    checks::endpoint_answer(bytes);
    checks::key_answer(bytes);
});
