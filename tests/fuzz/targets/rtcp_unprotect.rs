#![no_main]

use sealrtp_fuzz::stream::{Protocol, run};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    run(Protocol::Rtcp, data);
});
