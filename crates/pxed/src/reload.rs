//! Taking another configuration while pxed runs: all of it at once, or none of it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use pxed_proto::catalog::Catalog;
use tracing::{info, warn};

use crate::cli::ServeArgs;
use crate::config::{self, Config};
use crate::dhcp::Mailbox;
use crate::files::Files;

/// What the services share and a reload replaces.
#[derive(Debug)]
pub struct Live {
    /// Profiles and loaders, for scripts.
    pub catalog: RwLock<Arc<Catalog>>,
    /// What is served.
    pub files: Arc<Files>,
}

impl Live {
    /// The catalog that is in force.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Knows where the configuration came from, and what is in force.
#[derive(Debug)]
pub struct Reload {
    args: ServeArgs,
    config: Mutex<Config>,
    live: Arc<Live>,
    /// Held during a reload: two at once would mix.
    turn: tokio::sync::Mutex<()>,
}

impl Reload {
    /// Of what pxed started with.
    pub fn new(args: ServeArgs, config: Config, live: Arc<Live>) -> Self {
        Self { args, config: Mutex::new(config), live, turn: tokio::sync::Mutex::default() }
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
        let _turn = self.turn.lock().await;
        let result = self.take(dhcp).await;
        match &result {
            Ok(done) => info!("configuration reloaded: {done}"),
            Err(why) => warn!("configuration not reloaded, the old one stays: {why}"),
        }
        result
    }

    async fn take(&self, dhcp: &Mailbox) -> Result<String, String> {
        let Some(path) = &self.args.config else {
            return Err("pxed was started without --config".to_owned());
        };
        let new = read(path, &self.args)?;
        let (difference, files) = self.compare(&new)?;
        if dhcp.reconfigure(new.dhcp.clone()).await.is_none() {
            return Err("the DHCP thread does not answer".to_owned());
        }
        self.live.files.replace(files);
        let mut catalog = self.live.catalog.write().unwrap_or_else(PoisonError::into_inner);
        *catalog = new.dhcp.catalog.clone();
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(difference)
    }

    /// What is new, in words, and the files that are served then.
    fn compare(&self, new: &Config) -> Result<(String, Files), String> {
        let old = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(what) = old.bound_otherwise(new) {
            return Err(format!("{what}, which needs a restart"));
        }
        let boot_dir = new.service.boot_dir.as_deref();
        let files = Files::new(boot_dir, new.named_files.clone());
        let files = files.and_then(|files| files.check().map(|()| files));
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

fn read(path: &Path, args: &ServeArgs) -> Result<Config, String> {
    let read = config::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let report = read.report(false);
    let config = read.config.ok_or(report)?;
    config.overridden(args).map_err(|error| error.to_string())
}
