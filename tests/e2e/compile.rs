//! Compiling is bounded: whatever lies in the folder, the compile child can do
//! nothing else, ends, and takes nobody with it.

use std::fs::{self, File};
use std::path::Path;

use hookbox::plugins::compile::{CompileLimits, Compiler};
use hookbox::plugins::confine::probe::Report;
use hookbox::plugins::confine::{Degree, Step};
use hookbox_testkit::log::{field, message};
use hookbox_testkit::wat::{self, World};
use hookbox_testkit::{Host, HostOptions, wait_for};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{children, host, host_with, said, slow_to_compile};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hookbox");

/// Drops `bad` beside a good plugin, waits for the complaint, and checks that
/// the good one and ingest went on.
fn complaint_beside_a_good_plugin(host: &Host, bad: &[u8]) -> String {
    host.install("good", &wat::logs(World::ChatPush, "fine"));
    host.drop_in("bad", bad);
    let complaint = complaint(host);
    host.post_chat("s", "still there?");
    host.log
        .wait("the good plugin's line", said("good", "fine"));
    complaint
}

fn complaint(host: &Host) -> String {
    let line = host.log.wait("the complaint", |line| {
        line["level"] == "ERROR" && field(line, "plugin") == "bad"
    });
    assert!(host.version("bad").is_none());
    message(&line).to_owned()
}

fn self_test() -> Report {
    let compiler = Compiler::new(PROGRAM.into(), CompileLimits::default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(compiler.self_test())
        .expect("the child reports")
}

#[test]
fn a_confined_child_can_do_nothing_but_compile() {
    // Open in this process, and not marked to be closed in a child.
    let inherited = File::open("/dev/null").unwrap();
    fcntl_setfd(&inherited, FdFlags::empty()).unwrap();

    let report = self_test();

    assert_eq!(report.variables, 0);
    assert_eq!(report.descriptors, 3, "only its three pipes are open");
    let at = |step: Step| report.tried.iter().filter(move |tried| tried.step == step);
    // What is tried works where nothing forbids it: the probe isn't blind.
    let refused: Vec<_> = at(Step::Before)
        .filter(|tried| tried.refused.is_some())
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    assert_eq!(at(Step::Before).count(), 12);

    let works_at = |step: Step| -> Vec<&str> {
        at(step)
            .filter(|tried| tried.refused.is_none())
            .map(|tried| tried.what.as_str())
            .collect()
    };
    if report.confinement.landlock != Degree::No {
        let works = works_at(Step::Landlock);
        for what in [
            "read a file",
            "list a folder",
            "write a file",
            "start a process",
        ] {
            assert!(!works.contains(&what), "{what} works with Landlock");
        }
    }
    let works = works_at(Step::Limits);
    for what in [
        "read a file",
        "open a descriptor",
        "take too much memory",
        "open a UDP socket",
    ] {
        assert!(!works.contains(&what), "{what} works with limits");
    }
    // Every kernel that the tests run on has it.
    assert_eq!(report.confinement.seccomp, Degree::Full);
    assert_eq!(works_at(Step::Seccomp), Vec::<&str>::new());
}

#[test]
fn a_child_whose_host_is_gone_does_not_start() {
    // The parent that it is told isn't its own.
    let output = std::process::Command::new(PROGRAM)
        .args([
            "compile",
            "--parent",
            "1",
            "--memory",
            "1073741824",
            "--cpu",
            "10",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("the host that started this is gone"),
        "{said}"
    );
}

#[test]
fn what_confines_the_child_is_logged() {
    let host = Host::start(
        PROGRAM,
        HostOptions {
            log: "info,hookbox=debug".into(),
            ..HostOptions::default()
        },
    );
    host.install("good", &wat::logs(World::ChatPush, "fine"));
    let line = host.log.wait("the line", |line| {
        message(line) == "the compile child was confined"
    });
    assert_eq!(field(&line, "seccomp"), "full");
    assert!(["full", "partly", "no"].contains(&field(&line, "landlock")));
}

#[test]
fn a_compile_bomb_ends_at_the_cpu_limit() {
    let host = host_with("[compile]\ncpu = \"1s\"\n");
    let complaint = complaint_beside_a_good_plugin(&host, &slow_to_compile());
    assert!(
        complaint.contains("more than 1 s of CPU time"),
        "{complaint}"
    );
}

#[test]
fn a_compile_bomb_ends_at_the_time_limit() {
    let host = host_with("[compile]\nwall = \"1s\"\n");
    let complaint = complaint_beside_a_good_plugin(&host, &slow_to_compile());
    assert!(complaint.contains("longer than 1 s"), "{complaint}");
    wait_for("the child to end", || {
        children(host.pid()).is_empty().then_some(())
    });
}

#[test]
fn a_compile_bomb_ends_at_the_memory_limit() {
    let host = host_with("[compile]\nmemory = \"256MiB\"\n");
    let complaint = complaint_beside_a_good_plugin(&host, &one_huge_function());
    assert!(
        complaint.contains("more than 268435456 bytes of memory"),
        "{complaint}"
    );
}

/// Its compiler keeps hundreds of bytes for each instruction.
fn one_huge_function() -> Vec<u8> {
    let step = "(i64.mul (local.get $x)) (i64.xor (i64.const 77)) ";
    let items = format!(
        "(func (param $x i64) (result i64) (local.get $x) {})",
        step.repeat(500_000)
    );
    wat::plugin(World::ChatPush, &items, "(i32.const 16)")
}

#[test]
fn a_file_of_100_mb_is_refused() {
    let host = host();
    let scratch = host.plugins().join(".bad.part");
    fs::write(&scratch, b"\0asm\x01\0\0\0").unwrap();
    let file = File::options().write(true).open(&scratch).unwrap();
    file.set_len(100_000_000).unwrap();
    fs::rename(&scratch, host.plugins().join("bad.wasm")).unwrap();

    let complaint = complaint(&host);

    assert!(
        complaint.contains("it has 100000000 bytes, and at most 67108864 are taken"),
        "{complaint}"
    );
    host.post_chat("s", "still there?");
}

#[test]
fn compiled_code_is_refused_under_any_name() {
    let host = host();
    let wasm = wat::logs(World::ChatPush, "fine");
    host.install("good", &wasm);
    // What the host itself has made of it: an ELF file and a tag.
    let code = fs::read(only_entry(&host.data().join("code"))).unwrap();
    assert!(code.starts_with(b"\x7fELF"));

    fs::write(host.plugins().join("fast.cwasm"), &code).unwrap();
    host.log.wait("the refusal by name", |line| {
        field(line, "file").contains("fast.cwasm") && message(line).contains("compiled code")
    });
    host.drop_in("bad", &code);
    let complaint = complaint(&host);
    assert!(complaint.contains("native code"), "{complaint}");
}

fn only_entry(folder: &Path) -> std::path::PathBuf {
    let mut entries = fs::read_dir(folder).unwrap();
    let entry = entries.next().expect("one").unwrap().path();
    assert!(entries.next().is_none());
    entry
}

#[test]
fn a_compiler_that_crashes_is_a_load_error() {
    let host = Host::start(
        PROGRAM,
        HostOptions {
            env: vec![("HOOKBOX_CRASH_AT".into(), "compile-file:1".into())],
            ..HostOptions::default()
        },
    );
    host.drop_in("bad", &wat::logs(World::ChatPush, "never"));
    let complaint = complaint(&host);
    assert!(
        complaint.contains("the compiler crashed on it"),
        "{complaint}"
    );
    host.post_chat("s", "still there?");
}

#[test]
fn a_child_that_is_killed_is_a_load_error() {
    let host = host();
    host.drop_in("bad", &slow_to_compile());
    let child = wait_for("the compile child", || {
        children(host.pid()).first().copied()
    });
    kill(child);
    let complaint = complaint(&host);
    assert!(
        complaint.contains("the compiler crashed on it (signal: 9"),
        "{complaint}"
    );
    // The next file has its turn.
    host.install("good", &wat::logs(World::ChatPush, "fine"));
}

fn kill(process: u32) {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process"), Signal::KILL).expect("killed");
}

#[test]
fn a_killed_host_leaves_no_compile_child() {
    let mut host = host();
    host.drop_in("slow", &slow_to_compile());
    let child = wait_for("the compile child to be confined", || {
        let child = children(host.pid()).first().copied()?;
        // Since it is confined, nobody can look into it: it reads or compiles.
        let status = fs::read_to_string(format!("/proc/{child}/status")).ok()?;
        status.contains("NoNewPrivs:\t1").then_some(child)
    });
    host.kill();
    wait_for("the child to end", || {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let state = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        // One that has ended may wait for being reaped.
        state.is_none_or(|state| state == 'Z').then_some(())
    });
}

#[test]
fn a_forged_cache_entry_is_compiled_again() {
    let mut host = host();
    let version = host.install("good", &wat::logs(World::ChatPush, "fine"));
    host.stop();
    let entry = only_entry(&host.data().join("code"));
    let mut forged = fs::read(&entry).unwrap();
    let middle = forged.len() / 2;
    forged[middle] ^= 0xff;
    fs::write(&entry, &forged).unwrap();

    host.restart();
    wait_for("the plugin to run", || {
        host.version("good").filter(|now| *now == version)
    });
    host.log.wait("the warning", |line| {
        line["level"] == "WARN" && message(line).contains("an entry of the code cache is removed")
    });
    host.post_chat("s", "still there?");
    host.log.wait("its line", said("good", "fine"));
    assert_ne!(fs::read(&entry).unwrap(), forged);
}

#[test]
fn check_and_doctor_look_at_plugins_in_a_confined_process() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("plugins")).unwrap();
    fs::write(at("plugins/good.wasm"), wat::logs(World::ChatPush, "fine")).unwrap();
    fs::write(at("plugins/bad.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    let settings = "listen = '127.0.0.1:0'\nadmin.listen = '127.0.0.1:0'\n";
    fs::write(at("hookbox.toml"), settings).unwrap();
    // Into a file, which the child's limits wouldn't allow.
    let run = |args: &[&str]| {
        let output = File::create(at("output")).unwrap();
        let status = std::process::Command::new(PROGRAM)
            .args(args)
            .current_dir(folder.path())
            .stdout(output)
            .status()
            .unwrap();
        (status.code(), fs::read_to_string(at("output")).unwrap())
    };

    let (code, said) = run(&["check", "plugins/good.wasm"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("It fits: it handles `chat.push`."), "{said}");
    let (code, said) = run(&["check", "--json", "plugins/bad.wasm"]);
    assert_eq!(code, Some(1), "{said}");

    let (code, said) = run(&["doctor"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("handles on-chat-push"), "{said}");
    assert!(
        said.contains("it doesn't fit: the component exports no handler"),
        "{said}"
    );
    assert!(said.contains("seccomp: full"), "{said}");
}
