//! Reads a text from standard input and prints what is in it.

use std::io::{self, Read};

fn main() -> io::Result<()> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    println!("{} lines", tally::lines(&text));
    Ok(())
}
