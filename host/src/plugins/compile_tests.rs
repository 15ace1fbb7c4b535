use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

/// Much longer than any of these take.
const PATIENCE: Duration = Duration::from_secs(60);

const CONFINED: &str = r#"echo '{"landlock":"full","seccomp":"full"}';"#;

/// A compiler whose children run this script.
fn compiler(script: &str, memory: u64, wall: Duration) -> (Compiler, TempDir) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let program = folder.path().join("child");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("allowed");
    let limits = CompileLimits {
        bounds: Bounds {
            memory,
            ..CompileLimits::default().bounds
        },
        wall,
    };
    (Compiler::new(program, limits), folder)
}

async fn answer_of(script: &str, most: u64) -> Result<Vec<u8>, CompileError> {
    let (compiler, _folder) = compiler(script, most, PATIENCE);
    let turn = compiler.turn().await.expect("it is free");
    turn.compile(b"file").await
}

#[tokio::test]
async fn a_child_that_says_a_lot_still_answers() {
    let script = format!(
        "/usr/bin/head -c 1000000 /dev/zero >&2; {CONFINED} echo '\"compiled\"'; printf code"
    );
    assert_eq!(answer_of(&script, 100).await.expect("an answer"), b"code");
}

#[tokio::test]
async fn a_child_that_answers_without_end_is_stopped_and_said_so() {
    let script = format!("{CONFINED} echo '\"compiled\"'; while :; do echo code; done");
    let answer = answer_of(&script, 100_000).await;
    assert!(
        matches!(answer, Err(CompileError::TooMuchCode(100_000))),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_child_that_crashes_is_quoted() {
    let problem = answer_of("echo out of luck >&2; exit 3", 100).await;
    let problem = problem.expect_err("no answer").to_string();
    assert!(problem.contains("out of luck"), "{problem}");
}

#[tokio::test]
async fn a_child_that_fails_after_its_answer_has_not_answered() {
    let script = format!("{CONFINED} echo '\"compiled\"'; printf half; exit 1");
    let answer = answer_of(&script, 100).await;
    assert!(
        matches!(answer, Err(CompileError::Crashed { .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn garbage_is_no_answer() {
    for script in [
        "echo hello".to_owned(),
        format!("{CONFINED} echo hello"),
        format!("{CONFINED} printf '\"compiled\"'"),
        "echo '\"compiled\"'; echo code".to_owned(),
        "/usr/bin/head -c 1000000 /dev/zero".to_owned(),
        ":".to_owned(),
    ] {
        let answer = answer_of(&script, 2_000_000).await;
        assert!(
            matches!(answer, Err(CompileError::Garbled { .. })),
            "{script}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_problem_cannot_talk_to_the_terminal_or_fill_the_log() {
    let script = format!(
        r#"{CONFINED} printf '{{"refused":{{"problem":"a\\u001b[2Jb'; /usr/bin/head -c 100000 /dev/zero | /usr/bin/tr '\0' x; echo '"}}}}'"#
    );
    let answer = answer_of(&script, 1_000_000).await;
    let Err(CompileError::Refused(problem)) = answer else {
        panic!("{answer:?}");
    };
    assert!(problem.starts_with("a\\u{1b}[2Jbxx"), "{problem}");
    assert!(problem.len() < 10_000, "{} bytes", problem.len());
}

#[tokio::test]
async fn a_child_that_hangs_is_stopped() {
    let (compiler, _folder) = compiler("exec sleep 1000", 100, Duration::from_millis(50));
    let turn = compiler.turn().await.expect("it is free");
    let answer = turn.compile(b"file").await;
    assert!(
        matches!(answer, Err(CompileError::Timeout(_))),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_load_that_is_dropped_ends_its_child_and_what_that_started() {
    let (compiler, folder) = compiler("sleep 1000 & echo $! >$0.pid; wait", 100, PATIENCE);
    let note = folder.path().join("child.pid");
    let noted = || async {
        loop {
            let text = fs::read_to_string(&note).unwrap_or_default();
            if text.ends_with('\n') {
                return text.trim().to_owned();
            }
            tokio::task::yield_now().await;
        }
    };
    let turn = compiler.turn().await.expect("it is free");
    let grandchild = tokio::select! {
        answer = turn.compile(b"file") => panic!("{answer:?}"),
        pid = noted() => pid,
    };
    let ended = async {
        while is_running(&grandchild) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("it ends with the child");
}

/// One that has ended may wait for being reaped.
fn is_running(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(')')
        .next()
        .and_then(|rest| rest.trim().chars().next());
    state.is_some_and(|state| state != 'Z')
}
