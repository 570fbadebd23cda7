//! `res_sealrtp.so`: the C shim of this folder (compiled by the root `build.rs`) and the library behind it, in one
//! shared object.

// The shim is the only caller; naming the crate is what links it.
extern crate sealrtp as _;
