//! The real server and the model, side by side.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::dhcp::{
    AddressState, Config, HostKey, Identity, Lease, LeaseState, LinkId, Output, Policy, Pool,
    Reservation, Reservations, Secret, Server,
};
use pxed_proto::event::Event;
use pxed_proto::net::AddressRange;

use super::acts::{Act, Pick, Place, Rules, Says, Store};
use super::reference::{Asked, Reference, Response, Verdict, must};
use crate::client::{Sent, client};
use crate::lan::{self, OTHER_SERVER, RELAY, second};
use crate::oracle;

/// What is wrong with the server, to see that the model sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It forgets its offers whenever it looks at the clock.
    ForgetsOffers,
    /// It does not load its leases.
    ForgetsLeases,
    /// It takes declined addresses for free ones when it starts.
    ForgetsDeclines,
    /// It takes no notice of reservations.
    ReservesNothing,
    /// It goes on with the pools that it had.
    KeepsItsPools,
    /// Its clock is five minutes ahead when it plans.
    IsAhead,
    /// It believes its store, whatever that says.
    NeedsNoStore,
}

/// Both of them, and who was told what.
pub struct World {
    server: Server,
    model: Reference,
    identity: Identity,
    fault: Fault,
    told: BTreeMap<(u8, Place), Ipv4Addr>,
}

impl World {
    pub fn new(rules: &Rules, identity: Identity, fault: Fault) -> Self {
        let server = Server::new(Arc::new(config(rules, identity, fault)), Secret::default());
        let model = Reference::new(rules.clone(), second(0));
        Self { server, model, identity, fault, told: BTreeMap::new() }
    }

    /// One step of both, and whether they agree.
    pub fn goes_on(&mut self, act: &Act) -> Verdict {
        match act {
            Act::Boots(who, place) => self.boots(*who, *place),
            Act::Says { who, place, says, late } => self.says(*who, *place, *says, *late),
            Act::Waits(seconds) => {
                self.model.now = self.model.now + Duration::from_secs(*seconds);
                Ok(())
            }
            Act::Wakes => self.wakes(),
            Act::Stores(how) => self.stores(*how),
            Act::Reloads(rules) => {
                self.reloads(rules);
                Ok(())
            }
            Act::Restarts(written) => self.restarts(*written),
        }?;
        self.agree()
    }

    fn boots(&mut self, who: u8, place: Place) -> Verdict {
        self.says(who, place, Says::Discover(None), false)?;
        self.says(who, place, Says::Selecting(Pick::Told), false)
    }

    fn says(&mut self, who: u8, place: Place, says: Says, late: bool) -> Verdict {
        let address = self.address(who, place, says);
        if address.is_none() && !matches!(says, Says::Discover(_)) {
            return Ok(());
        }
        let (sent, place) = self.sent(who, place, says, address);
        let asked = Asked { who, place, says, address };
        self.model.speaks(&asked);
        let (now, datagram) = (self.servers_now(), sent.bytes());
        let plan = self.server.plan(now, LinkId(0), &sent.arrival, &datagram);
        let output = self.server.apply(plan, self.model.now);
        let response = response(&output)?;
        let context = |problem| format!("{asked:?}: {response:?}: {problem}");
        self.model.judge(&asked, response).map_err(context)?;
        self.model.decides(&asked, response, &output.commits).map_err(context)?;
        if let (Some(Event::Dhcp(event)), Some(transmit)) = (&output.event, &output.transmit) {
            oracle::check(&sent, event, transmit, 1500);
        }
        if let Response::Offers(address) = response {
            self.told.insert((who, place), address);
        }
        while !late && !self.model.under_way.is_empty() {
            self.stores(Store::Writes)?;
        }
        Ok(())
    }

    fn servers_now(&self) -> Timestamp {
        let ahead = if self.fault == Fault::IsAhead { 300 } else { 0 };
        self.model.now + Duration::from_secs(ahead)
    }

    /// The address that is spoken of.
    fn address(&self, who: u8, place: Place, says: Says) -> Option<Ipv4Addr> {
        let pick = match says {
            Says::Discover(wish) => wish?,
            Says::Selecting(pick)
            | Says::OtherServer(pick)
            | Says::InitReboot(pick)
            | Says::Renewing(pick)
            | Says::Rebinding(pick)
            | Says::Release(pick)
            | Says::Decline(pick)
            | Says::Inform(pick) => pick,
        };
        match pick {
            Pick::Told => self.told.get(&(who, place)).copied(),
            Pick::Host(place, host) => Some(place.address(host)),
        }
    }

    /// The datagram, and the network that it speaks of: what is sent to the server alone says it
    /// by `ciaddr`, the rest by how it comes.
    fn sent(&self, who: u8, place: Place, says: Says, address: Option<Ipv4Addr>) -> (Sent, Place) {
        let sender = client(u32::from(who));
        let named = address.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let sent = match says {
            Says::Discover(None) => sender.discover().bios(),
            Says::Discover(Some(_)) => sender.discover().address(50, named),
            Says::Selecting(_) => sender.selecting(named),
            Says::OtherServer(_) => sender.request().address(54, OTHER_SERVER).address(50, named),
            Says::InitReboot(_) => sender.init_reboot(named),
            Says::Renewing(_) => sender.renewing(named),
            Says::Rebinding(_) => sender.rebinding(named),
            Says::Release(_) => sender.release(named),
            Says::Decline(_) => sender.decline(named),
            Says::Inform(_) => sender.inform(named),
        };
        let mut sent = match self.identity {
            Identity::ClientId if who >= 2 => sent.option(61, &[0, who]),
            // The ROM says another one than the operating system: nobody is to look.
            Identity::Mac if sent.options.iter().any(|(code, _)| *code == 93) => {
                sent.option(61, &[0xff, who, who])
            }
            _ => sent,
        };
        if self.identity == Identity::ClientId && who == super::acts::CLIENTS - 1 {
            // Two systems on one machine.
            sent.chaddr[5] = who - 1;
        }
        let alone = matches!(says, Says::Renewing(_) | Says::Release(_) | Says::Inform(_));
        match place {
            _ if alone => (sent, address.and_then(Place::of).unwrap_or(place)),
            Place::Lan => (sent, place),
            Place::Remote => (sent.by_relay(RELAY), place),
        }
    }

    fn stores(&mut self, how: Store) -> Verdict {
        let Some((commit, result)) = self.model.stores(how) else { return Ok(()) };
        let told = if self.fault == Fault::NeedsNoStore { Ok(()) } else { result.clone() };
        let output = self.server.committed(commit.id, told, self.model.now);
        must(output.commits.is_empty(), "a commit makes no commit")?;
        let Some(transmit) = output.transmit else { return Ok(()) };
        let message = &transmit.message;
        must(message[242] == 5, "what waits for the store is an ACK")?;
        let yiaddr: [u8; 4] = message[16..20].try_into().unwrap();
        must(commit.lease.address == Ipv4Addr::from(yiaddr), "an ACK of another address")?;
        let options = oracle::options(message);
        let time =
            options.iter().find(|(code, _)| *code == 51).ok_or("an ACK without option 51")?;
        let time = u32::from_be_bytes(time.1[..].try_into().unwrap());
        let until = commit.lease.granted + Duration::from_secs(u64::from(time));
        let place = Place::of(commit.lease.address).unwrap();
        self.told.insert((super::reference::who(&commit.lease), place), commit.lease.address);
        self.model.hears(&commit.lease, until)
    }

    fn wakes(&mut self) -> Verdict {
        if self.fault == Fault::ForgetsOffers && self.model.under_way.is_empty() {
            self.starts();
        }
        for event in self.server.handle_timeout(self.model.now) {
            let Event::Expired { address, .. } = event else { return Err("no expiry".to_owned()) };
            let runs = self.model.leased().any(|leased| leased == address);
            must(!runs || !self.model.is_sure(address), "a lease that runs is told to be over")?;
        }
        let next = self.server.poll_timeout();
        must(next.is_none_or(|next| next > self.model.now), "nothing to do, and woken again")
    }

    fn reloads(&mut self, rules: &Rules) {
        let seen = match self.fault {
            Fault::KeepsItsPools => {
                let Rules { lan, remote, .. } = self.model.rules;
                Rules { lan, remote, ..rules.clone() }
            }
            _ => rules.clone(),
        };
        let config = config(&seen, self.identity, self.fault);
        self.server.reconfigure(Arc::new(config), self.model.now);
        self.model.reloads(rules.clone());
    }

    fn restarts(&mut self, written: usize) -> Verdict {
        for _ in 0..written {
            // Nobody hears of it any more.
            self.model.stores(Store::Writes);
        }
        self.model.restarts();
        self.starts();
        Ok(())
    }

    fn starts(&mut self) {
        self.server = Server::new(Arc::clone(self.server.config()), Secret::default());
        let forgotten = |row: &Lease| match self.fault {
            Fault::ForgetsLeases => true,
            Fault::ForgetsDeclines => row.state == LeaseState::Declined,
            _ => false,
        };
        for row in self.model.store.values().filter(|row| !forgotten(row)) {
            self.server.load(row.clone(), self.model.now);
        }
    }

    /// Do both have the same addresses leased and offered?
    fn agree(&self) -> Verdict {
        let (server, model) = (&self.server, &self.model);
        must(server.commits_waiting() == model.under_way.len(), "commits that nobody waits for")?;
        if !model.under_way.is_empty() {
            return Ok(());
        }
        let sure = |address: &Ipv4Addr| model.is_sure(*address);
        let known: Vec<_> = server.known_addresses(None, model.now).collect();
        let of_state = |state: AddressState| {
            let such = known.iter().filter(move |known| known.state == state);
            such.map(|known| known.address).filter(sure).collect::<Vec<_>>()
        };
        let mut leased: Vec<_> = model.leased().filter(sure).collect();
        let mut offered: Vec<_> = model.offered().filter(sure).collect();
        // The server's list goes by networks, in their order.
        leased.sort();
        offered.sort();
        let is = of_state(AddressState::Leased);
        must(is == leased, &format!("leased are {is:?}, and should be {leased:?}"))?;
        let is = of_state(AddressState::Offered);
        must(is == offered, &format!("offered are {is:?}, and should be {offered:?}"))
    }
}

fn response(output: &Output) -> Result<Response, String> {
    if let Some(first) = output.commits.first() {
        must(output.event.is_none() && output.transmit.is_none(), "told before it is durable")?;
        let Lease { address, expires: until, .. } = first.lease;
        return Ok(match first.lease.state {
            LeaseState::Leased => Response::Grants { address, until },
            LeaseState::Released => Response::Releases(address),
            LeaseState::Declined => Response::Declines(address),
            LeaseState::Conflict => return Err("nobody was asked for the address".to_owned()),
        });
    }
    must(output.event.is_some(), "one datagram, one event")?;
    let Some(transmit) = &output.transmit else { return Ok(Response::Silent) };
    let message = &transmit.message;
    let yiaddr: [u8; 4] = message[16..20].try_into().unwrap();
    match message[242] {
        2 => Ok(Response::Offers(yiaddr.into())),
        5 if yiaddr == [0; 4] => Ok(Response::Informs),
        6 => Ok(Response::Refuses),
        other => Err(format!("a message of type {other}, for {yiaddr:?}, without a lease")),
    }
}

fn config(rules: &Rules, identity: Identity, fault: Fault) -> Config {
    let mut config = lan::config();
    for (subnet, place) in config.subnets.iter_mut().zip([Place::Lan, Place::Remote]) {
        let hosts = rules.hosts(place);
        let ends = [*hosts.start(), *hosts.end()].map(|host| place.address(host));
        subnet.pools = vec![Pool::from(AddressRange::new(ends[0], ends[1]).unwrap())];
        (subnet.identity, subnet.adopt) = (identity, rules.adopt);
    }
    let reserved = rules.reserved.iter().filter(|_| fault != Fault::ReservesNothing);
    let reserved = reserved.map(|(who, address)| Reservation {
        keys: vec![HostKey::Mac(client(u32::from(*who)).mac())],
        address: Some(*address),
        ..Reservation::default()
    });
    config.policy =
        Policy { reservations: Reservations::new(reserved.collect()), ..Policy::default() };
    config
}
