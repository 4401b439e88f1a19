//! Addresses that are written nowhere: mirrors and package registries belong to the machine, not to the project.

use crate::tidy::Finding;
use crate::tidy::sources::Source;

/// Registries and mirrors. In pieces, because this file is checked as well.
const HOSTS: [&str; 6] = [
    concat!("static.crates", ".io"),
    concat!("index.crates", ".io"),
    concat!("registry.npm", "js"),
    concat!("py", "pi.org"),
    concat!("deb.", "debian."),
    concat!("static.rust", "-lang.org"),
];

/// Files that prepare a machine: no address at all belongs there.
const PREPARING: [&str; 3] = ["xtask/", ".cargo/", ".ci/"];

const SCHEMES: [&str; 2] = [concat!("http:", "//"), concat!("https:", "//")];

/// Names of this very machine, which are no addresses in that sense.
const LOOPBACK: [&str; 2] = ["127.0.0.1", "localhost"];

/// Looks for addresses line by line, comments included.
pub(crate) fn check(file: &Source) -> Vec<Finding> {
    let preparing = PREPARING.iter().any(|folder| file.path.starts_with(folder));
    let lines = file.text.lines().zip(1..);
    let found = lines.filter_map(|(line, number)| {
        if let Some(host) = HOSTS.into_iter().find(|host| line.contains(host)) {
            let advice = "read the address from the machine's configuration";
            return Some(Finding::new(&file.path, number, format!("`{host}` is written down"), advice));
        }
        (preparing && names_an_address(line)).then(|| {
            let advice = "what prepares a machine reads addresses from its configuration";
            Finding::new(&file.path, number, "an address is written down", advice)
        })
    });
    found.collect()
}

fn names_an_address(line: &str) -> bool {
    SCHEMES.into_iter().any(|scheme| {
        let mut hosts = line.match_indices(scheme).map(|(start, _)| &line[start + scheme.len()..]);
        hosts.any(|host| !LOOPBACK.into_iter().any(|loopback| host.starts_with(loopback)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_found_everywhere() {
        for host in HOSTS {
            let file = Source::new("docs/a.md", format!("first\nsee {host}\n"));
            assert_eq!(check(&file).iter().map(|finding| finding.line).collect::<Vec<_>>(), [2], "{host}");
        }
    }

    #[test]
    fn an_address_is_found_where_machines_are_prepared() {
        let line = format!("let mirror = \"{}mirror.example\";", SCHEMES[1]);
        assert_eq!(check(&Source::new("xtask/src/a.rs", line.clone())).len(), 1);
        assert_eq!(check(&Source::new("docs/a.md", line)), []);
        assert_eq!(check(&Source::new("xtask/src/a.rs", format!("{}127.0.0.1:80", SCHEMES[0]))), []);
    }
}
