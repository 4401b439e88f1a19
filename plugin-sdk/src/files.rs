//! Finding and reading files. The task's files are in the current folder, and [`std::fs`] works on them; this adds
//! what most plugins need besides: a listing by glob, in an order that never varies, and errors that name the path.
//!
//! Each `std::fs` call is one recorded call to the host. A walk costs one listing for each folder that the globs can
//! reach and no call for a file.

use std::{
    fmt, fs,
    io::{self, Read},
    path::Path,
};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// Folders that no walk enters: they are the tools' own, and never part of a task's files.
const PRIVATE: [&str; 2] = [".git", ".longhaul"];

/// Which paths: some globs that name them, and some that take away from them.
///
/// Paths are relative, with `/` between their parts. `?` is one character and `*` any number of them, both but `/`;
/// `**` is any number of folders; `[a-z]` and `[!a-z]` are sets; `{rs,toml}` is a choice. In JSON it is one glob or
/// a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globs {
    include: Vec<String>,
    exclude: Vec<String>,
}

/// A text that is no glob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobError {
    glob: String,
    reason: String,
}

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The files, sorted by path.
    pub files: Vec<String>,
    /// Folders that could not be listed, sorted by path.
    pub unreadable: Vec<Unreadable>,
}

/// A folder or a file that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unreadable {
    /// Its path.
    pub path: String,
    /// The system's word for it.
    pub reason: String,
}

impl Globs {
    /// The paths that one of these globs names.
    ///
    /// # Errors
    /// One of them is no glob.
    pub fn new(include: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, GlobError> {
        Ok(Self { include: checked(include)?, exclude: Vec::new() })
    }

    /// Every path.
    pub fn all() -> Self {
        Self { include: vec!["**".to_owned()], exclude: Vec::new() }
    }

    /// Without the paths that one of these globs names.
    ///
    /// # Errors
    /// One of them is no glob.
    pub fn except(mut self, exclude: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, GlobError> {
        self.exclude.extend(checked(exclude)?);
        Ok(self)
    }

    /// The paths that either of the two names, less what either takes away.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        for glob in &other.include {
            if !self.include.contains(glob) {
                self.include.push(glob.clone());
            }
        }
        for glob in &other.exclude {
            if !self.exclude.contains(glob) {
                self.exclude.push(glob.clone());
            }
        }
        self
    }

    /// Whether this path is one of them.
    pub fn matches(&self, path: &str) -> bool {
        let named = |globs: &[String]| globs.iter().any(|glob| fast_glob::glob_match(glob, path));
        named(&self.include) && !named(&self.exclude)
    }

    /// Whether a path below this folder can be one of them.
    fn reaches(&self, folder: &str) -> bool {
        let below = |inner: &str, outer: &str| {
            outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let reached = |glob: &String| {
            let fixed = fixed_folder(glob);
            below(folder, fixed) || below(fixed, folder)
        };
        let cut = |glob: &String| {
            let whole = glob.strip_suffix("/**");
            whole.is_some_and(|whole| fast_glob::glob_match(whole, folder))
        };
        self.include.iter().any(reached) && !self.exclude.iter().any(cut)
    }
}

/// The part of a glob before its first wildcard, up to a folder's end.
fn fixed_folder(glob: &str) -> &str {
    let wild = glob.find(['*', '?', '[', '{', '\\']).unwrap_or(glob.len());
    glob[..wild].rfind('/').map_or("", |end| &glob[..end])
}

fn checked(globs: impl IntoIterator<Item = impl Into<String>>) -> Result<Vec<String>, GlobError> {
    globs.into_iter().map(|glob| check(glob.into())).collect()
}

fn check(glob: String) -> Result<String, GlobError> {
    let glob = glob.strip_prefix("./").map_or(glob.clone(), str::to_owned);
    let wrong = |reason: &str| Err(GlobError { glob: glob.clone(), reason: reason.to_owned() });
    if glob.is_empty() {
        return wrong("it is empty; `**` names every file");
    }
    if glob.starts_with('/') {
        return wrong("paths are relative, so leave the `/` in front out");
    }
    if glob.starts_with('!') {
        return wrong("a glob cannot take away here; list it under `exclude`");
    }
    if glob.split('/').any(|part| part == "..") {
        return wrong("`..` leads out of the task's files");
    }
    match fast_glob::validate(&glob) {
        Ok(()) => Ok(glob),
        Err(error) => wrong(&error.to_string()),
    }
}

/// Lists the task's files that `globs` name. See [`walk_in`].
pub fn walk(globs: &Globs) -> Listing {
    walk_in(Path::new("."), globs)
}

/// Lists the files below `root` that `globs` name: regular files only, by their paths relative to `root`, sorted.
///
/// Links are not followed, `.git` and `.longhaul` are not entered, and a folder that cannot be listed is reported
/// rather than an error: the grant may leave it out.
pub fn walk_in(root: &Path, globs: &Globs) -> Listing {
    let mut listing = Listing::default();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        if let Err(error) = list(root, &folder, globs, &mut folders, &mut listing.files) {
            let path = if folder.is_empty() { ".".to_owned() } else { folder };
            listing.unreadable.push(Unreadable { path, reason: error.to_string() });
        }
    }
    listing.files.sort_unstable();
    listing.unreadable.sort_unstable();
    listing
}

fn list(
    root: &Path,
    folder: &str,
    globs: &Globs,
    folders: &mut Vec<String>,
    files: &mut Vec<String>,
) -> io::Result<()> {
    let place = if folder.is_empty() { root.to_owned() } else { root.join(folder) };
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let name = entry.file_name();
        // A name that is no UTF-8 cannot be named by a glob, and no host hands one in.
        let Some(name) = name.to_str() else { continue };
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !PRIVATE.contains(&name) && globs.reaches(&path) {
                folders.push(path);
            }
        } else if kind.is_file() && globs.matches(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// Reads a whole file.
///
/// # Errors
/// As [`std::fs::read`], and the message names the path.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    fs::read(path).map_err(|error| naming(path, error))
}

/// Reads a whole file of at most `max` bytes; a larger one is not read, and its size is the answer.
///
/// # Errors
/// As [`read`].
pub fn read_up_to(path: impl AsRef<Path>, max: u64) -> io::Result<Result<Vec<u8>, u64>> {
    let path = path.as_ref();
    read_bounded(path, max).map_err(|error| naming(path, error))
}

fn read_bounded(path: &Path, max: u64) -> io::Result<Result<Vec<u8>, u64>> {
    let file = fs::File::open(path)?;
    let size = file.metadata()?.len();
    if size > max {
        return Ok(Err(size));
    }
    // Asking for no more than the size saves the call that only finds the end.
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(size).read_to_end(&mut content)?;
    Ok(Ok(content))
}

/// Writes a whole file.
///
/// # Errors
/// As [`std::fs::write`], and the message names the path.
pub fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> io::Result<()> {
    let path = path.as_ref();
    fs::write(path, content).map_err(|error| naming(path, error))
}

/// The same error with the path in its message; the standard library leaves it out.
pub fn naming(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Whether content is binary by the usual rule: a zero byte in its first 8 KiB.
pub fn is_binary(content: &[u8]) -> bool {
    content.iter().take(8 * 1024).any(|byte| *byte == 0)
}

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no glob: {}", self.glob, self.reason)
    }
}

impl std::error::Error for GlobError {}

impl<'de> Deserialize<'de> for Globs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a glob or a list of globs")]
        enum Form {
            One(String),
            Many(Vec<String>),
        }
        let globs = match Form::deserialize(deserializer)? {
            Form::One(glob) => vec![glob],
            Form::Many(globs) => globs,
        };
        Self::new(globs).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for path in paths {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        root
    }

    #[test]
    fn a_walk_is_sorted_and_leaves_out_tools_folders_links_and_exclusions() {
        let root = tree(&["b.rs", "a/z.rs", "a/y.txt", ".git/x.rs", "target/t.rs", "a.rs"]);
        #[cfg(unix)]
        std::os::unix::fs::symlink(root.path(), root.path().join("loop")).unwrap();
        let globs = Globs::new(["**/*.rs"]).unwrap().except(["target/**"]).unwrap();
        let listing = walk_in(root.path(), &globs);
        assert_eq!(listing.files, ["a.rs", "a/z.rs", "b.rs"]);
        assert_eq!(listing.unreadable, []);
    }

    #[test]
    fn folders_that_no_glob_reaches_are_not_opened() {
        let root = tree(&["src/deep/a.rs", "vendor/b.rs"]);
        let globs = Globs::new(["src/**/*.rs"]).unwrap();
        assert!(!globs.reaches("vendor") && globs.reaches("src/deep") && globs.reaches("src"));
        let listing = walk_in(root.path(), &globs);
        assert_eq!((listing.files, listing.unreadable), (vec!["src/deep/a.rs".to_owned()], vec![]));
    }

    #[test]
    fn a_folder_that_is_not_there_is_reported() {
        let listing = walk_in(Path::new("/nowhere/at/all"), &Globs::all());
        assert_eq!(listing.unreadable[0].path, ".");
    }

    #[test]
    fn globs_are_read_from_one_text_or_a_list_and_checked() {
        let globs: Globs = serde_json::from_str(r#"["*.toml","src/*.{rs,c}"]"#).unwrap();
        assert!(globs.matches("a.toml") && globs.matches("src/b.c") && !globs.matches("src/x/b.c"));
        assert!(serde_json::from_str::<Globs>(r#""**""#).unwrap().matches("any/where"));
        for wrong in ["", "/etc/*", "!a", "../x", "a[b", "a{b"] {
            let error = Globs::new([wrong]).unwrap_err().to_string();
            assert!(error.contains("is no glob"), "{error}");
        }
    }
}
