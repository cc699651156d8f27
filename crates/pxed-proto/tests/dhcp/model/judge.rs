//! What the server may answer, and what it must. Where it has a choice, the model has none: it
//! judges the choice.

use std::net::Ipv4Addr;

use pxed_proto::limits::DECLINE_WINDOW;

use super::acts::{Place, Says};
use super::reference::{Asked, Reference, Response, Standing, State, Verdict, must, who as holder};

impl Reference {
    pub fn judge(&self, asked: &Asked, response: Response) -> Verdict {
        match (asked.says, asked.address) {
            (Says::Discover(_), wish) => self.judge_offer(asked, wish, response),
            (_, None) => Ok(()),
            (Says::OtherServer(_), _) => must(response == Response::Silent, "not this server's"),
            (Says::Selecting(_), Some(address)) => self.judge_selecting(asked, address, response),
            (Says::InitReboot(_) | Says::Renewing(_) | Says::Rebinding(_), Some(address)) => {
                self.judge_remembered(asked, address, response)
            }
            (Says::Release(_), Some(address)) => {
                let holds = self.is_running(address, asked.who);
                let expected = if holds { Response::Releases(address) } else { Response::Silent };
                must(response == expected || !self.is_sure(address), "RELEASE: the holder's alone")
            }
            (Says::Decline(_), Some(address)) => self.judge_decline(asked, address, response),
            (Says::Inform(_), Some(_)) => must(response == Response::Informs, "INFORM: an answer"),
        }
    }

    fn judge_offer(&self, asked: &Asked, wish: Option<Ipv4Addr>, response: Response) -> Verdict {
        let Asked { who, place, .. } = *asked;
        let pool = self.rules.hosts(place).map(|host| place.address(host));
        let mut all = pool.chain(self.reserved(who, place));
        match response {
            Response::Silent => {
                // Which of two leases of one moment is the client's is not known.
                let found = |address: &Ipv4Addr| match self.standing(*address, who, place) {
                    Standing::Own => self.memory(who, place) == Some(*address),
                    other => other == Standing::Free,
                };
                let free = all.find(found);
                must(free.is_none(), &format!("{free:?} is free and not offered"))
            }
            Response::Offers(address) => {
                must(all.any(|other| other == address), "an offer outside the pools")?;
                match self.standing(address, who, place) {
                    Standing::Own | Standing::Free | Standing::Unsure => {}
                    other => return Err(format!("{address} is offered and {other:?}")),
                }
                let due = self.due(who, place, wish);
                let kept = due.is_none_or(|due| due == address);
                must(kept, &format!("{due:?} is due and {address} is offered"))
            }
            _ => Err("neither an offer nor silence".to_owned()),
        }
    }

    /// The address to offer: what is reserved, is or was the client's, or what it asks for; `None`
    /// where any will do, or where it is not known.
    fn due(&self, who: u8, place: Place, wish: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        let can_have = |address: &Ipv4Addr| self.can_have(*address, who, place);
        let known = self.memory(who, place);
        if !self.all_sure(place) || known.is_none() && !self.remembers_nothing(who, place) {
            return self.reserved(who, place).filter(can_have);
        }
        let running = known.filter(|address| self.is_running(*address, who));
        let by_rank = [self.reserved(who, place), running, self.held(who, place), known, wish];
        by_rank.into_iter().flatten().find(can_have)
    }

    fn judge_selecting(&self, asked: &Asked, address: Ipv4Addr, response: Response) -> Verdict {
        let Asked { who, place, .. } = *asked;
        let here = Place::of(address) == Some(place);
        let offered = self.held(who, place) == Some(address) && self.can_have(address, who, place);
        // What the client has may be offered to it, and another be reserved for it since.
        let reserved = self.reserved(who, place).filter(|other| self.can_have(*other, who, place));
        let moves = self.is_running(address, who) && reserved.is_some_and(|other| other != address);
        let offered = offered && !moves;
        match response {
            Response::Grants { .. } => self.judge_grant(asked, address, response),
            Response::Refuses if here && offered && self.all_sure(place) => {
                Err("what was offered is refused".to_owned())
            }
            Response::Refuses => must(!self.is_due(asked, address), "the client's own is refused"),
            _ => Err("neither ACK nor NAK".to_owned()),
        }
    }

    fn judge_remembered(&self, asked: &Asked, address: Ipv4Addr, response: Response) -> Verdict {
        let Asked { who, place, .. } = *asked;
        let free = self.standing(address, who, place) == Standing::Free;
        let due = self.is_due(asked, address);
        match response {
            _ if Place::of(address) != Some(place) => {
                must(response == Response::Refuses, "an address of another network")
            }
            Response::Grants { .. } => {
                self.judge_grant(asked, address, response)?;
                let its = self.row(address).is_some_and(|row| holder(row) == who);
                let its = its || self.reserved_to(address) == Some(who) || self.rules.adopt;
                must(its || !self.is_sure(address), "granted without a record of the client")
            }
            Response::Refuses if self.remembers_nothing(who, place) => {
                let silent = free && !self.rules.adopt && self.reserved(who, place).is_none();
                must(!silent, "a client that there is no record of is refused a free address")
            }
            Response::Refuses => must(!due, "the client's own is refused"),
            Response::Silent => {
                must(!due && self.memory(who, place).is_none(), "a known client is ignored")
            }
            _ => Err("not an answer to a REQUEST".to_owned()),
        }
    }

    /// Must the client be granted what it says it has?
    fn is_due(&self, asked: &Asked, address: Ipv4Addr) -> bool {
        let Asked { who, place, .. } = *asked;
        let can_have = |address: &Ipv4Addr| self.can_have(*address, who, place);
        match self.reserved(who, place).filter(can_have) {
            Some(reserved) => reserved == address && self.all_sure(place),
            None => {
                let own = self.memory(who, place) == Some(address);
                own && self.is_running(address, who) && can_have(&address)
            }
        }
    }

    fn judge_grant(&self, asked: &Asked, address: Ipv4Addr, response: Response) -> Verdict {
        let Asked { who, place, .. } = *asked;
        let Response::Grants { address: granted, until } = response else { return Ok(()) };
        must(granted == address, "another address than was asked for")?;
        let left = self.reserved_to(address).is_none() && !self.in_pool(address);
        match self.standing(address, who, place) {
            Standing::Own | Standing::Free | Standing::Unsure => Ok(()),
            Standing::Forbidden if left && !self.is_sure(address) => Ok(()),
            Standing::Forbidden if left && self.is_running(address, who) => {
                let ends = self.row(address).map(|row| row.expires);
                must(ends.is_some_and(|end| until <= end), "prolonged outside the pools")
            }
            other => Err(format!("{address} is granted and {other:?}")),
        }
    }

    fn judge_decline(&self, asked: &Asked, address: Ipv4Addr, response: Response) -> Verdict {
        let row = self.row(address).filter(|row| self.now.since(row.granted) <= DECLINE_WINDOW);
        let here = Place::of(address) == Some(asked.place);
        // Half a pool is as much as clients are believed about.
        let hosts = (0..=u8::MAX).map(|host| self.state(asked.place.address(host)));
        let declined = hosts.filter(|state| matches!(state, State::Declined { .. })).count();
        let room = declined < (self.rules.hosts(asked.place).count() / 2).max(1);
        let believed = here && room && row.is_some() && self.is_running(address, asked.who);
        let expected = if believed { Response::Declines(address) } else { Response::Silent };
        let known = self.all_sure(asked.place);
        must(response == expected || !known, "DECLINE: the new holder's alone")
    }
}
