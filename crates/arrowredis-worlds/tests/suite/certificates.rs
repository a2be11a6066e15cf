//! Certificates are what they say. A server takes each; what a client thinks of them is tested where
//! clients are.

use arrowredis_throwaway::Launch;
use arrowredis_worlds::{Certificates, Control};

#[test]
fn a_server_takes_each_of_them() {
    let made = Certificates::new().unwrap();
    for pair in [made.server(), made.expired(), made.wrong_name(), made.foreign()] {
        let server = Launch::new().tls_only(made.tls(pair, "no")).start().unwrap();
        assert_eq!(server.url(), format!("rediss://127.0.0.1:{}/0", server.port()));
        server.command::<()>(&["PING"]).unwrap();
    }
}
