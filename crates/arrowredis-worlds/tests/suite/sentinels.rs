//! Sentinels promote the replica, asked or not.

use arrowredis_throwaway::Launch;
use arrowredis_worlds::{Control, Sentinels};

#[test]
fn sentinels_promote_the_replica_of_a_lost_master() {
    let mut world = Sentinels::start_as(&Launch::new().password("secret")).unwrap();
    assert_eq!(world.master().unwrap(), 0);
    assert_eq!(world.lose_master().unwrap(), 1);
    world.servers()[1].command::<()>(&["SET", "key", "value"]).unwrap();
}

#[test]
fn sentinels_promote_the_replica_when_asked() {
    let world = Sentinels::start().unwrap();
    assert_eq!(world.failover().unwrap(), 1);
    assert_eq!(world.master().unwrap(), 1);
}
