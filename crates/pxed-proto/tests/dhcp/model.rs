//! Random stories, told to the real server and to a model of what every address is.
//!
//! The stories are the same in every run. `PROPTEST_CASES=100000 PROPTEST_RNG_SEED=7 cargo test -p
//! pxed-proto --test dhcp model` tells others. A story that fails is told again in its shortest
//! form.

mod acts;
mod driver;
mod judge;
mod reference;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use pxed_proto::dhcp::Identity;

use acts::{Act, Rules, stories};
use driver::{Fault, World};

/// Runs as many stories as it takes to find what is wrong.
fn tell(identity: Identity, fault: Fault) -> Result<(), String> {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1);
    }
    let story = |(rules, acts): (Rules, Vec<Act>)| {
        let mut world = World::new(&rules, identity, fault);
        acts.iter().try_for_each(|act| world.goes_on(act)).map_err(TestCaseError::fail)
    };
    TestRunner::new(config).run(&stories(), story).map_err(|error| error.to_string())
}

#[test]
fn the_server_is_as_the_model_says() {
    for identity in [Identity::Mac, Identity::ClientId] {
        tell(identity, Fault::None).unwrap_or_else(|error| panic!("{identity:?}: {error}"));
    }
}

/// A model that finds nothing wrong with these would be worth nothing.
#[test]
fn a_server_with_a_fault_is_found_out() {
    for fault in [
        Fault::ForgetsOffers,
        Fault::ForgetsLeases,
        Fault::ForgetsDeclines,
        Fault::ReservesNothing,
        Fault::KeepsItsPools,
        Fault::IsAhead,
        Fault::NeedsNoStore,
    ] {
        assert!(tell(Identity::Mac, fault).is_err(), "{fault:?}");
    }
}
