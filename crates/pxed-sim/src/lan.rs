//! A LAN that carries UDP datagrams, and what its weather does to them.

use std::fmt;
use std::net::SocketAddrV4;
use std::rc::Rc;
use std::time::Duration;

use pxed_proto::Timestamp;
use pxed_proto::net::Mac;

use crate::random::Random;

/// A UDP datagram in its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The frame's source.
    pub from: Mac,
    /// The frame's destination.
    pub to: To,
    /// IP source address and UDP source port.
    pub source: SocketAddrV4,
    /// IP destination address and UDP destination port.
    pub destination: SocketAddrV4,
    /// What UDP carries.
    pub payload: Rc<[u8]>,
}

/// Whom a frame is addressed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// This station, whatever IP address it has or has not.
    Mac(Mac),
    /// Every station.
    Everybody,
    /// Whoever answers ARP for the IP destination when the datagram arrives; perhaps nobody.
    Owner,
}

/// What the LAN does to datagrams. Probabilities are in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// How many are lost.
    pub loss: u32,
    /// How many arrive twice.
    pub duplication: u32,
    /// How many are held up, and so overtaken by others.
    pub delay: u32,
    /// The longest that one is held up.
    pub delay_max: Duration,
    /// How long all others take: at least and at most, in milliseconds.
    pub latency: (u64, u64),
}

impl Weather {
    /// Every datagram arrives once, a millisecond later.
    pub const fn fine() -> Self {
        Self { loss: 0, duplication: 0, delay: 0, delay_max: Duration::ZERO, latency: (1, 1) }
    }

    /// Every fifth datagram is lost, some are doubled, some come seconds late.
    pub const fn bad() -> Self {
        let delay_max = Duration::from_secs(5);
        Self { loss: 200, duplication: 50, delay: 50, delay_max, latency: (1, 12) }
    }

    /// Something between [`Weather::fine`] and [`Weather::bad`].
    pub fn changing(random: &mut Random) -> Self {
        let bad = Self::bad();
        let mut up_to = |most: u32| u32::try_from(random.between(0, most.into())).unwrap_or(most);
        Self {
            loss: up_to(bad.loss),
            duplication: up_to(bad.duplication),
            delay: up_to(bad.delay),
            ..bad
        }
    }
}

/// Says `true` to what shall be lost, or doubled.
type Trap = Box<dyn FnMut(&Datagram) -> bool>;

/// Says what a datagram carries instead, if it is to carry something else.
type Forger = fn(&Datagram) -> Option<Vec<u8>>;

/// The LAN: knows when what arrives.
pub struct Lan {
    weather: Weather,
    random: Random,
    traps: Vec<Trap>,
    doublers: Vec<Trap>,
    /// Changes what is sent. It is here to show that models and invariants notice.
    pub forger: Option<Forger>,
}

impl fmt::Debug for Lan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lan").field("weather", &self.weather).finish_non_exhaustive()
    }
}

impl Lan {
    /// A LAN in this weather.
    pub fn new(weather: Weather, random: Random) -> Self {
        Self { weather, random, traps: Vec::new(), doublers: Vec::new(), forger: None }
    }

    /// Loses every datagram to which `trap` says `true`.
    pub fn lose(&mut self, trap: impl FnMut(&Datagram) -> bool + 'static) {
        self.traps.push(Box::new(trap));
    }

    /// Doubles every datagram to which `doubler` says `true`.
    pub fn double(&mut self, doubler: impl FnMut(&Datagram) -> bool + 'static) {
        self.doublers.push(Box::new(doubler));
    }

    /// Changes the datagram, if that is wanted.
    pub fn tamper(&self, datagram: &mut Datagram) {
        if let Some(payload) = self.forger.and_then(|forger| forger(datagram)) {
            datagram.payload = Rc::from(payload);
        }
    }

    /// When the datagram arrives: never, once, or twice.
    pub fn fate(&mut self, now: Timestamp, datagram: &Datagram) -> Vec<Timestamp> {
        let trapped = self.traps.iter_mut().any(|trap| trap(datagram));
        if trapped || self.random.chance(self.weather.loss) {
            return Vec::new();
        }
        let doubled = self.doublers.iter_mut().any(|doubler| doubler(datagram));
        let doubled = self.random.chance(self.weather.duplication) || doubled;
        let copies = if doubled { 2 } else { 1 };
        (0..copies).map(|_| now + self.travel()).collect()
    }

    /// How long what is reliable (TCP) takes.
    pub fn latency(&mut self) -> Duration {
        let (least, most) = self.weather.latency;
        Duration::from_millis(self.random.between(least, most))
    }

    fn travel(&mut self) -> Duration {
        let latency = self.latency();
        if !self.random.chance(self.weather.delay) {
            return latency;
        }
        let most = u64::try_from(self.weather.delay_max.as_millis()).unwrap_or(0);
        latency + Duration::from_millis(self.random.between(0, most))
    }
}
