//! Builds and installs the servers, in a folder of the target directory. Their versions are in
//! `servers/`. Nothing outside of the folder is changed.
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs, io};

use super::contestants::{Contestant, PACKAGE, Places, Program};

/// What Debian has for the Go server.
const DEBIAN: [&str; 3] = [
    "golang-1.19-go",
    "golang-1.19-src",
    "golang-github-gorilla-websocket-dev",
];

/// Builds the examples from this tree, as far as they are wanted.
pub(crate) fn examples(wanted: &[&Contestant], places: &Places) -> Result<(), String> {
    let mut bins: Vec<_> = wanted
        .iter()
        .filter_map(|it| match it.program {
            Program::Example(name, _) => Some(name),
            _ => None,
        })
        .collect();
    bins.dedup();
    if bins.is_empty() {
        return Ok(());
    }
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["build", "--release", "--package", "examples"]);
    cargo.args(bins.iter().flat_map(|bin| ["--bin", bin]));
    cargo
        .arg("--manifest-path")
        .arg(Path::new(PACKAGE).join("../../Cargo.toml"));
    cargo.arg("--target-dir").arg(places.examples());
    run(cargo)
}

/// Installs the servers of other languages. What fails is reported, and not measured later.
pub(crate) fn others(wanted: &[&Contestant], places: &Places) {
    let wants = |program: fn(Program) -> bool| wanted.iter().any(|it| program(it.program));
    if wants(|it| matches!(it, Program::Bun | Program::Node { .. })) {
        report("npm", npm(places));
    }
    if wants(|it| it == Program::Python) {
        report("pip", pip(places));
    }
    if wants(|it| it == Program::Go) {
        report("Go", go(places));
    }
}

fn report(name: &str, result: Result<(), String>) {
    match result {
        Ok(()) => println!("{name}: installed"),
        Err(error) => println!("{name}: not installed: {error}"),
    }
}

fn npm(places: &Places) -> Result<(), String> {
    for name in ["package.json", "bun.js", "ws.js"] {
        let from = Path::new(PACKAGE).join("servers").join(name);
        fs::create_dir_all(places.npm()).map_err(text)?;
        fs::copy(from, places.npm().join(name)).map_err(text)?;
    }
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--no-package-lock",
        "--no-audit",
        "--no-fund",
        "--prefix",
    ]);
    npm.arg(places.npm());
    run(npm)
}

fn pip(places: &Places) -> Result<(), String> {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(places.venv());
    run(venv)?;
    let mut pip = Command::new(places.venv().join("bin/pip"));
    pip.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    pip.arg(Path::new(PACKAGE).join("servers/requirements.txt"));
    run(pip)
}

/// Unpacks Go and gorilla/websocket of Debian, and builds the server without a network.
fn go(places: &Places) -> Result<(), String> {
    let folder = places.go();
    fs::create_dir_all(&folder).map_err(text)?;
    if !folder.join("usr").exists() {
        let mut apt = Command::new("apt-get");
        apt.arg("download").args(DEBIAN).current_dir(&folder);
        run(apt)?;
        for file in fs::read_dir(&folder).map_err(text)? {
            let file = file.map_err(text)?.path();
            if file.extension().is_some_and(|it| it == "deb") {
                let mut unpack = Command::new("dpkg-deb");
                unpack.arg("--extract").args([&file, &folder]);
                run(unpack)?;
            }
        }
    }
    let root = folder.join("usr/lib/go-1.19");
    let mut go = Command::new(root.join("bin/go"));
    go.args(["build", "-o"]).arg(folder.join("gorilla"));
    go.arg(Path::new(PACKAGE).join("servers/gorilla/main.go"));
    go.env("GOROOT", root);
    go.env("GOPATH", folder.join("usr/share/gocode"));
    go.env("GOCACHE", folder.join("cache"));
    go.env("GO111MODULE", "off"); // the packages of Debian are a GOPATH, without modules
    go.env_remove("GOFLAGS");
    run(go)
}

/// Runs a command. Its output is shown only if it fails.
fn run(mut command: Command) -> Result<(), String> {
    eprintln!("running {}", command.get_program().display());
    let output = command.stdin(Stdio::null()).output().map_err(text)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn text(error: io::Error) -> String {
    error.to_string()
}
