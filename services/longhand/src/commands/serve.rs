//! `longhand serve ROLE`: a process of the distributed edition.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agentwrite::task::Kind;

use crate::cli::{EndpointArgs, LimitFlags, ServeArgs, ServeRole};
use crate::commands::drive;
use crate::endpoint::Endpoint;
use crate::fault::{Exit, Fault};
use crate::fleet::shards::Shards;
use crate::fleet::{Fleet, Roles, servers};
use crate::settings::{self, Settings};
use crate::watch::Watch;

/// Serves until a signal stops it.
pub async fn run(config_file: Option<&Path>, args: &ServeArgs) -> Result<Exit, Fault> {
    let endpoint = EndpointArgs { address: args.address.clone(), ..EndpointArgs::default() };
    let mut flags = drive::endpoint_flags(&endpoint);
    drive::add_limit_flags(&mut flags, &LimitFlags { concurrency: args.concurrency, ..LimitFlags::default() });
    drive::add_watch_flags(&mut flags, &args.watch);
    drive::set(&mut flags, "spool", "dir", args.spool.clone().map(toml::Value::String));
    let (settings, _) = settings::load(config_file, flags)?;
    if args.role == ServeRole::Trainer {
        let watch = Watch::start(&settings, service(args.role))?;
        let served = crate::commands::train::serve::run(&settings, &watch).await;
        watch.finish().await;
        return served;
    }
    let roles = roles(args.role, &settings).await?;
    let endpoint = if roles.kinds.is_empty() { None } else { Some(Endpoint::of_a_server(&settings)?) };
    if let Some(endpoint) = &endpoint {
        endpoint.look_ahead().await?;
    }
    let watch = Watch::start(&settings, service(args.role))?;
    let fleet = Fleet {
        watch: watch.clone(),
        roles,
        store: Arc::new(servers::database(&settings).await?),
        queue: Arc::new(servers::queue(&settings, "serve").await?),
        endpoint,
        spool: settings.spool.clone(),
        concurrency: settings.limits.concurrency,
        leases: settings.lease_times(),
        grace: Duration::from_secs_f64(settings.run.grace_seconds.clamp(0.0, 86_400.0)),
        crash: drive::crash_points()?,
    };
    let served = fleet.serve().await;
    watch.finish().await;
    served
}

/// The role, as traces and logs name the service.
fn service(role: ServeRole) -> &'static str {
    match role {
        ServeRole::All => "longhand",
        ServeRole::Planner => "planner",
        ServeRole::SectionWriter => "section-writer",
        ServeRole::ShardPacker => "shard-packer",
        ServeRole::Trainer => "trainer",
    }
}

async fn roles(role: ServeRole, settings: &Settings) -> Result<Roles, Fault> {
    let packs = async || Shards::connect(settings).await.map(Some);
    Ok(match role {
        ServeRole::All => Roles { kinds: vec![Kind::PLAN, Kind::SECTION], plans: true, packs: packs().await? },
        ServeRole::Planner => Roles { kinds: vec![Kind::PLAN], plans: true, packs: None },
        ServeRole::SectionWriter => Roles { kinds: vec![Kind::SECTION], plans: false, packs: None },
        ServeRole::Trainer => unreachable!("a trainer works on no task"),
        ServeRole::ShardPacker => Roles { kinds: Vec::new(), plans: false, packs: packs().await? },
    })
}
