//! The end of the server, and of listeners.

use super::*;

#[tokio::test]
async fn a_stop_lets_transfers_end() {
    let mut lab = Lab::with(PATIENCE, 1500).await;
    lab.file("file", 600);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    lab.stop.send(true).unwrap();
    client.says(&ack(1)).await;
    assert_eq!(client.takes_the_rest(512, 1).await.len(), 88);
    timeout(PATIENCE, lab.serving).await.unwrap().unwrap().unwrap();
    assert_eq!(lab.events.recv().await.unwrap().outcome, TftpOutcome::Completed);
    // Nobody is left who could take a request.
    assert!(lab.events.try_recv().is_err());
}

#[tokio::test]
async fn a_stop_ends_what_takes_too_long() {
    let mut lab = Lab::new().await;
    lab.file("file", 600);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    drop(lab.stop);
    client.hears_error(0, "the server is stopped").await;
    timeout(PATIENCE, lab.serving).await.unwrap().unwrap().unwrap();
    assert_eq!(lab.events.recv().await.unwrap().outcome, TftpOutcome::Stopped);
}

#[tokio::test]
async fn a_listener_that_is_replaced_frees_its_port_and_lets_transfers_end() {
    let mut lab = Lab::new().await;
    let content = lab.file("long", 600);
    let (mut early, mut late) = (Client::new(&lab).await, Client::new(&lab).await);
    early.asks(&read_request(b"long", "octet", &[])).await;
    early.hears_block(1).await;

    let (port, next) = listener(1500);
    lab.changes.send(Change::Back(next)).await.unwrap();
    let old_port = (Ipv4Addr::UNSPECIFIED, lab.port);
    let free = async {
        while UdpSocket::bind(old_port).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, free).await.unwrap();
    early.says(&ack(1)).await;
    assert_eq!(early.hears_data().await, content[512..]);
    early.says(&ack(2)).await;
    assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);

    late.listener = (ASKED, port).into();
    late.asks(&read_request(b"long", "octet", &[])).await;
    late.hears_block(1).await;
    lab.changes.send(Change::Gone("lo".into())).await.unwrap();
    late.says(&ack(1)).await;
    assert_eq!(late.hears_data().await, content[512..]);
    assert!(!lab.serving.is_finished());
}
