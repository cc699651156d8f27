//! What names mean to who asks, and what is denied.

use super::*;

#[tokio::test]
async fn what_can_not_be_granted_is_said() {
    let mut lab = Lab::new().await;
    lab.file("large", 300_000);
    let too_large = "too large for netascii: use octet (binary) mode";
    for (datagram, code, message) in [
        (&b"\0\x01none\0octet\0"[..], 1, "no such file"),
        (b"\0\x01../large\0octet\0", 2, "outside of the boot directory"),
        (b"\0\x02large\0octet\0", 2, "read only"),
        (b"\0\x01large\0mail\0", 4, "unknown mode: use octet"),
        (b"\0\x01large\0netascii\0", 0, too_large),
    ] {
        let mut client = Client::new(&lab).await;
        client.asks(datagram).await;
        client.hears_error(code, message).await;
        match lab.event().await.outcome {
            TftpOutcome::NotFound => assert_eq!(code, 1),
            TftpOutcome::Refused(reason) => assert_eq!(reason, message),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_no_request_to_us_is_not_answered() {
    let mut lab = Lab::new().await;
    lab.file("file", 1);
    let mut client = Client::new(&lab).await;
    for (datagram, to, reason) in [
        (&b"\0\x04\0\0"[..], ASKED, "it is no request"),
        (b"\0\x01file", ASKED, "the file name or the mode has no end"),
        (b"", ASKED, "the packet is too short"),
        (b"\0\x01file\0octet\0", [127, 255, 255, 255].into(), "it was sent to everybody"),
    ] {
        client.listener = (to, lab.port).into();
        client.asks(datagram).await;
        assert_eq!(lab.event().await.outcome, TftpOutcome::Ignored(reason));
    }
    // The first thing the client hears is the answer to what it asks now.
    client.listener = (ASKED, lab.port).into();
    client.asks(b"\0\x01none\0octet\0").await;
    client.hears_error(1, "no such file").await;
}

#[tokio::test]
async fn text_is_converted_to_netascii() {
    let mut lab = Lab::new().await;
    fs::write(lab.dir.path().join("boot.ipxe"), "#!ipxe\nboot\n").unwrap();
    let mut client = Client::new(&lab).await;
    client.asks(&read_request(b"boot.ipxe", "netascii", &[("tsize", 0)])).await;
    assert_eq!(client.hears().await, b"\0\x06tsize\x0014\0");
    client.says(&ack(0)).await;
    assert_eq!(client.takes_the_rest(512, 1).await, b"#!ipxe\r\nboot\r\n");
    assert_eq!(lab.event().await.bytes, 14);
}

#[tokio::test]
async fn what_is_no_file_may_be_written_and_a_file_of_that_name_wins() {
    let mut lab = Lab::new().await;
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01written\0octet\0").await;
    assert_eq!(
        client.hears_data().await,
        b"by Tftp(127.0.0.2) for Some(Mac([82, 84, 0, 0, 0, 1]))"
    );
    client.says(&ack(1)).await;
    assert_eq!(lab.event().await.outcome, TftpOutcome::Completed);
    let content = lab.file("written", 10);
    let mut client = Client::new(&lab).await;
    client.asks(b"\0\x01written\0octet\0").await;
    assert_eq!(client.hears_data().await, content);
}

#[tokio::test]
async fn a_machine_gets_its_own_file_and_a_raspberry_pi_the_common_one() {
    let lab = Lab::new().await;
    for (directory, text) in [("52-54-00-00-00-01", "its own"), (".", "common")] {
        fs::create_dir_all(lab.dir.path().join(directory)).unwrap();
        fs::write(lab.dir.path().join(directory).join("cmdline.txt"), text).unwrap();
    }
    fs::write(lab.dir.path().join("start4.elf"), "common").unwrap();
    for (name, text) in [
        ("cmdline.txt", "its own"),
        ("./cmdline.txt", "its own"),
        ("9ffefdef/start4.elf", "common"),
    ] {
        let mut client = Client::new(&lab).await;
        client.asks(&read_request(name.as_bytes(), "octet", &[])).await;
        assert_eq!(client.hears_data().await, text.as_bytes(), "{name}");
    }
}
