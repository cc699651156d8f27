//! What makes no sense on a subnet whose addresses are another server's.

use pxed_proto::dhcp::{Mode, ProxyForm, Subnet, is_of_the_lease};
use pxed_proto::wire::options::definition;

use super::document::Table;
use super::report::Problem;
use super::settings::Said;

/// Keys of addresses and leases, of which there are none.
const OF_LEASES: [&str; 18] = [
    "exclude",
    "lease-time",
    "min-lease-time",
    "max-lease-time",
    "identity",
    "authoritative",
    "adopt",
    "offer-hold",
    "decline-probation",
    "conflict-probe",
    "rapid-commit",
    "lease-cache",
    "bootp",
    "max-per-remote-id",
    "max-per-circuit-id",
    "subnet-selection",
    "max-offers",
    "max-port-offers",
];

/// Says what would be ignored, and refuses what would be missed.
pub fn check(table: &Table<'_>, subnet: &Subnet, said: &Said) {
    if subnet.mode != Mode::Proxy {
        if let Some(ProxyForm::Told(_)) = said.settings.proxy_form {
            let text = "proxy-form does nothing without mode = \"proxy\"";
            table.problem(Problem::warning(table.place().of("proxy-form"), text));
        }
        return;
    }
    for name in ["range", "pool"].into_iter().filter(|name| table.has(name)) {
        let text = format!("{name} with mode = \"proxy\": addresses are another server's there");
        let problem = Problem::error(table.place().of(name), text);
        table.problem(problem.help(format!("leave {name} out, or write mode = \"full\"")));
    }
    for name in OF_LEASES.into_iter().filter(|name| table.has(name)) {
        let text = format!("{name} does nothing with mode = \"proxy\", which leases no addresses");
        table.problem(Problem::warning(table.place().of(name), text));
    }
    let of_lease = said.options.iter().filter(|at| is_of_the_lease(at.value.code));
    for at in of_lease {
        let name = definition(at.value.code).map_or("this option", |definition| definition.name);
        let text = format!("{name} is for the server to say that gives the address: not sent");
        table.problem(Problem::warning(at.span.clone(), text));
    }
}
