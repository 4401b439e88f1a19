//! The host's own log, beside the record: `logs/longhaul.log` with INFO and above, `logs/debug.log` with every detail. Both
//! change files daily, and a week of each is kept.

use std::path::Path;
use std::sync::Mutex;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Files of each log that are kept.
const KEPT: usize = 7;

/// Starts logging into `folder`. A folder that cannot be written costs the log, not the command.
pub(crate) fn start(folder: &Path) {
    // Old files are removed here, so a link that leads elsewhere is not followed.
    let made = std::fs::create_dir_all(folder).and_then(|()| folder.symlink_metadata());
    if !made.is_ok_and(|metadata| metadata.is_dir()) {
        return;
    }
    let file = |prefix: &str| {
        RollingFileAppender::builder()
            .rotation(Rotation::DAILY)
            .filename_prefix(prefix)
            .filename_suffix("log")
            .max_log_files(KEPT)
            .build(folder)
            .ok()
    };
    let (Some(info), Some(debug)) = (file("longhaul"), file("debug")) else { return };
    let info = fmt::layer().with_ansi(false).with_writer(Mutex::new(info)).with_filter(LevelFilter::INFO);
    let debug = fmt::layer().with_ansi(false).with_writer(Mutex::new(debug)).with_filter(LevelFilter::DEBUG);
    let started = tracing_subscriber::registry().with(info).with(debug).try_init();
    // Only a second start in one process fails, and the first one still logs.
    drop(started);
}
