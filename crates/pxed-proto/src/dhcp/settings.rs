//! What a client is given, in layers: each says only what it has to say, and the last that says
//! something wins.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::class::Class;
use super::policy::{Group, Reservation};
use super::quirks::ProxyForm;
use crate::Few;
use crate::boot::Scheme;
use crate::machine::Architecture;
use crate::wire::options::Codes;

/// What one layer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// DHCP options.
    pub options: Vec<OptionSetting>,
    /// The profile that machines boot, by name.
    pub profile: Option<Arc<str>>,
    /// The loader's file for an architecture, instead of the one that pxed would choose.
    pub loaders: BTreeMap<Architecture, Arc<str>>,
    /// Where PXE firmware finds its boot file instead of here.
    pub tftp_server: Option<Ipv4Addr>,
    /// What PXE and HTTP Boot firmware loads instead of a loader.
    pub boot_file: Option<Arc<str>>,
    /// How scripts and files are fetched by URL.
    pub scheme: Option<Scheme>,
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

impl OptionSetting {
    /// Is it for such a client: a machine that is booting, or anybody else?
    fn is_for(&self, booting: bool) -> bool {
        booting || !self.booting_only
    }
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

/// The layers that hold for one client, from the weakest to the strongest.
#[derive(Clone, Debug)]
pub struct Layers<'a> {
    /// The top of the configuration.
    pub everywhere: &'a Settings,
    /// The subnet's.
    pub subnet: &'a Settings,
    /// Those of its classes, in the order of the file.
    pub classes: Few<&'a Class>,
    /// Those of its groups, in the order of the file.
    pub groups: Few<&'a Group>,
    /// Its own.
    pub reservation: Option<&'a Reservation>,
    /// What the operator typed for the subnet.
    pub imposed: &'a Settings,
}

impl<'a> Layers<'a> {
    /// Each layer, the strongest last. Of the command line only where it says something.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = (Origin<'a>, &'a Settings)> {
        let classes = self.classes.iter().map(|it| (Origin::Class(&it.name), &it.settings));
        let groups = self.groups.iter().map(|it| (Origin::Group(&it.name), &it.settings));
        let own = self.reservation.map(|it| (Origin::Reservation(&it.name), &it.settings));
        let typed = Some(self.imposed).filter(|typed| **typed != Settings::default());
        [(Origin::Everywhere, self.everywhere), (Origin::Subnet, self.subnet)]
            .into_iter()
            .chain(classes)
            .chain(groups)
            .chain(own)
            .chain(typed.map(|typed| (Origin::CommandLine, typed)))
    }

    /// What the strongest layer says that says something, and which one that is.
    pub fn find<T>(&self, say: impl Fn(&'a Settings) -> Option<T>) -> Option<(Origin<'a>, T)> {
        self.all().rev().find_map(|(origin, settings)| Some((origin, say(settings)?)))
    }

    /// What the strongest layer says that says something.
    pub fn say<T>(&self, say: impl Fn(&'a Settings) -> Option<T>) -> Option<T> {
        let own = || say(&self.reservation?.settings);
        let groups = || self.groups.iter().rev().find_map(|group| say(&group.settings));
        let classes = || self.classes.iter().rev().find_map(|class| say(&class.settings));
        say(self.imposed)
            .or_else(own)
            .or_else(groups)
            .or_else(classes)
            .or_else(|| say(self.subnet))
            .or_else(|| say(self.everywhere))
    }

    /// Every option that some layer sets, by number, each from the strongest layer. To who is not
    /// `booting`, what is meant for firmware is as if nobody had said it.
    pub fn options(&self, booting: bool) -> BTreeMap<u8, (Origin<'a>, &'a OptionSetting)> {
        let all = self.all().flat_map(|(origin, settings)| {
            settings.options.iter().map(move |option| (option.code, (origin, option)))
        });
        // Later ones replace earlier ones.
        all.filter(|(_, (_, option))| option.is_for(booting)).collect()
    }

    /// The numbers of the same options, and of those that are sent to who does not ask.
    pub fn codes(&self, booting: bool) -> (Codes, Codes) {
        let (mut codes, mut always) = (Codes::NONE, Codes::NONE);
        let mut see = |settings: &Settings| {
            for option in settings.options.iter().filter(|option| option.is_for(booting)) {
                codes.insert(option.code);
                always.set(option.code, option.always);
            }
        };
        [self.everywhere, self.subnet].into_iter().for_each(&mut see);
        self.classes.iter().for_each(|class| see(&class.settings));
        self.groups.iter().for_each(|group| see(&group.settings));
        self.reservation.iter().for_each(|own| see(&own.settings));
        see(self.imposed);
        (codes, always)
    }

    /// One of the same options.
    pub fn option(&self, code: u8, booting: bool) -> Option<&'a OptionSetting> {
        let is_it = |option: &&OptionSetting| option.code == code && option.is_for(booting);
        self.say(|settings| settings.options.iter().rev().find(is_it))
    }

    /// Which layers there are, the strongest last.
    pub fn origins(&self) -> impl Iterator<Item = Origin<'a>> + '_ {
        self.all().map(|(origin, _)| origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::class::Test;

    fn option(code: u8, value: u8, booting_only: bool) -> OptionSetting {
        OptionSetting { code, value: vec![value], always: value == 2, booting_only }
    }

    fn with(options: Vec<OptionSetting>) -> Settings {
        Settings { options, ..Settings::default() }
    }

    #[test]
    fn the_last_layer_that_says_something_wins() {
        let everywhere = with(vec![option(6, 1, false), option(42, 1, false)]);
        let none = Settings::default();
        let settings = with(vec![option(6, 2, false)]);
        let class = Class { name: "c".to_owned(), test: Test::All(vec![]), settings };
        let profile: Option<Arc<str>> = Some(Arc::from("debian"));
        let settings = Settings { profile: profile.clone(), ..Settings::default() };
        let own = Reservation { name: "r".to_owned(), settings, ..Reservation::default() };
        let layers = Layers {
            everywhere: &everywhere,
            subnet: &none,
            classes: Few::One(&class),
            groups: Few::None,
            reservation: Some(&own),
            imposed: &none,
        };
        let options = layers.options(false);
        assert_eq!(options[&6], (Origin::Class("c"), &class.settings.options[0]));
        assert_eq!(options[&42].0, Origin::Everywhere);
        assert_eq!(layers.option(6, false), Some(&class.settings.options[0]));
        assert_eq!(layers.codes(false), (Codes::of(&[6, 42]), Codes::of(&[6])));
        let found = layers.find(|settings| settings.profile.as_ref());
        assert_eq!(found, Some((Origin::Reservation("r"), profile.as_ref().unwrap())));
        assert_eq!(layers.say(|settings| settings.profile.as_ref()), profile.as_ref());
        assert_eq!(layers.find(|settings| settings.boot_file.as_ref()), None);
        let origins = [Origin::Everywhere, Origin::Subnet, Origin::Class("c"), found.unwrap().0];
        assert_eq!(layers.origins().collect::<Vec<_>>(), origins, "nothing was typed");
    }

    #[test]
    fn what_is_for_firmware_hides_nothing_from_others() {
        let (everywhere, subnet) =
            (with(vec![option(6, 1, false)]), with(vec![option(6, 2, true), option(7, 2, true)]));
        let layers = Layers {
            everywhere: &everywhere,
            subnet: &subnet,
            classes: Few::None,
            groups: Few::None,
            reservation: None,
            imposed: &Settings::default(),
        };
        for (booting, value, codes) in [(false, 1, &[6][..]), (true, 2, &[6, 7])] {
            assert_eq!(layers.options(booting)[&6].1.value, [value]);
            assert_eq!(layers.option(6, booting).unwrap().value, [value]);
            assert_eq!(layers.codes(booting).0, Codes::of(codes));
        }
    }
}
