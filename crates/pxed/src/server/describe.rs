//! What a person wants to see when pxed starts.

use pxed_proto::boot::is_url;
use pxed_proto::catalog::Profile;
use tracing::{info, warn};

use crate::config::Config;
use crate::files::Files;

/// Says what is served, to whom, and what is missing for it.
pub(super) fn describe(config: &Config, files: &Files) {
    config.sentences().into_iter().for_each(|line| info!("{line}"));
    if let Some(dir) = &config.service.boot_dir {
        info!("boot directory {}", dir.display());
    }
    config.loaders.describe_found().for_each(|line| info!("loader {line}"));
    config.loaders.describe_missing().for_each(|line| info!("no loader {line}"));
    boot_file(config, files);
    let profiles = config.dhcp.catalog.profiles.values();
    if profiles.into_iter().all(|profile| *profile == Profile::Nothing) {
        warn!("nothing to boot: give --kernel and --initrd, or --script, or a [profile.NAME]");
    }
    let profile = config.named_files.iter().filter(|(name, _)| name.starts_with("profile/"));
    profile.for_each(|(name, path)| info!("{name}: {}", path.display()));
}

/// The operator's boot file may be put there later, so that it is missing is no error.
fn boot_file(config: &Config, files: &Files) {
    let everywhere = &config.dhcp.policy.everywhere;
    let Some(file) = &everywhere.boot_file else { return };
    if everywhere.tftp_server.is_none()
        && !is_url(file)
        && let Err(error) = files.open(file.as_bytes())
    {
        warn!("boot file {file}: {error}; put it into the boot directory, or name its TFTP server");
    }
}
