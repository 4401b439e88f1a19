//! Every way to write that WASI has, on what may only be read: `docs/guide.md` and the folder `docs`.

use crate::Input;
use crate::flood::failed;
use crate::probe::{Probe, open, open_as, root};
use longhaul_sdk::Failure;
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::time::SystemTime;
use wasip2::clocks::wall_clock::Datetime;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags};

const FILE: &str = "docs/guide.md";

/// By the functions of WASI themselves.
pub(crate) fn raw(_: &Input) -> Result<Value, Failure> {
    let root = root().map_err(failed)?;
    let docs = open(&root, "docs").map_err(failed)?;
    let read = open(&root, FILE).map_err(failed)?;
    let mut probe = Probe::default();
    by_opening(&mut probe, &root, &docs);
    by_handle(&mut probe, &read);
    by_name(&mut probe, &root, &docs);
    Ok(probe.report())
}

fn by_opening(probe: &mut Probe, root: &Descriptor, docs: &Descriptor) {
    let (read, write) = (DescriptorFlags::READ, DescriptorFlags::WRITE);
    for (name, open, flags) in [
        ("write", OpenFlags::empty(), write),
        ("read and write", OpenFlags::empty(), read | write),
        ("write at once", OpenFlags::empty(), write | DescriptorFlags::FILE_INTEGRITY_SYNC),
        ("create", OpenFlags::CREATE, write),
        ("truncate", OpenFlags::TRUNCATE, write),
        ("truncate without writing", OpenFlags::TRUNCATE, read),
        ("truncate with nothing", OpenFlags::TRUNCATE, DescriptorFlags::empty()),
        ("create and truncate", OpenFlags::CREATE | OpenFlags::TRUNCATE, read),
    ] {
        probe.attempt(&format!("open to {name}"), || open_as(root, FILE, open, flags).map(drop));
        probe.attempt(&format!("open from its folder to {name}"), || open_as(docs, "guide.md", open, flags).map(drop));
    }
    for (name, open, flags) in [
        ("create", OpenFlags::CREATE, write),
        ("create for reading", OpenFlags::CREATE, read),
        ("create with nothing", OpenFlags::CREATE, DescriptorFlags::empty()),
        ("create alone", OpenFlags::CREATE | OpenFlags::EXCLUSIVE, write),
        ("create alone for reading", OpenFlags::CREATE | OpenFlags::EXCLUSIVE, read),
    ] {
        probe.attempt(&format!("{name} a new file"), || open_as(root, "docs/new", open, flags).map(drop));
    }
    probe
        .attempt("open the folder to write it", || open_as(root, "docs", OpenFlags::DIRECTORY, read | write).map(drop));
}

fn by_handle(probe: &mut Probe, file: &Descriptor) {
    let time = NewTimestamp::Timestamp(Datetime { seconds: 1, nanoseconds: 0 });
    probe.attempt("write through a handle for reading", || file.write(b"x", 0));
    probe.attempt("write nothing through a handle for reading", || file.write(b"", 0));
    probe.attempt("write a stream", || {
        let stream = file.write_via_stream(0)?;
        stream.blocking_write_and_flush(b"x").map_err(|_| ErrorCode::Io)
    });
    probe.attempt("append to a stream", || {
        let stream = file.append_via_stream()?;
        stream.blocking_write_and_flush(b"x").map_err(|_| ErrorCode::Io)
    });
    probe.attempt("cut to nothing", || file.set_size(0));
    probe.attempt("extend", || file.set_size(1_000));
    probe.attempt("set times", || file.set_times(time, time));
    probe.attempt("set times to now", || file.set_times(NewTimestamp::Now, NewTimestamp::Now));
}

fn by_name(probe: &mut Probe, root: &Descriptor, docs: &Descriptor) {
    let times = NewTimestamp::Now;
    probe.attempt("set times by name", || root.set_times_at(PathFlags::empty(), FILE, times, times));
    probe.attempt("set times of the folder", || docs.set_times(times, times));
    probe.attempt("make a folder", || root.create_directory_at("docs/new"));
    probe.attempt("make a folder from the folder", || docs.create_directory_at("new"));
    probe.attempt("remove a folder", || root.remove_directory_at("docs/empty"));
    probe.attempt("remove", || root.unlink_file_at(FILE));
    probe.attempt("remove from its folder", || docs.unlink_file_at("guide.md"));
    probe.attempt("rename away", || root.rename_at(FILE, root, "src/guide.md"));
    probe.attempt("rename within", || docs.rename_at("guide.md", docs, "other.md"));
    probe.attempt("rename over", || root.rename_at("src/lib.rs", root, FILE));
    probe.attempt("rename over from its folder", || root.rename_at("src/lib.rs", docs, "guide.md"));
    probe.attempt("rename to itself", || docs.rename_at("guide.md", docs, "guide.md"));
    probe.attempt("rename the folder", || root.rename_at("docs", root, "src/docs"));
    probe.attempt("link away", || root.link_at(PathFlags::empty(), FILE, root, "src/guide.md"));
    probe.attempt("link into", || root.link_at(PathFlags::empty(), "src/lib.rs", docs, "lib.rs"));
    probe.attempt("symlink into", || root.symlink_at("guide.md", "docs/link"));
    probe.attempt("symlink over", || root.symlink_at("guide.md", FILE));
}

/// In the way of an ordinary program.
pub(crate) fn by_std(_: &Input) -> Result<Value, Failure> {
    let file = File::open(FILE)?;
    let mut probe = Probe::default();
    probe.attempt("write", || fs::write(FILE, "x"));
    probe.attempt("append", || OpenOptions::new().append(true).open(FILE).map(drop));
    probe.attempt("append and read", || OpenOptions::new().append(true).read(true).open(FILE).map(drop));
    probe.attempt("create", || File::create_new("docs/new").map(drop));
    probe.attempt("truncate", || OpenOptions::new().write(true).truncate(true).open(FILE).map(drop));
    probe.attempt("write through a handle for reading", || (&file).write_all(b"x"));
    probe.attempt("cut", || file.set_len(0));
    probe.attempt("set times", || file.set_modified(SystemTime::UNIX_EPOCH));
    probe.attempt("remove", || fs::remove_file(FILE));
    probe.attempt("remove folder", || fs::remove_dir("docs/empty"));
    probe.attempt("remove all", || fs::remove_dir_all("docs"));
    probe.attempt("make folder", || fs::create_dir("docs/new"));
    probe.attempt("rename away", || fs::rename(FILE, "src/guide.md"));
    probe.attempt("rename over", || fs::rename("src/lib.rs", FILE));
    probe.attempt("link away", || fs::hard_link(FILE, "src/guide.md"));
    probe.attempt("copy over", || fs::copy("src/lib.rs", FILE));
    Ok(probe.report())
}
