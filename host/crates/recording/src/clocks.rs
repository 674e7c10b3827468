//! Clocks that show what they have shown, reading by reading.

use crate::recording::Readings;

/// What clocks show: what they have shown, and after that something that moves on.
pub(crate) struct Clocks {
    pub(crate) wall: Readout,
    pub(crate) monotonic: Readout,
}

/// One clock.
pub(crate) struct Readout {
    readings: std::vec::IntoIter<(u64, u32)>,
    value: u64,
    left: u32,
}

impl Clocks {
    /// Clocks that show this.
    pub(crate) fn of(readings: &Readings) -> Self {
        let of = |readings: &Vec<(u64, u32)>| Readout {
            // A clock that was never read begins where one would.
            value: readings.first().map_or(1_000_000, |(value, _)| *value),
            left: 0,
            readings: readings.clone().into_iter(),
        };
        Self { wall: of(&readings.wall), monotonic: of(&readings.monotonic) }
    }
}

impl Readout {
    /// A build that reads a clock more often than was recorded must not wait for ever for it to move.
    pub(crate) fn next(&mut self, step: u64) -> u64 {
        while self.left == 0 {
            match self.readings.next() {
                Some((value, times)) => (self.value, self.left) = (value, times),
                None => {
                    self.value = self.value.saturating_add(step);
                    return self.value;
                }
            }
        }
        self.left -= 1;
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec: F10
    #[test]
    fn f10_clocks_show_what_they_showed_and_then_move_on() {
        let readings = Readings { wall: vec![(5, 2), (9, 1)], monotonic: Vec::new() };
        let mut clocks = Clocks::of(&readings);
        let shown: Vec<_> = (0..5).map(|_| clocks.wall.next(1)).collect();
        assert_eq!(shown, [5, 5, 9, 10, 11]);
        assert!(clocks.monotonic.next(1) > 0, "Go takes zero for a clock that does not work");
    }
}
