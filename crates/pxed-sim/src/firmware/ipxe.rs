//! iPXE, in the machine's ROM or loaded into it.

use pxed_proto::Timestamp;
use pxed_proto::wire::options::code;

use super::dora::{self, Dora, Habits, Judgement, Progress};
use super::reply::Reply;
use super::script::{Script, Step};
use super::{Act, Answer, Ending, Firmware, Nic};
use crate::lan::Datagram;
use crate::server::http::{Body, Method};

/// `DHCP_DISC_START_TIMEOUT_SEC` to `DHCP_DISC_END_TIMEOUT_SEC`.
const DISCOVER_WAITS: &[u64] = &[1000, 2000, 4000, 8000];

/// `DHCP_REQ_START_TIMEOUT_SEC` to `DHCP_REQ_END_TIMEOUT_SEC`.
const REQUEST_WAITS: &[u64] = &[250, 500, 1000, 2000, 4000, 8000];

/// What iPXE was built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// BIOS.
    Bios,
    /// UEFI on x64.
    Efi,
}

/// iPXE: DHCP, then the script, then what the script says.
#[derive(Clone, Debug)]
pub struct Ipxe {
    dora: Dora,
    script: Option<Script>,
    sleeps_until: Option<Timestamp>,
}

impl Ipxe {
    /// iPXE in the machine with this interface.
    pub fn new(nic: &Nic, platform: Platform) -> Self {
        let (class, arch) = match platform {
            Platform::Bios => ("PXEClient:Arch:00000:UNDI:002001", 0),
            Platform::Efi => ("PXEClient:Arch:00007:UNDI:003010", 7),
        };
        let list = [1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 175, 203];
        let mut options = vec![
            (code::MAX_MESSAGE_SIZE, 1472_u16.to_be_bytes().to_vec()),
            (code::VENDOR_CLASS, class.as_bytes().to_vec()),
            (code::USER_CLASS, b"iPXE".to_vec()),
            (code::PARAMETER_REQUEST_LIST, list.to_vec()),
            // Its features: HTTP, and that it is for PCI.
            (code::IPXE, vec![19, 1, 1, 177, 5, 1, 0x1a, 0xf4, 0x10, 0x00]),
        ];
        options.extend(dora::pxe_options(nic.mac, arch));
        let dora = Dora::new(Habits {
            options,
            flags: 0,
            discover_waits: DISCOVER_WAITS,
            request_waits: REQUEST_WAITS,
            jitter: 0,
            judge,
        });
        Self { dora, script: None, sleeps_until: None }
    }

    fn after_dhcp(&mut self, progress: Progress, nic: &mut Nic) {
        match progress {
            Progress::Waiting => {}
            Progress::Failed(why) => nic.give_up(format!("iPXE: {why}")),
            Progress::Bound(ack, held) => {
                nic.bind(held);
                nic.fetch(Method::Get, &ack.boot_file());
            }
        }
    }

    /// Runs the script until it has to wait.
    fn run(&mut self, now: Timestamp, nic: &mut Nic) {
        let Some(script) = &mut self.script else { return };
        loop {
            match script.step() {
                Step::Echo(text) => nic.act(Act::Note(format!("iPXE prints: {text}"))),
                Step::Fetch(url) => return nic.fetch(Method::Get, &url),
                Step::Sleep(time) => {
                    self.sleeps_until = Some(now + time);
                    return;
                }
                Step::Exit(status) => return nic.give_up(format!("iPXE: exit {status}")),
                Step::Boot { kernel, arguments, initrds } => {
                    return nic.act(Act::End(Ending::Booted { kernel, arguments, initrds }));
                }
            }
        }
    }
}

impl Firmware for Ipxe {
    fn name(&self) -> &'static str {
        "iPXE"
    }

    fn begin(&mut self, now: Timestamp, nic: &mut Nic) {
        nic.unbind(false);
        self.dora.begin(now, nic);
    }

    fn hear(&mut self, now: Timestamp, datagram: &Datagram, nic: &mut Nic) {
        let progress = self.dora.hear(now, datagram, nic);
        self.after_dhcp(progress, nic);
    }

    fn answered(&mut self, now: Timestamp, answer: Answer, nic: &mut Nic) {
        let body = match answer {
            Ok(response) if response.status == 200 => Some(response.body),
            Ok(_) | Err(_) => None,
        };
        match (&mut self.script, body) {
            (Some(script), Some(Body::File(name))) => script.fetched(Some(name)),
            (Some(script), _) => script.fetched(None),
            (None, Some(Body::Text(text))) => self.script = Script::parse(&text),
            (None, _) => return nic.give_up("iPXE: the script could not be fetched"),
        }
        self.run(now, nic);
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.dora.poll_timeout().into_iter().chain(self.sleeps_until).min()
    }

    fn handle_timeout(&mut self, now: Timestamp, nic: &mut Nic) {
        let progress = self.dora.handle_timeout(now, nic);
        self.after_dhcp(progress, nic);
        if self.sleeps_until.take_if(|until| *until <= now).is_some() {
            self.run(now, nic);
        }
    }
}

/// `dhcp_discovery_rx`: an offer is taken at once if it says "no ProxyDHCP" (175.176), else after
/// two seconds in which a ProxyDHCP server may speak; this model waits for the first time-out.
fn judge(offer: &Reply) -> Judgement {
    let file = offer.boot_file();
    if file.is_empty() {
        return Judgement::Refuse("nothing to boot");
    }
    if !file.ends_with("boot.ipxe") && !file.contains("boot.ipxe?") {
        return Judgement::Wrong(format!("iPXE was given {file} instead of a script"));
    }
    if offer.next_server.is_unspecified() && offer.is_of_class("PXEClient") {
        return Judgement::Wrong("iPXE was made to ask at port 4011 (no siaddr)".to_owned());
    }
    match offer.encapsulated(code::IPXE, 176).as_deref() {
        Some([1]) => Judgement::Take,
        _ => Judgement::Keep,
    }
}
