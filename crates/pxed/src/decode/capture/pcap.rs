//! pcap, the form of tcpdump (draft-ietf-opsawg-pcap): a file header, then records of a header of
//! 16 octets and a frame.

use std::io::Read;

use super::{Found, Input, Order, Stop, length};

const NANOS: u64 = 1_000_000_000;

/// What the file header says.
#[derive(Debug)]
pub struct Header {
    order: Order,
    /// Nanoseconds in the smaller unit of a timestamp.
    unit: u64,
    /// Octets between a record's header and its frame: Kuznetzov's old form has 8.
    extra: u64,
    link_type: u16,
}

impl Header {
    /// From the magic number and the other 20 octets. `None` if that is no pcap file.
    pub fn read(magic: [u8; 4], rest: [u8; 20]) -> Option<Self> {
        let (order, magic) = match u32::from_be_bytes(magic) {
            magic @ (0xa1b2_c3d4 | 0xa1b2_3c4d | 0xa1b2_cd34) => (Order::Big, magic),
            magic => (Order::Little, magic.swap_bytes()),
        };
        let (unit, extra) = match magic {
            0xa1b2_c3d4 => (1000, 0),
            0xa1b2_3c4d => (1, 0),
            0xa1b2_cd34 => (1000, 8),
            _ => return None,
        };
        // The upper bits tell of a frame check sequence, which lies behind all that is read.
        let link_type = order.u32_at(&rest, 16)? & 0xffff;
        Some(Self { order, unit, extra, link_type: u16::try_from(link_type).ok()? })
    }

    /// Reads the next record.
    pub fn next<R: Read>(&self, input: &mut Input<R>) -> Result<Found, Stop> {
        let head: [u8; 16] = input.head()?;
        let field = |at| self.order.u32_at(&head, at).unwrap_or(0);
        let at = u64::from(field(0)) * NANOS + u64::from(field(4)) * self.unit;
        let (captured, original) = (field(8), field(12));
        input.skip(self.extra)?;
        let len = input.record(length(captured))?.len();
        let link_type = self.link_type;
        Ok(Found { at, link_type, interface: 0, from: 0, len, cut: captured < original })
    }
}
