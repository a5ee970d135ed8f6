//! Templates on a machine made for the purpose.

use super::interface::{default_v4, default_v6};
use super::*;

/// Loopback, a public address on the default route, two private ones, a bridge that is down.
fn machine() -> Vec<InterfaceAddress> {
    let one = |name: &str, network: &str| {
        let (ip, prefix) = network.split_once('/').expect("a network");
        InterfaceAddress {
            name: name.to_owned(),
            ip: ip.parse().expect("an address"),
            prefix: prefix.parse().expect("a number"),
            flags: InterfaceFlags {
                up: name != "br0",
                broadcast: name != "lo",
                loopback: name == "lo",
                point_to_point: false,
                multicast: name != "lo",
            },
            default: name == "eth0",
        }
    };
    vec![
        one("lo", "127.0.0.1/8"),
        one("lo", "::1/128"),
        one("eth0", "203.0.114.7/24"),
        one("eth0", "fe80::1/64"),
        one("eth1", "10.1.2.3/16"),
        one("eth1", "fd00::5/64"),
        one("eth2", "192.168.7.9/24"),
        one("br0", "172.17.0.1/16"),
    ]
}

fn read(text: &str) -> String {
    expand(text, &machine).unwrap_or_else(|error| format!("error: {error}"))
}

#[test]
fn sources_and_short_forms_find_what_they_name() {
    let rows = [
        ("10.0.0.1:8946", "10.0.0.1:8946"),
        ("{{ GetPrivateIP }}:8946", "10.1.2.3:8946"),
        ("{{GetPrivateIP}}", "10.1.2.3"),
        ("{{ GetPublicIP }}", "203.0.114.7"),
        ("{{ GetInterfaceIP \"eth2\" }}:1", "192.168.7.9:1"),
        ("{{ GetInterfaceIP `eth[01]` }}", "10.1.2.3"),
        ("{{- GetPrivateIP -}} :9", "10.1.2.3:9"),
        ("{{ GetDefaultInterfaces | include \"type\" \"ipv4\" | attr \"address\" }}", "203.0.114.7"),
        ("{{ attr \"address\" (GetPublicInterfaces) }}", "203.0.114.7"),
        ("{{ . | include \"name\" \"eth2\" | join \"address\" \" \" }}", "192.168.7.9"),
        ("{{ \"10.9.9.9\" }}", "10.9.9.9"),
    ];
    for (text, expected) in rows {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn pipelines_filter_sort_and_count() {
    let rows = [
        ("include \"network\" \"192.168.0.0/16\" | attr \"address\"", "192.168.7.9"),
        (
            "include \"rfc\" \"1918\" | exclude \"flags\" \"down\" | sort \"-address\" | attr \"address\"",
            "192.168.7.9",
        ),
        ("include \"flags\" \"forwardable|up\" | sort \"type,size\" | attr \"address\"", "10.1.2.3"),
        (
            "exclude \"type\" \"IPv4\" | include \"rfcs\" \"4193|4291\" | exclude \"flag\" \"loopback\" | sort \"address\" | limit 1 | attr \"address\"",
            "fd00::5",
        ),
        ("include \"size\" \"24\" | sort \"default,name\" | attr \"name\"", "eth0"),
        ("sort \"-name\" | unique \"name\" | limit 1 | attr \"name\"", "lo"),
        ("sort \"-private,name\" | attr \"name\"", "eth0"),
        ("include \"type\" \"ipv4\" | offset \"-2\" | limit 1 | attr \"address\"", "192.168.7.9"),
        ("include \"type\" \"ipv4\" | offset 1 | attr \"address\"", "203.0.114.7"),
        ("include \"address\" \"^10[.]\" | math \"address\" \"+256\" | attr \"address\"", "10.1.3.3"),
        ("include \"name\" \"eth1\" | limit 1 | math \"network\" \"+2\" | attr \"address\"", "10.1.0.2"),
        ("include \"name\" \"eth1\" | limit 1 | math \"network\" \"-1\" | attr \"address\"", "10.1.255.255"),
        ("include \"name\" \"eth1\" | limit 1 | math \"mask\" \"8\" | attr \"string\"", "10.0.0.0/8"),
        ("include \"name\" \"eth2\" | math \"mask\" \"28\" | attr \"string\"", "192.168.7.0/24"),
    ];
    for (pipeline, expected) in rows {
        assert_eq!(read(&format!("{{{{ GetAllInterfaces | {pipeline} }}}}")), expected, "{pipeline}");
    }
}

#[test]
fn attributes_are_those_of_the_first_address() {
    let rows = [
        ("eth2", "network", "192.168.7.0/24"),
        ("eth2", "netmask", "255.255.255.0"),
        ("eth2", "mask_bits", "24"),
        ("eth2", "size", "256"),
        ("eth2", "first_usable", "192.168.7.1"),
        ("eth2", "last_usable", "192.168.7.254"),
        ("eth2", "broadcast", "192.168.7.255"),
        ("eth2", "uint32", "3232237321"),
        ("eth2", "hex", "c0a80709"),
        ("eth2", "octets", "error: multiple addresses found (\"192 168 7 9\"), please configure one"),
        ("eth2", "type", "IPv4"),
        ("eth2", "flags", "up|broadcast|multicast"),
        ("lo", "binary", "01111111000000000000000000000001"),
        ("lo", "size", "16777216"),
    ];
    for (name, attribute, expected) in rows {
        let text = format!("{{{{ GetAllInterfaces | include \"name\" \"{name}\" | attr \"{attribute}\" }}}}");
        assert_eq!(read(&text), expected, "{attribute}");
    }
}

#[test]
fn an_address_with_colons_gets_brackets_before_a_port() {
    let v6 = "{{ GetAllInterfaces | include \"network\" \"fd00::/8\" | attr \"address\" }}";
    assert_eq!(read(&format!("{v6}:8946")), "[fd00::5]:8946");
    assert_eq!(read(&format!("[{v6}]:8946")), "[fd00::5]:8946");
    assert_eq!(read(v6), "fd00::5");
}

#[test]
fn what_is_wrong_with_a_template_is_told() {
    let rows = [
        ("{{ GetPrivateIP", "'}}' is missing"),
        ("{{ }}", "an empty command"),
        ("{{ GetPrivateIP | }}", "an empty command"),
        ("{{ getprivateip }}", "did you mean GetPrivateIP?"),
        ("{{ range . }}x{{ end }}", "unknown function 'range'"),
        ("{{ $x := 1 }}", "unexpected '$'"),
        ("{{ GetPrivateIP ) }}", "unexpected ')'"),
        ("{{ (GetPrivateIP }}", "')' is missing"),
        ("{{ GetInterfaceIP \"eth0 }}", "'}}' is missing"),
        ("{{ GetInterfaceIP \"\\d\" }}", "unknown escape '\\d'"),
        ("{{ GetInterfaceIP }}", "GetInterfaceIP: a text in quotes is missing"),
        ("{{ GetPrivateIP \"x\" }}", "GetPrivateIP: has too many arguments"),
        ("{{ GetInterfaceIP \"(\" }}", "'(' is not a regular expression"),
        (
            "{{ GetInterfaceIP \"eth9\" }}:8946",
            "finds no address on this machine, whose interfaces are lo, eth0, eth1, eth2, br0",
        ),
        ("{{ GetAllInterfaces }}", "yields interfaces, not an address; end it with | attr \"address\""),
        (
            "{{ GetPrivateIPs }}",
            "multiple addresses found (\"10.1.2.3 172.17.0.1 192.168.7.9 fd00::5\"), please configure one",
        ),
        ("{{ GetAllInterfaces | sort \"speed\" }}", "sort: unknown key 'speed', allowed are"),
        ("{{ GetAllInterfaces | include \"speed\" \"1\" }}", "unknown filter 'speed', allowed are"),
        ("{{ GetAllInterfaces | include \"flags\" \"fast\" }}", "unknown flag 'fast', allowed are"),
        ("{{ GetAllInterfaces | include \"type\" \"ipx\" }}", "unknown type 'ipx', allowed are"),
        ("{{ GetAllInterfaces | include \"rfc\" \"1\" }}", "no addresses of RFC 1 are known"),
        ("{{ GetAllInterfaces | include \"network\" \"x\" }}", "'x' is not a network"),
        ("{{ GetAllInterfaces | attr \"speed\" }}", "unknown attribute 'speed', allowed are"),
        ("{{ GetAllInterfaces | offset 99 | attr \"name\" }}", "offset: 99 is beyond the 8 that there are"),
        ("{{ GetAllInterfaces | math \"address\" \"1\" }}", "math: '1' is not a number with a sign"),
        ("{{ GetPrivateIP | attr \"address\" }}", "attr: interfaces are missing"),
        ("{{ (((((((((( GetPrivateIP )))))))))) }}", "nested deeper than 8"),
        ("{{ \"a\" \"b\" }}", "called like a function"),
    ];
    for (text, expected) in rows {
        assert!(read(text).starts_with("error: ") && read(text).contains(expected), "{text}: {}", read(text));
    }
}

#[test]
fn the_default_route_is_read_from_the_kernels_tables() {
    let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                 wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
                 eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
                 docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
    assert_eq!(default_v4(table).as_deref(), Some("eth0"));
    assert_eq!(default_v4("Iface\n"), None);
    let zeros = "0".repeat(32);
    let table = format!(
        "{zeros} 00 {zeros} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003     eth1\n\
         {zeros} 00 {zeros} 00 {zeros} ffffffff 00000001 00000000 00200200       lo\n"
    );
    assert_eq!(default_v6(&table).as_deref(), Some("eth1"));
}

#[test]
fn this_machine_has_a_loopback_address() {
    let found = interfaces();
    assert!(
        found.iter().any(|one| one.ip.is_loopback() && one.flags.loopback && one.prefix >= 8),
        "{found:?}"
    );
}
