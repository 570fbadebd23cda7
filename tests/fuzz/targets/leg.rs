#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sealrtp_fuzz::leg::run(data);
});
