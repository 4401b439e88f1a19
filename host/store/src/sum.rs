//! The check sum of a row: what is read is what was written, to the bit, or it is damage.
//!
//! Each row carries a CRC-32 over its table's name and its other columns, whose types and lengths are part of it, so that
//! no column can pass for another. It finds accidents (a flipped bit, a page in the wrong place), not forgers.

use crc32fast::Hasher;
use rusqlite::Row;
use rusqlite::types::ValueRef;

/// What the sum in a row says of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is as it was written.
    Whole,
    /// It is not.
    Damaged,
    /// It has no sum: schema 1 knew none.
    Unsummed,
}

/// The sum of a row of `table` with these columns.
pub(crate) fn sum(table: &str, columns: &[ValueRef<'_>]) -> i64 {
    let mut gather = Gather::default();
    gather.put(table.as_bytes());
    for column in columns {
        match column {
            ValueRef::Null => gather.put(&[0]),
            ValueRef::Integer(number) => gather.head(1, number.cast_unsigned()),
            ValueRef::Real(number) => gather.head(2, number.to_bits()),
            ValueRef::Text(bytes) => gather.counted(3, bytes),
            ValueRef::Blob(bytes) => gather.counted(4, bytes),
        }
    }
    gather.finish()
}

/// The first `N` columns of `row`, and what the sum that stands behind them says of them.
pub(crate) fn columns<'r, const N: usize>(
    table: &str,
    row: &'r Row<'_>,
) -> rusqlite::Result<([ValueRef<'r>; N], Verdict)> {
    let mut columns = [ValueRef::Null; N];
    for (index, column) in columns.iter_mut().enumerate() {
        *column = row.get_ref(index)?;
    }
    let verdict = match row.get_ref(N)? {
        ValueRef::Null => Verdict::Unsummed,
        ValueRef::Integer(stored) if stored == sum(table, &columns) => Verdict::Whole,
        _ => Verdict::Damaged,
    };
    Ok((columns, verdict))
}

/// Collects short columns: summing a few bytes at a time costs more than the bytes do.
struct Gather {
    hasher: Hasher,
    held: [u8; 256],
    len: usize,
}

impl Default for Gather {
    fn default() -> Self {
        Self { hasher: Hasher::new(), held: [0; 256], len: 0 }
    }
}

impl Gather {
    fn head(&mut self, kind: u8, number: u64) {
        let mut bytes = [kind; 9];
        bytes[1..].copy_from_slice(&number.to_le_bytes());
        self.put(&bytes);
    }

    fn counted(&mut self, kind: u8, bytes: &[u8]) {
        self.head(kind, bytes.len() as u64);
        self.put(bytes);
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.len + bytes.len() > self.held.len() {
            self.hasher.update(&self.held[..self.len]);
            self.len = 0;
        }
        if bytes.len() > self.held.len() {
            self.hasher.update(bytes);
        } else {
            self.held[self.len..self.len + bytes.len()].copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    fn finish(mut self) -> i64 {
        self.hasher.update(&self.held[..self.len]);
        // As a signed number of 32 bits, which takes four bytes in the file whatever it is.
        i64::from(self.hasher.finalize().cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_depends_on_table_order_types_and_lengths() {
        let long = [b'x'; 700];
        let rows: [&[ValueRef<'_>]; 8] = [
            &[],
            &[ValueRef::Null],
            &[ValueRef::Integer(0)],
            &[ValueRef::Text(b"ab"), ValueRef::Text(b"c")],
            &[ValueRef::Text(b"a"), ValueRef::Text(b"bc")],
            &[ValueRef::Text(b"a"), ValueRef::Blob(b"bc")],
            &[ValueRef::Text(&long), ValueRef::Text(b"c")],
            &[ValueRef::Text(&long[1..]), ValueRef::Text(b"xc")],
        ];
        let sums: std::collections::BTreeSet<i64> =
            rows.iter().flat_map(|columns| [sum("runs", columns), sum("entries", columns)]).collect();
        assert_eq!(sums.len(), 2 * rows.len());
    }

    #[test]
    fn the_stored_form_is_held_still() {
        // Sums stand in files that people keep.
        let columns = [ValueRef::Integer(1), ValueRef::Null, ValueRef::Text(b"log"), ValueRef::Blob(&[0, 255])];
        assert_eq!(sum("entries", &columns), 1_661_627_277);
    }
}
