//! How a policy's handshakes are done, in DTLS's own terms.

use sealrtp_dtls::{Config, ExtendedMasterSecret};
use sealrtp_policy::Dtls;

/// What a policy says of handshakes, for [`Context::new`](sealrtp_dtls::Context::new); the rest is as DTLS has it by default.
pub fn dtls_config(dtls: &Dtls) -> Config {
    Config {
        profiles: dtls.profiles().to_vec(),
        mtu: dtls.mtu(),
        extended_master_secret: if dtls.extended_master_secret() {
            ExtendedMasterSecret::Required
        } else {
            ExtendedMasterSecret::Offered
        },
        ciphers: dtls.ciphers().to_owned(),
        groups: dtls.groups().to_owned(),
        timeout: dtls.timeout(),
        ..Config::default()
    }
}
