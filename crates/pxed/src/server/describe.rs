//! What a person wants to see when pxed starts.

use pxed_proto::boot::is_url;
use pxed_proto::catalog::{Catalog, Profile};
use pxed_proto::time::Human;
use tracing::{info, warn};

use crate::config::Config;
use crate::files::Files;

/// Says what is served, to whom, and what is missing for it.
pub(super) fn describe(config: &Config, files: &Files) {
    networks(config);
    if let Some(dir) = &config.boot_dir {
        info!("boot directory {}", dir.display());
    }
    config.loaders.describe_found().for_each(|line| info!("loader {line}"));
    config.loaders.describe_missing().for_each(|line| info!("no loader {line}"));
    boot_file(&config.dhcp.catalog, files);
    profile(config);
}

fn networks(config: &Config) {
    for (link, subnet) in config.dhcp.links.iter().zip(&config.dhcp.subnets) {
        let pools: Vec<String> = subnet.pools.iter().map(ToString::to_string).collect();
        let addresses: u64 = subnet.pools.iter().map(|pool| pool.count()).sum();
        let (name, server, net) = (&link.name, subnet.server, subnet.net);
        let (pools, time) = (pools.join(", "), Human(subnet.lease_time.default));
        info!("{name}: {server} serves {net}, leasing {pools} ({addresses} addresses) for {time}");
        let tftp = config.dhcp.catalog.tftp_server.unwrap_or(subnet.services.tftp);
        info!("{name}: TFTP server {tftp}, HTTP http://{}/", subnet.services.http);
    }
}

/// The operator's boot file may be put there later, so that it is missing is no error.
fn boot_file(catalog: &Catalog, files: &Files) {
    let Some(file) = &catalog.boot_file else { return };
    info!("PXE firmware loads {file}");
    if catalog.tftp_server.is_none()
        && !is_url(file)
        && let Err(error) = files.open(file.as_bytes())
    {
        warn!("--bootfile {file}: {error}; put it into --boot-dir, or name its --tftp-server");
    }
}

fn profile(config: &Config) {
    match &config.dhcp.catalog.profile {
        Profile::Nothing => warn!("nothing to boot: give --kernel and --initrd, or --script"),
        Profile::Script(_) => info!("machines run the iPXE script"),
        Profile::Program(url) => info!("iPXE chainloads {url}"),
        Profile::Linux { arguments, .. } => info!("machines boot Linux, arguments \"{arguments}\""),
    }
    let profile = config.named_files.iter().filter(|(name, _)| name.starts_with("profile/"));
    profile.for_each(|(name, path)| info!("{name}: {}", path.display()));
}
