#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sealrtp_fuzz::zrtp_packet::run(data);
});
