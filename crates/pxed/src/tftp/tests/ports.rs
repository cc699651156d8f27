//! Transfers that share the port of their listener.

use super::*;

#[tokio::test]
async fn from_one_port_files_arrive_side_by_side() {
    let mut lab = Lab::of_one_port().await;
    let contents = [lab.file("a", 100_000), lab.file("b", 90_001)];
    let mut clients = [Client::new(&lab).await, Client::new(&lab).await];
    for (client, name) in clients.iter_mut().zip([b"a", b"b"]) {
        let options = [("blksize", 1468), ("windowsize", 4)];
        let request = read_request(name, "octet", &options);
        for _ in 0..3 {
            client.asks(&request).await;
        }
        assert_eq!(client.hears().await, b"\0\x06blksize\x001468\0windowsize\x004\0");
    }
    let [a, b] = &mut clients;
    let fetch = async |client: &mut Client| {
        client.says(&ack(0)).await;
        let file = client.takes_the_rest(1468, 4).await;
        assert_eq!(client.transfer, client.listener);
        file
    };
    let files = tokio::join!(fetch(a), fetch(b));
    assert!([files.0, files.1] == contents);
    for _ in 0..2 {
        assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
    }
    assert_eq!(lab.server.running(), 0);
}

#[tokio::test]
async fn from_one_port_what_is_of_no_transfer_is_told_so() {
    let mut lab = Lab::of_one_port().await;
    lab.file("file", 600);
    let mut client = Client::new(&lab).await;
    // An ERROR is never answered.
    for datagram in [&b"\0\x05\0\0die\0"[..], &ack(1)] {
        client.asks(datagram).await;
        let reason = TftpOutcome::Ignored("it is of no transfer");
        assert_eq!(lab.event().await.outcome, reason);
    }
    client.hears_error(5, "unknown transfer ID").await;
    // One of a stranger does nothing to the transfer of somebody else.
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    let mut stranger = Client::new(&lab).await;
    stranger.asks(&ack(1)).await;
    stranger.hears_error(5, "unknown transfer ID").await;
    assert!(matches!(lab.event().await.outcome, TftpOutcome::Ignored(_)));
    client.says(b"\0\x05\0\0enough\0").await;
    let message = b"enough".to_vec();
    assert_eq!(lab.event().await.outcome, TftpOutcome::Aborted { code: 0, message });
}

#[tokio::test]
async fn from_one_port_a_client_has_one_transfer_at_each_of_its_own() {
    let mut lab = Lab::of_one_port().await;
    lab.file("old", 2000);
    let new = lab.file("new", 1000);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01old\0octet\0").await;
    client.hears_block(1).await;
    client.says(&ack(1)).await;
    client.hears_block(2).await;
    // It was switched off and on.
    client.asks(b"\0\x01new\0octet\0").await;
    let event = lab.event().await;
    assert_eq!((event.file.as_slice(), event.outcome), (&b"old"[..], TftpOutcome::TimedOut));
    assert!(client.takes_the_rest(512, 1).await == new);
    assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
}

#[tokio::test]
async fn from_one_port_transfers_end_with_their_interface() {
    let mut lab = Lab::of_one_port().await;
    lab.file("file", 2000);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    lab.changes.send(Change::Gone("lo".into())).await.unwrap();
    assert_eq!(lab.event().await.outcome, TftpOutcome::Failed("lo is gone".to_owned()));
    let free = async {
        while UdpSocket::bind((Ipv4Addr::UNSPECIFIED, lab.port)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, free).await.unwrap();
}

#[tokio::test]
async fn from_one_port_a_stop_lets_transfers_end() {
    let patient = |server: Server| Server { grace: PATIENCE, ..server.single_port(true) };
    let lab = Lab::made(1500, patient).await;
    lab.file("file", 600);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    lab.stop.send(true).unwrap();
    let mut late = Client::new(&lab).await;
    let refused = async {
        // Until the stop is known there.
        while !late.hears_of_the_stop().await {}
    };
    timeout(PATIENCE, refused).await.unwrap();
    client.says(&ack(1)).await;
    assert_eq!(client.takes_the_rest(512, 1).await.len(), 88);
    timeout(PATIENCE, lab.serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn when_files_run_out_transfers_share_the_port_of_the_listener() {
    let mut lab = Lab::of_few_ports().await;
    let content = lab.file("file", 2000);
    let mut clients = Vec::new();
    for own in [true, true, false, false] {
        let mut client = Client::new(&lab).await;
        client.asks(b"\0\x01file\0octet\0").await;
        client.hears_block(1).await;
        assert_eq!(client.transfer != client.listener, own);
        client.says(&ack(1)).await;
        clients.push(client);
    }
    for mut client in clients {
        assert!(client.takes_the_rest(512, 1).await == content[512..]);
        assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
    }
    // There is room again.
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    assert_ne!(client.transfer, client.listener);
}
