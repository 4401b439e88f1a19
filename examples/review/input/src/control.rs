//! What to do about a temperature.

/// `heat`, `cool` or `rest`. There is half a degree in which nothing happens, so that the heating does not flutter.
pub fn decide(degrees: f64, wish: f64) -> &'static str {
    match degrees - wish {
        difference if difference < -0.5 => "heat",
        difference if difference > 0.5 => "cool",
        _ => "rest",
    }
}
