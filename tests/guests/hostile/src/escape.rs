//! Paths and links that lead where nothing is granted.
//!
//! The stage has `src` (may be read and written), `docs` (may be read), `secret` (neither), `mixed` (of two files in it one may
//! be written), and links that were there before: `planted-absolute`, `planted-up` and `planted-secret`.

use crate::Input;
use crate::flood::failed;
use crate::probe::{Probe, open, open_as, read, root};
use longhaul_sdk::Failure;
use serde_json::Value;
use std::fs;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

/// Paths that must lead nowhere, from the folder `/`.
fn bad_paths() -> Vec<(String, String)> {
    let mut paths: Vec<(String, String)> = [
        "..",
        "../",
        "../etc/passwd",
        "../../../../../../../../etc/passwd",
        "src/../../etc/passwd",
        "src/../../../etc/passwd",
        "src/..//../etc/passwd",
        "src/./../../etc/passwd",
        "./../etc/passwd",
        ".//..//etc/passwd",
        "src/sub/../../../etc/passwd",
        "/",
        "//",
        "/.",
        "/..",
        "/etc/passwd",
        "//etc/passwd",
        "/./etc/passwd",
        "/src/lib.rs",
        "/proc/self/environ",
        "planted-absolute",
        "planted-absolute/",
        "planted-absolute/passwd",
        "planted-up",
        "planted-up/",
        "planted-up/..",
        "planted-up/etc/passwd",
        "planted-secret",
        "planted-secret/",
        "planted-secret/../key",
        "planted-loop",
        "planted-loop/x",
        "secret/key",
        "secret/./key",
        "secret//key",
        "secret/key/",
        "secret/key/.",
        "secret/../secret/key",
        "src/../secret/key",
        "docs/../secret/key",
        "./secret/key",
        "secret",
        "secret/",
        "secret/.",
        "secret/missing",
        "secret/../src/lib.rs",
        "nothing/../src/lib.rs",
        "src/../secret/../src/sub/deep.rs",
        "planted-secret-folder/../src/lib.rs",
        "hidden-link/lib.rs",
        "hidden-link",
        "src/lib.rs/",
        "src/lib.rs/.",
        "src/lib.rs/..",
        "src/lib.rs/../../secret/key",
        "src/lib.rs\0",
        "secret\0/key",
        "\0",
        "",
        "src/missing/../lib.rs",
        "src\\..\\..\\etc\\passwd",
        "%2e%2e/etc/passwd",
        "\u{ff0e}\u{ff0e}/etc/passwd",
        "..\u{0}/etc/passwd",
        "breach",
    ]
    .iter()
    .map(|path| (format!("{path:?}"), (*path).to_owned()))
    .collect();
    paths.push(("a long path".into(), "src/".repeat(2_000)));
    paths.push(("a long way round".into(), format!("{}etc/passwd", "src/../".repeat(500) + "../")));
    paths.push(("a long name".into(), "x".repeat(300)));
    paths.push(("a very long name".into(), "x".repeat(1 << 20)));
    paths
}

/// Everything that takes a path, with each of those paths.
pub(crate) fn paths(_: &Input) -> Result<Value, Failure> {
    let root = root().map_err(failed)?;
    let mut probe = Probe::default();
    for (name, path) in bad_paths() {
        probe.attempt(&format!("read {name}"), || read(&root, &path));
        probe.attempt(&format!("make {name}"), || make(&root, &path));
        probe.attempt(&format!("open as folder {name}"), || {
            open_as(&root, &path, OpenFlags::DIRECTORY, DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY)
                .map(drop)
        });
        probe.attempt(&format!("make folder {name}"), || root.create_directory_at(&path));
        probe.attempt(&format!("remove {name}"), || root.unlink_file_at(&path));
        probe.attempt(&format!("remove folder {name}"), || root.remove_directory_at(&path));
        probe.attempt(&format!("rename from {name}"), || root.rename_at(&path, &root, "src/renamed"));
        probe.attempt(&format!("rename to {name}"), || root.rename_at("src/lib.rs", &root, &path));
        probe.attempt(&format!("link from {name}"), || root.link_at(PathFlags::empty(), &path, &root, "src/linked"));
        probe.attempt(&format!("link to {name}"), || root.link_at(PathFlags::empty(), "src/lib.rs", &root, &path));
        probe.attempt(&format!("symlink at {name}"), || root.symlink_at("lib.rs", &path));
    }
    // From a folder within, whose own parent is not above it.
    let src = open(&root, "src").map_err(failed)?;
    for path in ["..", "../secret/key", "../docs/guide.md", "sub/../../docs/guide.md", "../src/lib.rs", "/lib.rs"] {
        probe.attempt(&format!("read {path} from src"), || read(&src, path));
        probe.attempt(&format!("rename to {path} from src"), || src.rename_at("lib.rs", &src, path));
    }
    Ok(probe.report())
}

fn make(root: &Descriptor, path: &str) -> Result<(), ErrorCode> {
    open_as(root, path, OpenFlags::CREATE | OpenFlags::TRUNCATE, DescriptorFlags::WRITE).map(drop)
}

/// The same in the way of an ordinary program.
pub(crate) fn paths_by_std(_: &Input) -> Result<Value, Failure> {
    let mut probe = Probe::default();
    for path in [
        "/etc/passwd",
        "../etc/passwd",
        "/../etc/passwd",
        "../../../../etc/passwd",
        "src/../../etc/passwd",
        "/src/../../etc/passwd",
        "/proc/self/environ",
        "planted-absolute",
        "planted-up",
        "planted-secret",
        "secret/key",
        "/secret/key",
        "src/../secret/key",
    ] {
        probe.attempt(&format!("read {path}"), || fs::read_to_string(path));
        probe.attempt(&format!("write {path}"), || fs::write(path, "x"));
        probe.attempt(&format!("copy {path}"), || fs::copy(path, "src/copied"));
        probe.attempt(&format!("rename {path}"), || fs::rename(path, "src/renamed"));
        probe.attempt(&format!("list {path}"), || fs::read_dir(path).map(drop));
        probe.attempt(&format!("remove all {path}"), || fs::remove_dir_all(path));
    }
    Ok(probe.report())
}

/// Links that are planted during the attempt. Making one is a try, and reading through it another.
pub(crate) fn links(_: &Input) -> Result<Value, Failure> {
    let root = root().map_err(failed)?;
    let mut probe = Probe::default();
    for (n, target) in [
        "/etc/passwd",
        "/",
        "../../etc/passwd",
        "../..",
        "./../../etc",
        "sub/../../../etc/passwd",
        "../docs/../../etc/passwd",
    ]
    .iter()
    .enumerate()
    {
        let link = format!("src/out-{n}");
        probe.attempt(&format!("plant {target}"), || root.symlink_at(target, &link));
        probe.attempt(&format!("read through {target}"), || read(&root, &link));
    }
    // These stay within the stage, so they may be made; they open no door.
    for (n, target) in ["../secret/key", "../secret", "../planted-absolute", "../planted-up"].iter().enumerate() {
        let link = format!("src/in-{n}");
        root.symlink_at(target, &link).map_err(failed)?;
        probe.attempt(&format!("read through {target}"), || read(&root, &link));
        probe.attempt(&format!("write through {target}"), || make(&root, &link));
        probe.attempt(&format!("link through {target}"), || {
            root.link_at(PathFlags::SYMLINK_FOLLOW, &link, &root, "src/linked")
        });
    }
    root.symlink_at("../docs/guide.md", "src/guide").map_err(failed)?;
    probe.attempt("write through a link to what may be read", || make(&root, "src/guide"));
    root.symlink_at("../docs", "src/documents").map_err(failed)?;
    probe.attempt("make a file through a link", || make(&root, "src/documents/new"));
    probe.attempt("remove through a link", || root.unlink_file_at("src/documents/guide.md"));
    probe.attempt("rename through a link", || root.rename_at("src/documents/guide.md", &root, "src/g"));
    probe.attempt("remove a folder by its link", || root.remove_directory_at("src/documents/"));
    // Links that come to lead out by being moved, or by being strung together.
    let ready = || {
        root.create_directory_at("src/a")?;
        root.create_directory_at("src/a/b")?;
        root.symlink_at("../../../docs", "src/a/b/up")?;
        root.symlink_at("../..", "src/a/b/to-src")
    };
    ready().map_err(failed)?;
    probe.attempt("move a link up", || root.rename_at("src/a/b/up", &root, "src/up"));
    probe.attempt("move a folder of links up", || root.rename_at("src/a/b", &root, "src/b"));
    probe.attempt("string links together", || root.symlink_at("a/b/to-src/../..", "src/strung"));
    probe.attempt("read a loop", || {
        root.symlink_at("loop-b", "src/loop-a")?;
        root.symlink_at("loop-a", "src/loop-b")?;
        read(&root, "src/loop-a")
    });
    Ok(probe.report())
}

/// Links and renames from one grant into another.
pub(crate) fn crossing(_: &Input) -> Result<Value, Failure> {
    let root = root().map_err(failed)?;
    let link = |from: &str, to: &str| root.link_at(PathFlags::empty(), from, &root, to);
    let rename = |from: &str, to: &str| root.rename_at(from, &root, to);
    let mut probe = Probe::default();
    probe.attempt("link what is unreadable to where it could be read", || link("secret/key", "src/key"));
    probe.attempt("rename what is unreadable to where it could be read", || rename("secret/key", "src/key"));
    probe.attempt("rename a folder that is unreadable", || rename("secret", "src/secret"));
    probe.attempt("link what is read-only to where it could be written", || link("docs/guide.md", "src/guide"));
    probe.attempt("rename what is read-only to where it could be written", || rename("docs/guide.md", "src/guide"));
    probe.attempt("rename over what is read-only", || rename("src/lib.rs", "docs/guide.md"));
    probe.attempt("rename over what is unreadable", || rename("src/lib.rs", "secret/key"));
    probe.attempt("rename a folder over what is read-only", || rename("src/sub", "docs/empty"));
    probe.attempt("link into what is read-only", || link("src/lib.rs", "docs/lib"));
    probe.attempt("rename a folder with a file that may not be written", || rename("mixed", "src/mixed"));
    probe.attempt("rename a folder so that a file in it may be written", || rename("src/sub", "mixed"));
    probe.attempt("rename what may be written and not read to where it could be read", || {
        rename("dropbox/in.txt", "src/in.txt")
    });
    probe.attempt("link what may be written and not read to where it could be read", || {
        link("dropbox/in.txt", "src/in.txt")
    });
    probe.attempt("read what may only be written", || read(&root, "dropbox/in.txt"));
    probe.attempt("rename the root", || rename(".", "src/root"));
    probe.attempt("rename a folder into itself", || rename("src", "src/sub/src"));
    probe.attempt("remove the root", || root.remove_directory_at("."));
    probe.attempt("remove a folder that is unreadable", || root.remove_directory_at("secret"));
    probe.attempt("stat what is unreadable", || root.stat_at(PathFlags::empty(), "secret/key").map(|stat| stat.size));
    probe.attempt("stat whether something is there", || {
        root.stat_at(PathFlags::empty(), "secret/nothing").map(|stat| stat.size)
    });
    probe.attempt("hash what is unreadable", || {
        root.metadata_hash_at(PathFlags::empty(), "secret/key").map(|hash| hash.lower)
    });
    probe.attempt("read a link to what is unreadable", || root.readlink_at("secret/link"));
    Ok(probe.report())
}
