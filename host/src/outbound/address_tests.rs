use proptest::prelude::*;

use super::*;

fn nets(entries: &[&str]) -> AllowedNets {
    let entries: Vec<_> = entries.iter().map(|&entry| entry.to_owned()).collect();
    AllowedNets::parse(&entries).expect("good networks")
}

fn ok(address: &str, allowed: &[&str]) -> bool {
    check(address.parse().expect("an address"), &nets(allowed)).is_ok()
}

#[test]
fn public_addresses_are_open() {
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2a00:1450:4001::200e",
        "2001:4860:4860::8888",
        "2001:200::1",
    ] {
        assert!(ok(address, &[]), "{address}");
    }
}

#[test]
fn all_others_are_closed() {
    for (address, kind) in [
        ("0.0.0.0", "this network"),
        ("0.1.2.3", "this network"),
        ("10.0.0.1", "private"),
        ("100.64.0.1", "carrier"),
        ("100.127.255.255", "carrier"),
        ("127.0.0.1", "this machine"),
        ("127.255.255.254", "this machine"),
        ("169.254.1.1", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.8", "protocols"),
        ("192.0.2.1", "documentation"),
        ("192.88.99.1", "6to4"),
        ("192.168.1.1", "private"),
        ("198.18.0.1", "benchmarks"),
        ("198.19.255.255", "benchmarks"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "this machine"),
        ("::8.8.8.8", "IPv4 in IPv6"),
        ("::ffff:127.0.0.1", "IPv4 in IPv6"),
        ("::ffff:8.8.8.8", "IPv4 in IPv6"),
        ("::ffff:0:8.8.8.8", "IPv4 in IPv6"),
        ("64:ff9b::8.8.8.8", "translator"),
        ("64:ff9b:1::1", "translator"),
        ("100::1", "discard"),
        ("2001::1", "Teredo"),
        ("2001:2::1", "benchmarks"),
        ("2001:10::1", "protocols"),
        ("2001:20::1", "protocols"),
        ("2001:db8::1", "documentation"),
        ("2002:808:808::1", "6to4"),
        ("2a00:1450::5efe:a00:1", "ISATAP"),
        ("2a00:1450::200:5efe:a00:1", "ISATAP"),
        ("3fff::1", "documentation"),
        ("5f00::1", "not public"),
        ("4000::1", "not public"),
        ("fc00::1", "private"),
        ("fd12:3456::1", "private"),
        ("fe80::1", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("169.254.169.254", "credentials"),
        ("168.63.129.16", "credentials"),
        ("100.100.100.200", "credentials"),
        ("fd00:ec2::254", "credentials"),
    ] {
        let refused = check(
            address.parse().expect("an address"),
            &AllowedNets::default(),
        )
        .expect_err(address);
        assert!(refused.why.contains(kind), "{address} is {}", refused.why);
        assert!(refused.to_string().contains("allow_private"));
    }
}

#[test]
fn the_operator_opens_networks_and_single_addresses() {
    assert!(ok("127.0.0.1", &["127.0.0.0/8"]));
    assert!(ok("10.1.2.3", &["127.0.0.0/8", "10.1.0.0/16"]));
    assert!(!ok("10.2.0.1", &["10.1.0.0/16"]));
    assert!(ok("10.2.0.1", &["10.2.0.1"]));
    assert!(ok("::1", &["::1"]));
    assert!(!ok("::1", &["0.0.0.0/0"]));
    assert!(ok("fd00::1", &["fc00::/7"]));
}

#[test]
fn metadata_addresses_are_opened_only_by_themselves() {
    let all = ["0.0.0.0/0", "::/0", "169.254.0.0/16", "169.254.169.254/31"];
    for address in METADATA {
        let address = address.to_string();
        assert!(!ok(&address, &all), "{address}");
        assert!(ok(&address, &[&address]), "{address}");
    }
    assert!(ok("169.254.169.254", &["169.254.169.254/32"]));
}

#[test]
fn what_is_embedded_is_checked_as_well() {
    let v6 = ["::/0"];
    for address in [
        "::ffff:10.0.0.1",
        "::10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "2002:a00:1::1",
        "2001:0:102:304:0:ffff:f5ff:fffe",
        "2a00::5efe:a00:1",
    ] {
        assert!(!ok(address, &v6), "{address}");
        if !address.contains("169") {
            assert!(ok(address, &["::/0", "10.0.0.0/8"]), "{address}");
        }
    }
    assert!(ok("64:ff9b::8.8.8.8", &["64:ff9b::/96"]));
    assert!(!ok("64:ff9b::169.254.169.254", &["::/0", "0.0.0.0/0"]));
}

/// RFC 8215 leaves the translator's prefix to the network.
#[test]
fn a_local_translator_opens_nothing_that_is_private_behind_it() {
    let open = ["64:ff9b:1::/48"];
    for address in [
        // 127.0.0.1 and 169.254.169.254 below prefixes of 96, 64, 56 and 48 bits
        "64:ff9b:1::7f00:1",
        "64:ff9b:1:abcd::7f00:1",
        "64:ff9b:1:0:7f:0:100:0",
        "64:ff9b:1:7f:0:1::",
        "64:ff9b:1:7f00:0:100::",
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1:0:a9:fea9:fe00:0",
        "64:ff9b:1:a9:fe:a9fe::",
        "64:ff9b:1:a9fe:a9:fe00::",
        // with something public where another prefix would have it
        "64:ff9b:1:7f00:0:100:808:808",
        "64:ff9b:1::",
    ] {
        assert!(!ok(address, &[]), "{address}");
        assert!(!ok(address, &open), "{address}");
        assert!(!ok(address, &["::/0"]), "{address}");
    }
    for address in [
        "64:ff9b:1::808:808",
        "64:ff9b:1:0:8:808:800:0",
        "64:ff9b:1:8:8:808::",
        "64:ff9b:1:808:8:800::",
    ] {
        assert!(ok(address, &open), "{address}");
    }
    assert!(ok("64:ff9b:1::7f00:1", &["64:ff9b:1::/48", "127.0.0.0/8"]));
}

#[test]
fn networks_are_written_in_full() {
    let error = |text: &str| AllowedNets::parse(&[text.to_owned()]).expect_err(text);
    assert_eq!(
        error("10.1.2.3/16").to_string(),
        "\"10.1.2.3/16\" names an address in a network: write \"10.1.0.0/16\" for all of it"
    );
    for text in [
        "",
        "private",
        "10.0.0.0/33",
        "10.0.0",
        "010.0.0.1",
        "localhost",
    ] {
        assert_eq!(error(text), NetError::Form(text.into()));
    }
}

proptest! {
    /// Agrees with the standard library where that knows the answer.
    #[test]
    fn whatever_std_calls_special_is_closed(bits: u32) {
        let address = Ipv4Addr::from_bits(bits);
        if address.is_private() || address.is_loopback() || address.is_link_local()
            || address.is_multicast() || address.is_broadcast() || address.is_unspecified()
            || address.is_documentation()
        {
            prop_assert!(check(address.into(), &AllowedNets::default()).is_err());
        }
        prop_assert!(check(address.to_ipv6_mapped().into(), &AllowedNets::default()).is_err());
    }

    /// No IPv6 address outside of global unicast is open, and no way to write an
    /// IPv4 address into one opens it.
    #[test]
    fn ipv6_is_closed_but_for_global_unicast(bits: u128) {
        let address = Ipv6Addr::from_bits(bits);
        let open = check(address.into(), &AllowedNets::default()).is_ok();
        prop_assert!(!open || address.segments()[0] & 0xe000 == 0x2000);
    }
}
