//! All machines of a run, without a socket and without a clock: bytes and nanoseconds in and out.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use pxed_proto::net::Mac;
use pxed_proto::wire::dhcp::{BOOTREPLY, Message, MessageType};
use pxed_proto::wire::options::code;

use crate::machine::{Machine, Step, mac};
use crate::message::{Client, Messages, Own};
use crate::pace::{Pace, SECOND};
use crate::tally::{Tally, record};
use crate::timers::Timers;

/// A machine's number is in the lower bits of its xid, the number of its exchange in the upper.
const NUMBER_BITS: u32 = 24;

/// How often a machine that was called begins anew after a NAK.
const REFUSALS_MAX: u16 = 1000;

/// What each exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Exchange {
    /// DISCOVER, OFFER, REQUEST, ACK.
    FourWay,
    /// DISCOVER and OFFER.
    Discover,
    /// A unicast REQUEST of a machine that has a lease, and its ACK.
    Renew,
}

/// What a run does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What each exchange is.
    pub exchange: Exchange,
    /// When each begins.
    pub pace: Pace,
    /// How long exchanges begin that are not measured, in nanoseconds.
    pub warm_up: u64,
    /// How long exchanges begin that are, in nanoseconds.
    pub measured: u64,
    /// How many exchanges begin at most.
    pub count: u64,
    /// How long a machine waits for the answer to its n-th message, in nanoseconds; then it gives up.
    pub waits: Vec<u64>,
    /// What differs from run to run in the xids.
    pub salt: u32,
    /// The number of the first machine.
    pub first: u32,
}

/// What came of an exchange that was called for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whose it was.
    pub machine: u32,
    /// The datagram with its ACK; none where it was given up or refused.
    pub ack: Option<Vec<u8>>,
}

/// All machines, and what they have seen.
pub struct Engine {
    plan: Plan,
    messages: Messages,
    machines: Vec<Machine>,
    idle: VecDeque<u32>,
    /// Machines that were called, and when.
    called: VecDeque<(u32, u64)>,
    ended: VecDeque<Ended>,
    /// Machines that are to send the next message of their exchange now.
    ready: VecDeque<u32>,
    timers: Timers,
    begun: u64,
    under_way: u64,
    /// The exchange that is due has been counted as one without a machine.
    starved: bool,
    /// What was counted.
    pub tally: Tally,
}

impl Engine {
    /// The most machines that a run may have.
    pub const MACHINES_MAX: u32 = 1 << NUMBER_BITS;

    /// Machines that have nothing yet.
    pub fn new(plan: Plan, client: &Client, machines: u32) -> Self {
        let count = machines.min(Self::MACHINES_MAX);
        Self {
            messages: Messages::new(client),
            timers: Timers::new(&plan.waits),
            plan,
            machines: vec![Machine::NEW; count as usize],
            idle: (0..count).collect(),
            called: VecDeque::new(),
            ended: VecDeque::new(),
            ready: VecDeque::new(),
            begun: 0,
            under_way: 0,
            starved: false,
            tally: Tally::default(),
        }
    }

    /// The same machines with what they have, at a new beginning of time. For renewals only those
    /// that have a lease go on.
    pub fn again(mut self, plan: Plan) -> Self {
        self.timers = Timers::new(&plan.waits);
        let renews = plan.exchange == Exchange::Renew;
        self.idle.clear();
        for (number, machine) in (0..).zip(&mut self.machines) {
            machine.step = Step::Idle;
            if machine.leased || !renews {
                self.idle.push_back(number);
            }
        }
        self.ready.clear();
        (self.begun, self.under_way, self.starved) = (0, 0, false);
        self.tally = Tally::default();
        Self { plan, ..self }
    }

    /// Has this machine begin its exchange, at [`Pace::Called`].
    pub fn call(&mut self, machine: u32, now: u64) {
        self.called.push_back((machine, now));
    }

    /// An exchange that was called for and has ended since the last time.
    pub fn ended(&mut self) -> Option<Ended> {
        self.ended.pop_front()
    }

    /// How many machines there are to begin an exchange.
    pub fn machines(&self) -> usize {
        self.idle.len()
    }

    /// Writes the next message that is due by now, and says whose it is.
    pub fn next(&mut self, now: u64, message: &mut Vec<u8>) -> Option<Mac> {
        let number =
            self.ready.pop_front().or_else(|| self.woken(now)).or_else(|| self.begin(now))?;
        self.write(number, now, message);
        self.tally.sent += 1;
        Some(mac(self.plan.first.wrapping_add(number)))
    }

    /// When something is due next, if nothing is received.
    pub fn wakes(&self, now: u64) -> Option<u64> {
        let begins = (!self.idle.is_empty()).then(|| self.due(now)).flatten();
        let ready = (!self.ready.is_empty() || !self.called.is_empty()).then_some(now);
        [begins, ready, self.timers.next().filter(|_| self.under_way > 0)]
            .into_iter()
            .flatten()
            .min()
    }

    /// All exchanges have begun and have come to an end.
    pub fn is_over(&self, now: u64) -> bool {
        let all_begun = self.begun >= self.plan.count;
        let none_begins = now >= self.end() && self.due(now).is_none();
        self.under_way == 0 && (all_begun || none_begins || self.idle.is_empty())
    }

    /// Takes an answer; says whether it was one to a machine here.
    pub fn received(&mut self, now: u64, datagram: &[u8]) -> bool {
        self.tally.received += 1;
        let Some((number, answer)) = self.answer(datagram) else {
            self.tally.foreign += 1;
            return false;
        };
        let Some(machine) = self.machines.get_mut(number as usize) else { return false };
        let in_exchange = exchange_of(answer.xid ^ self.plan.salt) == machine.exchange;
        match (machine.step, answer.kind) {
            (Step::Discover, MessageType::Offer) if in_exchange => {
                machine.address = answer.address;
                machine.server = answer.server;
                self.offered(number, now);
            }
            (Step::Request | Step::Renew, MessageType::Ack) if in_exchange => {
                machine.address = answer.address;
                machine.leased = true;
                self.acknowledged(number, now);
                if self.plan.pace == Pace::Called {
                    self.ended.push_back(Ended { machine: number, ack: Some(datagram.to_vec()) });
                }
            }
            (Step::Request | Step::Renew, MessageType::Nak) if in_exchange => {
                machine.leased = false;
                self.tally.refused += u64::from(machine.measured);
                self.refused(number);
            }
            _ => self.tally.unexpected += 1,
        }
        true
    }

    /// How many leases are on addresses that another machine holds too.
    pub fn shared_addresses(&self) -> usize {
        let leased = self.machines.iter().filter(|machine| machine.leased);
        let mut addresses: Vec<Ipv4Addr> = leased.map(|machine| machine.address).collect();
        addresses.sort_unstable();
        let all = addresses.len();
        addresses.dedup();
        all - addresses.len()
    }

    /// How many machines hold a lease.
    pub fn leases(&self) -> usize {
        self.machines.iter().filter(|machine| machine.leased).count()
    }

    /// How much of a run that took so long was measured.
    pub fn measured(&self, took: u64) -> u64 {
        took.min(self.end()).saturating_sub(self.plan.warm_up)
    }

    fn end(&self) -> u64 {
        self.plan.warm_up.saturating_add(self.plan.measured)
    }

    /// When the next exchange is to begin, if there is to be one.
    fn due(&self, now: u64) -> Option<u64> {
        let due = self.plan.pace.due(self.begun, self.under_way, now)?;
        (self.begun < self.plan.count && due < self.end()).then_some(due)
    }

    /// A machine whose wait has ended, and which asks once more. Others give up here.
    fn woken(&mut self, now: u64) -> Option<u32> {
        while let Some(timer) = self.timers.ended(now) {
            let Some(machine) = self.machines.get_mut(timer.machine as usize) else { continue };
            if machine.step == Step::Idle || machine.sent != timer.sent {
                continue;
            }
            if usize::from(machine.attempt) < self.timers.attempts() {
                self.tally.resent += u64::from(machine.measured);
                return Some(timer.machine);
            }
            self.give_up(timer.machine);
        }
        None
    }

    fn give_up(&mut self, number: u32) {
        let Some(machine) = self.machines.get(number as usize) else { return };
        let measured = u64::from(machine.measured);
        match machine.step {
            Step::Discover => self.tally.without_offer += measured,
            _ => self.tally.without_ack += measured,
        }
        self.fail(number);
    }

    /// Who was called begins anew after a NAK (RFC 2131 section 3.1): it is to get an address some time.
    fn refused(&mut self, number: u32) {
        let Some(machine) = self.machines.get_mut(number as usize) else { return };
        machine.refused = machine.refused.saturating_add(1);
        if self.plan.pace != Pace::Called || machine.refused > REFUSALS_MAX {
            return self.fail(number);
        }
        let started = machine.started;
        self.end_exchange(number);
        self.call(number, started);
    }

    fn fail(&mut self, number: u32) {
        self.end_exchange(number);
        if self.plan.pace == Pace::Called {
            self.ended.push_back(Ended { machine: number, ack: None });
        }
    }

    /// A machine that begins its exchange now.
    fn begin(&mut self, now: u64) -> Option<u32> {
        let (number, due) = match self.plan.pace {
            Pace::Called => self.called.pop_front()?,
            _ => self.turn(now)?,
        };
        self.begun += 1;
        self.under_way += 1;
        let measured = due >= self.plan.warm_up;
        if measured {
            self.tally.started += 1;
            record(&mut self.tally.late, due, now);
        }
        let step = if self.plan.exchange == Exchange::Renew { Step::Renew } else { Step::Discover };
        let machine = self.machines.get_mut(number as usize)?;
        machine.exchange = machine.exchange.wrapping_add(1);
        (machine.started, machine.asked, machine.measured) = (due, due, measured);
        (machine.step, machine.attempt) = (step, 0);
        Some(number)
    }

    /// Whose turn it is, and since when.
    fn turn(&mut self, now: u64) -> Option<(u32, u64)> {
        let due = self.due(now).filter(|&due| due <= now)?;
        let number = self.idle.pop_front();
        if number.is_none() {
            self.tally.no_idle_machine += u64::from(!self.starved);
        }
        self.starved = number.is_none();
        Some((number?, due))
    }

    fn offered(&mut self, number: u32, now: u64) {
        let Some(machine) = self.machines.get_mut(number as usize) else { return };
        if machine.measured {
            record(&mut self.tally.offer, machine.asked, now);
        }
        if self.plan.exchange == Exchange::Discover {
            return self.complete(number, now);
        }
        (machine.step, machine.asked, machine.attempt) = (Step::Request, now, 0);
        self.ready.push_back(number);
    }

    fn acknowledged(&mut self, number: u32, now: u64) {
        let Some(machine) = self.machines.get(number as usize) else { return };
        if machine.measured {
            record(&mut self.tally.ack, machine.asked, now);
        }
        self.complete(number, now);
    }

    fn complete(&mut self, number: u32, now: u64) {
        let Some(machine) = self.machines.get(number as usize) else { return };
        if machine.measured {
            self.tally.completed += 1;
            record(&mut self.tally.exchange, machine.started, now);
        }
        let in_time = now >= self.plan.warm_up && now < self.end();
        self.tally.completed_in_time += u64::from(in_time);
        self.end_exchange(number);
    }

    fn end_exchange(&mut self, number: u32) {
        let Some(machine) = self.machines.get_mut(number as usize) else { return };
        machine.step = Step::Idle;
        self.under_way -= 1;
        if self.plan.pace != Pace::Called {
            self.idle.push_back(number);
        }
    }

    /// Writes the message that the machine's step asks for, and sets its timer.
    fn write(&mut self, number: u32, now: u64, message: &mut Vec<u8>) {
        let Some(machine) = self.machines.get_mut(number as usize) else { return };
        let secs = now.saturating_sub(machine.started) / SECOND;
        let own = Own {
            number: self.plan.first.wrapping_add(number),
            xid: (u32::from(machine.exchange) << NUMBER_BITS | number) ^ self.plan.salt,
            secs: u16::try_from(secs).unwrap_or(u16::MAX),
            address: machine.address,
            server: machine.server,
        };
        let template = match machine.step {
            Step::Request => &self.messages.request,
            Step::Renew => &self.messages.renew,
            Step::Idle | Step::Discover => &self.messages.discover,
        };
        template.write(&own, message);
        machine.sent = machine.sent.wrapping_add(1);
        self.timers.set(usize::from(machine.attempt), now, number, machine.sent);
        machine.attempt += 1;
    }

    /// Reads an answer to one of the machines here.
    fn answer(&self, datagram: &[u8]) -> Option<(u32, Answer)> {
        let message = Message::parse(datagram).ok().filter(|message| message.op == BOOTREPLY)?;
        let number = (message.xid ^ self.plan.salt) & (Self::MACHINES_MAX - 1);
        let mac = mac(self.plan.first.wrapping_add(number));
        let ours = (number as usize) < self.machines.len() && message.chaddr.starts_with(&mac.0);
        let answer = Answer {
            kind: message.message_type()?,
            xid: message.xid,
            address: message.yiaddr,
            server: message.ipv4(code::SERVER_IDENTIFIER)?,
        };
        ours.then_some((number, answer))
    }
}

/// What a machine reads in an answer.
struct Answer {
    kind: MessageType,
    xid: u32,
    address: Ipv4Addr,
    server: Ipv4Addr,
}

/// The number of the exchange in an xid.
fn exchange_of(xid: u32) -> u8 {
    let [exchange, ..] = xid.to_be_bytes();
    exchange
}
