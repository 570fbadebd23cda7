//! Every kernel of this processor gives, byte for byte, what RustCrypto gives, and touches nothing but what it is given.

#[path = "../suite/mod.rs"]
mod suite;

mod batches;
mod packets;
mod pages;
