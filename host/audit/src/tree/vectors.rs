//! What trees must come to, for the tests: the vectors of the reference implementation of Certificate Transparency, and the definition
//! of RFC 6962 §2.1 word for word.

use super::RootHash;
use longhaul_core::digest::Digest;

/// The eight entries of the reference.
pub(super) fn leaves() -> Vec<Vec<u8>> {
    let hex = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    hex.iter().map(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()).collect()
}

const LEAF_0: &str = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
const LEAF_1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const LEAF_4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const OVER_0_1: &str = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125";
const OVER_2_3: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const OVER_4_5: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const OVER_6_7: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const OVER_0_3: &str = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7";
const OVER_4_7: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";

/// The roots over the first entries, from none to all eight.
pub(super) const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    LEAF_0,
    OVER_0_1,
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    OVER_0_3,
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// Entry, size, path.
pub(super) const INCLUSION: [(u64, u64, &[&str]); 7] = [
    (0, 1, &[]),
    (0, 2, &[LEAF_1]),
    (1, 2, &[LEAF_0]),
    (2, 3, &[OVER_0_1]),
    (1, 5, &[LEAF_0, OVER_2_3, LEAF_4]),
    (0, 8, &[LEAF_1, OVER_2_3, OVER_4_7]),
    (5, 8, &[LEAF_4, OVER_6_7, OVER_0_3]),
];

/// Size of the beginning, size of the whole, path.
pub(super) const CONSISTENCY: [(u64, u64, &[&str]); 4] = [
    (1, 1, &[]),
    (1, 8, &[LEAF_1, OVER_2_3, OVER_4_7]),
    (2, 5, &[OVER_2_3, LEAF_4]),
    (6, 8, &[OVER_4_5, OVER_6_7, OVER_0_3]),
];

/// `MTH` as RFC 6962 §2.1 defines it.
pub(super) fn root_by_definition(entries: &[Vec<u8>]) -> RootHash {
    RootHash(match entries {
        [] => Digest::of(b""),
        [entry] => Digest::of(&[&[0x00], entry.as_slice()].concat()),
        entries => {
            let mut middle = 1;
            while 2 * middle < entries.len() {
                middle *= 2;
            }
            let (left, right) = (root_by_definition(&entries[..middle]), root_by_definition(&entries[middle..]));
            Digest::of(&[&[0x01], left.0.as_bytes().as_slice(), right.0.as_bytes()].concat())
        }
    })
}
