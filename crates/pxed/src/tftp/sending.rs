//! One transfer between its socket and its state machine.

use std::future::pending;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::pin::pin;

use pxed_proto::Timestamp;
use pxed_proto::event::TftpOutcome;
use pxed_proto::tftp::{Settings, Transfer, Transmit};
use pxed_proto::wire::tftp::{ErrorCode, Packet, data_header, error};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};

use super::running::Place;
use super::source::Source;

/// A client sends ACKs of 4 octets and ERRORs with a line of text; what is longer is cut.
const PACKET_MAX: usize = 600;

/// A transfer under way.
#[derive(Debug)]
pub struct Sending {
    socket: UdpSocket,
    client: SocketAddr,
    source: Source,
    transfer: Transfer,
    /// What the transfer's time is counted from.
    began: Instant,
    /// The DATA packet that is being sent.
    packet: Vec<u8>,
    /// Why the last packet could not be sent.
    trouble: Option<io::Error>,
}

impl Sending {
    /// A transfer that begins now.
    pub fn new(
        socket: std::net::UdpSocket,
        client: SocketAddrV4,
        source: Source,
        settings: Settings,
    ) -> io::Result<Self> {
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            client: client.into(),
            transfer: Transfer::new(Timestamp::EPOCH, source.len(), settings),
            source,
            began: Instant::now(),
            packet: Vec::new(),
            trouble: None,
        })
    }

    /// The transfer's state.
    pub fn transfer(&self) -> &Transfer {
        &self.transfer
    }

    /// Runs the transfer to its end, or until `stopped` is.
    pub async fn run(
        &mut self,
        place: &mut Place,
        stopped: impl Future<Output = ()>,
    ) -> TftpOutcome {
        let mut stopped = pin!(stopped);
        let mut buffer = [0; PACKET_MAX];
        loop {
            if let Err(error) = self.transmit().await {
                self.tell(self.client, ErrorCode::NotDefined, "the file can not be read").await;
                return TftpOutcome::Failed(error.to_string());
            }
            if let Some(outcome) = self.transfer.outcome() {
                return self.explained(outcome.clone());
            }
            tokio::select! {
                received = self.socket.recv_from(&mut buffer) => match received {
                    Ok((len, from)) => {
                        let datagram = buffer.get(..len).unwrap_or_default();
                        self.hear(datagram, from, place).await;
                    }
                    Err(error) => return TftpOutcome::Failed(error.to_string()),
                },
                () = self.deadline() => self.transfer.handle_timeout(self.now()),
                () = &mut stopped => {
                    self.tell(self.client, ErrorCode::NotDefined, "the server is stopped").await;
                    return TftpOutcome::Stopped;
                }
            }
        }
    }

    /// Sends what is due. An error is the file's.
    async fn transmit(&mut self) -> io::Result<()> {
        while let Some(transmit) = self.transfer.poll_transmit() {
            match transmit {
                Transmit::OAck(packet) => self.packet = packet,
                Transmit::Data { block, range } => {
                    self.packet.clear();
                    self.packet.extend_from_slice(&data_header(block));
                    self.packet.extend_from_slice(self.source.get(range).await?);
                }
            }
            // What can not be sent is lost like what is lost on its way, and is sent again.
            self.trouble = self.socket.send_to(&self.packet, self.client).await.err();
        }
        Ok(())
    }

    /// Takes a packet. One from elsewhere does not disturb the transfer (RFC 1350 section 4), and
    /// an ERROR is never answered.
    async fn hear(&mut self, datagram: &[u8], from: SocketAddr, place: &mut Place) {
        match Packet::parse(datagram) {
            Ok(packet) if from == self.client => {
                place.answered();
                self.transfer.handle_packet(self.now(), &packet);
            }
            Err(_) | Ok(Packet::Error { .. }) => {}
            Ok(_) => self.tell(from, ErrorCode::UnknownTransferId, "unknown transfer ID").await,
        }
    }

    /// Sends an ERROR packet, as a courtesy: whether it comes makes no difference here.
    async fn tell(&self, whom: SocketAddr, code: ErrorCode, text: &str) {
        drop(self.socket.send_to(&error(code, text), whom).await);
    }

    /// A client is not called silent if nothing could be sent to it.
    fn explained(&self, outcome: TftpOutcome) -> TftpOutcome {
        match (outcome, &self.trouble) {
            (TftpOutcome::TimedOut, Some(error)) => {
                TftpOutcome::Failed(format!("packets can not be sent: {error}"))
            }
            (outcome, _) => outcome,
        }
    }

    async fn deadline(&self) {
        match self.transfer.poll_timeout() {
            Some(time) => sleep_until(self.began + time.since(Timestamp::EPOCH)).await,
            None => pending().await,
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::EPOCH + self.began.elapsed()
    }
}
