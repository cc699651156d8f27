use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::machine::Architecture;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// When a PXE ROM sends its DISCOVERs.
const RETRIES: [u64; 4] = [0, 4, 12, 28];

fn mac(n: u8) -> Mac {
    Mac([0x52, 0x54, 0, 0, 0, n])
}

fn bios() -> Signature {
    Signature {
        vendor_class: "PXEClient:Arch:00000:UNDI".to_owned(),
        architecture: Some(Architecture::BIOS),
        parameters: vec![1, 2, 3, 60, 66, 67],
    }
}

fn form(name: &str) -> &'static Form {
    Form::by_name(name).unwrap()
}

/// A machine that follows one form alone.
#[derive(Clone, Debug)]
struct Rom {
    mac: Mac,
    signature: Signature,
    follows: &'static Form,
    /// When it sends its DISCOVERs.
    asks_at: &'static [u64],
    starts: u32,
}

impl Rom {
    fn new(n: u8, follows: &str) -> Self {
        let (follows, asks_at) = (form(follows), RETRIES.as_slice());
        Self { mac: mac(n), signature: bios(), follows, asks_at, starts: 0 }
    }

    fn asker(&self, seconds: u64) -> Asker {
        let (xid, secs) =
            (1000 * u32::from(self.mac.0[5]) + self.starts, u16::try_from(seconds).unwrap());
        Asker { hardware: self.mac.into(), signature: self.signature.clone(), xid, secs }
    }

    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, self.mac.0[5])
    }

    /// One start: what it was offered, and whether it has booted.
    fn start(&mut self, quirks: &mut Quirks) -> (Vec<&'static str>, bool) {
        self.starts += 1;
        let begin = NOW + Duration::from_secs(300 * u64::from(self.starts));
        let mut offers = Vec::new();
        for at in self.asks_at {
            let now = begin + Duration::from_secs(*at);
            let asker = self.asker(*at);
            let offered = quirks.form_for(&asker, &Told::new(), now).form;
            quirks.see(Evidence::Offered(Box::new(asker), offered), now);
            offers.push(offered.name);
            if offered == self.follows {
                self.load(quirks, now);
                return (offers, true);
            }
        }
        let end = begin + Duration::from_secs(60);
        quirks.see(Evidence::Takes(self.mac.into(), self.address()), end);
        (offers, false)
    }

    fn load(&self, quirks: &mut Quirks, now: Timestamp) -> Vec<Learned> {
        quirks.see(Evidence::Takes(self.mac.into(), self.address()), now);
        if self.follows.sends_to_boot_server() {
            quirks.see(Evidence::AskedBootServer(self.mac.into(), self.address()), now);
        }
        quirks.see(Evidence::FetchedFrom(self.address()), now)
    }

    /// How many starts until it boots.
    fn boots_after(&mut self, quirks: &mut Quirks) -> u32 {
        (1..20).find(|_| self.start(quirks).1).unwrap()
    }
}

fn learned(quirks: &Quirks, rom: &Rom) -> Option<&'static str> {
    let mut machines = quirks.machines();
    machines.find(|quirk| quirk.hardware == rom.mac.into()).map(|quirk| quirk.works.form.name)
}

#[test]
fn every_form_is_found_within_two_starts_and_known_from_then_on() {
    for form in Form::all() {
        let (mut quirks, mut rom) = (Quirks::default(), Rom::new(1, form.name));
        assert!(rom.boots_after(&mut quirks) <= 2, "{form}");
        assert_eq!(learned(&quirks, &rom), Some(form.name));
        for _ in 0..3 {
            assert_eq!(rom.start(&mut quirks), (vec![form.name], true));
        }
    }
}

/// Firmware that takes the other server's address and stops asks once a start.
#[test]
fn firmware_that_asks_once_follows_one_of_the_first_three() {
    for (n, name) in (1..).zip(["direct", "redirect", "menu"]) {
        let mut rom = Rom { asks_at: &[0], ..Rom::new(1, name) };
        let mut quirks = Quirks::default();
        assert_eq!(rom.boots_after(&mut quirks), n, "{name}");
        assert_eq!(rom.start(&mut quirks), (vec![name], true));
    }
    for (n, name) in (1..).zip(["redirect", "direct", "menu"]) {
        let uefi = Signature { architecture: Some(Architecture::UEFI_X64), ..bios() };
        let mut rom = Rom { signature: uefi, asks_at: &[0], ..Rom::new(1, name) };
        assert_eq!(rom.boots_after(&mut Quirks::default()), n, "{name}, UEFI");
    }
    let pi = Signature { architecture: Some(Architecture::RASPBERRY_PI), ..bios() };
    let mut rom = Rom { signature: pi, asks_at: &[0], ..Rom::new(1, "menu") };
    assert_eq!(rom.boots_after(&mut Quirks::default()), 1, "a Raspberry Pi");
}

#[test]
fn a_rom_whose_xid_is_its_mac_s_is_understood() {
    for form in Form::all() {
        let (mut quirks, mut rom) = (Quirks::default(), Rom::new(1, form.name));
        for starts in 1.. {
            // The same `xid` each time.
            rom.starts = 0;
            let begin = NOW + Duration::from_secs(300 * starts);
            let booted = RETRIES.iter().any(|at| {
                let (now, asker) = (begin + Duration::from_secs(*at), rom.asker(*at + 4));
                let offered = quirks.form_for(&asker, &Told::new(), now).form;
                quirks.see(Evidence::Offered(Box::new(asker), offered), now);
                offered == rom.follows && !rom.load(&mut quirks, now).is_empty()
            });
            if booted {
                assert!(starts <= 2, "{form}");
                break;
            }
        }
    }
}

#[test]
fn a_copy_is_no_failure() {
    for (xid, secs, passed, again) in [
        (1, 0, 0, true),
        (1, 0, 2500, true),
        (2, 0, 2500, true),
        (1, 0, 9000, true),
        (1, 4, 4000, false),
        (2, 0, 4000, false),
        (1, 0, 11_000, false),
    ] {
        let (mut quirks, rom) = (Quirks::default(), Rom::new(1, "menu"));
        let asker = Asker { xid: 1, ..rom.asker(0) };
        quirks.see(Evidence::Offered(Box::new(asker.clone()), form("direct")), NOW);
        let now = NOW + Duration::from_millis(passed);
        let next = quirks.form_for(&Asker { xid, secs, ..asker }, &Told::new(), now);
        let expected = if again { "direct" } else { "redirect" };
        assert_eq!(next.form.name, expected, "{xid} {secs} {passed}");
    }
}

/// Several forms were offered in one attempt: what the machine does shows which it has followed.
#[test]
fn what_follows_decides_who_is_credited() {
    for (offers, asks, credited) in [
        (vec!["direct", "redirect"], false, "direct"),
        (vec!["direct", "redirect"], true, "redirect"),
        (vec!["direct", "menu", "fields"], true, "menu"),
        (vec!["direct", "menu", "fields"], false, "fields"),
        (vec!["direct", "binl"], false, "binl"),
        (vec!["direct"], true, "direct"),
        (vec!["redirect"], false, "redirect"),
    ] {
        let (mut quirks, rom) = (Quirks::default(), Rom::new(1, "direct"));
        for (at, name) in RETRIES.iter().zip(&offers) {
            let (asker, now) = (rom.asker(*at), NOW + Duration::from_secs(*at));
            quirks.see(Evidence::Offered(Box::new(asker), form(name)), now);
        }
        let now = NOW + Duration::from_secs(20);
        let (hardware, address) = (rom.mac.into(), rom.address());
        quirks.see(Evidence::Takes(hardware, address), now);
        if asks {
            quirks.see(Evidence::AskedBootServer(hardware, address), now);
        }
        assert_eq!(quirks.see(Evidence::FetchedFrom(address), now).len(), 1);
        assert_eq!(learned(&quirks, &rom), Some(credited), "{offers:?} {asks}");
    }
}

#[test]
fn a_request_at_4011_that_no_file_follows_is_no_success() {
    let (mut quirks, rom) = (Quirks::default(), Rom::new(1, "menu"));
    quirks.see(Evidence::Offered(Box::new(rom.asker(0)), form("redirect")), NOW);
    quirks.see(Evidence::AskedBootServer(rom.mac.into(), rom.address()), NOW);
    let now = NOW + Duration::from_secs(4);
    let next = quirks.form_for(&rom.asker(4), &Told::new(), now);
    assert_eq!((next.form.name, next.why), ("direct", Why::Turn(1)));
}

#[test]
fn what_worked_is_given_up_after_two_attempts_in_a_row() {
    let (mut quirks, mut rom) = (Quirks::default(), Rom::new(1, "redirect"));
    rom.boots_after(&mut quirks);
    // One datagram is lost: it is offered once more.
    rom.follows = form("delayed");
    assert_eq!(rom.start(&mut quirks).0, ["redirect", "redirect", "direct", "menu"]);
    rom.follows = form("redirect");
    assert_eq!(rom.start(&mut quirks), (vec!["redirect"], true));
    // The firmware is another now, with the same signature.
    rom.follows = form("delayed");
    assert_eq!(rom.start(&mut quirks).0, ["redirect", "redirect", "direct", "menu"]);
    assert_eq!(rom.start(&mut quirks).0, ["redirect", "redirect", "binl", "fields"]);
    assert_eq!(learned(&quirks, &rom), Some("redirect"));
    let offers = vec!["redirect", "options", "unicast", "delayed"];
    assert_eq!(rom.start(&mut quirks), (offers, true));
    assert_eq!(learned(&quirks, &rom), Some("delayed"));
}

#[test]
fn a_wrong_attribution_mends_itself() {
    let (mut quirks, mut rom) = (Quirks::default(), Rom::new(1, "redirect"));
    // Somebody at its address fetches a file.
    quirks.see(Evidence::Offered(Box::new(rom.asker(0)), form("direct")), NOW);
    quirks.see(Evidence::Takes(rom.mac.into(), rom.address()), NOW);
    quirks.see(Evidence::FetchedFrom(rom.address()), NOW);
    assert_eq!(learned(&quirks, &rom), Some("direct"));
    assert_eq!(rom.start(&mut quirks), (vec!["direct", "direct", "redirect"], true));
    assert_eq!(learned(&quirks, &rom), Some("redirect"));
    // The same of firmware that asks once.
    let mut rom = Rom { asks_at: &[0], ..Rom::new(2, "menu") };
    quirks.see(Evidence::Offered(Box::new(rom.asker(0)), form("direct")), NOW);
    quirks.see(Evidence::Fetched(rom.mac), NOW);
    let offers: Vec<_> = (0..4).flat_map(|_| rom.start(&mut quirks).0).collect();
    assert_eq!(offers, ["direct", "direct", "redirect", "direct"]);
    assert_eq!(rom.start(&mut quirks), (vec!["menu"], true));
}

#[test]
fn one_machine_speaks_for_no_other_and_two_do() {
    let mut quirks = Quirks::default();
    assert_eq!(Rom::new(1, "unicast").boots_after(&mut quirks), 2);
    assert_eq!(Rom::new(2, "unicast").boots_after(&mut quirks), 2);
    let mut third = Rom { asks_at: &[0], ..Rom::new(3, "unicast") };
    let choice = quirks.form_for(&third.asker(0), &Told::new(), NOW);
    assert_eq!((choice.form.name, choice.why), ("unicast", Why::Firmware(2)));
    assert_eq!(third.start(&mut quirks), (vec!["unicast"], true));
    // Its own experience is worth more; what it shares with others failed once.
    let mut other = Rom::new(4, "direct");
    assert_eq!(other.start(&mut quirks).0, ["unicast", "direct"]);
    assert_eq!(other.start(&mut quirks), (vec!["direct"], true));
    let another = Signature { parameters: vec![1], ..bios() };
    let stranger = Rom { signature: another, ..Rom::new(5, "direct") };
    assert_eq!(quirks.form_for(&stranger.asker(0), &Told::new(), NOW).why, Why::Turn(0));
}

/// After an update of its firmware, or as `pxed explain` asks for it.
#[test]
fn a_machine_that_asks_for_other_options_begins_with_what_it_followed() {
    let (mut quirks, mut rom) = (Quirks::default(), Rom::new(1, "delayed"));
    rom.boots_after(&mut quirks);
    rom.signature.parameters.push(97);
    let choice = quirks.form_for(&rom.asker(0), &Told::new(), NOW);
    assert_eq!((choice.form.name, choice.why), ("delayed", Why::Machine));
    let mut updated = Rom { follows: form("direct"), ..rom.clone() };
    assert_eq!(updated.start(&mut quirks), (vec!["delayed", "direct"], true));
    rom.signature.architecture = Some(Architecture::UEFI_X64);
    assert_eq!(quirks.form_for(&rom.asker(0), &Told::new(), NOW).why, Why::Turn(0), "another one");
}

#[test]
fn what_the_file_says_is_weaker_than_what_was_seen_here() {
    let mut quirks = Quirks::default();
    let told: Told = [(bios(), form("options"))].into();
    let asker = Rom::new(1, "options").asker(0);
    let choice = quirks.form_for(&asker, &told, NOW);
    assert_eq!((choice.form.name, choice.why), ("options", Why::File));
    quirks.see(Evidence::Offered(Box::new(asker), choice.form), NOW);
    let next = Rom::new(1, "options").asker(4);
    let next = quirks.form_for(&next, &told, NOW + Duration::from_secs(4));
    assert_eq!((next.form.name, next.why), ("direct", Why::Turn(1)));
    for n in 2..4 {
        Rom::new(n, "menu").boots_after(&mut quirks);
    }
    let choice = quirks.form_for(&Rom::new(4, "menu").asker(0), &told, NOW);
    assert_eq!((choice.form.name, choice.why), ("menu", Why::Firmware(2)));
}

#[test]
fn what_was_learned_is_recalled() {
    let mut quirks = Quirks::default();
    let mut roms: Vec<Rom> =
        Form::all().iter().zip(1..).map(|(f, n)| Rom::new(n, f.name)).collect();
    for rom in &mut roms {
        rom.boots_after(&mut quirks);
    }
    let mut restarted = Quirks::default();
    quirks.machines().for_each(|quirk| restarted.recall(quirk));
    assert!(restarted.machines().eq(quirks.machines()));
    assert!(restarted.firmwares().eq(quirks.firmwares()));
    for rom in &mut roms {
        assert_eq!(rom.start(&mut restarted), (vec![rom.follows.name], true));
    }
}

/// The store hears of what is new, and at times of what is not.
#[test]
fn the_store_is_told_what_is_new() {
    let (mut quirks, rom) = (Quirks::default(), Rom::new(1, "direct"));
    let mut told = Vec::new();
    for hours in [0, 1, 2, 30, 31] {
        let now = NOW + Duration::from_secs(hours * 3600);
        let asker = Asker { xid: u32::try_from(hours).unwrap(), ..rom.asker(0) };
        quirks.see(Evidence::Offered(Box::new(asker), form("direct")), now);
        for learned in rom.load(&mut quirks, now) {
            let Learned::Works(quirk) = learned else { panic!() };
            told.push((hours, quirk.works.times));
        }
    }
    assert_eq!(told, [(0, 1), (30, 4)]);
    let forgotten = quirks.forget(Some(&rom.mac.into()));
    assert_eq!(forgotten, [Learned::Forgotten(rom.mac.into(), Arc::new(bios()))]);
    assert_eq!((quirks.tracked(), quirks.firmwares().count()), (0, 0));
}

#[test]
fn a_flood_of_made_up_machines_makes_no_known_one_try_again() {
    let (mut quirks, mut rom) = (Quirks::default(), Rom::new(1, "menu"));
    rom.boots_after(&mut quirks);
    let later = NOW + Duration::from_secs(7200);
    for n in 1..=2 * u32::try_from(limits::QUIRK_MACHINES_MAX).unwrap() {
        let [_, a, b, c] = n.to_be_bytes();
        let hardware = Mac([2, 0, 0, a, b, c]).into();
        let signature = Signature { vendor_class: n.to_string(), ..bios() };
        let asker = Asker { hardware, signature, xid: 1, secs: 0 };
        quirks.see(Evidence::Offered(Box::new(asker), form("direct")), later);
        quirks.see(Evidence::Takes(hardware, Ipv4Addr::from_bits(n)), later);
    }
    assert_eq!(quirks.tracked(), limits::QUIRK_MACHINES_MAX);
    assert!(quirks.addresses.len() <= quirks.tracked());
    assert_eq!(quirks.firmwares().count(), 1);
    rom.starts = 100;
    assert_eq!(rom.start(&mut quirks), (vec!["menu"], true));
}

#[test]
fn whoever_was_offered_nothing_teaches_nothing() {
    let (mut quirks, rom) = (Quirks::default(), Rom::new(1, "direct"));
    assert_eq!(rom.load(&mut quirks, NOW), []);
    quirks.see(Evidence::Fetched(rom.mac), NOW);
    assert_eq!(quirks.tracked(), 0);
    quirks.see(Evidence::Offered(Box::new(rom.asker(0)), form("direct")), NOW);
    let late = NOW + limits::QUIRK_ATTEMPT_MAX;
    assert_eq!(rom.load(&mut quirks, late), [], "it is another story by then");
    let nobody = Asker { hardware: Mac([0; 6]).into(), ..rom.asker(0) };
    quirks.see(Evidence::Offered(Box::new(nobody), form("direct")), NOW);
    assert_eq!(quirks.tracked(), 1);
}

#[test]
fn signatures_read_well() {
    let text = bios().to_string();
    assert_eq!(text, "PXEClient:Arch:00000:UNDI, BIOS, asks for 1-3 60 66-67");
    let none = Signature { parameters: vec![255, 0, 0], ..Signature::default() };
    assert_eq!(none.to_string(), ", asks for 255 0 0");
}

/// Anything that may be seen, of a few machines.
fn evidence() -> impl Strategy<Value = (u64, Evidence)> {
    let hardware = || (1..5_u8).prop_map(|n| HardwareAddress::from(mac(n)));
    let address = || (0..5_u8).prop_map(|n| Ipv4Addr::new(10, 0, 0, n));
    let asker = (hardware(), 0..3_u8, 0..3_u32, 0..3_u16).prop_map(|(hardware, n, xid, secs)| {
        let signature = Signature { parameters: vec![n], ..bios() };
        Box::new(Asker { hardware, signature, xid, secs })
    });
    let form = (0..Form::all().len()).prop_map(|n| &Form::all()[n]);
    let any = prop_oneof![
        3 => (asker, form).prop_map(|(asker, form)| Evidence::Offered(asker, form)),
        1 => (hardware(), address()).prop_map(|(of, at)| Evidence::Takes(of, at)),
        1 => (hardware(), address()).prop_map(|(of, at)| Evidence::AskedBootServer(of, at)),
        1 => (1..5_u8).prop_map(|n| Evidence::Fetched(mac(n))),
        2 => address().prop_map(Evidence::FetchedFrom),
    ];
    (0..20_000_u64, any)
}

/// Everything that is counted twice is the same in both places.
fn is_consistent(quirks: &Quirks) -> bool {
    let mut recalled = Quirks::default();
    quirks.machines().for_each(|quirk| recalled.recall(quirk));
    let aged = quirks.machines.iter().all(|(key, known)| {
        quirks.by_age.contains(&(known.works().is_some(), known.seen, key.clone()))
    });
    let owner = |(address, key): (&Ipv4Addr, &Key)| {
        quirks.machines.get(key).is_some_and(|known| known.address == Some(*address))
    };
    recalled.firmwares == quirks.firmwares
        && aged
        && quirks.by_age.len() == quirks.machines.len()
        && quirks.addresses.iter().all(owner)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is seen, the tables agree with each other, what the store was told is what is known,
    /// and an honest machine boots within three starts.
    #[test]
    fn nothing_that_is_seen_breaks_it(story in prop::collection::vec(evidence(), 0..60)) {
        let (mut quirks, mut now) = (Quirks::default(), NOW);
        let mut stored = BTreeMap::new();
        for (passed, evidence) in story {
            now = now + Duration::from_millis(passed);
            for learned in quirks.see(evidence, now) {
                match learned {
                    Learned::Works(quirk) => {
                        stored.insert((quirk.hardware, quirk.signature), quirk.works.form);
                    }
                    Learned::Forgotten(hardware, signature) => {
                        prop_assert!(stored.remove(&(hardware, signature)).is_some());
                    }
                }
            }
            prop_assert!(is_consistent(&quirks));
        }
        let known = quirks.machines().map(|quirk| ((quirk.hardware, quirk.signature), quirk.works.form));
        prop_assert!(stored.into_iter().eq(known));
        for (n, form) in (10..).zip(Form::all()) {
            let mut rom = Rom { starts: 10, ..Rom::new(n, form.name) };
            prop_assert!(rom.boots_after(&mut quirks) <= 3, "{form}");
        }
    }
}
