//! The requests that are being served: how many, whose, and which of them are repeated.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pxed_proto::limits::{TFTP_TRANSFERS_MAX, TFTP_TRANSFERS_PER_CLIENT_MAX};

/// All requests that are being served.
#[derive(Debug, Default)]
pub struct Running(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    last_id: u64,
    entries: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    client: SocketAddrV4,
    /// The request as it came, until the client has answered: then it knows the transfer's TID
    /// and does not repeat its request. What looks like it is a machine that was switched off and
    /// on again, whose ROM takes the same port each time.
    unanswered: Option<Vec<u8>>,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Admission {
    /// It is to be served.
    Granted(Place),
    /// It is being served already.
    Repeated,
    /// Too many are being served, in all or of this client.
    Full,
}

impl Running {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.table().entries.len()
    }

    /// Gives a request its place, if it is a new one and there is room.
    pub fn admit(self: &Arc<Self>, client: SocketAddrV4, datagram: &[u8]) -> Admission {
        let mut table = self.table();
        let mut of_client = 0;
        for entry in table.entries.values().filter(|entry| entry.client.ip() == client.ip()) {
            of_client += 1;
            if entry.client == client && entry.unanswered.as_deref() == Some(datagram) {
                return Admission::Repeated;
            }
        }
        if of_client >= TFTP_TRANSFERS_PER_CLIENT_MAX || table.entries.len() >= TFTP_TRANSFERS_MAX {
            return Admission::Full;
        }
        table.last_id += 1;
        let id = table.last_id;
        table.entries.insert(id, Entry { client, unanswered: Some(datagram.to_vec()) });
        Admission::Granted(Place { running: self.clone(), id, answered: false })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No change of the table can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the running; dropping it makes room.
#[derive(Debug)]
pub struct Place {
    running: Arc<Running>,
    id: u64,
    answered: bool,
}

impl Place {
    /// The client has answered the transfer. Only the first time touches the table, for this is
    /// said of each packet.
    pub fn answered(&mut self) {
        if !std::mem::replace(&mut self.answered, true)
            && let Some(entry) = self.running.table().entries.get_mut(&self.id)
        {
            entry.unanswered = None;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.table().entries.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(host: u32, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new((0x0a00_0000 + host).into(), port)
    }

    fn place(admission: Admission) -> Place {
        match admission {
            Admission::Granted(place) => place,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_is_repeated_until_the_client_has_answered() {
        let running = Arc::new(Running::default());
        let mut first = place(running.admit(client(1, 2070), b"a"));
        assert!(matches!(running.admit(client(1, 2070), b"a"), Admission::Repeated));
        // Another file, another port, another machine.
        let others = [(1, 2070, b"b"), (1, 2071, b"a"), (2, 2070, b"a")]
            .map(|(host, port, datagram)| place(running.admit(client(host, port), datagram)));
        assert_eq!(running.count(), 4);
        first.answered();
        drop(place(running.admit(client(1, 2070), b"a")));
        drop((first, others));
        assert_eq!(running.count(), 0);
    }

    #[test]
    fn there_is_room_for_so_many() {
        let running = Arc::new(Running::default());
        let ports = 1..=u16::try_from(TFTP_TRANSFERS_PER_CLIENT_MAX).unwrap();
        let mut places: Vec<Place> =
            ports.map(|port| place(running.admit(client(1, port), b"a"))).collect();
        assert!(matches!(running.admit(client(1, 99), b"a"), Admission::Full));
        assert!(matches!(running.admit(client(1, 1), b"a"), Admission::Repeated));
        for host in 2.. {
            match running.admit(client(host, 1), b"a") {
                Admission::Granted(place) => places.push(place),
                _ => break,
            }
        }
        assert_eq!(running.count(), TFTP_TRANSFERS_MAX);
        places.pop();
        place(running.admit(client(0, 1), b"a"));
    }
}
