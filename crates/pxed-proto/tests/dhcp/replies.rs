//! Items 1 to 8: one test that provokes each; the [`oracle`](crate::oracle) looks.

use crate::client::{Sent, client};
use crate::lan::*;

/// OFFER, ACK and NAK to a request that `change` makes odd.
fn all_three(change: impl Fn(Sent) -> Sent) -> [Reply; 3] {
    let mut lan = Lan::new();
    let offer = lan.hears(&change(client(1).discover())).offer();
    let ack = lan.hears(&change(client(1).selecting(offer.yiaddr()))).ack();
    let (nak, _) = lan.hears(&change(client(2).selecting(offer.yiaddr()))).nak();
    [offer, ack, nak]
}

#[test]
fn item_1_what_is_copied_from_the_request() {
    all_three(|sent| {
        let mut chaddr = [0xee; 16];
        chaddr[..6].copy_from_slice(&sent.chaddr[..6]);
        Sent { xid: 0xdead_beef, chaddr, ..sent }
    });
    let [_, ack, _] = all_three(|sent| sent);
    assert_eq!(ack.flags(), 0, "no broadcast bit out of nowhere");
}

#[test]
fn item_2_hops_and_secs_are_not_copied() {
    all_three(|sent| Sent { hops: 3, secs: 100, ..sent });
}

#[test]
fn item_3_reserved_flags_are_copied_and_mean_nothing() {
    let [offer, ack, nak] = all_three(|sent| Sent { flags: 0x7fff, ..sent });
    assert_eq!(offer.destination, unicast(1, offer.yiaddr()));
    assert_eq!(ack.destination, unicast(1, ack.yiaddr()));
    assert_eq!([offer, ack, nak].map(|reply| reply.flags()), [0x7fff; 3]);
}

#[test]
fn item_4_the_server_says_who_it_is_by_an_address_of_the_link() {
    for reply in all_three(|sent| sent) {
        assert_eq!((reply.source, reply.addresses(54)), (SERVER, vec![SERVER]));
        assert_eq!(reply.codes()[0], 53);
    }
}

#[test]
fn item_5_no_client_options_and_none_twice() {
    let doubled: Vec<u8> = (1..=254).chain(1..=254).collect();
    all_three(|sent| {
        let sent = sent.without(55).option(55, &doubled[..255]).option(55, &doubled[255..]);
        sent.option(57, &1500u16.to_be_bytes())
    });
}

#[test]
fn item_6_the_client_identifier_comes_back_in_offer_ack_and_nak() {
    let duid = [&[0xff, 1, 2, 3, 4, 0, 1, 0, 1][..], &[9; 10]].concat();
    for id in [&[1, 2, 0, 0, 0, 0, 1][..], &[7], &duid, &[0xab; 255]] {
        for reply in all_three(|sent| sent.option(61, id)) {
            assert_eq!(reply.option(61).as_deref(), Some(id));
        }
    }
    assert!(all_three(|sent| sent).iter().all(|reply| reply.option(61).is_none()));
}

#[test]
fn item_7_no_reply_is_shorter_than_bootp() {
    let [_, _, nak] = all_three(|sent| sent.without(55));
    assert_eq!(nak.bytes.len(), 300);
}

#[test]
fn item_8_replies_fit_what_the_client_takes() {
    for most in [0u16, 200, 576, 1472, 65535] {
        let [offer, ..] =
            all_three(|sent| sent.option(57, &most.to_be_bytes()).option(61, &[3; 255]));
        assert!(offer.bytes.len() + 28 <= usize::from(most.clamp(576, 1500)));
    }
}
