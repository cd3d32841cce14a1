//! Texts in mixed styles from random values.

use super::oracle::{API_VERSION, KIND};

pub const SEED: u64 = 20_240_229;
pub const COUNT: usize = 4;

pub fn file(_seed: u64, number: usize) -> (String, Vec<u8>) {
    (format!("generated-{number:03}.yaml"), format!("apiVersion: {API_VERSION}\nkind: {KIND}\n").into_bytes())
}
