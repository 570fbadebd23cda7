//! Against GnuTLS's `gnutls-serv` and `gnutls-cli` over loopback, where they are installed (Debian: gnutls-bin).

mod common;

use std::process::Command;
use std::time::Instant;

use common::peer::{Files, Process, exported, free_port, run, socket};
use common::{Kind, Side};
use sealrtp_dtls::{Association, Config, CookieExchange, Failure, Role};
use sealrtp_srtp::Suite;

/// GnuTLS 3.7 has no GCM profiles.
const PROFILES: [(Suite, &str); 2] = [
    (Suite::AesCm128HmacSha1_80, "SRTP_AES128_CM_HMAC_SHA1_80"),
    (Suite::AesCm128HmacSha1_32, "SRTP_AES128_CM_HMAC_SHA1_32"),
];

/// Whether the program is there; says so if not.
fn installed(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        println!("SKIPPED: {program} is not installed");
    }
    there
}

fn side(suite: Suite) -> Side {
    Side::new(Config { profiles: vec![suite], ..Config::default() })
}

#[test]
fn gnutls_cli_exports_what_our_server_exports() {
    if !installed("gnutls-cli") {
        return;
    }
    for (suite, name) in PROFILES {
        for kind in [Kind::Ec, Kind::Rsa] {
            for cookies in [CookieExchange::Required, CookieExchange::Skipped] {
                let files = Files::new(kind);
                let socket = socket();
                let at = socket.local_addr().unwrap();
                let (host, port) = (at.ip().to_string(), at.port().to_string());
                let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
                #[rustfmt::skip]
                let mut process = Process::start("gnutls-cli", &[
                    "--udp", "--insecure", "--port", &port, "--x509certfile", &cert, "--x509keyfile", &key,
                    "--srtp-profiles", name, "--keymatexport", "EXTRACTOR-dtls_srtp", "--keymatexportsize", "60", &host,
                ]);
                let mut side = side(suite);
                side.config.cookies = cookies;
                let known = Side::of(Config::default(), kind).fingerprints();
                let mut association =
                    Association::new(&side.context(), Role::Server, known, Instant::now()).unwrap();
                let told = run(&mut association, &socket);
                assert_eq!(told.keys().suite, suite);
                let theirs = process.line_to("Key material: ", &mut association, &socket).to_uppercase();
                assert_eq!(theirs, exported(told.keys(), Role::Server), "{name} {kind:?}");
            }
        }
    }
}

#[test]
fn gnutls_serv_and_our_client_agree_on_the_profile() {
    if !installed("gnutls-serv") {
        return;
    }
    for (suite, name) in PROFILES {
        for kind in [Kind::Ec, Kind::Rsa] {
            let files = Files::new(kind);
            let port = free_port();
            let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
            #[rustfmt::skip]
            let mut process = Process::start("gnutls-serv", &[
                "--udp", "--port", &port.to_string(), "--x509certfile", &cert, "--x509keyfile", &key, "--require-client-cert",
                "--srtp-profiles", name,
            ]);
            process.line("listening on IPv4");
            let socket = socket();
            socket.connect(("127.0.0.1", port)).unwrap();
            let known = Side::of(Config::default(), kind).fingerprints();
            let context = side(suite).context();
            let mut association = Association::new(&context, Role::Client, known, Instant::now()).unwrap();
            let told = run(&mut association, &socket);
            assert_eq!(told.keys().suite, suite);
            assert!(told.keys().extended_master_secret);
        }
    }
}

#[test]
fn gnutls_without_extended_master_secret_is_refused() {
    if !installed("gnutls-cli") {
        return;
    }
    let files = Files::new(Kind::Ec);
    let socket = socket();
    let at = socket.local_addr().unwrap();
    let (host, port) = (at.ip().to_string(), at.port().to_string());
    let (cert, key) = (files.path("cert.pem"), files.path("key.pem"));
    #[rustfmt::skip]
    let _process = Process::start("gnutls-cli", &[
        "--udp", "--insecure", "--port", &port, "--x509certfile", &cert, "--x509keyfile", &key,
        "--srtp-profiles", PROFILES[0].1, "--priority", "NORMAL:%NO_SESSION_HASH", &host,
    ]);
    let known = Side::of(Config::default(), Kind::Ec).fingerprints();
    let context = side(PROFILES[0].0).context();
    let mut association = Association::new(&context, Role::Server, known, Instant::now()).unwrap();
    assert_eq!(run(&mut association, &socket).failure(), &Failure::NoExtendedMasterSecret);
}
