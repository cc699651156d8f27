//! Transfers, one by one, and what clients do to them.

use super::*;

#[tokio::test]
async fn a_file_arrives_as_it_is() {
    let mut lab = Lab::new().await;
    // Longer than what is read at once, and more than one window.
    let content = lab.file("ipxe.efi", limits::TFTP_CHUNK * 2 + 5);
    let mut client = Client::new(&lab).await;
    client
        .asks(&read_request(b"/ipxe.efi", "octet", &[("blksize", 1468), ("windowsize", 4)]))
        .await;
    assert_eq!(client.hears().await, b"\0\x06blksize\x001468\0windowsize\x004\0");
    assert_eq!(lab.server.running(), 1);
    client.says(&ack(0)).await;
    assert_ne!(client.transfer, client.listener, "a TID of its own");
    assert!(client.takes_the_rest(1468, 4).await == content);
    let event = lab.event().await;
    assert_eq!(event.outcome, TftpOutcome::Completed);
    assert_eq!((event.bytes, event.file.as_slice()), (content.len() as u64, &b"/ipxe.efi"[..]));
    assert_eq!((event.blksize, event.windowsize), (1468, 4));
    assert_eq!(event.client, client.socket.local_addr().unwrap());
    assert_eq!(lab.server.running(), 0);
}

/// What is granted already stays.
#[tokio::test]
async fn the_mtu_changes_while_pxed_runs() {
    let lab = Lab::with(Duration::ZERO, 576).await;
    lab.file("ipxe.efi", 5000);
    let request = read_request(b"ipxe.efi", "octet", &[("blksize", 1468)]);
    let mut before = Client::new(&lab).await;
    before.asks(&request).await;
    assert_eq!(before.hears().await, b"\0\x06blksize\x00544\0");
    lab.changes.send(Change::Mtu("none".into(), 9000)).await.unwrap();
    lab.changes.send(Change::Mtu("lo".into(), 1400)).await.unwrap();
    let granted = async || {
        let mut later = Client::new(&lab).await;
        later.asks(&request).await;
        later.hears().await
    };
    let followed = async { while granted().await != b"\0\x06blksize\x001368\0" {} };
    timeout(PATIENCE, followed).await.unwrap();
    before.says(&ack(0)).await;
    assert_eq!(before.hears().await.len(), 4 + 544);
}

#[tokio::test]
async fn a_size_is_asked_for_and_no_file() {
    let mut lab = Lab::with(Duration::ZERO, 576).await;
    lab.file("ipxe.efi", 5000);
    let mut client = Client::new(&lab).await;
    client.asks(&read_request(b"ipxe.efi", "octet", &[("tsize", 0), ("blksize", 1468)])).await;
    assert_eq!(client.hears().await, b"\0\x06blksize\x00544\0tsize\x005000\0");
    client.says(b"\0\x05\0\x08no\0").await;
    let event = lab.event().await;
    assert_eq!(event.outcome, TftpOutcome::Aborted { code: 8, message: b"no".to_vec() });
    assert_eq!(event.bytes, 0);
}

#[tokio::test]
async fn a_wrong_tid_does_not_disturb_the_transfer() {
    let mut lab = Lab::new().await;
    lab.file("file", 600);
    let (mut client, mut stranger) = (Client::new(&lab).await, Client::new(&lab).await);
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    stranger.transfer = client.transfer;
    // An ERROR is not answered, so the ACK's answer is the first that is heard.
    stranger.says(b"\0\x05\0\0die\0").await;
    stranger.says(&ack(1)).await;
    stranger.hears_error(5, "unknown transfer ID").await;
    client.says(&ack(1)).await;
    assert_eq!(client.takes_the_rest(512, 1).await.len(), 88);
    assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
}

#[tokio::test]
async fn a_repeated_request_is_one_request() {
    let mut lab = Lab::new().await;
    lab.file("file", 600);
    let mut client = Client::new(&lab).await;
    for _ in 0..3 {
        client.asks(b"\0\x01file\0octet\0").await;
    }
    lab.settle().await;
    assert_eq!(lab.server.running(), 1);
    client.hears_block(1).await;
    client.says(&ack(1)).await;
    assert_eq!(client.takes_the_rest(512, 1).await.len(), 88);
    assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
    assert_eq!(lab.server.running(), 0);
}

#[tokio::test]
async fn a_machine_that_was_switched_off_and_on_starts_anew() {
    let mut lab = Lab::new().await;
    lab.file("file", 2000);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    let before = client.transfer;
    client.says(&ack(1)).await;
    client.hears_block(2).await;
    client.asks(b"\0\x01file\0OCTET\0").await;
    client.hears_block(1).await;
    assert_ne!(client.transfer, before);
    client.says(&ack(1)).await;
    assert_eq!(client.takes_the_rest(512, 1).await.len(), 2000 - 512);
    assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
    assert_eq!(lab.server.running(), 1);
}

#[tokio::test]
async fn an_unanswered_packet_is_sent_again() {
    let mut lab = Lab::new().await;
    lab.file("file", 3);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    let first = client.hears().await;
    assert_eq!(client.hears().await, first);
    client.says(&ack(1)).await;
    let event = lab.event().await;
    assert_eq!(event.outcome, TftpOutcome::Completed);
    assert!(event.retransmissions >= 1);
}

#[tokio::test]
async fn a_file_that_becomes_shorter_ends_the_transfer() {
    let mut lab = Lab::new().await;
    lab.file("file", limits::TFTP_CHUNK + 1);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
    lab.file("file", 10);
    client.says(&ack(1)).await;
    let last = u16::try_from(limits::TFTP_CHUNK / 512).unwrap();
    for block in 2..=last {
        client.hears_block(block).await;
        client.says(&ack(block)).await;
    }
    client.hears_error(0, "the file can not be read").await;
    let event = lab.event().await;
    let reason = "the file changed while it was sent";
    assert_eq!(event.outcome, TftpOutcome::Failed(reason.to_owned()));
    assert_eq!(event.bytes, limits::TFTP_CHUNK as u64);
}

#[tokio::test]
async fn one_client_has_so_many_transfers_and_no_more() {
    let mut lab = Lab::new().await;
    lab.file("file", 600);
    let mut clients = Vec::new();
    for _ in 0..limits::TFTP_TRANSFERS_PER_CLIENT_MAX {
        let mut client = Client::new(&lab).await;
        client.asks(b"\0\x01file\0octet\0").await;
        client.hears_block(1).await;
        clients.push(client);
    }
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_error(0, "busy").await;
    assert_eq!(lab.event().await.outcome, TftpOutcome::Refused("busy"));
    clients[0].says(b"\0\x05\0\0\0").await;
    assert!(matches!(lab.event().await.outcome, TftpOutcome::Aborted { .. }));
    client.asks(b"\0\x01file\0octet\0").await;
    client.hears_block(1).await;
}

#[tokio::test]
async fn windows_of_every_size_arrive() {
    let mut lab = Lab::new().await;
    let content = lab.file("file", 700_001);
    for (blksize, windowsize) in
        [(16_u16, 64_u16), (511, 3), (512, 64), (1000, 7), (1468, 16), (1468, 64)]
    {
        let mut client = Client::new(&lab).await;
        let options = [("blksize", u64::from(blksize)), ("windowsize", u64::from(windowsize))];
        client.asks(&read_request(b"file", "octet", &options)).await;
        client.hears().await;
        client.says(&ack(0)).await;
        let file = client.takes_the_rest(usize::from(blksize), windowsize).await;
        assert!(file == content, "{blksize} {windowsize}");
        assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_is_sent_as_it_was() {
    let mut lab = Lab::new().await;
    let before = lab.file("file", limits::TFTP_CHUNK * 3);
    let mut early = Client::new(&lab).await;
    early.asks(b"\0\x01file\0octet\0").await;
    early.hears_block(1).await;
    lab.file("next", 700);
    fs::rename(lab.dir.path().join("next"), lab.dir.path().join("file")).unwrap();
    let mut late = Client::new(&lab).await;
    late.asks(b"\0\x01file\0octet\0").await;
    late.hears_block(1).await;
    late.says(&ack(1)).await;
    assert_eq!(late.takes_the_rest(512, 1).await.len(), 700 - 512);
    assert_eq!(lab.event().await.bytes, 700);
    early.says(&ack(1)).await;
    assert!(early.takes_the_rest(512, 1).await == before[512..]);
    assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
}
