//! How a run can end: one table for exit codes, the JSON line's `result` and the help.

use std::fmt;
use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Secured (or `--method none`, or `--zrtp allow`), and audio came back.
    Ok,
    /// Arguments, files or a description that cannot be used.
    Usage,
    /// No keys within `--timeout`.
    NotSecured,
    /// The peer's certificate or Hello is not the one its description tells of.
    FingerprintMismatch,
    /// No method, suite, profile or codec in common.
    NothingInCommon,
    /// Keys, but no audio.
    NoAudio,
    /// More packets than allowed failed authentication.
    AuthFailures,
    /// The system refused a socket.
    SocketError,
    /// The handshake failed for a reason that has no code of its own.
    HandshakeFailed,
}

struct Row {
    outcome: Outcome,
    code: u8,
    name: &'static str,
    meaning: &'static str,
}

const TABLE: [Row; 9] = [
    Row {
        outcome: Outcome::Ok,
        code: 0,
        name: "ok",
        meaning: "secured (or --method none, or --zrtp allow), and audio came back",
    },
    Row {
        outcome: Outcome::Usage,
        code: 2,
        name: "usage",
        meaning: "arguments, files or a description that cannot be used",
    },
    Row {
        outcome: Outcome::NotSecured,
        code: 3,
        name: "not_secured",
        meaning: "no keys within --timeout: the peer did not answer, or stopped answering",
    },
    Row {
        outcome: Outcome::FingerprintMismatch,
        code: 4,
        name: "fingerprint_mismatch",
        meaning: "the peer's certificate or Hello is not the one its a=fingerprint or a=zrtp-hash tells of",
    },
    Row {
        outcome: Outcome::NothingInCommon,
        code: 5,
        name: "nothing_in_common",
        meaning: "no method, suite, profile or codec in common with the peer",
    },
    Row {
        outcome: Outcome::NoAudio,
        code: 6,
        name: "no_audio",
        meaning: "secured, but no audio came back (or not the tone of --expect-tone)",
    },
    Row {
        outcome: Outcome::AuthFailures,
        code: 7,
        name: "auth_failures",
        meaning: "more packets failed authentication than --max-auth-failures allows",
    },
    Row {
        outcome: Outcome::SocketError,
        code: 8,
        name: "socket_error",
        meaning: "the system refused a socket: address in use, not ours, no route",
    },
    Row {
        outcome: Outcome::HandshakeFailed,
        code: 9,
        name: "handshake_failed",
        meaning: "the handshake failed otherwise: an alert, no certificate, another version, a MAC of ZRTP",
    },
];

impl Outcome {
    fn row(self) -> &'static Row {
        let found = TABLE.iter().find(|row| row.outcome == self);
        found.unwrap_or(&TABLE[1])
    }

    /// The word in the JSON line.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The process's exit code.
    pub fn exit_code(self) -> ExitCode {
        ExitCode::from(self.row().code)
    }

    /// The table, for the help.
    pub fn table() -> String {
        let lines = TABLE.iter().map(|row| format!("  {}  {:22}{}\n", row.code, row.name, row.meaning));
        lines.collect()
    }
}

/// Why a run ended before its time: the reason in words, without any secret.
#[derive(Debug)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// Why.
    pub reason: String,
}

impl Ended {
    /// With a reason that can be shown.
    pub fn new(outcome: Outcome, reason: impl fmt::Display) -> Self {
        Self { outcome, reason: reason.to_string() }
    }

    /// Something the caller gave cannot be used.
    pub fn usage(reason: impl fmt::Display) -> Self {
        Self::new(Outcome::Usage, reason)
    }
}

impl From<anyhow::Error> for Ended {
    fn from(error: anyhow::Error) -> Self {
        Self::usage(format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_row_and_no_two_share_a_code_or_a_name() {
        use Outcome::*;
        let all = [
            Ok,
            Usage,
            NotSecured,
            FingerprintMismatch,
            NothingInCommon,
            NoAudio,
            AuthFailures,
            SocketError,
            HandshakeFailed,
        ];
        for (i, outcome) in all.into_iter().enumerate() {
            assert_eq!(outcome.row().outcome, outcome);
            assert!(
                all[..i].iter().all(|o| o.row().code != outcome.row().code && o.name() != outcome.name())
            );
        }
        assert_eq!(all.len(), TABLE.len());
    }
}
