//! What a handler does when it is called: each of the catalogue's villains.

use hookbox_testkit::Host;
use hookbox_testkit::hostile::{Fate, Villain, villains};
use hookbox_testkit::log::{is_from_plugin, message};

use crate::scene::{all_well, failure, fixture, host_with, rejection, watched, well};

/// Runs a villain beside the good plugin until its attempt has ended as it must.
fn play(name: &str) {
    let villain = find(name);
    let mut host = with_villain(&villain);
    watched(&mut host, |host| ends_as_it_must(host, &villain));
}

/// A host with the good plugin and a villain.
fn with_villain(villain: &Villain) -> Host {
    let host = host_with(villain.host);
    host.manifest(villain.name, &villain.manifest(limits(villain.fate)));
    host.install(villain.name, &villain.component(fixture));
    host
}

/// Tight, so that a test takes no longer than it must; but each only where it is
/// what ends the attempt, since the machine may be busy.
fn limits(fate: Fate) -> &'static str {
    match fate {
        Fate::Fails(why) if why.contains("CPU") || why == "limit of" => "cpu = \"50ms\"",
        Fate::Fails(why) if why.contains("wall") => "wall = \"300ms\"",
        _ => "",
    }
}

fn ends_as_it_must(host: &Host, villain: &Villain) {
    let name = villain.name;
    match villain.fate {
        Fate::Fails(why) => {
            let reason = failure(host, name);
            assert!(reason.contains(why), "{reason}");
        }
        Fate::Rejects(why) => {
            let reason = rejection(host, name);
            assert!(reason.contains(why), "{reason}");
        }
        Fate::Ends => well(host, name),
    }
    if let Some(text) = villain.says {
        host.log.wait("what the villain says", |line| {
            is_from_plugin(line, name) && message(line).contains(text)
        });
    }
}

fn find(name: &str) -> Villain {
    let mut all = villains().into_iter();
    let found = all.find(|villain| villain.name == name);
    found.unwrap_or_else(|| panic!("{name} is in the catalogue"))
}

/// One test for each, so that they run side by side and each is named.
macro_rules! villains {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                play(&stringify!($name).replace('_', "-"));
            }
        )*

        #[test]
        fn each_villain_of_the_catalogue_is_played() {
            let mut played = vec![$(stringify!($name).replace('_', "-")),*];
            let mut all: Vec<_> = villains().iter().map(|villain| villain.name.to_owned()).collect();
            played.sort();
            all.sort();
            assert_eq!(played, all);
        }
    };
}

villains! {
    loop_in_handler
    loop_in_start
    loop_in_realloc
    loop_in_post_return
    loop_of_memory_fill
    loop_of_memory_copy
    loop_of_table_fill
    read_config_for_ever
    loop_of_filtered_logs
    straight_line_of_calls
    loop_of_reads
    loop_of_counts
    loop_of_clock_reads
    sleep_for_ever
    sleep_in_start
    poll_for_ever
    poll_one_thousands_of_times
    poll_many
    poll_nothing
    poll_without_end
    read_closed_stdin_for_ever
    recursion
    recursion_of_two
    recursion_in_large_frames
    recursion_in_realloc
    recursion_into_log
    recursion_into_reads
    recursion_into_outbox
    recursion_into_wasi
    recursion_into_fields
    realloc_calls_the_host
    memory_at_once
    memory_step_by_step
    memory_to_the_limit
    memories
    table_growth
    tables
    instances
    allocate_for_ever
    flood_of_pollables
    flood_of_streams
    flood_of_fields
    flood_of_buckets
    flood_of_swaps
    flood_of_sockets
    handle_dropped_twice
    handle_used_after_drop
    handle_used_after_swap
    handle_made_up
    handle_of_another_kind
    stream_dropped_before_its_pollable
    log_of_128_mib
    context_of_128_mib
    value_of_128_mib
    body_of_128_mib
    reason_of_128_mib
    reason_of_15_mib
    millions_of_keys
    millions_of_headers
    log_at_no_level
    log_out_of_bounds
    log_of_4_gib
    list_of_4_gib
    random_of_u64_max
    insecure_random_of_u64_max
    random_for_ever
    stdout_of_4_mib_at_once
    zeroes_of_u64_max
    space_out_of_bounds
    space_at_the_edge
    space_unaligned
    space_always_the_same
    space_at_null
    space_that_grows
    space_that_traps
    flood_of_lines
    flood_of_long_lines
    stdout_without_an_end
    stdout_of_line_ends
    log_of_escapes
    context_of_escapes
    stdout_of_escapes
    reason_of_escapes
    trap_of_escapes
    log_of_no_text
    reason_of_no_text
    delay_of_u64_max
    delay_of_nothing
    answer_of_no_result
    answer_of_no_error
    answer_out_of_bounds
    answer_unaligned
    reason_out_of_bounds
    trap
    trap_in_start
    trap_in_post_return
    division_by_zero
    division_past_the_end
    read_out_of_bounds
    call_of_nothing
    call_of_another_type
    call_past_the_table
    exit_well
    exit_badly
    exit_in_start
    panic_at_length
    key_of_1025_bytes
    key_of_nothing
    bucket_of_257_bytes
    value_past_its_limit
    writes_past_their_limit
    more_than_the_plugin_may_have
    increment_of_a_word
    increment_past_the_end
    read_too_much_at_once
    read_more_than_there_is_space_for
    write_257_keys
    read_10001_keys
    conflict_storm
    list_for_ever
    counters_past_their_limit
    counter_past_the_end
    counter_of_257_bytes
    request_to_nowhere
    requests_past_their_limit
    request_body_past_its_limit
    request_of_65_headers
    request_of_long_headers
    request_of_a_long_url
    request_with_a_second_header_in_one
    request_with_a_line_in_its_url
    request_with_a_line_in_its_method
    request_of_a_file
    request_with_a_reserved_header
    flood_of_headers
    flood_of_long_headers
}

#[test]
fn the_longest_delay_is_the_hosts() {
    let villain = find("delay-of-u64-max");
    let mut host = with_villain(&villain);
    let reason = watched(&mut host, |host| failure(host, villain.name));
    let delay = reason
        .split_whitespace()
        .find_map(|word| word.parse::<u64>().ok());
    let delay = delay.expect("the log says when the next attempt is");
    assert!((200_000..=300_000).contains(&delay), "{reason}");
}

/// As large as the host takes it, 1 MiB; the handler gets the text and the body.
#[test]
fn the_largest_event_is_put_where_the_handler_says() {
    for (name, fate) in [
        ("space-always-the-same", Fate::Fails("beyond end of memory")),
        ("space-that-grows", Fate::Fails("memory limit of")),
    ] {
        let villain = Villain { fate, ..find(name) };
        let mut host = with_villain(&villain);
        watched(&mut host, |host| {
            let message = "\n".repeat(500_000);
            host.post_chat("large", &message);
            ends_as_it_must(host, &villain);
        });
    }
}

/// All of a plugin's attempts at once, for one entry: each adds to it once.
#[test]
fn a_storm_of_conflicts_ends() {
    const EVENTS: usize = 40;
    let villain = find("conflict-storm");
    let mut host = with_villain(&villain);
    watched(&mut host, |host| {
        for event in 0..EVENTS {
            host.post_chat(&format!("storm {event}"), "hello");
        }
        all_well(host, villain.name, EVENTS);
    });
}
