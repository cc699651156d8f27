//! Bounds of everything that grows, each with its reason. Nothing a peer sends may cost more.

use std::time::Duration;

/// The largest DHCP message that is read, in octets: an Ethernet frame's UDP payload with room for
/// jumbo frames. Larger datagrams are cut by the kernel and counted as malformed.
pub const DHCP_MESSAGE_MAX: usize = 9000;

/// The least number of octets in a DHCP reply: BOOTP's (RFC 951 section 3, RFC 1542 section 2.1).
/// Old ROMs and relay agents drop what is shorter.
pub const DHCP_REPLY_MIN: usize = 300;

/// The IP datagram that every client can take (RFC 2131 section 2), in octets, and the least that
/// option 57 may ask for.
pub const DHCP_DATAGRAM_MIN: usize = 576;

/// The most octets of one option joined from its parts (RFC 3396): a bomb of two hundred
/// option 43 is cut here.
pub const OPTION_JOINED_MAX: usize = 2048;

/// The most octets of relay agent information, joined from its parts, that decide something and are
/// kept with a lease. More has to come back whole and would fill the reply of an Ethernet frame.
pub const RELAY_INFORMATION_MAX: usize = 1024;

/// How many buffers of messages that have left are kept for the next ones, of 576 octets or what was
/// needed: as many as are under way at once while a disk syncs.
pub const SPARE_BUFFERS_MAX: usize = 1024;

/// The most domain names that are read from one option: compression (RFC 1035) makes a name of 255
/// octets from two, and nobody searches more domains than this.
pub const DOMAIN_NAMES_MAX: usize = 64;

/// How long an offer keeps its address, in memory only. EDK2 gives up a DISCOVER after 4 s and
/// PXE ROMs after up to 32 s; a client that means it sends its REQUEST within a second or two.
pub const OFFER_HOLD: Duration = Duration::from_secs(30);

/// How many offers may be held at once; the oldest gives way.
pub const OFFERS_MAX: usize = 4096;

/// How many offers may be held at once behind one port of a relay agent: a rack of five hundred
/// machines, twice.
pub const PORT_OFFERS_MAX: usize = 1024;

/// How long a source may have been silent to send all at once what it had the right to meanwhile.
pub const RATE_BURST: Duration = Duration::from_secs(5);

/// Datagrams a second of one machine, where the configuration says nothing else. A boot is a dozen in
/// some seconds, with four copies of each by an impatient ROM, and so five hundred at once are a fault;
/// a hundred a second that never end take a hundredth of what the server can do.
pub const MACHINE_RATE: u32 = 100;

/// Offers a second to machines that nobody knows and that do not take them. Five thousand may be open
/// at once, so that a hall of machines can start together; a flood of ten thousand a second is heard
/// for half a second.
pub const NEWCOMER_RATE: u32 = 1000;

/// The same behind one port of a relay agent: a rack of five hundred machines may start at once and
/// ask twice.
pub const PORT_RATE: u32 = 200;

/// INFORMs a second of machines that nobody knows: they cost nothing but an answer.
pub const INFORM_RATE: u32 = 100;

/// How many sources are counted at once; which is forgotten first is the one that has the least to
/// wait for. A flood of made-up machines of a million a second stays below: a machine's one datagram is
/// forgotten after 10 ms.
pub const RATED_MAX: usize = 16_384;

/// How many machines are known by the form of a proxy offer that they follow, or are being found out.
/// Of whom nothing is learned gives way first, so that a flood of made-up machines makes no known one
/// try forms again. One takes about 1 kB, and a row in the store.
pub const QUIRK_MACHINES_MAX: usize = 4096;

/// How many machines of one firmware have to follow the same form before others of it are offered that
/// first: one alone may be a liar, or may have been credited with the wrong form.
pub const QUIRK_MACHINES_AGREE: u32 = 2;

/// The most firmwares that a quirks file may name; a site has a few dozen.
pub const QUIRK_FILE_MAX: usize = 4096;

/// The most octets of a vendor class that tell one firmware from another: PXE's has 32.
pub const QUIRK_VENDOR_CLASS_MAX: usize = 64;

/// The most options of a parameter request list that do; EDK2 asks for 35.
pub const QUIRK_PARAMETERS_MAX: usize = 128;

/// A DISCOVER so soon after another is no word on the offer between them: a ROM waits for four
/// seconds before it asks again.
pub const QUIRK_COPY: Duration = Duration::from_secs(3);

/// The same for one that says what the other said, which a network may have held up. Firmware that
/// counts no `secs` has a second word only after this.
pub const QUIRK_LATE_COPY: Duration = Duration::from_secs(10);

/// A DISCOVER that comes later belongs to another start of the machine: PXE ROMs wait for at most 32 s.
pub const QUIRK_RETRY_MAX: Duration = Duration::from_secs(64);

/// What a machine fetches so long after an offer has nothing to do with it.
pub const QUIRK_ATTEMPT_MAX: Duration = Duration::from_secs(600);

/// How often the store is told that what worked works still.
pub const QUIRK_WRITTEN_AGAIN: Duration = Duration::from_secs(86_400);

/// How many lease changes may wait for the store at once: several groups of the store's, so that it
/// never runs dry. Who comes then waits in the backlog, where the more urgent overtake. One change takes
/// 1.0 kB while it waits, most of it its reply (the growth of resident memory by so many renewals of
/// EDK2), so that all of them take 8 MB; more would only wait longer.
pub const COMMITS_MAX: usize = 8192;

/// How far apart groups of the commit log begin at least, where many follow each other. A sync takes a
/// processor some 25 µs: ten thousand of them in a second take a quarter of what answers DISCOVERs, and gain an
/// ACK a fraction of a millisecond.
pub const STORE_SPACING: Duration = Duration::from_micros(400);

/// How many groups may begin without that distance: a few machines that come together do not wait for each
/// other.
pub const STORE_AT_ONCE: u32 = 8;

/// How long a lease change may wait for the store before the server counts it as behind, and lets the
/// next ones wait in the backlog: a disk that syncs answers in a tenth of it, and a client that waits a
/// second for its ACK still gets it.
pub const STORE_PATIENCE: Duration = Duration::from_millis(100);

/// How many datagrams of one urgency may wait to be answered: a site of eight thousand machines that
/// starts at once. At 20,000 a second the last of them is answered within half a second.
pub const BACKLOG_MAX: usize = 8192;

/// How many octets all datagrams that wait may have: as many messages of a PXE ROM as fit three queues.
pub const BACKLOG_OCTETS_MAX: usize = 16 << 20;

/// How many have to wait of one urgency before copies are left out: ten milliseconds of work.
pub const BACKLOG_LONG: usize = 512;

/// How long the oldest newcomer has to have waited before the newest is answered first. No client notices
/// such an order; and where some wait for seconds, those who came last still listen, so that no OFFER is made
/// in vain as long as there is another one to make.
pub const BACKLOG_LATE: Duration = Duration::from_millis(10);

/// How many lease changes have to wait in the backlog, behind a store that is behind, before newcomers
/// are let in by ones, a millisecond each: an OFFER that is taken makes one change more.
pub const BACKLOG_STORE_BEHIND: usize = 1024;

/// So many answers, and one of them goes by turn and not by urgency: whoever makes renewals up without
/// end keeps no REQUEST and no newcomer out.
pub const BACKLOG_TURN: u32 = 4;

/// How long a newcomer's message is worth an answer: EDK2 listens for four seconds and then asks again,
/// others for one or two.
pub const DISCOVER_PATIENCE: Duration = Duration::from_secs(4);

/// How many events may wait for the journal: half a second of a server that is as busy as can be, some
/// 8 MB. What has no room is counted, and not told one by one.
pub const EVENTS_QUEUE: usize = 16_384;

/// For how many of them room is kept once they are told: more than wait as a rule, half a MB.
pub const EVENTS_ROOM: usize = 1024;

/// How long one file of the commit log is, in octets: 60,000 leases without names. A group of the
/// largest leases fits several times.
pub const LOG_SEGMENT: u64 = 4 << 20;

/// How many files of the commit log may wait to be taken into the database: 128 MiB, two million
/// leases. Behind a database that can not be written for longer, commits fail.
pub const LOG_SEGMENTS_MAX: usize = 32;

/// How many files of the commit log are kept to be used again.
pub const LOG_SPARE: usize = 2;

/// How many files of the commit log are taken into the database at once: that much memory for as
/// long as it takes, and a lease that was written several times in them is one row.
pub const FOLLOW_SEGMENTS_MAX: usize = 8;

/// The least time between two times that the database is written: who reads it sees what was then.
pub const FOLLOW_AT_MOST: Duration = Duration::from_secs(1);

/// How often as long as it took to write the database the follower rests: so it takes a tenth of a
/// core at most.
pub const FOLLOW_REST: u32 = 9;

/// How long SQLite's write-ahead log may get, in octets, while somebody reads the database and keeps
/// it from being begun again.
pub const DATABASE_WAL_MAX: u64 = 256 << 20;

/// How much of SQLite's write-ahead log is left on disk when it begins again, in octets.
pub const DATABASE_WAL_KEPT: u32 = 8 << 20;

/// How often the time is written down, if nothing else is: a machine whose clock starts in 1970 goes on
/// from there.
pub const STORE_SEEN: Duration = Duration::from_secs(600);

/// How soon the store tries again when a disk has failed.
pub const STORE_RETRY_MIN: Duration = Duration::from_millis(100);

/// How many leases go into a database that is made anew at once: so long DHCP waits for it, a fraction
/// of a millisecond.
pub const STORE_PAGE: usize = 1000;

/// How seldom it does in the end, when it fails again and again.
pub const STORE_RETRY_MAX: Duration = Duration::from_secs(30);

/// How many offers and leases are put away at once when their time is over, and how many that are over
/// are looked at for one that a newcomer may have: half a millisecond, for which others wait. A million
/// leases that end in the same second are put away in two or three, between answers.
pub const EXPIRIES_AT_ONCE: usize = 512;

/// How long an address stays out of use after a DHCPDECLINE.
pub const DECLINE_PROBATION: Duration = Duration::from_secs(600);

/// How long an ARP probe waits for an answer before its address is offered. What is awake on a
/// wired network answers within a millisecond or two, and firmware that listens for OFFERs for a
/// second (iPXE) or four (EDK2) does not notice so short a wait. Who answers later is heard all the
/// same ([`PROBE_VALID`]), and the REQUEST is refused then.
pub const CONFLICT_PROBE: Duration = Duration::from_millis(30);

/// The longest that a probe may be told to wait: iPXE sends its second DISCOVER after a second.
pub const CONFLICT_PROBE_MAX: Duration = Duration::from_millis(900);

/// How long an address that nobody answered for counts as free, and how long a late answer is
/// listened for: as long as a PXE ROM asks (4, 8, 16 and 32 s).
pub const PROBE_VALID: Duration = Duration::from_secs(60);

/// How many probes may wait at once. Each holds a DISCOVER of at most [`DHCP_MESSAGE_MAX`] octets:
/// 2.3 MB. Where more machines come at once, OFFERs leave without a probe.
pub const PROBES_MAX: usize = 256;

/// How many addresses are known to be free by a probe; the oldest is forgotten.
pub const PROBES_REMEMBERED_MAX: usize = 4096;

/// How many addresses are tried for one DISCOVER if each is found in use; the next one goes on.
pub const PROBES_PER_DISCOVER_MAX: usize = 8;

/// How many addresses of one subnet a host may hold against the server by answering for them: one
/// that answers for everything (proxy ARP) would empty the pool, and is not believed any more.
pub const CONFLICTS_PER_HOST_MAX: usize = 16;

/// How long after its ACK a client may decline the address: a client probes at once or never.
pub const DECLINE_WINDOW: Duration = Duration::from_secs(60);

/// How many addresses one client can keep out of use by DHCPDECLINE: one that finds everything in
/// use has a fault of its own, and would empty the pool.
pub const DECLINES_PER_CLIENT_MAX: usize = 16;

/// How many addresses of a subnet its own machines, or those behind one port of a relay agent, can
/// keep out of use by DHCPDECLINE: more than a network has that was numbered wrongly, less than a
/// pool.
pub const DECLINES_PER_SOURCE_MAX: usize = 64;

/// The most host name octets that are kept with a lease (RFC 1035: 255 with the length octets).
pub const HOST_NAME_MAX: usize = 253;

/// The most addresses in one pool: 2^23, a /9.
pub const POOL_ADDRESSES_MAX: u64 = 1 << 23;

/// TFTP transfers at once: four halls of a thousand machines. One holds a socket and less than a
/// kilobyte; where no place is left, a transfer whose client has not answered in time gives way.
pub const TFTP_TRANSFERS_MAX: usize = 4096;

/// TFTP transfers of one address at once. A ROM has one, a retry leaves a second behind; behind a
/// router that translates addresses, a rack looks like one client.
pub const TFTP_TRANSFERS_PER_CLIENT_MAX: usize = 256;

/// The largest TFTP block that is granted, in octets (RFC 2348: 65464); what the path's MTU
/// carries is asked first.
pub const TFTP_BLKSIZE_MAX: u16 = 65464;

/// The largest TFTP window that is granted, in blocks (RFC 7440). A window is sent as one burst:
/// 64 blocks of 1468 octets are 94 kB, what a switch port's buffer takes.
pub const TFTP_WINDOWSIZE_MAX: u16 = 64;

/// The same in octets, for blocks of jumbo frames; one block is always granted. It is also what a
/// transfer sends at most before another has its turn.
pub const TFTP_WINDOW_OCTETS_MAX: u32 = 128 * 1024;

/// How long an answer to a TFTP packet may take, where the client does not say it and has answered
/// nothing yet: a LAN answers within milliseconds, and ROMs themselves repeat after one to four seconds.
pub const TFTP_WAIT: Duration = Duration::from_secs(1);

/// The least time for an answer to TFTP packets of a client that has answered quickly so far: what is
/// lost costs no more, and firmware that is busy for longer takes a copy or two.
pub const TFTP_WAIT_MIN: Duration = Duration::from_millis(200);

/// The longest wait for an answer to a TFTP packet, unless the client asked for a longer one.
pub const TFTP_BACKOFF_MAX: Duration = Duration::from_secs(8);

/// How long the TFTP thread looks for a client's answer before it sleeps: several times what a virtual
/// machine on the same host takes, and so little that nobody misses it on the same core.
pub const TFTP_VIGIL: Duration = Duration::from_micros(30);

/// How many answers are slept for, at the most, before it is tried again whether they come as soon as that: a
/// thirty-thousandth of a core where each takes a millisecond.
pub const TFTP_VIGIL_SELDOM: u32 = 1024;

/// How long a TFTP client may be silent in the middle of a file: firmware gives up sooner.
pub const TFTP_SILENCE_MAX: Duration = Duration::from_secs(30);

/// How often a TFTP packet is sent again at least, before a client that asked for long waits is given
/// up.
pub const TFTP_RETRANSMISSIONS_MIN: u32 = 3;

/// How often the first TFTP packet is sent again to an address that has answered nothing: whoever asks
/// in another's name makes it hear four packets of at most 516 octets in 15 s, and never a window.
pub const TFTP_UNANSWERED_RETRANSMISSIONS: u32 = 3;

/// While so many TFTP transfers of one address are unanswered, none of them is sent again: no
/// machine asks for so many files at once, somebody else does in its name, or answers are lost
/// because there are too many.
pub const TFTP_UNANSWERED_PER_CLIENT: usize = 32;

/// A TFTP request that comes again so soon, octet by octet and from the same port, is a copy that
/// the network made. A machine that was switched off and on needs longer.
pub const TFTP_COPY: Duration = Duration::from_secs(1);

/// How much of a file is read at once for TFTP, in octets; transfers of the same file share it. It has
/// to hold a burst of segments (64 kB).
pub const TFTP_CHUNK: usize = 64 * 1024;

/// How much of all files is kept in memory for TFTP, in octets: what 512 machines need that are each
/// at another place, and all of the loaders of a site.
pub const TFTP_CACHE: usize = 32 << 20;

/// How many answered messages of machines that boot are kept, so that what such a machine is to boot can be
/// decided once more: it asks within seconds. Of some 600 octets each, and one or two of a boot.
pub const BOOTING_MAX: usize = 1024;

/// How many clients' searches for a configuration are followed at once, so that the log tells of each
/// once; the oldest is forgotten.
pub const TFTP_SEARCHES_MAX: usize = 1024;

/// A search for a configuration whose next name comes later is another one: pxelinux asks for all its
/// names within seconds.
pub const TFTP_SEARCH_PAUSE: Duration = Duration::from_secs(60);

/// The largest file that is sent as netascii, in octets: it is converted in memory.
pub const TFTP_NETASCII_MAX: u64 = 256 * 1024;

/// How many octets of converted and written texts are in memory at once, of all TFTP transfers: a
/// thousand scripts.
pub const TFTP_TEXTS_MAX: usize = 16 << 20;

/// The longest file name taken from a TFTP request or a URL, in octets (Linux: PATH_MAX is 4096,
/// but a TFTP request is one 512-octet datagram).
pub const FILE_NAME_MAX: usize = 512;

/// How many entries of a directory are looked at for a name in letters of another case.
pub const CASE_ENTRIES_MAX: usize = 4096;

/// Files and sockets that pxed has open beside HTTP's. A TFTP transfer has a socket, unless all share one,
/// and a file that it shares with all who fetch the same: of the loaders and configurations of a site a
/// quarter as many are open at once. DHCP and the store have a few for each interface.
pub const OTHER_FILES: u64 = TFTP_TRANSFERS_MAX as u64 * 5 / 4 + 256;

/// HTTP connections at once, all clients together. One that is idle takes a file descriptor and some
/// 2 kB; a newcomer takes the place of one that waits, of the address that has most.
pub const HTTP_CONNECTIONS_MAX: usize = 4096;

/// HTTP connections of one address at once: firmware has one or two, a rack behind address
/// translation has five hundred, and eight who want all places have to be found for it.
pub const HTTP_CONNECTIONS_PER_CLIENT_MAX: usize = 512;

/// How long an HTTP client may take for its request head, and be idle before it.
pub const HTTP_HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest HTTP request head, in octets.
pub const HTTP_HEAD_MAX: usize = 16 * 1024;

/// The longest HTTP request target, in octets (RFC 9112 section 3 asks for 8000).
pub const HTTP_TARGET_MAX: usize = 8000;

/// The most fields of an HTTP request head: iPXE sends five, browsers twenty.
pub const HTTP_FIELDS_MAX: usize = 64;

/// How long an HTTP client may leave what it was sent unacknowledged, or its window closed, before
/// its connection ends: machines are switched off in the middle of a kernel, and a paused
/// download resumes by range.
pub const HTTP_SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// The least that a client has to take of an HTTP response in that time, in octets: who takes less
/// than a thousand a second boots nothing, and only holds a connection.
pub const HTTP_SLOWEST: u64 = 64 * 1000;

/// How long an HTTP client may take nothing of its response before it counts as one that waits, and may
/// have to give way to a newcomer.
pub const HTTP_STALL: Duration = Duration::from_secs(5);

/// How much of a file one call hands to a socket, in octets; then others have their turn. What a fast client
/// takes in a quarter of a millisecond.
pub const HTTP_PART: u64 = 2 << 20;

/// A file of so many octets, or a range of one, is read into memory and leaves with its head: a copy of
/// so much costs less than the calls that save it. With a slow reader's head that is all that a
/// response holds: 32 MiB for every place there is.
pub const HTTP_SHORT: u64 = 8 * 1024;

/// So much of a file, in octets, one call hands to a socket whole, if that takes it: an answer of a fifth of a
/// millisecond at 10 Gb/s. Only afterwards is it known whether the file changed meanwhile.
pub const HTTP_AT_ONCE: u64 = 256 * 1024;

/// The last octets of a longer one, which are read and checked before they leave: enough to hold back,
/// and little to copy.
pub const HTTP_LAST: u64 = 1024;

/// From so many octets on, an answer's segments are gathered: otherwise sendfile(2) ends every 64 KiB with a
/// short one, and to say so, and that it is over, costs as much as several of these.
pub const HTTP_LONG: u64 = 1 << 20;

/// How much of what an HTTP client still sends after its last answer is read and dropped, in octets.
pub const HTTP_LINGER_MAX: usize = 256 * 1024;

/// For how long that is done.
pub const HTTP_LINGER: Duration = Duration::from_secs(2);

/// HTTPS connections at once, all clients together, those included that shake hands: OpenSSL keeps tens of
/// kB for each, and a rack that starts at once has five hundred.
pub const HTTPS_CONNECTIONS_MAX: usize = 1024;

/// How much of a file is read at once to be sent by TLS, in octets, and so held back until the file was checked:
/// four of its records. With a buffer of it for every place that makes 64 MiB.
pub const TLS_PART: u64 = 64 * 1024;

/// How many of a client's cipher suites are named when it has none in common with pxed.
pub const TLS_SUITES_TOLD: usize = 12;

/// The most octets of a certificate or key file: a chain of a dozen.
pub const TLS_FILE_MAX: u64 = 64 * 1024;

/// How long pxed's own server certificate is good for. Few firmwares look at more than the day.
pub const TLS_CERTIFICATE_DAYS: u32 = 825;

/// How long before its end it is made anew.
pub const TLS_RENEWAL_DAYS: u32 = 60;

/// How long pxed's own CA is good for: who has enrolled it in firmware does so once in a machine's life.
pub const TLS_CA_DAYS: u32 = 7300;

/// How often certificates are looked at: for their age, and whether their files have changed.
pub const TLS_LOOK: Duration = Duration::from_secs(60);

/// How long a stop waits for running transfers.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// The longest client identifier that is kept, in octets: one option's worth (RFC 2132).
pub const CLIENT_ID_MAX: usize = 255;

/// The longest iPXE script of the user's own, in octets; iPXE keeps it in memory.
pub const SCRIPT_MAX: usize = 1 << 20;

/// How many other servers are remembered, on all links together: more than a network can live with.
/// Whoever invents them displaces those that were silent longest.
pub const OTHER_SERVERS_MAX: usize = 64;

/// How long a machine on a proxy subnet asks in vain before it is told that nobody gives it an address:
/// PXE ROMs ask again after 4 s and then 8, and a DHCP server that pings first takes 3.
pub const OTHER_SERVER_PATIENCE: Duration = Duration::from_secs(10);

/// How long a machine that asks again is still in the same attempt: PXE ROMs give up after a minute.
pub const OTHER_SERVER_ATTEMPT: Duration = Duration::from_secs(100);

/// How long trouble with another server is not told again.
pub const OTHER_SERVER_AGAIN: Duration = Duration::from_secs(3600);

/// How many OFFERs may wait at once, where a standby server delays them.
pub const DELAYED_OFFERS_MAX: usize = 1024;

/// How long lines of the log are counted together.
pub const LOG_WINDOW: Duration = Duration::from_secs(60);

/// Lines of one kind about one source in that time: an installer that fetches a file a second is
/// heard in full.
pub const LOG_LINES_OF_SOURCE: u64 = 100;

/// Lines of one kind in that time: a thousand machines that boot at once are heard in full, a flood
/// of invented ones is not.
pub const LOG_LINES_OF_KIND: u64 = 6000;

/// How many addresses that other servers gave are remembered with their machines, so that the log names
/// who fetches a file: they never expire here, and a /8 has room for many.
pub const ADDRESSES_ELSEWHERE_MAX: usize = 16_384;

/// How many lines of the log may wait to be written: two seconds of a boot storm, some 4 MB. Behind a
/// reader that stalls for longer they are counted instead.
pub const LOG_QUEUE: usize = 16_384;

/// How many sources the log counts at once; the oldest gives way. One that is forgotten so may be
/// heard again, within what its kind has left.
pub const LOG_SOURCES_MAX: usize = 4096;

/// How long `pxed probe` listens for OFFERs: dnsmasq pings an address for three seconds before it
/// offers it to a newcomer, ISC dhcpd for one.
pub const NETWORK_PROBE_WAIT: Duration = Duration::from_secs(4);

/// How long `pxed probe` waits for a boot server, a TFTP server or a web server: firmware asks three
/// or four times in so long. A shorter wait for OFFERs shortens this too.
pub const NETWORK_PROBE_ANSWER: Duration = Duration::from_secs(3);

/// How many OFFERs are kept for one client of a probe: a network with so many servers has been told
/// enough.
pub const NETWORK_PROBE_OFFERS_MAX: usize = 32;

/// How many boot files a probe tries; each has a thread while it does.
pub const NETWORK_PROBE_FILES_MAX: usize = 16;

/// How much of a boot file a probe reads, in octets: a PE header ends within the first 512, and the
/// answer fits one frame.
pub const NETWORK_PROBE_HEAD: u16 = 1024;

/// The largest HTTP answer head that a probe reads, in octets.
pub const NETWORK_PROBE_HTTP_HEAD_MAX: usize = 16 * 1024;

/// How many redirections of one URL a probe follows: iPXE gives up after ten, most chains have one.
pub const NETWORK_PROBE_REDIRECTIONS_MAX: usize = 3;
