//! Whose turn it is on a processor: threads that answer the network ask for short turns and get them
//! at once, DHCP goes before all else, and who has time says so.
//!
//! A thread that wakes does not interrupt another one that has just begun its turn (Linux's EEVDF
//! scheduler: some three milliseconds), unless its own turns are shorter (since Linux 6.12). Turns change
//! nothing about how much of a processor a thread gets. That is niceness: whoever had more than an equal share
//! waits for all others that are ready, also where it is what a machine's whole boot waits for.

use std::io;
use std::mem::size_of;

/// The shortest turn that Linux gives, in nanoseconds: a dozen answers.
const SHORT: u64 = 100_000;

/// Three times what others get, where all want all (sched(7)), and nine times what the patient get.
const FIRST: i32 = -5;

/// What a thread has that says nothing.
const WITH_OTHERS: i32 = 0;

/// A tenth of what the first get: that is enough for the lease database to follow a server that does as much
/// as it can.
const PATIENT: i32 = 5;

/// The length of turns that Linux chooses.
const USUAL: u64 = 0;

/// `struct sched_attr` as of Linux 3.14: sched_setattr(2).
#[repr(C)]
#[derive(Debug, Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    /// How long a turn is.
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// This thread answers the network. Where the system knows no such wish, it is as prompt as others.
pub fn take_short_turns() {
    let _ = change(|attributes| attributes.runtime = SHORT);
}

/// This thread, and those that it starts from now on, go before others. Only who has CAP_SYS_NICE may, and so it
/// comes before privileges go.
pub fn go_first() {
    let _ = change(|attributes| replace(&mut attributes.nice, WITH_OTHERS, FIRST));
}

/// This thread, and those that it starts, go first no more.
pub fn go_with_others() {
    let _ = change(|attributes| replace(&mut attributes.nice, FIRST, WITH_OTHERS));
}

/// Any other niceness is somebody's wish.
fn replace(nice: &mut i32, before: i32, after: i32) {
    if *nice == before {
        *nice = after;
    }
}

/// This thread has time. Where the system does not heed that, others wait for it a little longer.
pub fn be_patient() {
    let _ = change(|attributes| {
        (attributes.nice, attributes.runtime) = (attributes.nice.max(PATIENT), USUAL);
    });
}

fn change(how: impl FnOnce(&mut Attributes)) -> io::Result<()> {
    let mut attributes = of_this_thread()?;
    how(&mut attributes);
    // SAFETY: the kernel reads `size` octets of what the pointer leads to, which is a struct of that size
    // that lives during the call. Of the thread itself nothing but its scheduling changes.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(clippy::cast_possible_truncation, reason = "it is 48")]
fn of_this_thread() -> io::Result<Attributes> {
    const SIZE: u32 = size_of::<Attributes>() as u32;
    let mut attributes = Attributes::default();
    // SAFETY: the kernel writes at most `SIZE` octets to where the pointer leads, which is a struct of
    // that size, of integers alone, that lives during the call.
    let result = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, SIZE, 0) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Attributes { size: SIZE, ..attributes })
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_says_how_it_is_to_be_served_and_nothing_else_changes() {
        thread::spawn(|| {
            let before = of_this_thread().unwrap();
            go_first();
            // Only root may be less nice, and only where nobody has said how nice it is to be.
            let first = of_this_thread().unwrap();
            assert!(first.nice == before.nice || (before.nice, first.nice) == (WITH_OTHERS, FIRST));
            go_with_others();
            assert_eq!(of_this_thread().unwrap().nice, before.nice);
            take_short_turns();
            be_patient();
            let now = of_this_thread().unwrap();
            assert_eq!((now.policy, now.priority), (before.policy, before.priority));
            assert_eq!(now.nice, before.nice.max(PATIENT));
            // An older kernel has no turns to speak of.
            assert!([before.runtime, SHORT].contains(&now.runtime), "{now:?}");
        })
        .join()
        .unwrap();
    }
}
