//! What the store says, and what it wants.

use std::net::Ipv4Addr;

use pxed_proto::limits;

use super::Worker;
use crate::store::{News, Page};

impl Worker {
    pub(super) fn hear_store(&mut self, news: News) {
        match news {
            News::Answers(answers) => self.committed(answers),
            News::Wants(after) => self.wanted_page = Some(after),
            news => {
                match news {
                    News::Fails(_) => self.server.set_store_outage(true),
                    News::Works(_) => self.server.set_store_outage(false),
                    _ => {}
                }
                self.notebook.store(news);
            }
        }
        self.hand_over_page();
    }

    /// A part of the lease table for a store that is made anew: once no commit waits, so that nothing
    /// is in it that may yet fail.
    fn hand_over_page(&mut self) {
        if self.server.commits_waiting() > 0 {
            return;
        }
        if let Some(after) = self.wanted_page.take() {
            self.store.hand_over(self.page_of_leases(after));
        }
    }

    fn page_of_leases(&self, after: Option<Ipv4Addr>) -> Page {
        let leases = self.server.stored_after(after, limits::STORE_PAGE);
        let last = leases.last().map(|lease| lease.address);
        let next = last.filter(|_| leases.len() == limits::STORE_PAGE);
        let quirks = match next {
            Some(_) => Vec::new(),
            None => self.server.quirks().machines().collect(),
        };
        Page { after, leases, next, quirks }
    }
}
