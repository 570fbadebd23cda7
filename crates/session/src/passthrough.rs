//! Two bridged legs whose phones secure their media end to end: what is handed on between them, and when that cannot be.
//!
//! Nothing here has keys, so nothing here can tell SRTP from clear RTP or from what somebody made up. What it does see is
//! the ZRTP that both phones speak in the clear (RFC 6189 section 5): where clear media is not allowed, media is handed on
//! only after a Confirm1 has passed one way and a Confirm2 the other, and a GoClear never is.

use std::time::{Duration, Instant};

use sealrtp_zrtp::message::{Message, MessageType};
use sealrtp_zrtp::packet::{Packet, is_zrtp};

use crate::{Component, Kind, WithoutKeys};

/// How long a leg that is up waits for another to be bridged with, before it gives up.
pub const PARTNER_WITHIN: Duration = Duration::from_secs(2);
/// How long a phone may take for its first ZRTP message: within what its Hellos take by RFC 6189 section 6.
pub const HELLO_WITHIN: Duration = Duration::from_secs(3);
/// How long the two phones may take to agree.
pub const AGREED_WITHIN: Duration = Duration::from_secs(10);

/// One of two legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first.
    Left = 0,
    /// The second.
    Right = 1,
}

impl Side {
    /// The one across.
    pub fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// What a leg's policy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegMode {
    /// It is not known yet whose call it is.
    Unknown,
    /// We are the end of its ZRTP, or it has none.
    Endpoint,
    /// Passthrough.
    Passthrough,
}

/// A leg, when two are bridged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Tells it from all others.
    pub id: u64,
    /// What its policy asks for.
    pub mode: LegMode,
    /// What it does without keys.
    pub without_keys: WithoutKeys,
    /// We have keys of it, or make some.
    pub keyed: bool,
    /// The leg whose phone its phone shares keys with, from a passthrough that was.
    pub agreed_with: Option<u64>,
}

/// Why two legs cannot be passed through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cannot {
    /// Nobody was there to be bridged with for [`PARTNER_WITHIN`].
    NoPartner,
    /// The policy of this leg says no, or it has been given up before.
    Policy(Side),
    /// This leg has keys of ours.
    Keyed(Side),
    /// The phone of this leg shares keys with another phone.
    KeysOfAnother(Side),
    /// The legs' codecs or payload types differ, and a payload cannot be translated.
    Codecs,
    /// The phone of this leg has sent no ZRTP for [`HELLO_WITHIN`].
    NoZrtp(Side),
    /// The phones have not agreed on keys within [`AGREED_WITHIN`].
    NotAgreed,
}

impl Cannot {
    /// For who looks at one of the legs.
    pub fn text(self, seen_from: Side) -> &'static str {
        let own = |side| side == seen_from;
        match self {
            Self::NoPartner => "it is not bridged with one other phone",
            Self::Policy(side) if own(side) => "this leg is an end point of ZRTP itself",
            Self::Policy(_) => "the other leg has no zrtp_mode = passthrough, or has been given up",
            Self::Keyed(side) if own(side) => "this leg has keys of SDES, DTLS-SRTP or our own ZRTP",
            Self::Keyed(_) => "the other leg has keys of SDES, DTLS-SRTP or our own ZRTP",
            Self::KeysOfAnother(side) if own(side) => "this phone shares its keys with another phone",
            Self::KeysOfAnother(_) => "the other phone shares its keys with another phone",
            Self::Codecs => "the two legs have different codecs or payload types",
            Self::NoZrtp(side) if own(side) => "this phone has sent no ZRTP",
            Self::NoZrtp(_) => "the other phone has sent no ZRTP",
            Self::NotAgreed => "the two phones did not agree on keys in time",
        }
    }
}

/// What becomes of two bridged legs.
#[derive(Debug)]
pub enum Decision {
    /// They are passed through.
    Pair(Box<Passthrough>),
    /// More will be known later.
    Wait,
    /// They are not.
    Cannot(Cannot),
}

/// What becomes of a leg that cannot be passed through, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// We are the end of its ZRTP; what passes without keys stays as it is.
    Endpoint,
    /// We are the end of its ZRTP, and nothing clear passes: its phone has keys and takes nothing clear.
    EndpointSecured,
    /// The call is refused, or ends.
    Refuse,
}

impl Outcome {
    /// Of a leg by its policy; `agreed`: its phone shares keys with another phone.
    pub fn of(without_keys: WithoutKeys, agreed: bool) -> Self {
        match (without_keys, agreed) {
            (WithoutKeys::Block, _) => Self::Refuse,
            (WithoutKeys::Pass, true) => Self::EndpointSecured,
            (WithoutKeys::Pass, false) => Self::Endpoint,
        }
    }
}

/// What to do with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it to the other leg's phone, untouched; RTCP where that leg has its own transport for it.
    Forward(Component),
    /// Not now.
    Drop,
}

/// Datagrams that came from a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// ZRTP messages handed on.
    pub zrtp: u64,
    /// RTP or SRTP packets handed on.
    pub rtp: u64,
    /// RTCP or SRTCP packets handed on.
    pub rtcp: u64,
    /// All that was dropped.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Heard {
    zrtp: bool,
    confirm1: bool,
    passed: Passed,
}

/// Two legs that are passed through, of one kind of media.
#[derive(Debug)]
pub struct Passthrough {
    without_keys: WithoutKeys,
    legs: [Heard; 2],
    agreed: bool,
    began: Instant,
    /// Video's phones agree when audio's have, so only audio gives up.
    leads: bool,
    failed: Option<Cannot>,
}

impl Passthrough {
    /// Whether a leg and the one that it is bridged with can be passed through. `waited`: for how long the leg has been up
    /// without being passed through; `same_codecs`: what one phone sends the other understands; `leads`: the stream that
    /// decides for its call, the audio.
    pub fn decide(
        left: &Leg,
        right: Option<&Leg>,
        waited: Duration,
        same_codecs: bool,
        leads: bool,
        now: Instant,
    ) -> Decision {
        let known = right.filter(|right| left.mode != LegMode::Unknown && right.mode != LegMode::Unknown);
        let Some(right) = known else {
            return if waited < PARTNER_WITHIN {
                Decision::Wait
            } else {
                Decision::Cannot(Cannot::NoPartner)
            };
        };
        let sides = [(Side::Left, left, right), (Side::Right, right, left)];
        for (side, leg, other) in sides {
            if leg.mode != LegMode::Passthrough {
                return Decision::Cannot(Cannot::Policy(side));
            }
            if leg.keyed {
                return Decision::Cannot(Cannot::Keyed(side));
            }
            if leg.agreed_with.is_some_and(|with| with != other.id) {
                return Decision::Cannot(Cannot::KeysOfAnother(side));
            }
        }
        if !same_codecs {
            return Decision::Cannot(Cannot::Codecs);
        }
        let strict = sides.iter().any(|(_, leg, _)| leg.without_keys == WithoutKeys::Block);
        Decision::Pair(Box::new(Self {
            without_keys: if strict { WithoutKeys::Block } else { WithoutKeys::Pass },
            legs: [Heard::default(), Heard::default()],
            // Both have said so: each phone's keys are the other's.
            agreed: left.agreed_with.is_some() && right.agreed_with.is_some(),
            began: now,
            leads,
            failed: None,
        }))
    }

    /// A datagram of a leg's phone.
    pub fn receive(&mut self, from: Side, datagram: &[u8]) -> Verdict {
        let verdict = self.judge(from, datagram);
        let passed = &mut self.legs[from as usize].passed;
        *match (verdict, Kind::of(datagram)) {
            (Verdict::Drop, _) => &mut passed.dropped,
            (_, Kind::Zrtp) => &mut passed.zrtp,
            (Verdict::Forward(Component::Rtcp), _) => &mut passed.rtcp,
            (Verdict::Forward(Component::Rtp), _) => &mut passed.rtp,
        } += 1;
        verdict
    }

    fn judge(&mut self, from: Side, datagram: &[u8]) -> Verdict {
        if self.failed.is_some() {
            return Verdict::Drop;
        }
        match Kind::of(datagram) {
            Kind::Zrtp if is_zrtp(datagram) => self.judge_zrtp(from, datagram),
            Kind::Rtp if self.passes_media() => Verdict::Forward(Component::Rtp),
            Kind::Rtcp if self.passes_media() => Verdict::Forward(Component::Rtcp),
            _ => Verdict::Drop,
        }
    }

    fn judge_zrtp(&mut self, from: Side, datagram: &[u8]) -> Verdict {
        let kind = Packet::parse(datagram).ok().and_then(|packet| Message::parse(packet.message).ok());
        let strict = self.without_keys == WithoutKeys::Block;
        let Some(kind) = kind.map(|message| message.kind()) else {
            // What we cannot read the phones may; but it might be a GoClear.
            return if strict { Verdict::Drop } else { Verdict::Forward(Component::Rtp) };
        };
        match kind {
            MessageType::GoClear if strict => return Verdict::Drop,
            // Who only asks whether there is ZRTP need not have it.
            MessageType::Ping | MessageType::PingAck => return Verdict::Forward(Component::Rtp),
            MessageType::Confirm1 => self.legs[from as usize].confirm1 = true,
            MessageType::Confirm2 if self.legs[from.other() as usize].confirm1 => self.agreed = true,
            _ => {}
        }
        self.legs[from as usize].zrtp = true;
        Verdict::Forward(Component::Rtp)
    }

    /// Whether media is handed on now.
    pub fn passes_media(&self) -> bool {
        self.failed.is_none() && (self.agreed || self.without_keys == WithoutKeys::Pass)
    }

    /// Whether both phones have confirmed their keys to one another, as far as can be seen.
    pub fn has_agreed(&self) -> bool {
        self.agreed
    }

    /// Why it was given up.
    pub fn failed(&self) -> Option<Cannot> {
        self.failed
    }

    /// What came from a leg.
    pub fn passed(&self, from: Side) -> Passed {
        self.legs[from as usize].passed
    }

    /// When to call [`Passthrough::handle_timeout`]; none when it has nothing to wait for.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.leads || self.agreed || self.failed.is_some() {
            return None;
        }
        let all_heard = self.legs.iter().all(|leg| leg.zrtp);
        Some(self.began + if all_heard { AGREED_WITHIN } else { HELLO_WITHIN })
    }

    /// Gives up when it is time. Calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return;
        }
        let silent = [Side::Left, Side::Right].into_iter().find(|side| !self.legs[*side as usize].zrtp);
        self.failed = Some(silent.map_or(Cannot::NotAgreed, Cannot::NoZrtp));
    }
}

#[cfg(test)]
mod tests {
    use sealrtp_zrtp::message::ErrorCode;

    use super::*;

    const LEFT: Leg = Leg {
        id: 1,
        mode: LegMode::Passthrough,
        without_keys: WithoutKeys::Block,
        keyed: false,
        agreed_with: None,
    };
    const RIGHT: Leg = Leg { id: 2, ..LEFT };
    const RTP: [u8; 14] = [0x80, 0, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4, 0xff, 0xff];
    const RTCP: [u8; 8] = [0x80, 201, 0, 1, 1, 2, 3, 4];

    fn decide(left: &Leg, right: &Leg, now: Instant) -> Decision {
        Passthrough::decide(left, Some(right), Duration::ZERO, true, true, now)
    }

    fn pair(without_keys: WithoutKeys, now: Instant) -> Passthrough {
        let (left, right) = (Leg { without_keys, ..LEFT }, Leg { without_keys, ..RIGHT });
        match decide(&left, &right, now) {
            Decision::Pair(pair) => *pair,
            other => panic!("{other:?}"),
        }
    }

    fn cannot(left: Leg, right: Leg, same_codecs: bool) -> Cannot {
        match Passthrough::decide(&left, Some(&right), Duration::ZERO, same_codecs, true, Instant::now()) {
            Decision::Cannot(why) => why,
            other => panic!("{other:?}"),
        }
    }

    /// A message of a type, filled up to the type's shortest length.
    fn zrtp(kind: MessageType) -> Vec<u8> {
        let body = match kind {
            MessageType::Confirm1 | MessageType::Confirm2 => 8 + 16 + 40,
            MessageType::GoClear => 8,
            MessageType::Error => return packet(&Message::Error(ErrorCode(0x10)).to_bytes()),
            MessageType::Ping => 12,
            _ => 0,
        };
        let words = u16::try_from(3 + body / 4).unwrap();
        let mut message = vec![0x50, 0x5a];
        message.extend_from_slice(&words.to_be_bytes());
        message.extend_from_slice(&kind.block());
        match kind {
            MessageType::Ping => message.extend_from_slice(b"1.10        "),
            _ => message.resize(message.len() + body, 7),
        }
        packet(&message)
    }

    fn packet(message: &[u8]) -> Vec<u8> {
        Packet { sequence: 1, ssrc: 5, message }.to_bytes()
    }

    fn agree(pair: &mut Passthrough, initiator: Side) {
        let steps = [
            (initiator, MessageType::HelloAck),
            (initiator.other(), MessageType::HelloAck),
            (initiator.other(), MessageType::Confirm1),
            (initiator, MessageType::Confirm2),
            (initiator.other(), MessageType::Conf2Ack),
        ];
        for (from, kind) in steps {
            assert_eq!(pair.receive(from, &zrtp(kind)), Verdict::Forward(Component::Rtp), "{kind}");
        }
    }

    #[test]
    fn without_clear_media_nothing_but_zrtp_passes_until_both_phones_have_confirmed() {
        for initiator in [Side::Left, Side::Right] {
            let mut pair = pair(WithoutKeys::Block, Instant::now());
            for side in [Side::Left, Side::Right] {
                assert_eq!(pair.receive(side, &RTP), Verdict::Drop);
                assert_eq!(pair.receive(side, &RTCP), Verdict::Drop);
            }
            assert!(!pair.passes_media());
            agree(&mut pair, initiator);
            assert!(pair.has_agreed() && pair.passes_media());
            for side in [Side::Left, Side::Right] {
                assert_eq!(pair.receive(side, &RTP), Verdict::Forward(Component::Rtp));
                assert_eq!(pair.receive(side, &RTCP), Verdict::Forward(Component::Rtcp));
                let Passed { rtp, rtcp, dropped, .. } = pair.passed(side);
                assert_eq!((rtp, rtcp, dropped), (1, 1, 2));
            }
        }
    }

    #[test]
    fn confirmations_count_only_when_one_answers_the_other() {
        let mut pair = pair(WithoutKeys::Block, Instant::now());
        pair.receive(Side::Left, &zrtp(MessageType::Confirm2));
        assert!(!pair.passes_media(), "Confirm2 comes second");
        pair.receive(Side::Left, &zrtp(MessageType::Confirm1));
        pair.receive(Side::Left, &zrtp(MessageType::Confirm2));
        assert!(!pair.passes_media(), "one phone alone does not agree");
        let mut damaged = zrtp(MessageType::Confirm2);
        damaged[20] ^= 1;
        assert_eq!(pair.receive(Side::Right, &damaged), Verdict::Drop);
        assert!(!pair.passes_media(), "a damaged message counts for nothing");
        pair.receive(Side::Right, &zrtp(MessageType::Confirm2));
        assert!(pair.passes_media());
    }

    #[test]
    fn where_clear_media_is_allowed_all_passes_from_the_start() {
        let mut pair = pair(WithoutKeys::Pass, Instant::now());
        assert_eq!(pair.receive(Side::Left, &RTP), Verdict::Forward(Component::Rtp));
        assert_eq!(pair.receive(Side::Right, &RTCP), Verdict::Forward(Component::Rtcp));
        assert_eq!(pair.receive(Side::Left, &zrtp(MessageType::GoClear)), Verdict::Forward(Component::Rtp));
        assert!(!pair.has_agreed());
    }

    #[test]
    fn phones_are_not_led_back_to_clear_media_where_it_is_not_allowed() {
        let mut pair = pair(WithoutKeys::Block, Instant::now());
        agree(&mut pair, Side::Left);
        assert_eq!(pair.receive(Side::Left, &zrtp(MessageType::GoClear)), Verdict::Drop);
        assert!(pair.passes_media());
    }

    #[test]
    fn what_is_neither_media_nor_zrtp_is_dropped() {
        let mut pair = pair(WithoutKeys::Pass, Instant::now());
        for datagram in
            [&[][..], &[0, 1, 0, 0], &[22, 254, 253], &[0x10, 0, 0, 0], &[64, 0, 0, 0], &[255; 20]]
        {
            assert_eq!(pair.receive(Side::Left, datagram), Verdict::Drop, "{datagram:?}");
        }
        assert_eq!(pair.passed(Side::Left).dropped, 6);
    }

    #[test]
    fn one_strict_leg_makes_both_strict() {
        let loose = Leg { without_keys: WithoutKeys::Pass, ..LEFT };
        for (left, right) in [(loose, RIGHT), (LEFT, Leg { without_keys: WithoutKeys::Pass, ..RIGHT })] {
            match decide(&left, &right, Instant::now()) {
                Decision::Pair(pair) => assert!(!pair.passes_media()),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_phone_without_zrtp_is_given_up_and_so_are_phones_that_do_not_agree() {
        let now = Instant::now();
        for without_keys in [WithoutKeys::Pass, WithoutKeys::Block] {
            let mut silent = pair(without_keys, now);
            silent.receive(Side::Left, &zrtp(MessageType::HelloAck));
            // Somebody asks whether there is ZRTP: that is not the phone's ZRTP.
            silent.receive(Side::Right, &zrtp(MessageType::Ping));
            silent.handle_timeout(now + HELLO_WITHIN - Duration::from_millis(1));
            assert_eq!(silent.failed(), None);
            silent.handle_timeout(now + HELLO_WITHIN);
            assert_eq!(silent.failed(), Some(Cannot::NoZrtp(Side::Right)));
            assert_eq!(silent.receive(Side::Left, &RTP), Verdict::Drop, "nothing passes what was given up");
            assert_eq!(silent.poll_timeout(), None);

            let mut stubborn = pair(without_keys, now);
            stubborn.receive(Side::Left, &zrtp(MessageType::HelloAck));
            stubborn.receive(Side::Right, &zrtp(MessageType::Error));
            assert_eq!(stubborn.poll_timeout(), Some(now + AGREED_WITHIN));
            stubborn.handle_timeout(now + AGREED_WITHIN);
            assert_eq!(stubborn.failed(), Some(Cannot::NotAgreed));

            let mut agreed = pair(without_keys, now);
            agree(&mut agreed, Side::Right);
            assert_eq!(agreed.poll_timeout(), None);
            agreed.handle_timeout(now + AGREED_WITHIN);
            assert_eq!(agreed.failed(), None);
        }
    }

    #[test]
    fn only_the_leading_stream_gives_up() {
        let now = Instant::now();
        match Passthrough::decide(&LEFT, Some(&RIGHT), Duration::ZERO, true, false, now) {
            Decision::Pair(pair) => assert_eq!(pair.poll_timeout(), None),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn legs_that_do_not_fit_are_told_apart() {
        let endpoint = Leg { mode: LegMode::Endpoint, ..RIGHT };
        assert_eq!(cannot(LEFT, endpoint, true), Cannot::Policy(Side::Right));
        assert_eq!(cannot(Leg { keyed: true, ..LEFT }, RIGHT, true), Cannot::Keyed(Side::Left));
        assert_eq!(cannot(LEFT, RIGHT, false), Cannot::Codecs);
        let third = Leg { agreed_with: Some(3), ..RIGHT };
        assert_eq!(cannot(LEFT, third, true), Cannot::KeysOfAnother(Side::Right));
    }

    #[test]
    fn a_leg_waits_for_another_and_not_for_ever() {
        let unknown = Leg { mode: LegMode::Unknown, ..RIGHT };
        for right in [None, Some(&unknown)] {
            let after = |waited| Passthrough::decide(&LEFT, right, waited, true, true, Instant::now());
            assert!(matches!(after(PARTNER_WITHIN - Duration::from_millis(1)), Decision::Wait));
            assert!(matches!(after(PARTNER_WITHIN), Decision::Cannot(Cannot::NoPartner)));
        }
    }

    #[test]
    fn phones_that_come_together_again_still_have_their_keys() {
        let (left, right) = (Leg { agreed_with: Some(2), ..LEFT }, Leg { agreed_with: Some(1), ..RIGHT });
        match decide(&left, &right, Instant::now()) {
            Decision::Pair(pair) => assert!(pair.has_agreed() && pair.passes_media()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_leg_is_refused_or_becomes_an_end_point_by_its_policy() {
        assert_eq!(Outcome::of(WithoutKeys::Block, false), Outcome::Refuse);
        assert_eq!(Outcome::of(WithoutKeys::Block, true), Outcome::Refuse);
        assert_eq!(Outcome::of(WithoutKeys::Pass, false), Outcome::Endpoint);
        assert_eq!(Outcome::of(WithoutKeys::Pass, true), Outcome::EndpointSecured);
    }

    #[test]
    fn a_reason_is_told_from_the_side_that_asks() {
        assert_eq!(Cannot::NoZrtp(Side::Left).text(Side::Left), "this phone has sent no ZRTP");
        assert_eq!(Cannot::NoZrtp(Side::Left).text(Side::Right), "the other phone has sent no ZRTP");
    }

    proptest::proptest! {
        #[test]
        fn no_datagram_makes_it_panic_or_opens_the_way(datagrams in proptest::collection::vec(
            (proptest::bool::ANY, proptest::collection::vec(proptest::num::u8::ANY, 0..64)), 0..64)) {
            let mut pair = pair(WithoutKeys::Block, Instant::now());
            for (left, datagram) in datagrams {
                let verdict = pair.receive(if left { Side::Left } else { Side::Right }, &datagram);
                proptest::prop_assert!(verdict == Verdict::Drop || is_zrtp(&datagram));
            }
            proptest::prop_assert!(!pair.passes_media());
        }
    }
}
