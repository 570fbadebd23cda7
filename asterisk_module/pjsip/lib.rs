//! `res_sealrtp_pjsip.so` is the C of this folder and nothing else; this crate has cargo build it.
#![no_std]
#![forbid(unsafe_code)]

extern crate std as _;
