//! Whether the thread looks for an answer for a moment before it sleeps.
//!
//! A client in lock-step (without windows) gets one block for each time that this thread is woken, and
//! where it is near, a virtual machine on the same host or a board on the same switch, the waking takes longer than
//! the client does. So the thread stays up for [`TFTP_VIGIL`], as long as that pays; where clients take
//! longer it is soon tried ever more seldom, and costs nothing.

use std::time::Instant;

use pxed_proto::limits::{TFTP_VIGIL, TFTP_VIGIL_SELDOM};

/// What the last vigils came to.
#[derive(Debug, Default)]
pub struct Vigil {
    /// Somebody is in lock-step: the next answer is waited for.
    wanted: bool,
    /// How many occasions are let pass after the next one in vain; doubled each time.
    penalty: u32,
    /// How many of them are left.
    passing: u32,
}

impl Vigil {
    /// A block has left whose answer is all that the client waits with.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// Looks, again and again, until `look` finds something or the time is over.
    ///
    /// # Errors
    ///
    /// Those of `look`.
    pub fn keep<E>(&mut self, mut look: impl FnMut() -> Result<usize, E>) -> Result<usize, E> {
        if !self.is_worth_it() {
            return Ok(0);
        }
        let began = Instant::now();
        loop {
            let found = look()?;
            if found > 0 {
                self.penalty = 0;
                return Ok(found);
            }
            if began.elapsed() >= TFTP_VIGIL {
                self.penalty = (self.penalty * 2).clamp(1, TFTP_VIGIL_SELDOM);
                self.passing = self.penalty;
                return Ok(0);
            }
        }
    }

    fn is_worth_it(&mut self) -> bool {
        let occasion = std::mem::take(&mut self.wanted);
        if occasion && self.passing > 0 {
            self.passing -= 1;
            return false;
        }
        occasion
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many occasions are taken, where answers come or do not.
    fn taken(vigil: &mut Vigil, occasions: u32, comes: bool) -> u32 {
        let mut taken = 0;
        for _ in 0..occasions {
            vigil.want();
            let mut looked = false;
            let found = vigil.keep(|| {
                looked = true;
                Ok::<_, ()>(usize::from(comes))
            });
            assert_eq!(found, Ok(usize::from(comes && looked)));
            taken += u32::from(looked);
        }
        taken
    }

    #[test]
    fn it_is_kept_where_it_pays_and_ever_more_seldom_where_not() {
        let mut vigil = Vigil::default();
        assert_eq!(taken(&mut vigil, 1000, true), 1000);
        // After 0, 1, 2, 4, ... that were let pass.
        assert_eq!(taken(&mut vigil, 1 + 2 + 3 + 5 + 9, false), 5);
        let all = 10 * (TFTP_VIGIL_SELDOM + 1);
        assert!(taken(&mut vigil, all, false) < 20);
        // It is found out when clients are near again.
        assert!(taken(&mut vigil, all, true) > 8 * TFTP_VIGIL_SELDOM);
    }

    #[test]
    fn nobody_waits_where_nobody_is_in_lock_step() {
        let mut vigil = Vigil::default();
        assert_eq!(vigil.keep(|| -> Result<usize, ()> { panic!("it looked") }), Ok(0));
    }
}
