//! Interfaces as they are in life: they go and come back, down and up, and their addresses with
//! them. What is bound follows within a second, and the log says what machines are without.
//!
//! DHCP and TFTP sockets belong to one interface of the kernel's; one that is made again under the
//! same name is another, and the old sockets hear nothing. HTTP listens on an address, and hears
//! again as soon as any interface has that again.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use pxed_proto::dhcp::{self, LinkId};
use pxed_proto::net::Mac;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::of_interface;
use crate::config::link;
use crate::control::InterfaceStatus;
use crate::dhcp::Mailbox;
use crate::net::{BindError, Interface, InterfaceError, InterfaceWatch, ServerPort};
use crate::tftp;

/// An interface comes back in several steps (made, addressed, set up), which are one change; and
/// whatever changes without end costs no more than this often a look.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// How long until a look that failed is taken again, or one that no change announces.
const RETRY: Duration = Duration::from_secs(1);

/// Looks after the interfaces that are served.
pub(super) struct Supervisor {
    watched: Vec<Watched>,
    server_port: ServerPort,
    dhcp: Mailbox,
    tftp: mpsc::Sender<tftp::Change>,
    /// For those who ask.
    standings: watch::Sender<Vec<InterfaceStatus>>,
}

/// One interface.
struct Watched {
    name: Arc<str>,
    link: LinkId,
    /// The kernel's number of the interface that the sockets are bound to, and its address: ARP asks
    /// in its name.
    bound: Option<(u32, Mac)>,
    /// Its MTU, as TFTP knows it; 0 if it is not there.
    mtu: u32,
    standing: Standing,
    /// Not since pxed started.
    never_served: bool,
}

/// How an interface stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    Served,
    /// It was not there at the start.
    Awaited,
    Gone,
    Down,
    /// It has not these addresses of the configuration.
    Without(Vec<Ipv4Addr>),
    /// It is there and can not be served, and why.
    Refused(String),
}

impl Supervisor {
    /// Of the interfaces that are served, which are bound if they are there; and where TFTP hears of changes.
    pub(super) fn new(
        interfaces: &[Interface],
        server_port: ServerPort,
        dhcp: Mailbox,
    ) -> (Self, mpsc::Receiver<tftp::Change>) {
        let watched = interfaces.iter().enumerate().map(|(link, interface)| Watched {
            name: interface.name.clone(),
            link: LinkId(link),
            bound: (!interface.is_awaited()).then_some((interface.index, interface.mac)),
            mtu: if interface.is_awaited() { 0 } else { interface.mtu },
            never_served: interface.is_awaited(),
            standing: if interface.is_awaited() { Standing::Awaited } else { Standing::Served },
        });
        let watched: Vec<_> = watched.collect();
        let (tftp, changes) = mpsc::channel(watched.len().max(1));
        let standings = watch::Sender::new(watched.iter().map(Watched::status).collect());
        (Self { watched, server_port, dhcp, tftp, standings }, changes)
    }

    /// How the interfaces stand, now and later.
    pub(super) fn standings(&self) -> watch::Receiver<Vec<InterfaceStatus>> {
        self.standings.subscribe()
    }

    /// Looks after them until the end.
    pub(super) async fn run(mut self) -> Infallible {
        if self.watched.is_empty() {
            drop(self);
            return std::future::pending().await;
        }
        let watch = InterfaceWatch::open();
        let watch = watch.inspect_err(|error| {
            warn!("the kernel does not tell of interfaces, pxed looks every second: {error}");
        });
        let watch = watch.ok();
        // Something may have changed between the bind and the watch.
        loop {
            self.look_at_all().await;
            wait(watch.as_ref(), self.is_settled()).await;
        }
    }

    /// Is there nothing to do until the next change?
    fn is_settled(&self) -> bool {
        !self.watched.iter().any(|one| matches!(one.standing, Standing::Refused(_)))
    }

    async fn look_at_all(&mut self) {
        // A DHCP thread that does not answer is told of elsewhere.
        let Some(status) = self.dhcp.status().await else { return };
        for index in 0..self.watched.len() {
            self.look_at(index, &status.config).await;
        }
        self.standings.send_replace(self.watched.iter().map(Watched::status).collect());
    }

    async fn look_at(&mut self, index: usize, config: &dhcp::Config) {
        let (dhcp, tftp, whose) = (&self.dhcp, &self.tftp, self.server_port);
        let Some(one) = self.watched.get_mut(index) else { return };
        let now = match Interface::look(&one.name) {
            Ok(interface) => match one.follow(&interface, whose, dhcp, tftp).await {
                Ok(()) => {
                    one.follow_mtu(&interface, config, dhcp, tftp).await;
                    standing(&interface, &expected(config, one.link))
                }
                Err(error) => Standing::Refused(error.to_string()),
            },
            Err(InterfaceError::NotFound { .. }) => {
                one.let_go(dhcp, tftp).await;
                Standing::Gone
            }
            Err(error) => Standing::Refused(error.to_string()),
        };
        let awaited = one.standing == Standing::Awaited;
        if now != one.standing && !(awaited && now == Standing::Gone) {
            now.tell(&one.name, one.never_served);
            one.never_served &= now != Standing::Served;
            one.standing = now;
        }
    }
}

impl Watched {
    fn status(&self) -> InterfaceStatus {
        let (state, reason) = self.standing.words();
        InterfaceStatus {
            interface: self.name.to_string(),
            state: state.to_owned(),
            reason,
            mtu: (self.mtu > 0).then_some(self.mtu),
        }
    }

    /// Has sockets on `interface`, and on no other.
    async fn follow(
        &mut self,
        interface: &Interface,
        whose: ServerPort,
        dhcp: &Mailbox,
        tftp: &mpsc::Sender<tftp::Change>,
    ) -> Result<(), BindError> {
        if self.bound == Some((interface.index, interface.mac)) {
            return Ok(());
        }
        self.let_go(dhcp, tftp).await;
        let (sockets, listener) = of_interface(interface, whose)?;
        (self.bound, self.mtu) = (Some((interface.index, interface.mac)), interface.mtu);
        // It was gone, even if nobody saw it; and it is told that it is back.
        if self.standing == Standing::Served {
            self.standing = Standing::Gone;
        }
        // Whoever does not take them ends, and all of pxed with it.
        let _ = dhcp.replace_sockets(self.link, Some(sockets)).await;
        let _ = tftp.send(tftp::Change::Back(listener)).await;
        Ok(())
    }

    /// Replies and blocks are as long as the interface carries now, whatever it carried when it was
    /// bound or when the configuration was read.
    async fn follow_mtu(
        &mut self,
        interface: &Interface,
        config: &dhcp::Config,
        dhcp: &Mailbox,
        tftp: &mpsc::Sender<tftp::Change>,
    ) {
        let mtu = link(interface).mtu;
        if config.links.get(self.link.0).is_some_and(|link| link.mtu != mtu) {
            let _ = dhcp.set_mtu(self.link, mtu).await;
        }
        if self.mtu != interface.mtu {
            self.mtu = interface.mtu;
            info!("{} has an MTU of {} now", self.name, self.mtu);
            let _ = tftp.send(tftp::Change::Mtu(self.name.clone(), self.mtu)).await;
        }
    }

    /// Closes sockets that hear nothing any more.
    async fn let_go(&mut self, dhcp: &Mailbox, tftp: &mpsc::Sender<tftp::Change>) {
        self.mtu = 0;
        if self.bound.take().is_some() {
            let _ = dhcp.replace_sockets(self.link, None).await;
            let _ = tftp.send(tftp::Change::Gone(self.name.clone())).await;
        }
    }
}

impl Standing {
    /// In a word, and what is to be known of it.
    fn words(&self) -> (&'static str, Option<String>) {
        match self {
            Self::Served => ("served", None),
            Self::Awaited => ("awaited", None),
            Self::Gone => ("gone", None),
            Self::Down => ("down", None),
            Self::Without(addresses) => ("without-address", Some(list(addresses))),
            Self::Refused(why) => ("refused", Some(why.clone())),
        }
    }

    /// Once for each change: a cable that is pulled is none, only what was done on this machine.
    fn tell(&self, name: &str, never_served: bool) {
        match self {
            Self::Served if never_served => info!("{name} is there: served now"),
            Self::Served => info!("{name} is back: served again"),
            Self::Awaited | Self::Gone => warn!("{name} is gone; waiting for it"),
            Self::Down => warn!("{name} is down; waiting for `ip link set {name} up`"),
            Self::Without(addresses) => {
                let list = list(addresses);
                warn!(
                    "{name} has no longer {list}, where machines are told to find pxed: give the \
                     address back, or configure another and start pxed again"
                );
            }
            Self::Refused(why) => warn!("{name} is not served, pxed tries again: {why}"),
        }
    }
}

fn list(addresses: &[Ipv4Addr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The server's addresses that machines on `link` are told.
fn expected(config: &dhcp::Config, link: LinkId) -> Vec<Ipv4Addr> {
    let own = config.links.get(link.0).map(|link| &link.addresses[..]).unwrap_or_default();
    let attached = config.subnets.iter().filter(|subnet| subnet.link == Some(link));
    let told = attached.flat_map(|subnet| [subnet.server, *subnet.services.http.ip()]);
    let mut expected: Vec<_> = told.filter(|address| own.contains(address)).collect();
    expected.sort_unstable();
    expected.dedup();
    expected
}

fn standing(interface: &Interface, expected: &[Ipv4Addr]) -> Standing {
    let has = |address: &&Ipv4Addr| interface.addresses.iter().any(|(own, _)| own == *address);
    let missing: Vec<_> = expected.iter().filter(|address| !has(address)).copied().collect();
    match (interface.up, missing.is_empty()) {
        (false, _) => Standing::Down,
        (true, false) => Standing::Without(missing),
        (true, true) => Standing::Served,
    }
}

/// Returns when it is time for another look.
async fn wait(watch: Option<&InterfaceWatch>, settled: bool) {
    let changed = async {
        match watch {
            Some(watch) if watch.changed().await.is_ok() => sleep(DEBOUNCE).await,
            _ => sleep(RETRY).await,
        }
    };
    if settled {
        changed.await;
    } else {
        let _ = timeout(RETRY, changed).await;
    }
}

#[cfg(test)]
mod tests {
    use pxed_proto::net::{Ipv4Net, Mac};

    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const OTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

    #[test]
    fn an_interface_is_served_when_it_is_up_and_has_what_machines_are_told() {
        let interface = |up, addresses: &[Ipv4Addr]| Interface {
            name: "eth1".into(),
            index: 7,
            mac: Mac([2; 6]),
            up,
            addresses: addresses.iter().map(|own| (*own, Ipv4Net::new(OWN, 24).unwrap())).collect(),
            mtu: 1500,
        };
        for (up, addresses, expected, found) in [
            (true, &[OWN][..], &[OWN][..], Standing::Served),
            (true, &[OTHER, OWN], &[OWN], Standing::Served),
            (true, &[], &[], Standing::Served),
            (true, &[OTHER], &[OWN], Standing::Without(vec![OWN])),
            (true, &[], &[OWN, OTHER], Standing::Without(vec![OWN, OTHER])),
            (false, &[OWN], &[OWN], Standing::Down),
            (false, &[], &[OWN], Standing::Down),
        ] {
            assert_eq!(standing(&interface(up, addresses), expected), found, "{up} {addresses:?}");
        }
    }
}
