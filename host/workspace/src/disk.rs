//! What the state folder needs of the system: private files and folders, durability, shared extents.

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, File, OpenOptions};
use longhaul_core::digest::{Digest, Hasher};
use std::io::{self, Read, Write};

/// How files of the state folder are made: new, for the host's user alone.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Opens a folder directly within `dir`, made where it is missing; a link in its place is refused.
pub(crate) fn subfolder(dir: &Dir, name: &str) -> io::Result<Dir> {
    match dir.create_dir(name) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => dir.open_dir_nofollow(name),
    }
}

/// As [`subfolder`], without what was in it.
pub(crate) fn emptied(dir: &Dir, name: &str) -> io::Result<Dir> {
    let folder = subfolder(dir, name)?;
    for entry in folder.entries()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folder.remove_dir_all(entry.file_name())?;
        } else {
            folder.remove_file(entry.file_name())?;
        }
    }
    Ok(folder)
}

/// Makes the names of a folder durable.
pub(crate) fn sync_dir(dir: &Dir) -> io::Result<()> {
    Ok(rustix::fs::fsync(readable(dir)?)?)
}

/// A handle of the same folder that can be synced: those of `cap_std` may stand for the path alone.
fn readable(dir: &Dir) -> io::Result<rustix::fd::OwnedFd> {
    use rustix::fs::{Mode, OFlags, openat};
    Ok(openat(dir, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Up to this many files or folders are made durable one by one; for more, asking for the whole file system is cheaper.
pub(crate) const FEW: usize = 64;

/// Makes everything on the disk of `dir` durable.
#[cfg(target_os = "linux")]
pub(crate) fn sync_file_system(dir: &Dir) -> io::Result<()> {
    Ok(rustix::fs::syncfs(readable(dir)?)?)
}

/// Makes everything durable that was written below `dir`, as far as this system offers it in one call.
#[cfg(not(target_os = "linux"))]
pub(crate) fn sync_file_system(dir: &Dir) -> io::Result<()> {
    for entry in dir.entries()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_file_system(&entry.open_dir()?)?;
        } else {
            entry.open()?.sync_all()?;
        }
    }
    sync_dir(dir)
}

/// Makes `target` share the content of `source`, where the disk can do that.
#[cfg(target_os = "linux")]
pub(crate) fn clone_extents(source: &File, target: &File) -> io::Result<()> {
    Ok(rustix::fs::ioctl_ficlone(target, source)?)
}

/// Makes `target` share the content of `source`: not offered here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn clone_extents(_: &File, _: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Copies all of `source`, giving the digest and number of the bytes that went over.
pub(crate) fn copy_hashing(source: &mut impl Read, target: &mut impl Write) -> io::Result<(Digest, u64)> {
    let mut buffer = vec![0; 128 << 10];
    let (mut hasher, mut size) = (Hasher::default(), 0);
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), size)),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                target.write_all(&buffer[..n])?;
                size += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
