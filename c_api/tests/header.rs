//! `include/sealrtp.h` is what cbindgen makes of these sources today.

use std::path::Path;
use std::{env, fs};

#[test]
fn the_header_is_fresh() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let header = here.join("../include/sealrtp.h");
    let mut made = Vec::new();
    cbindgen::generate(here).expect("cbindgen reads the sources").write(&mut made);
    let made = String::from_utf8(made).expect("a header is text");
    if env::var_os("SEALRTP_BLESS").is_some() {
        fs::write(&header, &made).expect("the header can be written");
    }
    let present = fs::read_to_string(&header).unwrap_or_default();
    assert!(present == made, "include/sealrtp.h is stale: run `make header`");
}
