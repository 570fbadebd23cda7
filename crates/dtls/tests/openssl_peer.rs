//! Against OpenSSL's own `s_server` and `s_client` over loopback: both roles, every profile, EC and RSA, same exporter output.

mod common;

use std::net::UdpSocket;
use std::time::Instant;

use common::peer::{Files, Process, exported, free_address, run, socket};
use common::{Kind, Side, Told};
use sealrtp_dtls::{Association, Config, CookieExchange, ExtendedMasterSecret, Failure, Role};
use sealrtp_srtp::Suite;

const PROFILES: [(Suite, &str); 4] = [
    (Suite::AeadAes256Gcm, "SRTP_AEAD_AES_256_GCM"),
    (Suite::AeadAes128Gcm, "SRTP_AEAD_AES_128_GCM"),
    (Suite::AesCm128HmacSha1_80, "SRTP_AES128_CM_SHA1_80"),
    (Suite::AesCm128HmacSha1_32, "SRTP_AES128_CM_SHA1_32"),
];

fn export_len(suite: Suite) -> String {
    (2 * (suite.key_len() + suite.salt_len())).to_string()
}

fn side(profile: Suite, cookies: CookieExchange) -> Side {
    Side::new(Config { profiles: vec![profile], cookies, ..Config::default() })
}

/// Our client and `s_server`, which asks for our certificate.
fn client(suite: Suite, name: &str, kind: Kind, more: &[&str]) -> (Told, Process) {
    let files = Files::new(kind);
    let (address, length) = (free_address().to_string(), export_len(suite));
    let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
    #[rustfmt::skip]
    let mut arguments = vec![
        "s_server", "-dtls1_2", "-accept", &address, "-cert", &cert, "-key", &key, "-Verify", "1",
        "-use_srtp", name, "-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", &length,
    ];
    arguments.extend(more);
    let mut process = Process::start("openssl", &arguments);
    process.line("ACCEPT");
    let socket = socket();
    socket.connect(&address).unwrap();
    let peer = Side::of(Config::default(), kind);
    let context = side(suite, CookieExchange::Required).context();
    let mut association =
        Association::new(&context, Role::Client, peer.fingerprints(), Instant::now()).unwrap();
    (run(&mut association, &socket), process)
}

/// Our server and `s_client`.
fn server(
    suite: Suite,
    name: &str,
    kind: Kind,
    cookies: CookieExchange,
    more: &[&str],
) -> (Told, Process, Association, UdpSocket) {
    let files = Files::new(kind);
    let socket = socket();
    let (address, length) = (socket.local_addr().unwrap().to_string(), export_len(suite));
    let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
    #[rustfmt::skip]
    let mut arguments = vec![
        "s_client", "-dtls1_2", "-connect", &address, "-cert", &cert, "-key", &key,
        "-use_srtp", name, "-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", &length,
    ];
    arguments.extend(more);
    let process = Process::start("openssl", &arguments);
    let peer = Side::of(Config::default(), kind);
    let context = side(suite, cookies).context();
    let mut association =
        Association::new(&context, Role::Server, peer.fingerprints(), Instant::now()).unwrap();
    (run(&mut association, &socket), process, association, socket)
}

#[test]
fn s_server_exports_what_our_client_exports() {
    for (suite, name) in PROFILES {
        for kind in [Kind::Ec, Kind::Rsa] {
            for more in [&[][..], &["-listen"], &["-mtu", "300"]] {
                let (told, mut process) = client(suite, name, kind, more);
                let keys = told.keys();
                assert_eq!(keys.suite, suite);
                assert_eq!(
                    process.line("Keying material: "),
                    exported(keys, Role::Client),
                    "{name} {kind:?} {more:?}"
                );
            }
        }
    }
}

#[test]
fn s_client_exports_what_our_server_exports() {
    for (suite, name) in PROFILES {
        for kind in [Kind::Ec, Kind::Rsa] {
            for cookies in [CookieExchange::Required, CookieExchange::Skipped] {
                for more in [&[][..], &["-mtu", "300"]] {
                    let (told, mut process, mut association, socket) =
                        server(suite, name, kind, cookies, more);
                    let keys = told.keys();
                    assert_eq!(keys.suite, suite);
                    assert_eq!(
                        process.line_to("Keying material: ", &mut association, &socket),
                        exported(keys, Role::Server),
                        "{name} {kind:?} {more:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_peer_without_our_profile_fails() {
    let (suite, other) = (Suite::AeadAes256Gcm, PROFILES[2].1);
    let (told, _process) = client(suite, other, Kind::Ec, &[]);
    assert_eq!(told.failure(), &Failure::NoCommonProfile);
    let (told, _process, ..) = server(suite, other, Kind::Ec, CookieExchange::Required, &[]);
    assert_eq!(told.failure(), &Failure::NoCommonProfile);
}

#[test]
fn a_client_that_shows_no_certificate_fails() {
    let socket = socket();
    let address = socket.local_addr().unwrap().to_string();
    let _process = Process::start(
        "openssl",
        &["s_client", "-dtls1_2", "-connect", &address, "-use_srtp", PROFILES[0].1],
    );
    let side = side(PROFILES[0].0, CookieExchange::Required);
    let mut association =
        Association::new(&side.context(), Role::Server, side.fingerprints(), Instant::now()).unwrap();
    assert_eq!(run(&mut association, &socket).failure(), &Failure::NoCertificate);
}

#[test]
fn a_peer_of_dtls_1_0_fails() {
    let socket = socket();
    let address = socket.local_addr().unwrap().to_string();
    let _process = Process::start(
        "openssl",
        &[
            "s_client",
            "-dtls1",
            "-connect",
            &address,
            "-use_srtp",
            PROFILES[0].1,
            "-cipher",
            "ALL:@SECLEVEL=0",
        ],
    );
    let side = side(PROFILES[0].0, CookieExchange::Required);
    let mut association =
        Association::new(&side.context(), Role::Server, side.fingerprints(), Instant::now()).unwrap();
    let told = run(&mut association, &socket);
    assert!(
        matches!(told.failure(), Failure::Handshake(why) if why.contains("protocol")),
        "{:?}",
        told.failed
    );
}

#[test]
fn a_peer_without_extended_master_secret_fails_where_it_is_required_and_is_shown_where_not() {
    let files = Files::new(Kind::Ec);
    let config = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nOptions = -ExtendedMasterSecret\n";
    std::fs::write(files.path("openssl.cnf"), config).unwrap();
    for required in [true, false] {
        let socket = socket();
        let address = socket.local_addr().unwrap().to_string();
        let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
        #[rustfmt::skip]
        let arguments = ["s_client", "-dtls1_2", "-connect", &address, "-cert", &cert, "-key", &key, "-use_srtp", PROFILES[0].1];
        let _process = Process::with_config(&arguments, &files.path("openssl.cnf"));
        let extended_master_secret =
            if required { ExtendedMasterSecret::Required } else { ExtendedMasterSecret::Offered };
        let side = Side::new(Config { extended_master_secret, ..Config::default() });
        let known = Side::of(Config::default(), Kind::Ec).fingerprints();
        let mut association = Association::new(&side.context(), Role::Server, known, Instant::now()).unwrap();
        let told = run(&mut association, &socket);
        if required {
            assert_eq!(told.failure(), &Failure::NoExtendedMasterSecret);
        } else {
            assert!(!told.keys().extended_master_secret);
        }
    }
}
