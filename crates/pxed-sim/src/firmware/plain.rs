//! A DHCP client that does not boot, in the manner of dhclient: renews, rebinds, releases.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{CLIENT_PORT, SERVER_PORT};
use pxed_proto::wire::dhcp::{Header, MessageType};
use pxed_proto::wire::options::code;

use super::dora::{Dora, Habits, Judgement, Progress, client_header, client_message};
use super::reply::Reply;
use super::{Act, Ending, Firmware, Held, Nic};
use crate::lan::Datagram;

/// RFC 2131 section 4.1.
const WAITS: &[u64] = &[4000, 8000, 16000, 32000, 64000];

/// The least time between two REQUESTs that prolong a lease (RFC 2131 section 4.4.5).
const RENEW_WAIT_MIN: Duration = Duration::from_secs(60);

/// How long it waits after a DECLINE (RFC 2131 section 3.1).
const DECLINE_PAUSE: Duration = Duration::from_secs(10);

/// How long it wants an address, and what it remembers of last time.
#[derive(Clone, Copy, Debug)]
pub struct Stay {
    /// How long.
    pub time: Duration,
    /// It says goodbye.
    pub releases: bool,
    /// It asks for this address first (INIT-REBOOT).
    pub remembers: Option<Ipv4Addr>,
    /// When it probes this address, somebody answers.
    pub taken: Option<Ipv4Addr>,
}

impl Stay {
    /// A client that wants an address for that long.
    pub const fn of(time: Duration) -> Self {
        Self { time, releases: true, remembers: None, taken: None }
    }
}

/// The client.
#[derive(Clone, Debug)]
pub struct Plain {
    dora: Dora,
    stay: Stay,
    leaves: Timestamp,
    bound: Option<Bound>,
    /// When it begins anew after a DECLINE.
    anew: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct Bound {
    held: Held,
    server: Ipv4Addr,
    rebind: Timestamp,
    /// The REQUEST that is not answered yet: its transaction, and when its first try was sent.
    asking: Option<(u32, Timestamp)>,
    deadline: Timestamp,
}

impl Plain {
    /// A client on the machine with this interface.
    pub fn new(nic: &Nic, stay: Stay) -> Self {
        let id = [&[1][..], &nic.mac.0].concat();
        let options = vec![
            (code::HOST_NAME, format!("host-{}", nic.mac.hyphens()).into_bytes()),
            (code::CLIENT_IDENTIFIER, id),
            (code::PARAMETER_REQUEST_LIST, vec![1, 28, 2, 3, 15, 6, 12, 58, 59]),
        ];
        let dora = Dora::new(Habits {
            options,
            flags: 0,
            discover_waits: WAITS,
            request_waits: WAITS,
            jitter: 1000,
            judge,
        });
        Self { dora, stay, leaves: Timestamp::FOREVER, bound: None, anew: None }
    }

    fn after_dhcp(&mut self, now: Timestamp, progress: Progress, nic: &mut Nic) {
        match progress {
            Progress::Waiting => {}
            Progress::Failed(why) => nic.give_up(format!("dhclient: {why}")),
            Progress::Bound(ack, held) if self.stay.taken == Some(held.address) => {
                let message = decline(&ack, nic);
                nic.broadcast(message);
                nic.bind(held);
                nic.unbind(true);
                nic.last = None;
                self.anew = Some(now + DECLINE_PAUSE);
            }
            Progress::Bound(ack, held) => self.bind(&ack, held, nic),
        }
    }

    fn bind(&mut self, ack: &Reply, held: Held, nic: &mut Nic) {
        if let Some(option) = ack.boot_option() {
            nic.act(Act::Wrong(format!("a client that does not boot was given {option}")));
        }
        let lease_time = ack.lease_time();
        let began = Timestamp::from_millis(
            held.expires.as_millis().saturating_sub(lease_time.as_millis() as u64),
        );
        let renew = began + ack.seconds(code::RENEWAL_TIME).unwrap_or(lease_time / 2);
        let rebind = began + ack.seconds(code::REBINDING_TIME).unwrap_or(lease_time * 7 / 8);
        nic.bind(held);
        let server = ack.server;
        self.bound = Some(Bound { held, server, rebind, asking: None, deadline: renew });
    }

    /// The time of a bound client has come: to ask, to ask again, or to stop.
    fn prolong(&mut self, now: Timestamp, nic: &mut Nic) {
        let Some(bound) = &mut self.bound else { return };
        if now >= bound.held.expires {
            nic.act(Act::Note("its lease is over".to_owned()));
            nic.unbind(false);
            self.bound = None;
            return self.dora.begin(now, nic);
        }
        let (xid, _) = *bound.asking.get_or_insert_with(|| (nic.random.bits() as u32, now));
        let header = Header { ciaddr: bound.held.address, ..client_header(nic.mac, xid) };
        let id = (code::CLIENT_IDENTIFIER, [&[1][..], &nic.mac.0].concat());
        let list = (code::PARAMETER_REQUEST_LIST, vec![1, 28, 2, 3, 15, 6, 12, 58, 59]);
        let message = client_message(&header, MessageType::Request, &[id, list]);
        let (everybody, next) =
            if now < bound.rebind { (false, bound.rebind) } else { (true, bound.held.expires) };
        let server = if everybody { Ipv4Addr::BROADCAST } else { bound.server };
        send(nic, server, message);
        let half = next.since(now) / 2;
        bound.deadline = (now + half.max(RENEW_WAIT_MIN)).min(next);
    }

    fn hear_renewal(&mut self, now: Timestamp, datagram: &Datagram, nic: &mut Nic) {
        let Some(bound) = &self.bound else { return };
        let Some((xid, since)) = bound.asking else { return };
        let Some(reply) = Reply::of(datagram, nic.mac, xid) else { return };
        match reply.message_type {
            MessageType::Ack => {
                let expires = since + reply.lease_time();
                self.bind(&reply, Held { address: reply.address, expires }, nic);
            }
            MessageType::Nak => {
                nic.unbind(false);
                self.bound = None;
                self.dora.begin(now, nic);
            }
            _ => {}
        }
    }

    fn leave(&mut self, nic: &mut Nic) {
        let Some(bound) = self.bound.take() else { return };
        let address = bound.held.address;
        if self.stay.releases {
            let xid = nic.random.bits() as u32;
            let header = Header { ciaddr: address, ..client_header(nic.mac, xid) };
            let server = (code::SERVER_IDENTIFIER, bound.server.octets().to_vec());
            let message = client_message(&header, MessageType::Release, &[server]);
            send(nic, bound.server, message);
        }
        nic.unbind(self.stay.releases);
        nic.act(Act::End(Ending::Bound(address)));
    }
}

impl Firmware for Plain {
    fn name(&self) -> &'static str {
        "an operating system's DHCP client"
    }

    fn begin(&mut self, now: Timestamp, nic: &mut Nic) {
        self.leaves = now + self.stay.time;
        match self.stay.remembers {
            Some(address) => self.dora.begin_with(address, now, nic),
            None => self.dora.begin(now, nic),
        }
    }

    fn hear(&mut self, now: Timestamp, datagram: &Datagram, nic: &mut Nic) {
        let progress = self.dora.hear(now, datagram, nic);
        self.after_dhcp(now, progress, nic);
        self.hear_renewal(now, datagram, nic);
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        let bound = self.bound.as_ref();
        let bound = bound.map(|bound| bound.deadline.min(bound.held.expires).min(self.leaves));
        self.dora.poll_timeout().into_iter().chain(bound).chain(self.anew).min()
    }

    fn handle_timeout(&mut self, now: Timestamp, nic: &mut Nic) {
        let progress = self.dora.handle_timeout(now, nic);
        self.after_dhcp(now, progress, nic);
        if self.anew.take_if(|anew| *anew <= now).is_some() {
            self.dora.begin(now, nic);
        }
        let Some(bound) = &self.bound else { return };
        if now >= self.leaves {
            self.leave(nic);
        } else if now >= bound.deadline.min(bound.held.expires) {
            self.prolong(now, nic);
        }
    }
}

fn decline(ack: &Reply, nic: &mut Nic) -> Vec<u8> {
    let header = client_header(nic.mac, nic.random.bits() as u32);
    let address = (code::REQUESTED_ADDRESS, ack.address.octets().to_vec());
    let server = (code::SERVER_IDENTIFIER, ack.server.octets().to_vec());
    client_message(&header, MessageType::Decline, &[address, server])
}

fn send(nic: &mut Nic, server: Ipv4Addr, message: Vec<u8>) {
    let to = SocketAddrV4::new(server, SERVER_PORT);
    nic.send(CLIENT_PORT, to, message);
}

/// It takes the first offer.
fn judge(offer: &Reply) -> Judgement {
    match offer.boot_option() {
        Some(option) => {
            Judgement::Wrong(format!("a client that does not boot was offered {option}"))
        }
        None => Judgement::Take,
    }
}
