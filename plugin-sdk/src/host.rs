//! The way to the host: a call into it inside a component, a stand-in anywhere else.
//!
//! Generated imports exist natively, but they abort. A plugin's logic shall be testable by plain `cargo test`, so
//! calls that ask for something answer `unavailable` there, and calls that only tell something do nothing.

/// Calls an imported function that can fail.
macro_rules! call {
    ($($function:ident)::+ ( $($argument:expr),* $(,)? )) => {{
        #[cfg(target_arch = "wasm32")]
        let answer = crate::bindings::agent::longhaul::plugin::$($function)::+($($argument),*).map_err(crate::Error::from);
        #[cfg(not(target_arch = "wasm32"))]
        let answer = {
            $(let _ = $argument;)*
            Err(crate::Error::Unavailable(concat!(stringify!($($function)::+), " needs a longhaul host").to_owned()))
        };
        answer
    }};
}

/// Calls an imported function that answers nothing.
macro_rules! tell {
    ($($function:ident)::+ ( $($argument:expr),* $(,)? )) => {{
        #[cfg(target_arch = "wasm32")]
        crate::bindings::agent::longhaul::plugin::$($function)::+($($argument),*);
        #[cfg(not(target_arch = "wasm32"))]
        { $(let _ = $argument;)* }
    }};
}

pub(crate) use {call, tell};
