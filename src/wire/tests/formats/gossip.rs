//! What servers say over gossip: round trips, fixed bytes, and the bounds of what is taken from strangers.

use crate::{any_of, golden, values};
use dkron_core::format::Formats;
use dkron_core::ids::{ClusterId, NodeId};
use dkron_core::roster::Announcement;
use dkron_wire::WireError;
use dkron_wire::gossip::{
    CLAIMS_MAX, Claim, Envelope, decode_announcement, decode_envelope, encode_announcement, encode_envelope,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn announcement() -> Announcement {
    Announcement {
        id: NodeId(0xa1),
        name: "alpha".into(),
        process: 0x0102_0304_0506_0708,
        stamp: Some(values::stamp()),
        expect: 3,
        region: "global".into(),
        datacenter: "dc1".into(),
        version: "0.1.0".into(),
        formats: Formats { first: 1, last: 2 },
        format: 2,
        gossip: "10.0.0.1:8946".into(),
        calls: "10.0.0.1:6868".into(),
        api: "10.0.0.1:8080".into(),
        tags: [("role".to_owned(), "web".to_owned()), ("zone".to_owned(), "a".to_owned())].into(),
    }
}

fn envelope() -> Envelope {
    let claim = Claim { region: 7, cluster: values::stamp().cluster, age_ms: 250 };
    Envelope { claims: vec![claim], message: b"message"[..].into() }
}

fn any_announcement() -> BoxedStrategy<Announcement> {
    let numbers =
        (any_of::wide(), any_of::number(), any_of::small(), any::<(u8, u8)>(), select(&[0u8, 2, 3][..]));
    let texts = (any_of::name(), any_of::name(), any_of::name(), any_of::name());
    let addresses = (any_of::name(), any_of::name(), any_of::name());
    (numbers, texts, addresses, option::of(any_of::stamp()), any_of::words())
        .prop_map(|(numbers, texts, addresses, stamp, tags)| Announcement {
            id: NodeId(numbers.0),
            process: numbers.1,
            expect: numbers.2,
            formats: Formats { first: numbers.3.0, last: numbers.3.1 },
            format: numbers.4,
            name: texts.0,
            region: texts.1,
            datacenter: texts.2,
            version: texts.3,
            gossip: addresses.0,
            calls: addresses.1,
            api: addresses.2,
            stamp,
            tags,
        })
        .boxed()
}

fn any_claim() -> impl Strategy<Value = Claim> {
    (any_of::number(), any_of::wide(), any_of::small()).prop_map(|(region, cluster, age_ms)| Claim {
        region,
        cluster: ClusterId(cluster),
        age_ms,
    })
}

proptest! {
    #[test]
    fn an_announcement_survives_its_bytes(announcement in any_announcement()) {
        prop_assert_eq!(decode_announcement(&encode_announcement(&announcement)), Ok(announcement));
    }

    #[test]
    fn an_envelope_survives_its_bytes(claims in vec(any_claim(), 0..4), message in any_of::bytes()) {
        let envelope = Envelope { claims, message: message.to_vec().into() };
        prop_assert_eq!(decode_envelope(&encode_envelope(&envelope)), Ok(envelope));
    }

    #[test]
    fn arbitrary_and_damaged_bytes_never_panic(
        noise in vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        for mut bytes in [noise, encode_announcement(&announcement()), encode_envelope(&envelope())] {
            if let Some(changed) = (!bytes.is_empty()).then(|| at.index(bytes.len())) {
                bytes[changed] = byte;
            }
            let _ = decode_announcement(&bytes);
            let _ = decode_envelope(&bytes);
        }
    }
}

#[test]
fn what_servers_gossip_has_the_bytes_that_it_always_had() {
    let bytes = encode_announcement(&announcement());
    golden::check("gossip_announcement", announcement(), bytes, |bytes| {
        decode_announcement(bytes).expect("an announcement")
    });
    let bytes = encode_envelope(&envelope());
    golden::check("gossip_envelope", envelope(), bytes, |bytes| decode_envelope(bytes).expect("an envelope"));
}

#[test]
fn an_envelope_with_more_claims_than_there_may_be_is_refused() {
    let claim = Claim { region: 1, cluster: ClusterId(2), age_ms: 3 };
    let envelope = Envelope { claims: vec![claim; CLAIMS_MAX + 1], ..Envelope::default() };
    let refused = WireError::Length { field: "envelope.claims", found: 17 };
    assert_eq!(decode_envelope(&encode_envelope(&envelope)), Err(refused));
}
