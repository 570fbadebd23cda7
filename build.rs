//! Compiles the C shim of `asterisk_module` into `res_sealrtp.so`, where Asterisk's headers are.

#[path = "asterisk_module/shim.rs"]
mod shim;

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=asterisk_module");
    println!("cargo:rerun-if-changed=include/sealrtp.h");
    shim::compile("res_sealrtp", Path::new("asterisk_module"), &["include"]);
}
