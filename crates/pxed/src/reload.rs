//! Taking another configuration while pxed runs: all of it at once, or none of it.

mod watch;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use pxed_proto::catalog::Catalog;
use pxed_proto::dhcp::{self, Mode};
use pxed_proto::ipxe;
use tracing::{info, warn};

use crate::cli::ServeArgs;
use crate::config::{self, Config};
use crate::dhcp::Mailbox;
use crate::files::Files;
use crate::tls::{Tls, TlsError};

/// What the services share and a reload replaces.
#[derive(Debug)]
pub struct Live {
    rules: RwLock<Rules>,
    /// What is served.
    pub files: Arc<Files>,
    /// By which certificate, if HTTPS is on.
    pub tls: Option<Arc<Tls>>,
}

/// What of the configuration is looked at outside of the DHCP thread.
#[derive(Debug)]
struct Rules {
    /// Profiles and loaders, for scripts.
    catalog: Arc<Catalog>,
    /// The addresses by which machines of proxy subnets know pxed.
    proxies: BTreeSet<Ipv4Addr>,
}

impl Rules {
    fn of(config: &dhcp::Config) -> Self {
        let proxies = config.subnets.iter().filter(|subnet| subnet.mode == Mode::Proxy);
        let proxies = proxies.map(|subnet| subnet.server).collect();
        Self { catalog: config.catalog.clone(), proxies }
    }
}

impl Live {
    /// By this configuration.
    pub fn new(config: &dhcp::Config, files: Arc<Files>) -> Self {
        Self { rules: RwLock::new(Rules::of(config)), files, tls: None }
    }

    /// With HTTPS.
    pub fn secured(self, tls: Option<Arc<Tls>>) -> Self {
        Self { tls, ..self }
    }

    /// The catalog that is in force.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).catalog.clone()
    }

    /// The script for iPXE that has asked this address of pxed's for one by TFTP; none where pxed gives
    /// the addresses.
    pub fn autoexec(&self, server: Ipv4Addr) -> Option<String> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules.proxies.contains(&server).then(|| ipxe::autoexec(server))
    }

    fn take(&self, config: &dhcp::Config) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Rules::of(config);
    }
}

/// Knows where the configuration came from, and what is in force.
#[derive(Debug)]
pub struct Reload {
    args: ServeArgs,
    config: Mutex<Config>,
    live: Arc<Live>,
    /// What was tried last: the file's text, or why there was none. Held during a reload: two at once
    /// would mix.
    tried: tokio::sync::Mutex<Result<String, String>>,
}

impl Reload {
    /// Of what pxed started with.
    pub fn new(args: ServeArgs, config: Config, live: Arc<Live>) -> Self {
        let tried = tokio::sync::Mutex::new(Ok(config.source.clone()));
        Self { args, config: Mutex::new(config), live, tried }
    }

    /// Where the configuration came from: a file's name, or `flags`.
    pub fn source(&self) -> String {
        let path = self.args.config.as_ref();
        path.map_or_else(|| "flags".to_owned(), |path| path.display().to_string())
    }

    /// What is served.
    pub fn files(&self) -> &Files {
        &self.live.files
    }

    /// Reads the file anew, and takes it if it is right. What was done is logged, and returned.
    ///
    /// # Errors
    ///
    /// Why everything stays as it was.
    pub async fn run(&self, dhcp: &Mailbox) -> Result<String, String> {
        let mut tried = self.tried.lock().await;
        *tried = self.text();
        self.try_text(&tried, dhcp).await
    }

    /// Takes the file whenever it has changed, if that was asked for at the start.
    pub async fn watch(&self, dhcp: &Mailbox) -> Infallible {
        match self.args.config.as_deref().filter(|_| self.is_watched()) {
            Some(path) => watch::follow(path, async || self.run_if_changed(dhcp).await).await,
            None => std::future::pending().await,
        }
    }

    fn is_watched(&self) -> bool {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        config.service.watch_config
    }

    /// The same as [`Self::run`], if the file is another than the one that was tried last.
    async fn run_if_changed(&self, dhcp: &Mailbox) {
        let mut tried = self.tried.lock().await;
        let text = self.text();
        if text != *tried {
            *tried = text;
            // What went wrong is in the log.
            let _ = self.try_text(&tried, dhcp).await;
        }
    }

    fn text(&self) -> Result<String, String> {
        let path = self.args.config.as_ref().ok_or("pxed was started without --config")?;
        fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    }

    async fn try_text(
        &self,
        text: &Result<String, String>,
        dhcp: &Mailbox,
    ) -> Result<String, String> {
        let result = self.take(text, dhcp).await;
        match &result {
            Ok(done) => info!("configuration reloaded: {done}"),
            Err(why) => warn!("configuration not reloaded, the old one stays: {why}"),
        }
        result
    }

    async fn take(&self, text: &Result<String, String>, dhcp: &Mailbox) -> Result<String, String> {
        let new = parse(text.clone()?, &self.args)?;
        let (difference, files) = self.compare(&new)?;
        let tls = self.live.tls.as_deref().zip(new.tls());
        let tls = tls.map(|(tls, wanted)| Ok((tls, tls.prepare(wanted)?))).transpose();
        let tls = tls.map_err(|error: TlsError| format!("HTTPS: {error}"))?;
        if dhcp.reconfigure(new.dhcp.clone()).await.is_none() {
            return Err("the DHCP thread does not answer".to_owned());
        }
        self.live.files.replace(files);
        if let Some((tls, prepared)) = tls {
            tls.take(prepared);
        }
        self.live.take(&new.dhcp);
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(difference)
    }

    /// What is new, in words, and the files that are served then.
    fn compare(&self, new: &Config) -> Result<(String, Files), String> {
        let old = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(what) = old.bound_otherwise(new) {
            return Err(format!("{what}, which needs a restart"));
        }
        let files = new.files().and_then(|files| files.check().map(|()| files));
        let files = files.map_err(|error| error.to_string())?;
        let difference = old.difference(new);
        let mut words = difference.changes;
        if words.is_empty() {
            words.push(
                "no subnet, range, class, group, reservation or profile came or went".to_owned(),
            );
        }
        if !difference.after_restart.is_empty() {
            let keys = difference.after_restart.join(", ");
            words.push(format!("only after a restart: {keys}"));
        }
        Ok((words.join("; "), files))
    }
}

fn parse(text: String, args: &ServeArgs) -> Result<Config, String> {
    let read = config::parse(args.config.as_deref().unwrap_or(Path::new("")), text);
    let report = read.report(false);
    let config = read.config.ok_or(report)?;
    config.overridden(args).map_err(|error| error.to_string())
}
