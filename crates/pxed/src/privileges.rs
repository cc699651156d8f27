//! What pxed may do: as little as it needs, from before the first thread.

use std::ffi::CString;
use std::fs;
use std::io;

use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{User, initgroups, setresgid, setresuid};

/// Packet sockets are made anew when an interface comes up; so are sockets on ports 67 and 69.
const KEPT: [Capability; 2] = [Capability::CAP_NET_RAW, Capability::CAP_NET_BIND_SERVICE];

/// Why privileges could not be dropped. pxed then stops: it must not go on as root.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// Some of what is to be dropped belongs to a thread, and other threads would keep it.
    #[error("privileges have to be dropped before threads start, and there are {0}")]
    Threads(usize),
    /// The system says no.
    #[error("drop privileges: {step}")]
    System {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// The account `name`, if there is one.
pub fn find_user(name: &str) -> Result<Option<User>, PrivilegeError> {
    User::from_name(name).map_err(at("look up the user"))
}

/// Becomes `user`, and keeps CAP_NET_RAW and CAP_NET_BIND_SERVICE; includes [`harden`].
///
/// Must be called by root, before threads start.
pub fn drop_to(user: &User) -> Result<(), PrivilegeError> {
    refuse_threads()?;
    become_user(user)?;
    reduce()
}

/// What is right for every user: no other capabilities, none for programs that pxed would start
/// (no_new_privs), and files for nobody else (umask 077).
///
/// Must be called before threads start.
pub fn harden() -> Result<(), PrivilegeError> {
    refuse_threads()?;
    reduce()
}

/// As many open files as the system grants this process without being asked for more. The lower limit
/// that it begins with is for programs that can not count beyond 1024.
pub fn open_as_many_files_as_may_be() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Who may not is limited, and still serves: see `http`.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

fn become_user(user: &User) -> Result<(), PrivilegeError> {
    clear_bounding_set()?;
    let name = CString::new(user.name.as_str()).map_err(at("read the user's name"))?;
    initgroups(&name, user.gid).map_err(at("take the user's groups"))?;
    setresgid(user.gid, user.gid, user.gid).map_err(at("take the user's group"))?;
    prctl::set_keepcaps(true).map_err(at("keep capabilities"))?;
    setresuid(user.uid, user.uid, user.uid).map_err(at("become the user"))?;
    prctl::set_keepcaps(false).map_err(at("keep capabilities no longer"))
}

fn reduce() -> Result<(), PrivilegeError> {
    keep_two_capabilities().map_err(at("give capabilities up"))?;
    prctl::set_no_new_privs().map_err(at("set no_new_privs"))?;
    umask(Mode::from_bits_truncate(0o077));
    Ok(())
}

/// The bounding set is what a program that is started could get. Only root can reduce it.
fn clear_bounding_set() -> Result<(), PrivilegeError> {
    let may = caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP);
    if may.map_err(at("read capabilities"))? {
        caps::clear(None, CapSet::Bounding).map_err(at("clear the bounding set"))?;
    }
    Ok(())
}

/// Of the two, those that there are: without them pxed can still serve TFTP and HTTP.
fn keep_two_capabilities() -> Result<(), caps::errors::CapsError> {
    let permitted = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = KEPT.into_iter().filter(|one| permitted.contains(one)).collect();
    // In this order: the effective ones must be among the permitted ones.
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    caps::clear(None, CapSet::Inheritable)?;
    caps::clear(None, CapSet::Ambient)
}

fn refuse_threads() -> Result<(), PrivilegeError> {
    let threads = fs::read_dir("/proc/self/task").map_err(at("count threads"))?.count();
    if threads == 1 { Ok(()) } else { Err(PrivilegeError::Threads(threads)) }
}

fn at<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    step: &'static str,
) -> impl Fn(E) -> PrivilegeError {
    move |error| PrivilegeError::System { step, source: io::Error::other(error) }
}

#[cfg(test)]
mod tests {
    use nix::unistd::geteuid;

    use super::*;
    use crate::net::{DhcpSockets, Interface, ServerPort, test_namespace};

    /// The lines of this thread's status that begin with one of `names`, in the kernel's order.
    /// (A test is never the only thread, so the tests go around that check.)
    fn status(names: &[&str]) -> Vec<String> {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let named = |line: &&str| names.iter().any(|name| line.starts_with(&format!("{name}:")));
        status
            .lines()
            .filter(named)
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// Bits 10 (CAP_NET_BIND_SERVICE) and 13 (CAP_NET_RAW).
    const TWO: &str = "0000000000002400";
    const NONE: &str = "0000000000000000";

    fn capabilities() -> Vec<String> {
        status(&["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Umask"])
    }

    #[test]
    fn threads_are_refused() {
        std::thread::spawn(|| {
            assert!(matches!(harden(), Err(PrivilegeError::Threads(2..))));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn users_are_found() {
        assert_eq!(find_user("root").unwrap().unwrap().uid.as_raw(), 0);
        assert_eq!(find_user("no such user").unwrap(), None);
    }

    fn run(test: &str, body: impl FnOnce()) {
        test_namespace::run(&format!("{}::{test}", module_path!()), body);
    }

    /// What [`harden`] makes of the process, with this bounding set.
    fn hardened(bounding: &str) -> [String; 7] {
        [
            "Umask: 0077",
            &format!("CapInh: {NONE}"),
            &format!("CapPrm: {TWO}"),
            &format!("CapEff: {TWO}"),
            bounding,
            &format!("CapAmb: {NONE}"),
            "NoNewPrivs: 1",
        ]
        .map(str::to_owned)
    }

    #[test]
    fn hardening_leaves_two_capabilities() {
        run("hardening_leaves_two_capabilities", || {
            let bounding = status(&["CapBnd"]).remove(0);
            for _ in 0..2 {
                reduce().unwrap();
                assert_eq!(capabilities(), hardened(&bounding));
            }
        });
    }

    #[test]
    fn dropping_leaves_nothing_of_root() {
        let test = "dropping_leaves_nothing_of_root";
        if !geteuid().is_root() {
            return test_namespace::not_tested(test, "needs root, to become somebody else");
        }
        run(test, || {
            let nobody = find_user("nobody").unwrap().unwrap();
            become_user(&nobody).unwrap();
            reduce().unwrap();
            assert_eq!(capabilities(), hardened(&format!("CapBnd: {NONE}")));
            let (uid, gid) = (nobody.uid, nobody.gid);
            let ids = [
                format!("Uid:{}", format!(" {uid}").repeat(4)),
                format!("Gid:{}", format!(" {gid}").repeat(4)),
                format!("Groups: {gid}"),
            ];
            assert_eq!(status(&["Uid", "Gid", "Groups"]), ids);
            setresuid(0.into(), 0.into(), 0.into()).unwrap_err();
            // What was kept is enough to serve an interface that comes up later.
            DhcpSockets::bind(&Interface::find("srv").unwrap(), 67, ServerPort::Own).unwrap();
        });
    }
}
