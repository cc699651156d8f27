//! One connection: requests in turn, each answered before the next is looked at.

use std::io;
use std::mem::take;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use pxed_proto::event::{BrokenOff, Event, TlsEvent};
use pxed_proto::limits;
use socket2::SockRef;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::{Peer, answer};
use super::crowd::Place;
use super::exchange::Exchange;
use super::head::{Head, Parsed, Refusal, parse};
use super::response::{Content, Next, Response};
use super::sending::send;
use super::stream::Stream;
use super::target::Target;
use super::{Http, stopped};
use crate::tls;

/// A client, connected.
pub(super) struct Connection {
    pub(super) stream: Stream,
    pub(super) peer: Peer,
    pub(super) place: Place,
    pub(super) http: Arc<Http>,
    pub(super) shutdown: watch::Receiver<bool>,
    /// What came and was not looked at.
    pub(super) unread: Vec<u8>,
    /// When the client was there.
    pub(super) begun: Instant,
}

/// What an unused connection keeps of its buffer, in octets: firmware's heads are shorter.
const KEPT: usize = 1024;

/// Why a connection ends without another answer.
enum End {
    /// Nothing was asked.
    Quiet,
    /// What came is no request that is answered.
    Refused(Refusal),
}

impl Connection {
    /// Answers until either side ends it.
    pub(super) async fn serve(mut self) {
        loop {
            let ended = match self.head().await {
                Ok(head) => self.exchange(head).await,
                Err(End::Quiet) => return,
                Err(End::Refused(refusal)) => self.refuse(refusal).await.and(Ok(Next::Close)),
            };
            match ended {
                Ok(Next::Request | Next::RequestOfOld) => {}
                Ok(Next::Close) => return self.linger().await,
                Err(BrokenOff::ClientGone) => return,
                // A body without its end must not be taken for one: a reset says so to whoever does
                // not count.
                Err(_) => {
                    let _ = SockRef::from(self.stream.tcp()).set_linger(Some(NO_TIME));
                    return;
                }
            }
        }
    }

    /// The next request.
    async fn head(&mut self) -> Result<Head, End> {
        self.place.waits();
        let deadline = Instant::now() + limits::HTTP_HEAD_TIMEOUT;
        loop {
            match parse(&self.unread) {
                Parsed::Head(head, len) => {
                    self.unread.drain(..len);
                    self.place.works();
                    return Ok(head);
                }
                Parsed::Refused(refusal) => return Err(End::Refused(refusal)),
                Parsed::Partial => self.more(deadline).await?,
            }
        }
    }

    /// Waits for more of a request.
    async fn more(&mut self, deadline: Instant) -> Result<(), End> {
        if self.unread.is_empty() {
            self.unread.shrink_to(KEPT);
        }
        let is_idle = self.unread.is_empty();
        let ended = |status, why| {
            let nothing = String::new;
            let refusal = Refusal { status, why, method: nothing(), target: nothing() };
            Err(if is_idle { End::Quiet } else { End::Refused(refusal) })
        };
        tokio::select! {
            read = timeout_at(deadline, self.stream.read(&mut self.unread)) => match read {
                Ok(Ok(0)) => ended(400, "the request has no end"),
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => {
                    self.tell(&error);
                    Err(End::Quiet)
                }
                Err(_) => ended(408, "the request took too long"),
            },
            () = self.place.is_lost() => ended(503, "there are too many connections"),
            () = stopped(&mut self.shutdown) => Err(End::Quiet),
        }
    }

    fn who(&self) -> (SocketAddr, bool) {
        (self.peer.client, self.stream.is_secure())
    }

    /// What reading failed by, if that is more than the client's end.
    fn tell(&self, error: &io::Error) {
        if let Some(trouble) = tls::trouble(error).filter(|_| self.stream.is_secure()) {
            let (client, offered) = (self.peer.client, String::new());
            let duration = self.begun.elapsed();
            let event = TlsEvent { client, machine: None, trouble, offered, duration };
            (self.http.events)(Event::Tls(event));
        }
    }

    async fn exchange(&mut self, mut head: Head) -> Result<Next, BrokenOff> {
        let target = Target::of(&head.target);
        // What the target says is understood: as it came it is the event's.
        let asked = (head.method.clone(), take(&mut head.target));
        let exchange = Exchange::begin(&self.http, self.who(), target.machine, asked);
        let response = answer(&self.http, self.peer, target, &head).await;
        let next = match (head.keep_alive && !head.has_body, head.is_old) {
            (true, _) if *self.shutdown.borrow() => Next::Close,
            (true, false) => Next::Request,
            (true, true) => Next::RequestOfOld,
            (false, _) => Next::Close,
        };
        self.answer(response, next, head.method == "HEAD", exchange).await?;
        Ok(next)
    }

    async fn refuse(&mut self, refusal: Refusal) -> Result<(), BrokenOff> {
        let Refusal { status, why, method, target } = refusal;
        let machine = Target::of(&target).machine;
        let exchange = Exchange::begin(&self.http, self.who(), machine, (method, target));
        let response = Response::text(status, format!("{why}\n"));
        self.answer(response, Next::Close, false, exchange).await
    }

    async fn answer(
        &mut self,
        response: Response,
        next: Next,
        is_to_head: bool,
        mut exchange: Exchange,
    ) -> Result<(), BrokenOff> {
        let head = response.head(next, SystemTime::now());
        exchange.answered(response.status, head.len());
        let content = if is_to_head { Content::Text(Vec::new()) } else { response.content };
        let result = send(&mut self.stream, head, content, &mut exchange, &mut self.place).await;
        exchange.ended(&result);
        result
    }

    /// Ends in peace: what the client has sent since would turn the end into a reset, which takes the
    /// answer from it.
    async fn linger(mut self) {
        self.place.waits();
        if self.place.gave_way() {
            return; // what it holds is needed
        }
        let mut left = limits::HTTP_LINGER_MAX;
        let ending = async {
            let _ = self.stream.shut_down().await;
            while left > 0 {
                self.unread.clear();
                match self.stream.read(&mut self.unread).await {
                    Ok(octets) if octets > 0 => left = left.saturating_sub(octets),
                    _ => return,
                }
            }
        };
        tokio::select! {
            _ = timeout(limits::HTTP_LINGER, ending) => {}
            () = self.place.is_lost() => {}
        }
    }
}

const NO_TIME: std::time::Duration = std::time::Duration::ZERO;
