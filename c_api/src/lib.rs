//! The C ABI of SealRTP.
