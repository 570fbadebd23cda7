//! What the fuzz targets do with their input, apart from libFuzzer, so that the seeds can be tested without it.

#![deny(unsafe_code)]

pub mod crypto_attribute;
pub mod dtls;
pub mod dtls_attributes;
pub mod dtls_client_hello;
pub mod input;
pub mod kernels;
pub mod leg;
pub mod offer_answer;
pub mod policy_config;
pub mod protect_headers;
pub mod sdp_body;
pub mod session;
pub mod stream;
pub mod zrtp_message;
pub mod zrtp_packet;
pub mod zrtp_stream;
