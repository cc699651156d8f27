//! pcapng, the form of dumpcap, tshark and Wireshark (draft-ietf-opsawg-pcapng): blocks, each with
//! its type, its length before and behind it, and a body.

use std::io::Read;

use super::{Found, Input, Order, Stop, length};

/// The type of the block that begins a section, the same in both byte orders.
pub const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const INTERFACE_DESCRIPTION: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Octets of a block that are not its body: type, length, length.
const BLOCK_FRAME: u32 = 12;

/// The interfaces of one section that are kept: more is damage, or somebody's joke.
const INTERFACES_MAX: usize = 4096;

/// A section: what its interfaces are.
#[derive(Debug)]
pub struct Section {
    order: Order,
    interfaces: Vec<Interface>,
    /// The last packet's time, for blocks that have none.
    last: u64,
}

/// An interface description block.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: u16,
    /// 0 is no limit.
    snaplen: u32,
    /// `if_tsresol`: a power of ten, or with the highest bit a power of two, both negative.
    resolution: u8,
    /// `if_tsoffset`, in seconds.
    offset: i64,
}

impl Section {
    /// Reads the rest of a section header block, from behind its total length.
    pub fn read<R: Read>(input: &mut Input<R>, total: [u8; 4]) -> Result<Self, Stop> {
        let order = match input.record(4)? {
            [0x1a, 0x2b, 0x3c, 0x4d] => Order::Big,
            [0x4d, 0x3c, 0x2b, 0x1a] => Order::Little,
            _ => return Err(Stop::Damaged),
        };
        let rest = order.u32(total).checked_sub(BLOCK_FRAME).ok_or(Stop::Damaged)?;
        input.skip(u64::from(rest))?;
        Ok(Self { order, interfaces: Vec::new(), last: 0 })
    }

    /// Reads blocks until one has a frame.
    pub fn next<R: Read>(&mut self, input: &mut Input<R>) -> Result<Found, Stop> {
        loop {
            let kind: [u8; 4] = input.head()?;
            let total = input.head().map_err(within)?;
            if kind == SECTION_HEADER {
                *self = Self::read(input, total).map_err(within)?;
                continue;
            }
            if let Some(found) = self.block(input, self.order.u32(kind), total).map_err(within)? {
                return Ok(found);
            }
        }
    }

    fn block<R: Read>(
        &mut self,
        input: &mut Input<R>,
        kind: u32,
        total: [u8; 4],
    ) -> Result<Option<Found>, Stop> {
        let total = self.order.u32(total);
        let len = total.checked_sub(BLOCK_FRAME).filter(|len| len % 4 == 0);
        let len = len.ok_or(Stop::Damaged)?;
        if !matches!(kind, INTERFACE_DESCRIPTION | PACKET | SIMPLE_PACKET | ENHANCED_PACKET) {
            input.skip(u64::from(len) + 4)?;
            return Ok(None);
        }
        let body = input.record(length(len))?;
        let found = match kind {
            INTERFACE_DESCRIPTION => {
                let interface = Interface::read(self.order, body).ok_or(Stop::Damaged)?;
                if self.interfaces.len() == INTERFACES_MAX {
                    return Err(Stop::Damaged);
                }
                self.interfaces.push(interface);
                None
            }
            SIMPLE_PACKET => Some(self.simple(body).ok_or(Stop::Damaged)?),
            _ => Some(self.packet(kind, body).ok_or(Stop::Damaged)?),
        };
        // The length once more; what it says was known before. It goes behind the body, which
        // stays where it is.
        input.skip(4)?;
        Ok(found)
    }

    /// An enhanced packet block, or the obsolete packet block that it replaced.
    fn packet(&mut self, kind: u32, body: &[u8]) -> Option<Found> {
        let field = |at| self.order.u32_at(body, at);
        let interface = match kind {
            PACKET => u32::from(self.order.u16_at(body, 0)?),
            _ => field(0)?,
        };
        let about = *self.interfaces.get(length(interface))?;
        let units = u64::from(field(4)?) << 32 | u64::from(field(8)?);
        let (captured, original) = (field(12)?, field(16)?);
        self.last = about.nanos(units);
        Some(Found {
            at: self.last,
            link_type: about.link_type,
            interface,
            from: 20,
            len: length(captured),
            cut: captured < original,
        })
    }

    /// A simple packet block: of the first interface, without a time.
    fn simple(&self, body: &[u8]) -> Option<Found> {
        let about = self.interfaces.first()?;
        let original = self.order.u32_at(body, 0)?;
        let limit = if about.snaplen == 0 { original } else { original.min(about.snaplen) };
        Some(Found {
            at: self.last,
            link_type: about.link_type,
            interface: 0,
            from: 4,
            len: length(limit),
            cut: limit < original,
        })
    }
}

/// Within a block no file ends well.
fn within(stop: Stop) -> Stop {
    match stop {
        Stop::Whole => Stop::Cut,
        stop => stop,
    }
}

impl Interface {
    fn read(order: Order, body: &[u8]) -> Option<Self> {
        let mut interface = Self {
            link_type: order.u16_at(body, 0)?,
            snaplen: order.u32_at(body, 4)?,
            resolution: 6,
            offset: 0,
        };
        let mut options = body.get(8..)?;
        while let (Some(code), Some(len)) = (order.u16_at(options, 0), order.u16_at(options, 2)) {
            let value = options.get(4..).and_then(|rest| rest.get(..usize::from(len)));
            match (code, value) {
                (9, Some(&[resolution])) => interface.resolution = resolution,
                (14, Some(value)) => interface.offset = seconds(order, value).unwrap_or(0),
                _ => {}
            }
            options = options.get(4 + usize::from(len).next_multiple_of(4)..).unwrap_or_default();
        }
        Some(interface)
    }

    /// A timestamp in nanoseconds since the Unix epoch; one that can not be is as near as can be.
    fn nanos(&self, units: u64) -> u64 {
        let exponent = u32::from(self.resolution & 0x7f);
        let base: u128 = if self.resolution & 0x80 == 0 { 10 } else { 2 };
        let nanos = match base.checked_pow(exponent) {
            Some(per_second) => u128::from(units) * 1_000_000_000 / per_second,
            None => 0,
        };
        let offset = i128::from(self.offset) * 1_000_000_000;
        let nanos = i128::try_from(nanos).unwrap_or(i128::MAX).saturating_add(offset).max(0);
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

/// A signed 64-bit number.
fn seconds(order: Order, value: &[u8]) -> Option<i64> {
    let octets: [u8; 8] = value.try_into().ok()?;
    Some(match order {
        Order::Big => i64::from_be_bytes(octets),
        Order::Little => i64::from_le_bytes(octets),
    })
}
