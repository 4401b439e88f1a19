//! Reads a temperature and says what the heating should do.

mod control;

fn main() {
    let line = std::io::read_to_string(std::io::stdin()).unwrap();
    let degrees: f64 = line.trim().parse().unwrap();
    // FIXME: the wish of the user is ignored
    println!("{}", control::decide(degrees, 20.5));
}
