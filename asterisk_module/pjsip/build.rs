//! Compiles the C files here into `res_sealrtp_pjsip.so`, where Asterisk's headers are.

#[path = "../shim.rs"]
mod shim;

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=.");
    println!("cargo:rerun-if-changed=../shim.rs");
    println!("cargo:rerun-if-changed=../sdp_api.h");
    shim::compile("res_sealrtp_pjsip", Path::new("."), &["..", "."]);
}
