//! The way to the host: a call into it inside a component, the host of [`crate::testing`] anywhere else.
//!
//! Generated imports exist natively, but they abort. A plugin's logic shall be testable by plain `cargo test`, so calls
//! go to the host that the test scripted. Without one, calls that ask for something answer `unavailable`, and calls
//! that only tell something do nothing.

/// Calls an imported function that can fail.
macro_rules! call {
    ($module:ident :: $function:ident ( $($argument:expr),* $(,)? )) => {{
        #[cfg(target_arch = "wasm32")]
        let answer = crate::bindings::agent::longhaul::plugin::$module::$function($($argument),*).map_err(crate::Error::from);
        #[cfg(not(target_arch = "wasm32"))]
        let answer = match crate::testing::current() {
            Some(host) => host.$module().$function($($argument),*),
            None => {
                let call = concat!(stringify!($module), "::", stringify!($function));
                Err(crate::Error::Unavailable(format!("{call} needs a longhaul host")))
            }
        };
        answer
    }};
}

/// Calls an imported function that answers nothing.
macro_rules! tell {
    ($module:ident :: $function:ident ( $($argument:expr),* $(,)? )) => {{
        #[cfg(target_arch = "wasm32")]
        crate::bindings::agent::longhaul::plugin::$module::$function($($argument),*);
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(host) = crate::testing::current() {
            host.$module().$function($($argument),*);
        }
    }};
}

pub(crate) use {call, tell};
