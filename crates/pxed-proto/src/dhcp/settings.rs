//! What a client is given, in layers: each says only what it has to say, and the last that says
//! something wins.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use super::quirks::ProxyForm;
use crate::machine::Architecture;

/// What one layer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// DHCP options.
    pub options: Vec<OptionSetting>,
    /// The profile that machines boot, by name.
    pub profile: Option<String>,
    /// The loader's file for an architecture, instead of the one that pxed would choose.
    pub loaders: BTreeMap<Architecture, String>,
    /// Where PXE firmware finds its boot file instead of here.
    pub tftp_server: Option<Ipv4Addr>,
    /// What PXE and HTTP Boot firmware loads instead of a loader.
    pub boot_file: Option<String>,
    /// How PXE firmware is made a proxy offer.
    pub proxy_form: Option<ProxyForm>,
}

/// One DHCP option, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionSetting {
    /// Its number.
    pub code: u8,
    /// Its value.
    pub value: Vec<u8>,
    /// Sent also to clients that do not ask for it (option 55).
    pub always: bool,
    /// Sent only to firmware.
    pub booting_only: bool,
}

/// Where a setting comes from, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin<'a> {
    /// The top of the configuration.
    Everywhere,
    /// The subnet.
    Subnet,
    /// A class that the client belongs to; of several the last one in the file wins.
    Class(&'a str),
    /// A group that the machine is a member of.
    Group(&'a str),
    /// The machine's own reservation.
    Reservation(&'a str),
    /// What the operator typed, which wins over all that is written.
    CommandLine,
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everywhere => f.write_str("the top of the configuration"),
            Self::Subnet => f.write_str("the subnet"),
            Self::Class(name) => write!(f, "class {name}"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::Reservation(name) => write!(f, "reservation {name}"),
            Self::CommandLine => f.write_str("the command line"),
        }
    }
}

/// The layers that hold for one client, the strongest last.
#[derive(Clone, Debug)]
pub struct Layers<'a>(Vec<(Origin<'a>, &'a Settings)>);

impl<'a> Layers<'a> {
    /// Layers, the strongest last.
    pub fn new(layers: Vec<(Origin<'a>, &'a Settings)>) -> Self {
        Self(layers)
    }

    /// What the strongest layer says that says something, and which one that is.
    pub fn find<T>(&self, say: impl Fn(&'a Settings) -> Option<T>) -> Option<(Origin<'a>, T)> {
        self.0.iter().rev().find_map(|(origin, settings)| Some((*origin, say(settings)?)))
    }

    /// Every option that some layer sets, by number, each from the strongest layer. To who is not
    /// `booting`, what is meant for firmware is as if nobody had said it.
    pub fn options(&self, booting: bool) -> BTreeMap<u8, (Origin<'a>, &'a OptionSetting)> {
        let all = self.0.iter().flat_map(|(origin, settings)| {
            settings.options.iter().map(|option| (option.code, (*origin, option)))
        });
        // Later ones replace earlier ones.
        all.filter(|(_, (_, option))| booting || !option.booting_only).collect()
    }

    /// Which layers there are, the strongest last.
    pub fn origins(&self) -> impl Iterator<Item = Origin<'a>> + '_ {
        self.0.iter().map(|(origin, _)| *origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_layer_that_says_something_wins() {
        let option = |code, value| OptionSetting {
            code,
            value: vec![value],
            always: false,
            booting_only: false,
        };
        let top = Settings { options: vec![option(6, 1), option(42, 1)], ..Settings::default() };
        let class = Settings { options: vec![option(6, 2)], ..Settings::default() };
        let profile = Some("debian".to_owned());
        let host = Settings { profile: profile.clone(), ..Settings::default() };
        let layers = Layers::new(vec![
            (Origin::Everywhere, &top),
            (Origin::Class("c"), &class),
            (Origin::Reservation("r"), &host),
        ]);
        let options = layers.options(false);
        assert_eq!(options[&6], (Origin::Class("c"), &class.options[0]));
        assert_eq!(options[&42].0, Origin::Everywhere);
        let found = layers.find(|settings| settings.profile.as_ref());
        assert_eq!(found, Some((Origin::Reservation("r"), profile.as_ref().unwrap())));
        assert_eq!(layers.find(|settings| settings.boot_file.as_ref()), None);
    }

    #[test]
    fn what_is_for_firmware_hides_nothing_from_others() {
        let option = |value, booting_only| {
            let option = OptionSetting { code: 6, value: vec![value], always: false, booting_only };
            Settings { options: vec![option], ..Settings::default() }
        };
        let (everybody, firmware) = (option(1, false), option(2, true));
        let layers =
            Layers::new(vec![(Origin::Everywhere, &everybody), (Origin::Subnet, &firmware)]);
        for (booting, value) in [(false, 1), (true, 2)] {
            assert_eq!(layers.options(booting)[&6].1.value, [value]);
        }
    }
}
