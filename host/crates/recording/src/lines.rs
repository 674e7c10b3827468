//! Two lists, compared by the longest list that is in both.

use serde::Serialize;

use crate::recording::Line;

/// Cells of the table that is filled at most; beyond it, only what is alike at both ends is found.
const MOST_CELLS: usize = 4_000_000;

/// One place of an alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In both, by position.
    Both(usize, usize),
    /// In the first only.
    Left(usize),
    /// In the second only.
    Right(usize),
}

/// Aligns two lists.
pub(crate) fn align<T: PartialEq>(left: &[T], right: &[T]) -> Vec<Place> {
    let head = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    let tails = left.iter().skip(head).rev().zip(right.iter().skip(head).rev());
    let tail = tails.take_while(|(left, right)| left == right).count();
    let middle = |list: &[T]| head..list.len() - tail;
    let mut places: Vec<_> = (0..head).map(|at| Place::Both(at, at)).collect();
    let (lefts, rights) = (middle(left), middle(right));
    if lefts.len().saturating_mul(rights.len()) > MOST_CELLS {
        places.extend(lefts.map(Place::Left));
        places.extend(rights.map(Place::Right));
    } else {
        let inner = |list| <[T]>::get(list, head..).unwrap_or_default();
        places.extend(longest(inner(left), lefts.len(), inner(right), rights.len()).into_iter().map(
            |place| match place {
                Place::Both(left, right) => Place::Both(left + head, right + head),
                Place::Left(left) => Place::Left(left + head),
                Place::Right(right) => Place::Right(right + head),
            },
        ));
    }
    places.extend((0..tail).map(|at| Place::Both(left.len() - tail + at, right.len() - tail + at)));
    places
}

fn longest<T: PartialEq>(left: &[T], rows: usize, right: &[T], columns: usize) -> Vec<Place> {
    let width = columns + 1;
    let mut lengths = vec![0_u32; (rows + 1) * width];
    let at =
        |lengths: &[u32], row: usize, column: usize| lengths.get(row * width + column).copied().unwrap_or(0);
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            let length = if left.get(row) == right.get(column) {
                at(&lengths, row + 1, column + 1) + 1
            } else {
                at(&lengths, row + 1, column).max(at(&lengths, row, column + 1))
            };
            if let Some(cell) = lengths.get_mut(row * width + column) {
                *cell = length;
            }
        }
    }
    let (mut row, mut column, mut places) = (0, 0, Vec::new());
    while row < rows || column < columns {
        if row < rows && column < columns && left.get(row) == right.get(column) {
            places.push(Place::Both(row, column));
            (row, column) = (row + 1, column + 1);
        } else if column >= columns
            || (row < rows && at(&lengths, row + 1, column) >= at(&lengths, row, column + 1))
        {
            places.push(Place::Left(row));
            row += 1;
        } else {
            places.push(Place::Right(column));
            column += 1;
        }
    }
    places
}

/// A line of the log that is in one of both only, or stands beside one that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum LineChange {
    /// In both.
    Same {
        /// The line.
        text: String,
    },
    /// In the recording only.
    Removed {
        /// The line.
        text: String,
    },
    /// In the replay only.
    Added {
        /// The line.
        text: String,
    },
}

impl LineChange {
    pub(crate) const fn is_change(&self) -> bool {
        !matches!(self, Self::Same { .. })
    }
}

/// Compares two logs.
pub(crate) fn compare(recorded: &[&Line], replayed: &[&Line]) -> Vec<LineChange> {
    let text = |list: &[&Line], at: usize| {
        list.get(at).map(|line| format!("{}: {}", line.level.as_str(), line.text)).unwrap_or_default()
    };
    align(recorded, replayed)
        .into_iter()
        .map(|place| match place {
            Place::Both(at, _) => LineChange::Same { text: text(recorded, at) },
            Place::Left(at) => LineChange::Removed { text: text(recorded, at) },
            Place::Right(at) => LineChange::Added { text: text(replayed, at) },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f10_what_is_in_both_is_found_wherever_it_stands() {
        let places = align(b"abcdf", b"xabdef");
        let kept: Vec<_> = places.iter().filter(|place| matches!(place, Place::Both(..))).copied().collect();
        assert_eq!(kept, [Place::Both(0, 1), Place::Both(1, 2), Place::Both(3, 3), Place::Both(4, 5)]);
        assert_eq!(places.len(), 7);
        assert_eq!(align::<u8>(b"", b""), []);
        assert_eq!(align(b"a", b""), [Place::Left(0)]);
    }
}
