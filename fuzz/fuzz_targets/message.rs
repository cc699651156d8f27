//! Any octets as a DHCP message: everything that can be asked of it, and written again it says the
//! same.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use pxed_fuzz::is_legible;
use pxed_proto::dhcp::{RelayAgent, RelaySubOption};
use pxed_proto::limits::OPTION_JOINED_MAX;
use pxed_proto::machine::identify;
use pxed_proto::wire::dhcp::{Header, Message, MessageType, Writer};
use pxed_proto::wire::options::{Decoded, code};

fuzz_target!(|datagram: &[u8]| {
    let Ok(message) = Message::parse(datagram) else { return };
    look_ups_agree(&message);
    for line in Decoded(&message).to_string().lines() {
        assert!(is_legible(line), "{line:?}");
    }
    if let Some((machine, firmware)) = identify(&message) {
        assert!(is_legible(&format!("{} {:?} {firmware}", machine.hardware, machine.uuid)));
    }
    if let Some(agent) = RelayAgent::of(&message, true).as_ref().map(RelayAgent::view) {
        for wanted in [RelaySubOption::CircuitId, RelaySubOption::RemoteId] {
            let _ = agent.sub_option(wanted);
        }
        let _ = (agent.selected_link(), agent.was_unicast(), agent.uses_source_port());
        assert!(agent.server_identifier().is_none_or(|server| !server.is_broadcast()));
    }
    written_again(&message);
});

/// An option is its instances joined, and a number or an address only where it has the length.
fn look_ups_agree(message: &Message<'_>) {
    let mut joined: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for (code, value) in message.instances() {
        joined.entry(code).or_default().extend(value);
    }
    joined.values_mut().for_each(|value| value.truncate(OPTION_JOINED_MAX));
    for code in 0..=u8::MAX {
        let value = joined.get(&code);
        assert_eq!(message.option(code).as_deref(), value.map(Vec::as_slice), "option {code}");
        let number = |len: usize| {
            let octets = value.filter(|value| value.len() == len)?;
            Some(octets.iter().fold(0, |number, octet| number << 8 | u32::from(*octet)))
        };
        assert_eq!(message.u8(code).map(u32::from), number(1));
        assert_eq!(message.u16(code).map(u32::from), number(2));
        assert_eq!(message.u32(code), number(4));
        assert_eq!(message.ipv4(code).map(u32::from), number(4));
    }
    let said = message.u8(code::MESSAGE_TYPE).and_then(MessageType::from_u8);
    assert_eq!(message.message_type(), said);
}

/// The same message as pxed would write it; written from that, it is the same octets.
fn written_again(message: &Message<'_>) {
    let bytes = written(message);
    let again = Message::parse(&bytes).expect("what the writer wrote");
    let fixed = |m: &Message<'_>| {
        let addresses = [m.ciaddr, m.yiaddr, m.siaddr, m.giaddr];
        ((m.op, m.htype, m.hlen, m.xid, m.secs, m.flags), addresses, m.chaddr)
    };
    assert_eq!(fixed(&again), fixed(message));
    // A name needs a NUL behind it.
    assert_eq!(again.sname(), &message.sname()[..message.sname().len().min(63)]);
    assert_eq!(again.file(), &message.file()[..message.file().len().min(127)]);
    for code in (1..u8::MAX).filter(|code| *code != code::OVERLOAD) {
        assert_eq!(again.option(code), message.option(code), "option {code}");
    }
    assert_eq!(written(&again), bytes);
}

fn written(message: &Message<'_>) -> Vec<u8> {
    let header = Header {
        op: message.op,
        secs: message.secs,
        ciaddr: message.ciaddr,
        yiaddr: message.yiaddr,
        siaddr: message.siaddr,
        sname: message.sname(),
        file: message.file(),
        ..Header::reply_to(message)
    };
    let mut writer = Writer::new(&header, 1 << 16);
    for code in (1..u8::MAX).filter(|code| *code != code::OVERLOAD) {
        if let Some(value) = message.option(code) {
            assert!(writer.option(code, &value));
        }
    }
    writer.finish()
}
