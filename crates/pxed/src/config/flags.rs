//! Flags win over the file: also where the file says something else of a subnet, a class, a group or
//! a machine.

use pxed_proto::dhcp::{Policy, Reservations, Settings, Subnet};

use super::UsageError;
use super::network::{check_routers, options};
use crate::cli::ServeArgs;

/// Has what flags say win over what else is said. Of routers a subnet takes those that its clients can
/// reach; where they can reach none of them, the file's word stays.
///
/// # Errors
///
/// A router that no client could reach.
pub fn win(
    args: &ServeArgs,
    subnets: &mut [Subnet],
    policy: &mut Policy,
) -> Result<(), UsageError> {
    check_routers(args, subnets)?;
    for Subnet { net, settings, imposed, .. } in subnets {
        imposed.options = options(args, Some(*net));
        take_away(args, settings);
    }
    let classes = policy.classes.iter_mut().map(|class| &mut class.settings);
    let groups = policy.groups.iter_mut().map(|group| &mut group.settings);
    classes.chain(groups).for_each(|settings| take_away(args, settings));
    let reservations = policy.reservations.iter().cloned().map(|mut reservation| {
        take_away(args, &mut reservation.settings);
        reservation
    });
    policy.reservations = Reservations::new(reservations.collect());
    let everywhere = &mut policy.everywhere;
    take_away(args, everywhere);
    everywhere.tftp_server = args.tftp_server.or(everywhere.tftp_server);
    everywhere.boot_file = args.bootfile.as_deref().map(Into::into).or(everywhere.boot_file.take());
    Ok(())
}

/// What flags say of the boot is said nowhere else.
fn take_away(args: &ServeArgs, settings: &mut Settings) {
    settings.tftp_server = settings.tftp_server.filter(|_| args.tftp_server.is_none());
    settings.boot_file = settings.boot_file.take().filter(|_| args.bootfile.is_none());
    let boots = args.kernel.is_some() || args.script.is_some();
    settings.profile = settings.profile.take().filter(|_| !boots);
}
