//! Measures what a workspace costs: `cargo run --release -p longhaul-workspace --example measure_workspace [FILES …]`.
//!
//! Makes folders of 1 000 and 10 000 small files and prints, for each: the first import, the second, a stage with the commit
//! of ten changed files, and applying it.

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use longhaul_core::path::StagePath;
use longhaul_core::stage::{Create, OpenMode, Stage};
use longhaul_workspace::{Options, StageLimits, Workspace};
use std::error::Error;
use std::time::Instant;

/// Milliseconds that this thread spent computing so far: on a busy machine, wall time says little.
fn processor() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(0.0) / 1e6
}

#[expect(clippy::print_stdout, reason = "an example prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|count| count.parse().ok()).collect();
    let counts = if asked.is_empty() { vec![1_000, 10_000] } else { asked };
    for files in counts {
        let folder = tempfile::tempdir_in(".")?;
        for n in 0..files {
            let dir = folder.path().join(format!("src/{}", n / 40));
            std::fs::create_dir_all(&dir)?;
            std::fs::write(dir.join(format!("file{n}.rs")), format!("// {n}\n").repeat(200))?;
        }
        let open = || -> Result<Workspace, Box<dyn Error>> {
            let root = Dir::open_ambient_dir(folder.path(), ambient_authority())?;
            let _ = root.create_dir(".longhaul");
            let state = root.open_dir(".longhaul")?;
            Ok(Workspace::open(root, state, &Options::default())?)
        };
        let workspace = open()?;
        let mut lap = (Instant::now(), processor());
        let mut show = |what: &str| {
            let (wall, busy) = (lap.0.elapsed().as_secs_f64() * 1e3, processor() - lap.1);
            println!("{files:>6} files  {what:<32} {wall:>9.2} ms, {busy:>8.2} ms of them computing");
            lap = (Instant::now(), processor());
        };
        workspace.import()?;
        show("import, first");
        let imported = workspace.import()?;
        show(&format!("import, second ({} read)", imported.report.read));
        workspace.import()?;
        show("import, third");
        let workspace = open()?;
        workspace.load(imported.version)?;
        show("open and load from disk");
        let limits = StageLimits { bytes: 1 << 30, files: 100_000 };
        let stage = workspace.stage(imported.version, "measure", limits)?;
        show("stage");
        for n in (0..files).step_by(files / 10).take(10) {
            let path = StagePath::new(format!("src/{}/file{n}.rs", n / 40))?;
            stage.open(&path, OpenMode::Write { create: Create::No, truncate: false })?.append(b"// changed\n")?;
        }
        show("ten files changed");
        let committed = workspace.commit(&stage, imported.version)?;
        show(&format!("next version ({} changes)", committed.changes.len()));
        workspace.apply(imported.version, committed.version)?;
        show("apply");
        let again = workspace.import()?;
        show(&format!("import after it ({} read)", again.report.read));
        assert_eq!(again.version, committed.version);
    }
    Ok(())
}
