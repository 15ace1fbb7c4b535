//! Which addresses a request may go to: public ones, and what the operator adds.
//!
//! What is refused follows the IANA registries of special-purpose addresses
//! (RFC 6890 and 8190): all that they don't call globally reachable, and more
//! where an IPv4 address is embedded in an IPv6 one, since a router may unpack
//! it. Of IPv6 only global unicast (2000::/3) is open at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Networks that the operator opens: `[outbound] allow_private`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedNets {
    nets: Vec<IpNet>,
}

/// A text that isn't a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// Neither a network nor an address.
    #[error("{0:?} isn't a network: write one such as \"10.1.0.0/16\", or a single address")]
    Form(String),
    /// The address doesn't fit the length.
    #[error("{written:?} names an address in a network: write \"{network}\" for all of it")]
    NotNetwork {
        /// As written.
        written: String,
        /// The network around it.
        network: IpNet,
    },
}

/// An address that no request may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} is {why}: requests don't go there unless the operator allows it with `allow_private` in [outbound]"
)]
pub struct Refused {
    /// The address.
    pub address: IpAddr,
    /// What kind of address it is.
    pub why: &'static str,
}

/// IPv4 networks that are not public, with the RFC that says so.
const SPECIAL_V4: [(Ipv4Net, &str); 16] = [
    (v4(0, 0, 0, 0, 8), "\"this network\" (RFC 791)"),
    (v4(10, 0, 0, 0, 8), "private (RFC 1918)"),
    (v4(100, 64, 0, 0, 10), "shared by a carrier (RFC 6598)"),
    (v4(127, 0, 0, 0, 8), "this machine (RFC 1122)"),
    (v4(169, 254, 0, 0, 16), "link-local (RFC 3927)"),
    (v4(172, 16, 0, 0, 12), "private (RFC 1918)"),
    (v4(192, 0, 0, 0, 24), "for protocols (RFC 6890)"),
    (v4(192, 0, 2, 0, 24), "for documentation (RFC 5737)"),
    (v4(192, 88, 99, 0, 24), "a 6to4 relay (RFC 7526)"),
    (v4(192, 168, 0, 0, 16), "private (RFC 1918)"),
    (v4(198, 18, 0, 0, 15), "for benchmarks (RFC 2544)"),
    (v4(198, 51, 100, 0, 24), "for documentation (RFC 5737)"),
    (v4(203, 0, 113, 0, 24), "for documentation (RFC 5737)"),
    (v4(224, 0, 0, 0, 4), "multicast (RFC 5771)"),
    (v4(255, 255, 255, 255, 32), "broadcast (RFC 919)"),
    (v4(240, 0, 0, 0, 4), "reserved (RFC 1112)"),
];

/// IPv6 networks that are not public. The first that fits names the reason.
const SPECIAL_V6: [(Ipv6Net, &str); 18] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "unspecified (RFC 4291)"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "this machine (RFC 4291)"),
    (MAPPED, "IPv4 in IPv6 (RFC 4291)"),
    (COMPATIBLE, "IPv4 in IPv6 (RFC 4291)"),
    (TRANSLATED, "IPv4 in IPv6 (RFC 2765)"),
    (NAT64, "IPv4 behind a translator (RFC 6052)"),
    (LOCAL_NAT64, "IPv4 behind a translator (RFC 8215)"),
    (
        v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64),
        "discard-only (RFC 6666)",
    ),
    (TEREDO, "a Teredo tunnel (RFC 4380)"),
    (
        v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48),
        "for benchmarks (RFC 5180)",
    ),
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
        "for protocols (RFC 2928)",
    ),
    (
        v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
        "for documentation (RFC 3849)",
    ),
    (SIX_TO_FOUR, "a 6to4 tunnel (RFC 3056)"),
    (
        v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
        "for documentation (RFC 9637)",
    ),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "private (RFC 4193)"),
    (
        v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
        "link-local (RFC 4291)",
    ),
    (
        v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
        "site-local (RFC 3879)",
    ),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast (RFC 4291)"),
];

const MAPPED: Ipv6Net = v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96);
const COMPATIBLE: Ipv6Net = v6([0, 0, 0, 0, 0, 0, 0, 0], 96);
const TRANSLATED: Ipv6Net = v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96);
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
const LOCAL_NAT64: Ipv6Net = v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48);
const TEREDO: Ipv6Net = v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);

/// All that is assigned for public use so far (RFC 4291, IANA).
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Where clouds hand out credentials to whoever asks. A network that the
/// operator opens doesn't include them: each must be named by itself.
const METADATA: [IpAddr; 12] = [
    // AWS, Google, Azure, Oracle, DigitalOcean and others
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    // AWS: containers' credentials
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    // Scaleway
    IpAddr::V4(Ipv4Addr::new(169, 254, 42, 42)),
    // Alibaba
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Azure's agent, at a public address
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Oracle, older
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    // AWS
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    // Google
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    // Oracle
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
    // Scaleway
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
];

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(s: [u16; 8], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(
        Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]),
        length,
    )
}

impl AllowedNets {
    /// Reads networks (`10.1.0.0/16`) and single addresses.
    ///
    /// # Errors
    /// The first text that is neither.
    pub fn parse(entries: &[String]) -> Result<Self, NetError> {
        let net = |text: &String| {
            let net = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
                (Ok(net), _) => net,
                (_, Ok(address)) => IpNet::from(address),
                _ => return Err(NetError::Form(text.clone())),
            };
            if net.trunc() == net {
                Ok(net)
            } else {
                Err(NetError::NotNetwork {
                    written: text.clone(),
                    network: net.trunc(),
                })
            }
        };
        let nets = entries.iter().map(net).collect::<Result<_, _>>()?;
        Ok(Self { nets })
    }

    fn cover(&self, address: IpAddr) -> bool {
        self.nets.iter().any(|net| net.contains(&address))
    }

    fn name(&self, address: IpAddr) -> bool {
        self.nets.contains(&IpNet::from(address))
    }
}

/// Whether a request may go to this address.
///
/// # Errors
/// When it may not, with the kind of address that it is.
pub fn check(address: IpAddr, allowed: &AllowedNets) -> Result<(), Refused> {
    let refused = |why| Err(Refused { address, why });
    if METADATA.contains(&address) {
        return if allowed.name(address) {
            Ok(())
        } else {
            refused("where a cloud hands out credentials")
        };
    }
    if let Some(why) = special(address)
        && !allowed.cover(address)
    {
        return refused(why);
    }
    // Opening a translator's network doesn't open what lies behind it.
    for inner in embedded(address) {
        check(IpAddr::V4(inner), allowed)?;
    }
    Ok(())
}

/// What kind of address it is, unless it's a public one.
fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => {
            let mut nets = SPECIAL_V4.iter();
            nets.find(|(net, _)| net.contains(&address))
                .map(|&(_, why)| why)
        }
        IpAddr::V6(address) => {
            let mut nets = SPECIAL_V6.iter();
            let named = nets.find(|(net, _)| net.contains(&address));
            let isatap = matches!(address.segments(), [.., 0 | 0x200, 0x5efe, _, _]);
            match named {
                Some(&(_, why)) => Some(why),
                None if !GLOBAL_UNICAST.contains(&address) => Some("not public (RFC 4291)"),
                None if isatap => Some("an ISATAP tunnel (RFC 5214)"),
                None => None,
            }
        }
    }
}

/// The IPv4 addresses that a packet to this address may end at.
fn embedded(address: IpAddr) -> Vec<Ipv4Addr> {
    let IpAddr::V6(address) = address else {
        return Vec::new();
    };
    let bits = address.to_bits();
    let low = Ipv4Addr::from_bits(bits as u32);
    if address.is_loopback() || address.is_unspecified() {
        Vec::new()
    } else if LOCAL_NAT64.contains(&address) {
        behind_local_translator(bits)
    } else if [MAPPED, COMPATIBLE, TRANSLATED, NAT64]
        .iter()
        .any(|net| net.contains(&address))
    {
        vec![low]
    } else if SIX_TO_FOUR.contains(&address) {
        vec![Ipv4Addr::from_bits((bits >> 80) as u32)]
    } else if TEREDO.contains(&address) {
        vec![Ipv4Addr::from_bits(!low.to_bits())]
    } else if matches!(address.segments(), [.., 0 | 0x200, 0x5efe, _, _]) {
        vec![low]
    } else {
        Vec::new()
    }
}

/// A network may put its translator anywhere below [`LOCAL_NAT64`], and the length
/// of its prefix decides where the IPv4 address stands (RFC 6052, figure 1; the
/// bits 64 to 71 are left out). All are looked at. One that reads as 0.x.x.x is
/// only padding, unless all do.
fn behind_local_translator(bits: u128) -> Vec<Ipv4Addr> {
    let before = |end: u32, count: u32| (bits >> (128 - end)) as u32 & ((1u64 << count) - 1) as u32;
    let all = [
        before(128, 32),
        before(64, 16) << 16 | before(88, 16),
        before(64, 8) << 24 | before(96, 24),
        before(104, 32),
    ];
    let all = all.map(Ipv4Addr::from_bits);
    let real: Vec<_> = all
        .iter()
        .filter(|inner| inner.octets()[0] != 0)
        .copied()
        .collect();
    if real.is_empty() { all.to_vec() } else { real }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
