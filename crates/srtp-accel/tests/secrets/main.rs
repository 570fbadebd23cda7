//! What keys, payloads and tags are is not told by how long anything takes: neither the instructions that are executed nor
//! the addresses that they touch depend on them.
//!
//! `traces` lets the processor trap after every instruction of every kernel that it can run, and compares what is executed
//! and touched for different secrets. It proves that for the lengths and the secrets tried, and says nothing of instructions
//! that take longer for some operands: of those that are known to, division, the operands are compared too.
//!
//! `undefined` runs the kernels whose instructions valgrind knows, with secrets that it takes for undefined: that proves it
//! for all secrets at once, and for a path whose instructions it does not know nothing.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

// The part of it for batches and guarded memory is for other tests.
#[allow(dead_code)]
#[path = "../suite/mod.rs"]
mod suite;

mod tracer;
mod traces;
mod undefined;
