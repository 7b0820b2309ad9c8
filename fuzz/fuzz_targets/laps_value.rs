#![no_main]

use lapwing_fuzz::dpapi_checks as checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::value(bytes);
    checks::credential(bytes);
});
