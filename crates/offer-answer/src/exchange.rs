//! Whether a description offers or answers (RFC 3264, RFC 3261 section 13.2.1, RFC 3262 section 5).

use sealrtp_policy::Signalling;

/// What is known of the SIP message that a description comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// An INVITE or UPDATE: what it has is an offer. Responses, ACK and PRACK have an answer if one is awaited.
    pub request: bool,
    /// Number of the CSeq header.
    pub cseq: u32,
    /// How the message travels.
    pub signalling: Signalling,
}

/// What a description is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Offer,
    Answer,
}

/// The last offer of one side.
#[derive(Clone, Copy, Debug)]
struct Last {
    cseq: u32,
    answered: bool,
}

/// Where offers and answers stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exchange {
    ours: Option<Last>,
    theirs: Option<Last>,
    /// Of the last description.
    last: Option<Role>,
}

impl Exchange {
    /// What a description of the peer is.
    pub(crate) fn of_peer(&mut self, message: &Message) -> Role {
        *self.last.insert(role(&mut self.ours, &mut self.theirs, message))
    }

    /// What a description of ours is.
    pub(crate) fn of_ours(&mut self, message: &Message) -> Role {
        *self.last.insert(role(&mut self.theirs, &mut self.ours, message))
    }

    /// Whether the last description answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.last == Some(Role::Answer)
    }
}

/// Answers come more than once to one offer: in a provisional response and the final one, and from each fork.
fn role(to: &mut Option<Last>, own: &mut Option<Last>, message: &Message) -> Role {
    if let Some(offer) =
        to.as_mut().filter(|offer| !message.request && (!offer.answered || offer.cseq == message.cseq))
    {
        offer.answered = true;
        return Role::Answer;
    }
    *own = Some(Last { cseq: message.cseq, answered: false });
    Role::Offer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(request: bool, cseq: u32) -> Message {
        Message { request, cseq, signalling: Signalling::Tls }
    }

    #[test]
    fn an_invite_offers_and_every_response_to_it_answers() {
        let mut exchange = Exchange::default();
        assert_eq!(exchange.of_ours(&message(true, 7)), Role::Offer);
        assert_eq!(exchange.of_ours(&message(true, 8)), Role::Offer, "again, with authentication");
        for _ in 0..3 {
            assert_eq!(exchange.of_peer(&message(false, 8)), Role::Answer);
        }
        assert_eq!(exchange.of_peer(&message(true, 100)), Role::Offer);
        assert_eq!(exchange.of_ours(&message(false, 100)), Role::Answer);
    }

    #[test]
    fn an_invite_without_a_description_is_answered_by_an_offer_and_the_ack_has_the_answer() {
        let mut caller = Exchange::default();
        assert_eq!(caller.of_peer(&message(false, 3)), Role::Offer);
        assert_eq!(caller.of_ours(&message(false, 3)), Role::Answer);
        let mut callee = Exchange::default();
        assert_eq!(callee.of_ours(&message(false, 3)), Role::Offer);
        assert_eq!(callee.of_peer(&message(false, 3)), Role::Answer);
    }

    #[test]
    fn a_prack_answers_the_offer_of_a_provisional_response_although_its_cseq_is_another() {
        let mut exchange = Exchange::default();
        assert_eq!(exchange.of_ours(&message(false, 3)), Role::Offer);
        assert_eq!(exchange.of_peer(&message(false, 4)), Role::Answer);
        assert_eq!(exchange.of_peer(&message(false, 5)), Role::Offer, "nothing is open");
    }
}
