//! Both files of a shard at once, a row group at a time: rows can be let go as soon as they are in, so that a shard of long
//! texts is held once, as its files, and not also as rows.

use parquet::arrow::ArrowWriter;

use crate::row::Row;
use crate::{EncodeError, shard_jsonl, shard_parquet};

/// A shard in the making.
pub struct ShardEncoder {
    parquet: ArrowWriter<Vec<u8>>,
    jsonl: Vec<u8>,
}

/// The bytes of a shard's files.
#[derive(Debug)]
pub struct EncodedShard {
    /// As [`encode_parquet`](crate::encode_parquet) makes them.
    pub parquet: Vec<u8>,
    /// As [`encode_jsonl`](crate::encode_jsonl) makes them.
    pub jsonl: Vec<u8>,
}

impl ShardEncoder {
    /// An empty shard, with room for `jsonl_bytes` of JSON lines: a large buffer that grows is there twice while it does.
    pub fn new(jsonl_bytes: usize) -> Result<Self, EncodeError> {
        Ok(Self { parquet: shard_parquet::writer()?, jsonl: Vec::with_capacity(jsonl_bytes) })
    }

    /// Adds a row group: [`ROWS_PER_GROUP`](crate::ROWS_PER_GROUP) rows, or fewer if they are the last.
    pub fn push(&mut self, group: &[Row]) -> Result<(), EncodeError> {
        shard_parquet::write_group(&mut self.parquet, group)?;
        shard_jsonl::write_lines(&mut self.jsonl, group)
    }

    /// The files.
    pub fn finish(self) -> Result<EncodedShard, EncodeError> {
        Ok(EncodedShard { parquet: self.parquet.into_inner()?, jsonl: self.jsonl })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ROWS_PER_GROUP, encode_jsonl, encode_parquet, samples};

    #[test]
    fn a_shard_in_groups_is_the_shard_at_once() {
        for rows in [Vec::new(), samples::mixed(1), samples::mixed(ROWS_PER_GROUP), samples::mixed(150)] {
            let mut encoder = ShardEncoder::new(0).unwrap();
            for group in rows.chunks(ROWS_PER_GROUP) {
                encoder.push(group).unwrap();
            }
            let made = encoder.finish().unwrap();
            assert_eq!(made.parquet, encode_parquet(&rows).unwrap());
            assert_eq!(made.jsonl, encode_jsonl(&rows).unwrap());
        }
    }
}
