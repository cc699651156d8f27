//! A capture file, frame by frame: pcap (both byte orders, micro- and nanoseconds) and pcapng.
//!
//! Written here and not taken from a crate: it is two record headers. `pcap-parser`, the crate to
//! take, brings nom, circular, memchr and rusticata-macros for them.

mod pcap;
mod pcapng;

use std::io::{self, Read};

/// The longest record that is read, in octets: tcpdump's and Wireshark's longest frame is 256 KiB,
/// and the options of a pcapng block stand beside it. A longer one is damage.
const RECORD_MAX: usize = 1 << 20;

/// A frame as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When, in nanoseconds since the Unix epoch.
    pub at: u64,
    /// How the octets begin: a LINKTYPE number of tcpdump's registry.
    pub link_type: u16,
    /// Which of the capture's interfaces heard it.
    pub interface: u32,
    /// What was kept of it.
    pub octets: &'a [u8],
    /// More was on the wire than was kept (`tcpdump -s`).
    pub cut: bool,
}

/// Why there is no next frame.
#[derive(Debug)]
pub enum Stop {
    /// The file is at its end.
    Whole,
    /// The file ends within a record.
    Cut,
    /// A record that can not be; where the next one begins is not known.
    Damaged,
    /// Reading failed.
    Io(io::Error),
}

/// Why a file is no capture.
#[derive(Debug)]
pub enum NotReadable {
    /// It has another form; these words follow its name.
    Form(&'static str),
    /// Reading failed.
    Io(io::Error),
}

/// An open capture.
#[derive(Debug)]
pub struct Capture<R> {
    input: Input<R>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Pcap(pcap::Header),
    PcapNg(pcapng::Section),
}

impl<R: Read> Capture<R> {
    /// Looks at the first octets and chooses the form that fits.
    pub fn open(input: R) -> Result<Self, NotReadable> {
        let mut input = Input { input, record: Vec::new() };
        let magic: [u8; 4] = match input.head() {
            Ok(magic) => magic,
            Err(Stop::Whole) => return Err(NotReadable::Form("the file is empty")),
            Err(stop) => return Err(not_a_capture(stop)),
        };
        if let [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd] = magic {
            return Err(NotReadable::Form("the file is compressed; unpack it first"));
        }
        let form = if magic == pcapng::SECTION_HEADER {
            let section = input.head().and_then(|length| pcapng::Section::read(&mut input, length));
            Form::PcapNg(section.map_err(not_a_capture)?)
        } else {
            let rest = input.head().map_err(not_a_capture)?;
            Form::Pcap(pcap::Header::read(magic, rest).ok_or(NOT_A_CAPTURE)?)
        };
        Ok(Self { input, form })
    }

    /// The next frame.
    pub fn next(&mut self) -> Result<Frame<'_>, Stop> {
        let Found { at, link_type, interface, from, len, cut } = match &mut self.form {
            Form::Pcap(header) => header.next(&mut self.input)?,
            Form::PcapNg(section) => section.next(&mut self.input)?,
        };
        let octets = self.input.record.get(from..).and_then(|octets| octets.get(..len));
        Ok(Frame { at, link_type, interface, octets: octets.ok_or(Stop::Damaged)?, cut })
    }
}

const NOT_A_CAPTURE: NotReadable = NotReadable::Form("not a pcap or pcapng capture");

fn not_a_capture(stop: Stop) -> NotReadable {
    match stop {
        Stop::Io(error) => NotReadable::Io(error),
        Stop::Whole | Stop::Cut | Stop::Damaged => NOT_A_CAPTURE,
    }
}

/// A frame that lies in [`Input::record`].
#[derive(Clone, Copy, Debug)]
struct Found {
    at: u64,
    link_type: u16,
    interface: u32,
    from: usize,
    len: usize,
    cut: bool,
}

/// The file, and the record that was read last.
#[derive(Debug)]
struct Input<R> {
    input: R,
    record: Vec<u8>,
}

impl<R: Read> Input<R> {
    /// The head of a record: here a file may end.
    fn head<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut head = [0; N];
        match self.fill(&mut head)? {
            0 if N > 0 => Err(Stop::Whole),
            n if n < N => Err(Stop::Cut),
            _ => Ok(head),
        }
    }

    /// Reads the next `len` octets into the record.
    fn record(&mut self, len: usize) -> Result<&[u8], Stop> {
        if len > RECORD_MAX {
            return Err(Stop::Damaged);
        }
        let mut record = std::mem::take(&mut self.record);
        record.resize(len, 0);
        let filled = self.fill(&mut record);
        self.record = record;
        if filled? < len { Err(Stop::Cut) } else { Ok(&self.record) }
    }

    /// Passes over `len` octets.
    fn skip(&mut self, len: u64) -> Result<(), Stop> {
        let skipped = io::copy(&mut self.input.by_ref().take(len), &mut io::sink());
        if skipped.map_err(Stop::Io)? < len { Err(Stop::Cut) } else { Ok(()) }
    }

    /// As many octets as there are.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.input.read(rest) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::Io(error)),
            }
        }
        Ok(filled)
    }
}

/// The byte order of the machine that captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Big,
    Little,
}

impl Order {
    fn u16(self, octets: [u8; 2]) -> u16 {
        match self {
            Self::Big => u16::from_be_bytes(octets),
            Self::Little => u16::from_le_bytes(octets),
        }
    }

    fn u32(self, octets: [u8; 4]) -> u32 {
        match self {
            Self::Big => u32::from_be_bytes(octets),
            Self::Little => u32::from_le_bytes(octets),
        }
    }

    /// The 16-bit number at an offset.
    fn u16_at(self, octets: &[u8], at: usize) -> Option<u16> {
        octets.get(at..)?.first_chunk().map(|octets| self.u16(*octets))
    }

    /// The 32-bit number at an offset.
    fn u32_at(self, octets: &[u8], at: usize) -> Option<u32> {
        octets.get(at..)?.first_chunk().map(|octets| self.u32(*octets))
    }
}

/// A length on the wire as one in memory; what does not fit is [`Stop::Damaged`] soon after.
fn length(octets: u32) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}
