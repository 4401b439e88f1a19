//! The demo's input: a real source tree of somebody else, copied so that nothing is changed in place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Fewer files are no real code base.
const FILES_WANTED: usize = 300;

/// A source tree that cargo unpacked to build the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceTree {
    /// The package's name and version.
    pub(crate) name: String,
    /// Its folder in cargo's cache, which is never written to.
    pub(crate) folder: PathBuf,
    /// How many files it holds.
    pub(crate) files: usize,
}

/// Why there is no input.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceTreeError {
    #[error("no dependency in cargo's source cache has {FILES_WANTED} files; run `cargo fetch` and try again")]
    NoneLargeEnough,
    #[error("{path} could not be copied; check that the disk has room and the target folder is writable")]
    Copy { path: PathBuf, source: io::Error },
}

/// The dependency with the most Rust files among those with enough files, out of what `cargo metadata` printed.
pub(crate) fn largest(metadata: &Value) -> Result<SourceTree, SourceTreeError> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let trees = packages.iter().filter(|package| package["source"].is_string()).filter_map(|package| {
        let name = format!("{}-{}", package["name"].as_str()?, package["version"].as_str()?);
        let folder = Path::new(package["manifest_path"].as_str()?).parent()?.to_path_buf();
        let files = files_below(&folder).ok()?;
        let rust = files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "rs")).count();
        let tree = SourceTree { name, folder, files: files.len() };
        (tree.files >= FILES_WANTED).then_some((rust, tree))
    });
    let best = trees.max_by(|(one, a), (other, b)| one.cmp(other).then_with(|| b.name.cmp(&a.name)));
    best.map(|(_, tree)| tree).ok_or(SourceTreeError::NoneLargeEnough)
}

/// Replaces `to` by a fresh copy of the folder `from` whose files are writable.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), SourceTreeError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| SourceTreeError::Copy { path, source }
    };
    if to.exists() {
        fs::remove_dir_all(to).map_err(failed(to))?;
    }
    for file in files_below(from).map_err(failed(from))? {
        let target = to.join(file.strip_prefix(from).unwrap_or(&file));
        let copy = || {
            fs::create_dir_all(target.parent().unwrap_or(to))?;
            // Content alone is copied: cargo may keep its sources read-only.
            fs::write(&target, fs::read(&file)?)
        };
        copy().map_err(failed(&file))?;
    }
    Ok(())
}

/// Plain files only: a link could lead out of the tree.
pub(crate) fn files_below(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_tree_with_most_sources_is_copied_writable_and_left_as_it_is() {
        let root = std::env::temp_dir().join(format!("xtask-demo-{}", std::process::id()));
        for (name, files, ending) in [("small", 5, "rs"), ("data", 400, "txt"), ("code", 310, "rs")] {
            let folder = root.join(name).join("src");
            fs::create_dir_all(&folder).unwrap();
            for number in 0..files {
                fs::write(folder.join(format!("{number}.{ending}")), name).unwrap();
            }
        }
        let first = root.join("code/src/0.rs");
        let mut read_only = fs::metadata(&first).unwrap().permissions();
        read_only.set_readonly(true);
        fs::set_permissions(&first, read_only).unwrap();
        let package = |name: &str| {
            let manifest = root.join(name).join("Cargo.toml");
            json!({"name": name, "version": "1.0.0", "source": "registry", "manifest_path": manifest})
        };
        let tree = largest(&json!({"packages": [package("small"), package("data"), package("code")]})).unwrap();
        assert_eq!((tree.name.as_str(), tree.files), ("code-1.0.0", 310));
        let copied = root.join("copy");
        copy(&tree.folder, &copied).unwrap();
        assert!(!fs::metadata(copied.join("src/0.rs")).unwrap().permissions().readonly());
        assert_eq!(files_below(&copied).unwrap().len(), 310);
        assert!(fs::metadata(&first).unwrap().permissions().readonly());
        assert!(matches!(largest(&json!({"packages": [package("small")]})), Err(SourceTreeError::NoneLargeEnough)));
        fs::remove_dir_all(&root).unwrap();
    }
}
