//! A call's descriptions in any order, lies among them: nothing clear under `fallback = reject`, keys where they are said to be.
//!
//! Input: a byte that chooses the policy, then descriptions, each a byte of [`flags`], a byte of CSeq, a word of length and the
//! peer's body. What is ours has the same body always.

use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use sealrtp_dtls::{Context, Identity};
use sealrtp_offer_answer::{Applied, Means, Message, OfferAnswer, Refusal, Remote};
use sealrtp_policy::{Config, Signalling};
use sealrtp_sdp::Description;
use sealrtp_session::{Component, Session, State, WithoutKeys};
use sealrtp_srtp::Limits;
use sealrtp_zrtp::Association;
use sealrtp_zrtp::message::Zid;

use crate::input::Input;

/// Bounds the time of one run.
const MAX_DESCRIPTIONS: usize = 16;
/// Lines of a body that are applied.
const MAX_LINES: usize = 3;
/// Longest explanation, in bytes: 64 steps and a line on those before.
const MAX_EXPLANATION: usize = 66 * 1100;

/// The bits of a description's first byte.
pub mod flags {
    /// It is ours.
    pub const OURS: u8 = 1;
    /// In an INVITE or UPDATE.
    pub const REQUEST: u8 = 2;
    /// Over TLS.
    pub const TLS: u8 = 4;
}

const POLICIES: [&[(&str, &str)]; 6] = [
    &[],
    &[("fallback", "reject")],
    &[("offer", "sdes"), ("accept", "sdes"), ("sdes_signalling", "any")],
    &[("accept", "dtls,sdes"), ("on_failure", "warn")],
    &[("offer", "zrtp"), ("accept", "zrtp"), ("fallback", "reject")],
    &[("offer", "sdes,dtls"), ("zrtp_upgrade", "yes"), ("fallback", "reject")],
];

const OURS: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0\r\na=ptime:20\r\nm=video 4002 RTP/AVPF 96\r\nm=application 9 TCP/TLS/BFCP *\r\n";

struct Ours {
    context: Context,
    fingerprint: String,
    association: Association,
}

fn ours() -> &'static Ours {
    static OURS: OnceLock<Ours> = OnceLock::new();
    OURS.get_or_init(|| {
        let identity = Identity::generate(SystemTime::now()).expect("a certificate");
        let context = Context::new(sealrtp_dtls::Config::default(), &identity).expect("a context");
        let fingerprint = context.fingerprint().to_string();
        let association = Association::new(Arc::default(), Zid([0xaa; 12]), None).expect("valid");
        Ours { context, fingerprint, association }
    })
}

/// Runs one input. Returns how many descriptions of the peer were taken.
pub fn run(data: &[u8]) -> usize {
    let mut input = Input(data);
    let mut config = Config::default();
    for (key, value) in POLICIES[usize::from(input.byte()) % POLICIES.len()] {
        config.set(key, value).expect("a value of the key");
    }
    let strict = !config.allows_clear();
    let mut negotiation = OfferAnswer::new(config, "peer");
    let mut sessions: Vec<Session> =
        (0..MAX_LINES).map(|_| Session::new(Limits::default(), WithoutKeys::Pass)).collect();
    let now = Instant::now();
    let mut taken = 0;
    for _ in 0..MAX_DESCRIPTIONS {
        if input.is_empty() {
            break;
        }
        let flags = input.byte();
        let message = Message {
            request: flags & flags::REQUEST != 0,
            cseq: u32::from(input.byte()),
            signalling: if flags & flags::TLS != 0 { Signalling::Tls } else { Signalling::Clear },
        };
        let body = input.packet();
        let means = |line: usize| Means {
            dtls: Some((&ours().context, &ours().fingerprint)),
            zrtp: Some((&ours().association, 100 + line as u32)),
        };
        let heard = if flags & flags::OURS != 0 {
            say(&mut negotiation, &mut sessions, &message, means, now)
        } else {
            hear(&mut negotiation, body, &message).inspect(|()| taken += 1)
        };
        if heard.is_err() {
            continue;
        }
        for (line, session) in sessions.iter_mut().enumerate() {
            match negotiation.apply(line, session, &means(line), now) {
                Ok(Applied::Clear) => assert!(!strict, "clear under fallback = reject"),
                Ok(Applied::Sdes) => assert_eq!(session.state(Component::Rtp), State::Secure),
                Ok(Applied::Dtls) => assert!(session.uses_dtls()),
                Ok(Applied::Zrtp) => assert!(session.zrtp_state().is_some()),
                Ok(Applied::Open) | Err(_) => {}
            }
        }
    }
    assert!(negotiation.explain().len() <= MAX_EXPLANATION);
    taken
}

fn hear(negotiation: &mut OfferAnswer, body: &[u8], message: &Message) -> Result<(), Refusal> {
    if let Remote::Text(text) = negotiation.remote(body, message)? {
        let seen = Description::parse(&text).expect("what the PBX gets can be read");
        for media in seen.media().iter().filter(|media| media.profile().is_rtp()) {
            assert!(!media.profile().is_secure() && media.crypto().count() == 0);
        }
    }
    Ok(())
}

fn say<'a>(
    negotiation: &mut OfferAnswer,
    sessions: &mut [Session],
    message: &Message,
    means: impl Fn(usize) -> Means<'a>,
    now: Instant,
) -> Result<(), Refusal> {
    negotiation.local(OURS, message)?;
    for (line, session) in sessions.iter_mut().enumerate() {
        negotiation.describe(line, session, &means(line), now)?;
    }
    let text = negotiation.write()?.expect("a description");
    Description::parse(&text).expect("what leaves can be read");
    Ok(())
}
