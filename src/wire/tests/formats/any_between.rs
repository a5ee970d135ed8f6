//! Strategies for what servers say to one another, and operators of them.

use crate::any_of::{action, counters, job, name, number, reply, stamp, text, time, version, wide};
use dkron_core::access::Principal;
use dkron_core::command::Errand;
use dkron_core::ids::{NodeId, RequestId, TokenId};
use dkron_core::intent::{Intent, Wish, is_whole};
use dkron_core::state::record::Record;
use dkron_core::voters::{self, Wished};
use dkron_wire::submit::{self, Head, Submitted};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;

fn wish() -> impl Strategy<Value = Wish> {
    (job(), option::of(version()), option::of(counters())).prop_map(|(job, expected, counters)| Wish {
        definition: dkron_wire::definition::encode(&job).into(),
        job: Arc::new(job),
        expected,
        counters,
    })
}

pub(crate) fn submitted() -> BoxedStrategy<Submitted> {
    let intent = prop_oneof![
        wish().prop_map(Intent::Put),
        (wide(), vec(wish(), 0..3))
            .prop_map(|(import, jobs)| Intent::Stage { import: RequestId(import), jobs }),
        name().prop_map(|name| Intent::Run { name }),
        action().prop_filter("a client's own", is_whole).prop_map(Intent::Change),
    ];
    let by = prop_oneof![
        Just(Principal::Nobody),
        wide().prop_map(|id| Principal::Token(TokenId(id))),
        Just(Principal::Operator),
    ];
    (stamp(), wide(), any::<u8>(), wide(), by, intent)
        .prop_map(|(stamp, target, priority, request, by, intent)| Submitted {
            head: Head { stamp, target: NodeId(target) },
            priority,
            request: RequestId(request),
            by,
            intent,
        })
        .boxed()
}

pub(crate) fn outcome() -> impl Strategy<Value = submit::Outcome> {
    prop_oneof![
        (any::<u64>(), reply()).prop_map(|(index, reply)| submit::Outcome::Committed(index, reply)),
        (any::<u32>(), text()).prop_map(|(kind, message)| submit::Outcome::Failed(kind, message)),
    ]
}

pub(crate) fn errand() -> impl Strategy<Value = Errand> {
    (wide(), select(&voters::Wish::ALL[..]), number()).prop_map(|(server, wish, process)| Errand {
        server: NodeId(server),
        wish,
        process,
    })
}

pub(crate) fn wished() -> impl Strategy<Value = Record> {
    (errand(), time())
        .prop_map(|(Errand { server, wish, process }, at)| Record::Wish(server, Wished { wish, process, at }))
}
