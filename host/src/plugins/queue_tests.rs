use std::path::PathBuf;
use std::sync::mpsc;

use futures_util::future::poll_immediate;
use tokio::task::yield_now;

use super::*;
use crate::plugins::compile::CompileLimits;

/// Its turns are waited for; no child is started.
fn compiler() -> Compiler {
    Compiler::new(PathBuf::from("none"), CompileLimits::default())
}

/// Who got a turn, in order, when all of these want one at once, in this order,
/// while somebody else has it.
async fn order(wishes: &[(&'static str, &Queue, Class)]) -> Vec<&'static str> {
    let compiler = compiler();
    let elsewhere = Queue::default();
    let held = elsewhere.turn(&compiler, Class::New).await.expect("free");
    let (told, got) = mpsc::channel();
    let mut tasks = Vec::new();
    for &(name, queue, class) in wishes {
        let (compiler, queue, told) = (compiler.clone(), queue.clone(), told.clone());
        tasks.push(tokio::spawn(async move {
            let _turn = queue.turn(&compiler, class).await.expect("a turn");
            told.send(name).expect("it is received");
            yield_now().await;
        }));
        // Each comes before the next.
        yield_now().await;
    }
    drop(held);
    for task in tasks {
        task.await.expect("it ends");
    }
    drop(told);
    got.iter().collect()
}

#[tokio::test]
async fn a_folder_full_of_files_holds_up_another_by_one_of_them() {
    let (crowd, shop, blog) = (Queue::default(), Queue::default(), Queue::default());
    let mut wishes = vec![("crowd", &crowd, Class::New); 100];
    wishes.push(("shop", &shop, Class::New));
    wishes.push(("shop", &shop, Class::New));
    wishes.push(("blog", &blog, Class::New));
    let order = order(&wishes).await;
    assert_eq!(order.len(), wishes.len());
    assert_eq!(
        order[..6],
        ["crowd", "shop", "blog", "crowd", "shop", "crowd"]
    );
}

#[tokio::test]
async fn proven_plugins_go_first_within_their_folder() {
    let folder = Queue::default();
    let mut wishes = vec![("new", &folder, Class::New); 5];
    wishes.extend([("proven", &folder, Class::Proven); 2]);
    let order = order(&wishes).await;
    // The first already stood at the head when the others came.
    assert_eq!(order[..4], ["new", "proven", "proven", "new"]);
    assert_eq!(order.len(), wishes.len());
}

#[tokio::test]
async fn a_load_that_is_given_up_leaves_the_place_to_others() {
    let (compiler, folder) = (compiler(), Queue::default());
    let first = folder.turn(&compiler, Class::New).await.expect("free");
    let mut given_up = Box::pin(folder.turn(&compiler, Class::Proven));
    let mut handed = Box::pin(folder.turn(&compiler, Class::Proven));
    let mut last = Box::pin(folder.turn(&compiler, Class::New));
    for waits in [&mut given_up, &mut handed, &mut last] {
        assert!(poll_immediate(waits).await.is_none());
    }
    drop(given_up);
    // Gets the place, and is dropped before it sees that.
    drop(first);
    drop(handed);
    let turn = poll_immediate(&mut last).await;
    let turn = turn.expect("the place isn't lost").expect("a turn");
    drop(turn);
    assert!(!folder.lock().taken);
}

#[tokio::test]
async fn what_was_given_up_is_not_kept() {
    let (compiler, folder) = (compiler(), Queue::default());
    let held = folder.turn(&compiler, Class::New).await.expect("free");
    for _ in 0..1000 {
        tokio::select! {
            biased;
            _ = folder.turn(&compiler, Class::Proven) => panic!("it is taken"),
            () = std::future::ready(()) => {}
        }
    }
    assert!(folder.lock().lines.proven.len() <= 1);
    drop(held);
}

#[test]
fn neither_class_starves_the_other() {
    let mut lines = Lines::default();
    for number in 0..20 {
        lines.push(Class::New, ("new", number));
        lines.push(Class::Proven, ("proven", number));
    }
    let mut order = Vec::new();
    while let Some((class, _)) = lines.pop() {
        order.push(class);
    }
    assert_eq!(order.len(), 40);
    let news = |part: &[&str]| part.iter().filter(|class| **class == "new").count();
    // Of the first 24, each fourth is new.
    for part in order[..24].chunks(4) {
        assert_eq!(part, ["proven", "proven", "proven", "new"]);
    }
    assert_eq!(news(&order), 20);
}

#[test]
fn each_class_is_first_come_first_served() {
    let mut lines = Lines::default();
    for number in 0..3 {
        lines.push(Class::New, number);
    }
    lines.push(Class::Proven, 10);
    lines.push(Class::Proven, 11);
    let order: Vec<_> = std::iter::from_fn(|| lines.pop()).collect();
    assert_eq!(order, [10, 11, 0, 1, 2]);
}
