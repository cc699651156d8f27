//! One file by TFTP, as a client sees it: packets and nanoseconds in, packets out (RFC 1350, 2347 to
//! 2349, 7440). It has neither a clock nor a socket.

use std::fmt;

use pxed_proto::wire::tftp::{ErrorCode, Packet, ack, error, read_request};

use crate::pace::SECOND;

/// A block without the option blksize (RFC 1350).
const BLOCK: u64 = 512;

/// What is asked for, and how patiently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The file's name.
    pub file: String,
    /// The option blksize, if it is asked for.
    pub block_size: Option<u16>,
    /// The option windowsize, if it is asked for.
    pub window_size: Option<u16>,
    /// Nanoseconds until a packet is sent again.
    pub wait: u64,
    /// How often a packet is sent before the client gives up.
    pub tries: u8,
    /// Only the size is of interest: the transfer is ended once the server has told it, as PXE
    /// firmware does before it makes room for the file.
    pub size_only: bool,
}

impl Wanted {
    /// A file as EDK2's PXE client asks for it (PXEBC_MTFTP_TIMEOUT, PXEBC_MTFTP_RETRIES).
    pub fn as_edk2(file: String, window_size: Option<u16>) -> Self {
        let block_size = Some(1468);
        Self { file, block_size, window_size, wait: 4 * SECOND, tries: 6, size_only: false }
    }
}

/// Why a file did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The server fell silent.
    Silence,
    /// The server sent an ERROR with this code.
    Refused(u16),
    /// The server granted what was not asked for, or did not tell the size.
    BadOptions,
    /// The octets are not those of the original, or not as many as were announced.
    Different,
    /// The connection failed, or ended early.
    Broken,
    /// An answer that is none: its status, or 0 for what can not be read.
    Status(u16),
    /// DHCP gave no address.
    NoAddress,
    /// DHCP told no file, or none that can be fetched, or the script named none.
    NothingToBoot,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence => f.write_str("silence"),
            Self::Refused(code) => write!(f, "TFTP error {code}"),
            Self::BadOptions => f.write_str("bad TFTP options"),
            Self::Different => f.write_str("another content"),
            Self::Broken => f.write_str("connection broken"),
            Self::Status(status) => write!(f, "HTTP status {status}"),
            Self::NoAddress => f.write_str("no address"),
            Self::NothingToBoot => f.write_str("nothing to boot"),
        }
    }
}

/// The state of one download.
#[derive(Debug)]
pub struct Download {
    wanted: Wanted,
    /// The server's port, once it has answered (its transfer identifier).
    peer: Option<u16>,
    block_size: u64,
    window: u64,
    size: Option<u64>,
    /// Blocks that have come, in their order.
    blocks: u64,
    octets: u64,
    /// Blocks since the last ACK.
    pending: u64,
    /// How far beyond the expected block the last one was that came out of order; 0 is none.
    beyond: u16,
    deadline: u64,
    tries: u8,
    /// Packets that were sent again because nothing came.
    pub resent: u64,
    /// ACKs that asked for blocks again which were missing.
    pub gaps: u64,
    outcome: Option<Result<u64, Failure>>,
}

impl Download {
    /// Begins, and says what is to be sent to the server's port 69.
    pub fn begin(wanted: Wanted, now: u64) -> (Self, Vec<u8>) {
        let download = Self {
            peer: None,
            block_size: BLOCK,
            window: 1,
            size: None,
            blocks: 0,
            octets: 0,
            pending: 0,
            beyond: 0,
            deadline: now.saturating_add(wanted.wait),
            tries: 1,
            resent: 0,
            gaps: 0,
            outcome: None,
            wanted,
        };
        let request = download.request();
        (download, request)
    }

    /// The file's size, or why it did not come; `None` while it comes.
    pub fn outcome(&self) -> Option<Result<u64, Failure>> {
        self.outcome
    }

    /// The client wants no more of it.
    pub fn give_up(&mut self, why: Failure) {
        self.outcome = Some(Err(why));
    }

    /// It was about the size alone.
    pub fn told_the_size(&self) -> bool {
        self.wanted.size_only
    }

    /// When it will want to send again, if nothing comes.
    pub fn deadline(&self) -> Option<u64> {
        self.outcome.is_none().then_some(self.deadline)
    }

    /// The server's port for this transfer.
    pub fn peer(&self) -> Option<u16> {
        self.peer
    }

    /// How many datagrams may come before an ACK is due.
    pub fn window(&self) -> u64 {
        self.window
    }

    /// Gives up, or sends again what was sent last.
    pub fn time(&mut self, now: u64) -> Option<Vec<u8>> {
        if now < self.deadline()? {
            return None;
        }
        if self.tries >= self.wanted.tries {
            self.outcome = Some(Err(Failure::Silence));
            return None;
        }
        self.tries += 1;
        self.resent += 1;
        self.deadline = now.saturating_add(self.wanted.wait);
        Some(if self.peer.is_none() { self.request() } else { self.ack() })
    }

    /// Takes a datagram from the server's port `from`. Octets of the file go to `keep` with their
    /// place, in order and once. What is to be sent to the server's port comes back.
    pub fn received(
        &mut self,
        now: u64,
        from: u16,
        datagram: &[u8],
        keep: impl FnMut(u64, &[u8]),
    ) -> Option<Vec<u8>> {
        if self.outcome.is_some() {
            return None;
        }
        // Another port than the one that answered first is another transfer (RFC 1350 section 4).
        if self.peer.is_some_and(|peer| peer != from) {
            return Some(error(ErrorCode::UnknownTransferId, "unknown transfer ID"));
        }
        let before = (self.blocks, self.peer);
        let answer = match Packet::parse(datagram).ok()? {
            Packet::Error { code, .. } => return self.end(Err(Failure::Refused(code))),
            Packet::OAck(options) if self.blocks == 0 => {
                let number = |name| options.number(name);
                self.granted(number("blksize"), number("windowsize"), number("tsize"))
            }
            Packet::Data { block, data } => self.data(block, data, keep),
            _ => return None,
        };
        self.peer = Some(from);
        let progress = before != (self.blocks, self.peer);
        if progress || answer.is_some() {
            self.deadline = now.saturating_add(self.wanted.wait);
        }
        if progress {
            self.tries = 1;
        }
        answer
    }

    fn granted(
        &mut self,
        block_size: Option<u64>,
        window: Option<u64>,
        size: Option<u64>,
    ) -> Option<Vec<u8>> {
        let within = |granted: Option<u64>, asked: Option<u16>| match (granted, asked) {
            (None, _) => true,
            (Some(granted), Some(asked)) => (1..=u64::from(asked)).contains(&granted),
            (Some(_), None) => false,
        };
        let size_is_told = size.is_some() || !self.wanted.size_only;
        let fits = within(block_size, self.wanted.block_size)
            && within(window, self.wanted.window_size)
            && size_is_told;
        self.block_size = block_size.unwrap_or(BLOCK);
        self.window = window.unwrap_or(1);
        self.size = size;
        if !fits || self.wanted.size_only {
            let outcome = if fits { Ok(size.unwrap_or(0)) } else { Err(Failure::BadOptions) };
            self.end(outcome);
            return Some(error(ErrorCode::NotDefined, "User aborted the transfer"));
        }
        Some(ack(0).to_vec())
    }

    fn data(
        &mut self,
        block: u16,
        data: &[u8],
        mut keep: impl FnMut(u64, &[u8]),
    ) -> Option<Vec<u8>> {
        let ahead = block.wrapping_sub(number_of(self.blocks + 1));
        if ahead > 0 {
            return self.out_of_order(ahead);
        }
        let octets = data.len() as u64;
        if octets > self.block_size {
            self.end(Err(Failure::BadOptions));
            return Some(error(ErrorCode::IllegalOperation, "a block is too long"));
        }
        keep(self.octets, data);
        self.beyond = 0;
        self.blocks += 1;
        self.octets += octets;
        self.pending += 1;
        let last = octets < self.block_size;
        if last {
            let whole = self.size.is_none_or(|size| size == self.octets);
            self.end(if whole { Ok(self.octets) } else { Err(Failure::Different) });
        }
        (last || self.pending >= self.window).then(|| self.ack())
    }

    /// A gap is told once for each burst that comes after it (RFC 7440 section 4). The last block once
    /// more means that its ACK was lost; older ones mean nothing (the Sorcerer's Apprentice).
    fn out_of_order(&mut self, ahead: u16) -> Option<Vec<u8>> {
        if ahead > u16::MAX / 2 {
            let again = self.pending == 0 && ahead == u16::MAX && self.blocks > 0;
            return again.then(|| self.ack());
        }
        let new_burst = self.beyond == 0 || ahead <= self.beyond;
        self.beyond = ahead;
        if !new_burst {
            return None;
        }
        self.gaps += 1;
        Some(self.ack())
    }

    fn ack(&mut self) -> Vec<u8> {
        self.pending = 0;
        ack(number_of(self.blocks)).to_vec()
    }

    fn end(&mut self, outcome: Result<u64, Failure>) -> Option<Vec<u8>> {
        self.outcome = Some(outcome);
        None
    }

    fn request(&self) -> Vec<u8> {
        let mut options = Vec::new();
        let size = self.wanted.size_only || self.wanted.block_size.is_some();
        options.extend(size.then_some(("tsize", 0)));
        options.extend(self.wanted.block_size.map(|size| ("blksize", u64::from(size))));
        options.extend(self.wanted.window_size.map(|size| ("windowsize", u64::from(size))));
        read_request(self.wanted.file.as_bytes(), "octet", &options)
    }
}

/// A block's number on the wire: 0 follows 65535.
fn number_of(block: u64) -> u16 {
    u16::try_from(block & u64::from(u16::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pxed_proto::wire::tftp::{data_header, oack};

    fn wanted() -> Wanted {
        Wanted { wait: 10, tries: 3, ..Wanted::as_edk2("f".to_owned(), Some(4)) }
    }

    fn data(block: u16, octets: usize) -> Vec<u8> {
        [&data_header(block)[..], &vec![7; octets]].concat()
    }

    /// A download whose options are granted: windows of 4 blocks of 8 octets.
    fn begun() -> Download {
        let mut download = Download::begin(wanted(), 0).0;
        let granted = oack(&[("blksize", 8), ("windowsize", 4), ("tsize", 20)]);
        assert_eq!(download.received(0, 1000, &granted, |_, _| ()), Some(ack(0).to_vec()));
        download
    }

    fn takes(download: &mut Download, block: u16, octets: usize) -> Option<Vec<u8>> {
        download.received(0, 1000, &data(block, octets), |_, _| ())
    }

    fn acks(block: u16) -> Option<Vec<u8>> {
        Some(ack(block).to_vec())
    }

    #[test]
    fn it_asks_as_edk2_does() {
        let (_, request) = Download::begin(wanted(), 0);
        assert_eq!(request, b"\0\x01f\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0");
        let plain = Wanted { block_size: None, window_size: None, ..wanted() };
        assert_eq!(Download::begin(plain, 0).1, b"\0\x01f\0octet\0");
    }

    #[test]
    fn a_window_is_acknowledged_once_and_the_end_at_once() {
        let mut download = begun();
        let mut kept = Vec::new();
        for block in 1..=2 {
            let octets = data(block, 8);
            let answer =
                download.received(0, 1000, &octets, |at, data| kept.push((at, data.len())));
            assert_eq!(answer, None);
        }
        assert_eq!(takes(&mut download, 3, 4), acks(3));
        assert_eq!(kept, [(0, 8), (8, 8)]);
        assert_eq!(download.outcome(), Some(Ok(20)));
        assert_eq!(download.deadline(), None);
    }

    #[test]
    fn a_gap_is_told_once_for_each_burst() {
        let mut download = begun();
        assert_eq!(takes(&mut download, 1, 8), None);
        assert_eq!(takes(&mut download, 3, 4), acks(1));
        assert_eq!(takes(&mut download, 4, 4), None);
        // The server's next burst lacks the block too.
        assert_eq!(takes(&mut download, 3, 4), acks(1));
        assert_eq!(takes(&mut download, 2, 8), None);
        assert_eq!(takes(&mut download, 3, 4), acks(3));
        assert_eq!((download.gaps, download.resent), (2, 0));
    }

    #[test]
    fn only_the_last_block_is_acknowledged_again() {
        let mut download = begun();
        for block in 1..=4 {
            takes(&mut download, block, 8);
        }
        assert_eq!(takes(&mut download, 3, 8), None);
        assert_eq!(takes(&mut download, 4, 8), acks(4));
        assert_eq!(download.gaps, 0);
    }

    #[test]
    fn silence_is_answered_by_what_was_sent_last_and_ends_it() {
        let (mut download, request) = Download::begin(wanted(), 0);
        assert_eq!(download.time(9), None);
        assert_eq!(download.time(10), Some(request));
        assert_eq!(download.received(12, 1000, &data(1, 512), |_, _| ()), acks(1));
        assert_eq!((download.deadline(), download.time(22)), (Some(22), acks(1)));
        assert_eq!((download.time(32), download.time(42)), (acks(1), None));
        assert_eq!((download.outcome(), download.resent), (Some(Err(Failure::Silence)), 3));
    }

    #[test]
    fn a_block_that_changes_nothing_keeps_no_server_alive() {
        let mut download = begun();
        takes(&mut download, 1, 8);
        download.received(8, 1000, &data(1, 8), |_, _| ());
        assert_eq!(download.time(10), acks(1));
    }

    #[test]
    fn other_ports_are_other_transfers() {
        let mut download = begun();
        let answer = download.received(0, 1001, &data(1, 4), |_, _| ()).unwrap();
        assert!(answer.starts_with(&[0, 5, 0, 5]), "{answer:?}");
        assert_eq!(download.outcome(), None);
    }

    #[test]
    fn what_was_not_asked_for_is_refused() {
        for options in [&[("windowsize", 5)][..], &[("blksize", 1469)], &[("blksize", 0)]] {
            let mut download = Download::begin(wanted(), 0).0;
            assert!(download.received(0, 1000, &oack(options), |_, _| ()).unwrap()[1] == 5);
            assert_eq!(download.outcome(), Some(Err(Failure::BadOptions)));
        }
    }

    #[test]
    fn fewer_or_more_octets_than_announced_are_another_file() {
        for octets in [0, 7] {
            let mut download = begun();
            takes(&mut download, 1, octets);
            assert_eq!(download.outcome(), Some(Err(Failure::Different)));
        }
    }

    #[test]
    fn the_size_alone_ends_with_an_error_to_the_server() {
        let mut download = Download::begin(Wanted { size_only: true, ..wanted() }, 0).0;
        let answer = download.received(0, 1000, &oack(&[("tsize", 9)]), |_, _| ()).unwrap();
        assert!(answer.starts_with(&[0, 5, 0, 0]));
        assert_eq!(download.outcome(), Some(Ok(9)));
    }

    #[test]
    fn numbers_roll_over() {
        let mut download = begun();
        download.size = None;
        download.blocks = u64::from(u16::MAX) - 1;
        assert_eq!(takes(&mut download, u16::MAX, 8), None);
        assert_eq!(takes(&mut download, 0, 8), None);
        assert_eq!(takes(&mut download, 1, 0), acks(1));
        assert_eq!(download.outcome(), Some(Ok(16)));
    }
}
