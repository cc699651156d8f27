//! HTTP's way: TCP loses nothing and tries again, so a request is answered or breaks.

use std::time::Duration;

use super::{Happening, World};
use crate::firmware::Answer;
use crate::server::http::{Body, Method};

/// How often TCP tries to connect.
const CONNECTS_MAX: u32 = 5;

/// What TCP transfers in a millisecond.
const OCTETS_PER_MS: u64 = 100_000;

/// An HTTP request on its way.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub machine: usize,
    pub fetch: u64,
    pub method: Method,
    pub url: String,
    pub tries: u32,
}

impl World {
    pub(super) fn ask(&mut self, asked: Asked) {
        let Asked { machine, fetch, method, tries, .. } = asked;
        let Some(response) = self.pxed.http(method, &asked.url) else {
            if tries < CONNECTS_MAX {
                let at = self.now + Duration::from_secs(1 << tries);
                self.queue.push(at, Happening::Asked(Asked { tries: tries + 1, ..asked }));
            } else {
                self.answer(machine, fetch, "", Err("connection timed out"));
            }
            return;
        };
        let octets = if response.body == Body::Empty { 0 } else { response.len };
        let took = self.lan.latency() + Duration::from_millis(octets / OCTETS_PER_MS);
        let what = format!("{}, {} octets", response.status, response.len);
        let (crashes, answer) = (self.crashes, Ok(response));
        let answered = Happening::Answered { machine, fetch, crashes, what, answer };
        self.queue.push(self.now + took, answered);
    }

    pub(super) fn answer(&mut self, index: usize, fetch: u64, what: &str, answer: Answer) {
        let machine = &mut self.machines[index];
        if !machine.nic.waits_for(fetch) {
            return;
        }
        let whose = format!("pxed → {}", machine.mac());
        match &answer {
            Ok(response) => {
                self.transcript.exchange(self.now, &whose, what);
                if let Body::Text(text) = &response.body {
                    self.transcript.quote(text);
                }
            }
            Err(why) => self.transcript.exchange(self.now, &whose, why),
        }
        machine.answered(self.now, answer);
        self.take_acts(index);
    }
}
