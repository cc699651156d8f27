//! An array that grows in pieces: a million leases are never copied to make room for one more.

/// A growing array. What is in it stays where it is, beyond the first few.
#[derive(Clone, Debug)]
pub struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: u32,
}

/// How many there are in a piece: only the first one grows by copying.
const CHUNK: u32 = 1024;

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Chunks<T> {
    /// How many there are.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// The one of this number.
    pub fn get(&self, number: u32) -> Option<&T> {
        self.chunks.get((number / CHUNK) as usize)?.get((number % CHUNK) as usize)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.chunks.get_mut((number / CHUNK) as usize)?.get_mut((number % CHUNK) as usize)
    }

    /// Writes over the one of this number.
    pub fn set(&mut self, number: u32, value: T) {
        if let Some(place) = self.get_mut(number) {
            *place = value;
        }
    }

    /// One more; returns its number.
    pub fn push(&mut self, value: T) -> u32 {
        let number = self.len;
        if number.is_multiple_of(CHUNK) {
            let room = if number == 0 { 0 } else { CHUNK as usize };
            self.chunks.push(Vec::with_capacity(room));
        }
        if let Some(last) = self.chunks.last_mut() {
            last.push(value);
        }
        self.len += 1;
        number
    }

    /// The last one, which is in it no more.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.chunks.last_mut()?;
        let value = last.pop();
        if last.is_empty() {
            self.chunks.pop();
        }
        self.len -= u32::from(value.is_some());
        value
    }

    /// The octets that they take, and that there is room for.
    #[cfg(test)]
    pub fn octets(&self) -> usize {
        let pieces = self.chunks.capacity() * size_of::<Vec<T>>();
        pieces + self.chunks.iter().map(|chunk| chunk.capacity() * size_of::<T>()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_an_array() {
        let mut chunks = Chunks::default();
        for round in [3, 3 * CHUNK, 1] {
            (0..round).for_each(|n| assert_eq!(chunks.push(n), n));
            assert_eq!((chunks.len(), chunks.get(round - 1)), (round, Some(&(round - 1))));
            assert_eq!(chunks.get(round), None);
            chunks.set(0, 7);
            assert_eq!(chunks.get(0), Some(&7));
            let room = (round.next_multiple_of(CHUNK) as usize) * size_of::<u32>();
            assert!(chunks.octets() <= room + 8 * size_of::<Vec<u32>>());
            (1..round).rev().for_each(|n| assert_eq!(chunks.pop(), Some(n)));
            assert_eq!((chunks.pop(), chunks.pop(), chunks.len()), (Some(7), None, 0));
        }
    }
}
