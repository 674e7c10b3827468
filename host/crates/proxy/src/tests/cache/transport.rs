//! Redis over TLS, a single server and a cluster.

use applet_types::HostLimits;

use super::{Host, database};
use crate::RedisServers;
use crate::testing_redis::{Redis, RedisCluster, RedisInTls};
use crate::testing_tls::Authority;

/// Spec: G44
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g44_answers_are_shared_through_a_redis_that_proves_its_name() {
    let authority = Authority::new();
    let redis = RedisInTls::start(&authority);
    let servers =
        RedisServers::parse(&redis.url("rediss", "localhost"), Some(authority.file()), false).unwrap();
    assert!(servers.version().await.unwrap().contains('.'));
    let database = database();
    let host = Host::beside(&database, Some(servers), HostLimits::default());
    host.warm().await;
    assert_eq!(host.cache.status().redis_is_up, Some(true));
}

/// Spec: G44
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g44_a_cluster_in_tls_shares_answers() {
    let authority = Authority::new();
    let cluster = RedisCluster::start_in_tls(&authority);
    let servers = RedisServers::parse(&cluster.url(), Some(authority.file()), false).unwrap();
    let database = database();
    let host = Host::beside(&database, Some(servers), HostLimits::default());
    host.warm().await;
    assert!(cluster.sizes().iter().sum::<u32>() > 0, "something is in the cluster");
}

/// Spec: G44
#[tokio::test]
async fn g44_a_redis_that_proves_too_little_is_left() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let redis = RedisInTls::start(&authority);
    let why = async |url: &str, authority: &Authority| {
        let servers = RedisServers::parse(url, Some(authority.file()), false).unwrap();
        let why = servers.version().await.unwrap_err();
        assert!(!why.contains("s3cret"), "{why}");
        why
    };
    let unknown = why(&redis.url("rediss", "localhost"), &stranger).await;
    assert!(unknown.contains("an authority that is not trusted"), "{unknown}");
    let name = why(&redis.url("rediss", "127.0.0.1"), &authority).await;
    assert!(name.contains("is not for `127.0.0.1` but for `localhost`"), "{name}");
    // It speaks TLS only.
    let plain = why(&redis.url("redis", "localhost"), &authority).await;
    assert!(plain.contains("cannot be reached") || plain.contains("refuses"), "{plain}");
    // And one that speaks none is not spoken to.
    let plain = Redis::start();
    let socket = RedisServers::parse(&plain.url(), Some(authority.file()), false).unwrap();
    assert!(socket.version().await.is_ok(), "authorities are for TLS");
}
