//! `mod_sealrtp.so`: the C shim of this folder (compiled by `build.rs`) and the library behind it, in one static library
//! that `make freeswitch-module` makes a shared object of.
#![forbid(unsafe_code)]

// The shim is the only caller; naming the crate is what links it.
extern crate sealrtp as _;
